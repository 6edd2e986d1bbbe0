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
 * Hands one message over. Resolves once it is durable, or known not to be; never rejects. The immediate answer is the
 * return value; null = nothing is to be answered now. Calls of one connection must be awaited in order of arrival.
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
  /** Writes an answer owed for later; true = flushed to the sender's connection. Null where there is no way back. */
  readonly reply: ((ack: Ack) => Promise<boolean>) | null;
}

export type AckCode = 'AA' | 'AE' | 'AR' | 'CA' | 'CE' | 'CR';

export interface Ack {
  readonly code: AckCode;
  /** The complete HL7 acknowledgement in the sender's delimiters, version and character set, without frame. */
  readonly bytes: Uint8Array;
  /** Journal id of the message it answers; null where it could not be stored. */
  readonly messageId: number | null;
}
