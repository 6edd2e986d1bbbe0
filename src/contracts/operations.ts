import type { FaultCode, FaultRecord } from './fault.ts';
import type { Admitted, HistoryEvent, StoredDelivery, StoredMessage } from './journal.ts';
import type { DeliveryState, MessageState } from './lifecycle.ts';

/**
 * What a person may do, on a running engine (through its control socket, later the console) and, where it is safe, on
 * a stopped one. Every act that changes something stands in the history, in the same transaction, with who did it and why.
 */
export interface Operations {
  /** Messages that fit, newest first, a page at a time. */
  find(query: MessageQuery, page: PageRequest): Promise<FoundMessages>;
  /** Everything known of one message; null = there is none. */
  show(messageId: number): Promise<ShownMessage | null>;
  /**
   * Maps messages again with the mappings in force. What comes out is compared with what is known, by the rows of
   * `docs/results.md`: what was delivered is not sent twice, what has been overtaken is cancelled as `stale`.
   * @param onlyIfMended leaves a message as it is unless it comes out as `mapped` or `skipped`
   */
  replay(messageIds: readonly number[], by: Operator, onlyIfMended: boolean): Promise<Replayed[]>;
  /** Lets held deliveries go: one, or all that a message has. What has been overtaken is cancelled as `stale` instead. */
  release(things: readonly Thing[], by: Operator): Promise<DeliveryActed[]>;
  /**
   * Gives up deliveries that wait, are held or lack something: one, or all that a message has. A held message is settled
   * by it: `skipped`, for the reason `cancelled`; and what a message provided, such as a request, is taken back.
   */
  cancel(things: readonly Thing[], by: Operator): Promise<DeliveryActed[]>;
  /**
   * Sends nothing more of this scope until it is resumed; what is in flight ends. `already`: it was paused · `unknown`:
   * nothing was done, for there is no such target, party or operation.
   */
  pause(scope: PauseScope, by: Operator): Promise<'paused' | 'already' | 'unknown'>;
  /** False = there was no pause of just this scope. */
  resume(scope: PauseScope, by: Operator): Promise<boolean>;
  pauses(): Promise<readonly Pause[]>;
}

/** Who acts. */
export interface Operator {
  /** A name, as the operating system or the console knows it. */
  readonly by: string;
  /** A person's words, at most `MAX_NOTE_LENGTH` characters: kept in the history, and in no log and no metric. */
  readonly note: string | null;
}

/** An operator's act at a time. */
export interface Act extends Operator {
  readonly at: number;
}

export const MAX_NOTE_LENGTH = 200;
export const MAX_OPERATOR_LENGTH = 64;
/** Things of one call. */
export const MAX_THINGS = 1_000;

/** A message with all that was made of it, or one delivery. */
export type Thing = { readonly message: number } | { readonly delivery: number };

/** What is asked for; null = whatever. All that is given has to hold. */
export interface MessageQuery {
  readonly channel: string | null;
  readonly state: MessageState | null;
  /** At least one delivery of the message is for this target, this party and in this state, all three at once. */
  readonly deliveryState: DeliveryState | null;
  readonly target: string | null;
  readonly party: string | null;
  readonly controlId: string | null;
  /** ms since the epoch: received at or after, and before. */
  readonly from: number | null;
  readonly to: number | null;
  /**
   * Stands in the message just so, as UTF-8, ISO 8859-1 or UTF-16. Nothing indexes it: messages are read one after the
   * other, so a page may end before it is full.
   */
  readonly text: string | null;
}

export const ANY_MESSAGE: MessageQuery = {
  channel: null,
  state: null,
  deliveryState: null,
  target: null,
  party: null,
  controlId: null,
  from: null,
  to: null,
  text: null,
};

export interface PageRequest {
  /** `next` of the page before, of the same query; null = the first. */
  readonly after: PageMark | null;
  /** Messages wanted at most. */
  readonly limit: number;
}

/** A place in the order of one query. */
export interface PageMark {
  readonly receivedAt: number;
  readonly id: number;
}

export interface FoundMessages {
  /** Newest first: by `receivedAt` where the query names a channel or a time, else by id; the two seldom differ. */
  readonly messages: readonly MessageSummary[];
  /** Where to go on; null = everything was looked at. Not null beside a page that is not full = ask again for more. */
  readonly next: PageMark | null;
  /** Messages this call looked at, the found ones among them. */
  readonly lookedAt: number;
}

/** A message in a list: nothing of what it says but the sender's name for it. */
export interface MessageSummary
  extends Pick<StoredMessage, 'id' | 'channel' | 'controlId' | 'receivedAt' | 'state' | 'timesSeen'> {
  readonly bytes: number;
  /** Its own first fault, else the first of what is held of it; null = none. */
  readonly fault: FaultCode | null;
  /** What the first of its deliveries that lacks something lacks, a word of the mapping such as `not-requested`; null = none. */
  readonly lacks: string | null;
  readonly deliveries: Readonly<Partial<Record<DeliveryState, number>>>;
}

export interface ShownMessage {
  readonly message: StoredMessage;
  readonly deliveries: readonly StoredDelivery[];
  readonly history: readonly HistoryEvent[];
}

export interface Replayed {
  readonly messageId: number;
  /**
   * `unchanged`: it would not have been mended, or is not mapped for the first time yet · `pruned`: its bytes are not
   * kept any more · `no-channel`: its channel is not configured.
   */
  readonly result: 'replayed' | 'unchanged' | 'pruned' | 'no-channel' | 'not-found';
  readonly state: MessageState | null;
  /** What it has now; where it would not have been mended, what it would have. */
  readonly faults: readonly FaultRecord[];
  /** What the replay itself made. */
  readonly deliveries: Admitted['deliveries'];
  /** Messages that overtook results of this one. */
  readonly overtakenBy: readonly number[];
}

export interface DeliveryActed {
  readonly messageId: number | null;
  /** null = the message itself. */
  readonly deliveryId: number | null;
  /**
   * `released` · `cancelled` · `stale`: a newer version of its result is known, so it was cancelled · `in-flight`: an
   * attempt is under way · `not-held`, `ended`: there was nothing to do · `replay`: the mapping held it, so it has to be
   * mapped again · `unmade`: what follows from an answer still cannot be made of it · `not-permitted`: its target, operation or party is not, or not for its channel · `not-found`.
   */
  readonly result:
    | 'released'
    | 'cancelled'
    | 'stale'
    | 'in-flight'
    | 'not-held'
    | 'ended'
    | 'replay'
    | 'unmade'
    | 'not-permitted'
    | 'not-found';
  /** The message that overtook it, where it is stale. */
  readonly overtakenBy: number | null;
}

/** What is not to be sent: `null` = any. At least target or party is named; an operation only with its target. */
export interface PauseScope {
  readonly target: string | null;
  readonly party: string | null;
  readonly operation: string | null;
}

export interface Pause extends PauseScope, Operator {
  readonly since: number;
}
