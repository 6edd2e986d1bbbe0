import type { Fault } from './fault.ts';

/** Where messages come from. A source frames, hands over, and writes the answer; it never decides one. */
export interface Source {
  /** Begins to take messages; resolves once it does (port bound, folder watched). @throws Error when it cannot. */
  start(intake: Intake): Promise<void>;
  /** Takes nothing new, lets answers under way be written, frees everything. Safe to call twice. */
  stop(): Promise<void>;
  /** Where it listens, for people: `mllp://127.0.0.1:2575`, `folder:///var/in`. Valid after start. */
  readonly address: string;
}

/**
 * Hands one message over. Resolves once its immediate answer is known, which is when it is durable, or known not to be,
 * and may be as late as its channel's `answerWithin`; never rejects. Null = the message is dealt with, and nothing is to
 * be answered now. Calls of one connection must be made in order of arrival, and answered in that order.
 */
export type Intake = (inbound: Inbound) => Promise<Ack | null>;

export interface Inbound {
  /** The message as it came, without frame or file envelope. */
  readonly bytes: Uint8Array;
  /** Where from, for the journal: `mllp 10.0.0.5:40112`, `folder results.hl7 #3`. No patient data. */
  readonly origin: string;
  /** Name in the sender's client certificate, where there is one. */
  readonly sender: string | null;
  /** What the source already found wrong with it (too large, incomplete): it is recorded and refused with this fault. */
  readonly fault: Fault | null;
  /**
   * Writes an answer of its own, owed beside the immediate one, and always behind it; true = flushed to the sender's
   * connection. May be called before the intake has resolved. Null where there is no way back but the immediate answer:
   * the message is then answered once, as in original mode.
   */
  readonly reply: ((ack: Ack) => Promise<boolean>) | null;
}

export type AckCode = 'AA' | 'AE' | 'AR' | 'CA' | 'CE' | 'CR';

export interface Ack {
  /** What the message has earned; the channel's dialect may write another. */
  readonly code: AckCode;
  /**
   * The complete HL7 acknowledgement in the sender's delimiters, version and character set, without frame. Empty =
   * nothing is to be written: the sender asked for no such answer.
   */
  readonly bytes: Uint8Array;
  /** Journal id of the message it answers; null where it could not be stored. */
  readonly messageId: number | null;
  /** False = nobody has custody yet, or more is still to be known: the same message is to be handed over again. */
  readonly isFinal: boolean;
}

/** How a channel's senders want their answers written where that is not as the standard has it. */
export interface AckDialect {
  /** MSA-1 to be written instead of another. */
  readonly codes: Readonly<Partial<Record<AckCode, AckCode>>>;
  /** ERR: in the form of the sender's version, not at all, as ERR-1 (v2.1 to v2.4), or as ERR-2 to ERR-8 (from v2.5). */
  readonly err: 'auto' | 'none' | 'old' | 'new';
  /** Whether MSA-3 holds a text in negative answers, up to v2.6. */
  readonly msa3: boolean;
}

export const STANDARD_DIALECT: AckDialect = { codes: {}, err: 'auto', msa3: true };
