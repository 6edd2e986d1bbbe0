import type { StoredAlarm } from './alarm.ts';
import type { FaultRecord } from './fault.ts';
import type { DeliveryState, MessageState } from './lifecycle.ts';
import type { Draft, Skipped, Statement } from './mapper.ts';
import type { Act, FoundMessages, MessageQuery, PageRequest, Pause, PauseScope } from './operations.ts';
import type { AckCode } from './source.ts';
import type { Delivery, Operation } from './target.ts';

/**
 * The only memory. To it a message is bytes. When a promise of a writing call resolves, its effect is durable; calls
 * that arrive together are committed together, and a bad one fails alone. Times are ms since the epoch and always
 * handed in: the journal has no clock.
 */
export interface Journal {
  /**
   * Stores one message with everything it gave rise to, in one transaction, and compares its statements with what is
   * known (see `docs/results.md`): same digest → linked, its drafts are dropped; newer rank → what waits or is held of
   * that result is cancelled as `superseded`, what is in flight is marked, and after a delivery the draft follows its
   * `onCorrection`; older rank → its drafts are cancelled as `stale`. Of drafts with one `once` key the first counts, and
   * those within its time are cancelled as `not-first` for as long as it does.
   *
   * Before that, the keys that the outcome `provides` are noted, unless it is refused: they last as long as the message is
   * remembered, and are replaced with its outcome. A draft whose `needs` no message has provided is cancelled as `lacking`,
   * whatever else there is to it; it keeps its body and its place, counts for `once`, stands for what says the same, and
   * makes way for a newer version as what waits does. Once a message provides the key, what lacked it is `provided`: it
   * waits, or is held, as it would if it were admitted now (rows N1 to N14 of `docs/results.md`). A message that was
   * `skipped` is `mapped` from then on.
   *
   * A message with equal channel and content hash is the same message: nothing is stored twice, and the answer is the
   * stored one's state; only if that is `refused` or `held` under another mapping version does the new outcome replace it.
   * @throws Fault `journal-busy` (nothing stored) · `journal-failed` (nothing stored)
   */
  admit(admission: Admission): Promise<Admitted>;
  /**
   * Gives a `received` message (or a `refused` / `held` one that was mapped again) its outcome. Same rules as admit: who
   * comes second, because somebody else settled it as well, changes nothing and learns the state it has.
   */
  settle(messageId: number, at: number, outcome: Outcome): Promise<Admitted>;
  /**
   * Takes heads of lanes that may be sent now, oldest first and in turn over the channels, at most `free` a slot, and
   * records an attempt for each before it resolves. Cancels as `expired` what it meets past its `notAfter`, but holds
   * as `in-doubt` what of it may have arrived; what comes too late from the start is cancelled when it is admitted.
   */
  claim(slots: readonly Slot[], now: number): Promise<Claimed>;
  /** Ends an attempt: the delivery's new state, the response, and follow-up drafts, in one transaction. */
  record(attempt: AttemptEnd): Promise<Recorded>;
  /** Messages stored as `received` whose outcome is still owed, oldest first, ids greater than `afterId`. */
  listReceived(afterId: number, limit: number): Promise<StoredMessage[]>;
  /**
   * Pays what `Admission.owesAck` left owed, in one transaction: the debt ends, the history says how, and a delivery of
   * the answer is queued where that is how. Where nothing is owed any more, nothing happens.
   */
  payAck(payment: AckPayment): Promise<void>;
  /** Messages whose acknowledgement is still owed, in order of their ids, greater than `afterId`. */
  listOwedAcks(afterId: number, limit: number): Promise<OwedAck[]>;
  /** How far these messages have come; those that are not there are left out. */
  readStandings(messageIds: readonly number[]): Promise<Standing[]>;

  /**
   * Gives a message of any settled state a new outcome, as `replayed-…` by a person. What of it waits or is held and has
   * not arrived anywhere is cancelled as `superseded` and makes way for what the outcome holds; what it states goes
   * through the rows of `docs/results.md`, so that nothing delivered is sent twice and what was overtaken is `stale`.
   * @throws Fault `internal` where there is no such message, or it is `received` still
   */
  replay(messageId: number, outcome: Outcome, act: Act): Promise<Admitted>;
  /**
   * Lets a held delivery go, in its old place of its lane; where a newer version of its result is known, cancels it as
   * `stale`, and where its time is over, as `expired`. A body that is given takes the place of its own: that of one that
   * could not be made before.
   */
  release(deliveryId: number, act: Act, body?: Uint8Array): Promise<Released>;
  /**
   * Cancels a delivery that waits, is held or lacks something, so that nothing that is provided lets it go any more; one
   * that is in flight goes on.
   */
  cancel(deliveryId: number, act: Act): Promise<Cancelled>;
  /**
   * Settles a held message for good: `skipped`, for the reason `cancelled`. Takes back what a message of whatever state
   * provided: what needs it from then on lacks it, unless another message provided it too. False = there was neither.
   */
  dismiss(messageId: number, act: Act): Promise<boolean>;
  /** Keeps a pause until it is resumed; false = it is kept already. Claims do not look at it: the engine leaves its slots out. */
  pause(scope: PauseScope, act: Act): Promise<boolean>;
  /** Ends a pause; false = there is none of just this scope. */
  resume(scope: PauseScope, act: Act): Promise<boolean>;
  /** Oldest first. */
  listPauses(): Promise<Pause[]>;
  /** Acts that concern no message, newest first: what was paused and resumed. */
  listActs(limit: number): Promise<StoredAct[]>;

  /** One page of messages, newest first. Looks at a bounded number of them; see `FoundMessages`. */
  findMessages(query: MessageQuery, page: PageRequest): Promise<FoundMessages>;
  readMessage(id: number): Promise<StoredMessage | null>;
  readDelivery(id: number): Promise<StoredDelivery | null>;
  readDeliveries(messageId: number): Promise<StoredDelivery[]>;
  readHistory(messageId: number): Promise<HistoryEvent[]>;
  readOverview(now: number): Promise<Overview>;

  /**
   * One small step of retention, in a transaction of its own: whoever asks for the next waits in between. What the keys
   * of sameness rest on (results, content hashes, the states of deliveries) stays until the walk `rows` forgets it, so a
   * message that is sent again after its bytes went gets the answer it has earned.
   */
  prune(bite: PruneBite): Promise<Pruned>;
  /** Hours in which something arrived, from the hour that holds `since`, by channel and time. */
  readArrivals(since: number): Promise<ArrivalHour[]>;
  readAlarms(): Promise<StoredAlarm[]>;
  /** Stores alarms under their keys, and forgets those that are gone, in one transaction. */
  saveAlarms(alarms: readonly StoredAlarm[], gone: readonly string[]): Promise<void>;
  /**
   * From now on calls back, often without need, when another process that shares the journal may have changed something;
   * never where none can. Whoever listened before does so no more.
   */
  onChange(listener: (change: JournalChange) => void): void;
  /**
   * Takes a name that one process alone may have among those that share the journal: true = it is ours, until we let it
   * go or give no sign of life for the length of a lease; asking again is how to know. Always true where none share it.
   * @throws Fault `journal-failed`
   */
  hold(name: string): Promise<boolean>;
  /** Gives such a name back. @throws Fault `journal-failed` */
  letGo(name: string): Promise<void>;
  /** False while nothing can be stored here, so that senders had better ask another of those that share the journal. */
  isReachable(): boolean;
  /** Commits what was handed over, then closes. */
  close(): Promise<void>;
}

/**
 * `deliveries`: something may be claimed · `pauses` · `orphans`: messages and acknowledgements of a process that is gone
 * are listed to this one now (`listReceived`, `listOwedAcks`) · `lost`: the journal was out of reach for so long that others
 * are about to repeat what this process has under way, which is to end now.
 */
export type JournalChange = 'deliveries' | 'pauses' | 'orphans' | 'lost';

/** A draft with what its target's operation says about repeating and correcting it. */
export interface OutcomeDraft extends Draft, Pick<Operation, 'inDoubt' | 'onCorrection'> {
  /** Set where this draft must wait for a person from the start, or from when what it needs is provided. */
  readonly held: FaultRecord | null;
}

export interface Outcome {
  readonly state: MessageState;
  /** Hash of the mapping files it was mapped with; null = not mapped. */
  readonly mappingVersion: string | null;
  readonly statements: readonly Statement[];
  readonly drafts: readonly OutcomeDraft[];
  readonly skipped: readonly Skipped[];
  /** Keys that drafts need, of this message or of others, whichever comes first. */
  readonly provides: readonly string[];
  readonly faults: readonly FaultRecord[];
  /** What did not fit and was sent on all the same, as it came or without it. */
  readonly warnings: readonly FaultRecord[];
}

export interface Admission {
  readonly channel: string;
  readonly bytes: Uint8Array;
  /** Hex SHA-256 of the bytes as they came. */
  readonly contentHash: string;
  /** The sender's own name for the message (MSH-10); null = none readable. */
  readonly controlId: string | null;
  readonly origin: string;
  readonly sender: string | null;
  readonly receivedAt: number;
  /** An acknowledgement of its own is owed to the sender beside the immediate answer; also to one who sends it again. */
  readonly owesAck: boolean;
  readonly outcome: Outcome;
}

export interface Admitted {
  readonly messageId: number;
  /** Its state by now; for a repeated message the one it has earned. */
  readonly state: MessageState;
  readonly faults: readonly FaultRecord[];
  /** The same bytes were known on this channel. */
  readonly repeated: boolean;
  /** Another message of this channel bears the same control id. */
  readonly controlIdReused: boolean;
  /** An acknowledgement is owed for it, by this admission or by one before. */
  readonly owesAck: boolean;
  readonly deliveries: readonly { readonly id: number; readonly state: DeliveryState }[];
}

export interface OwedAck {
  readonly messageId: number;
  readonly channel: string;
  /** Since the message came, or came again. */
  readonly owedAt: number;
}

export interface AckPayment {
  readonly messageId: number;
  readonly at: number;
  readonly code: AckCode;
  /** `written` to the sender's connection · `waived` as the sender does not want this code · a delivery of the answer. */
  readonly by: 'written' | 'waived' | OutcomeDraft;
}

/** How far a message has come on its way to its end. */
export interface Standing {
  readonly messageId: number;
  readonly state: MessageState;
  readonly faults: readonly FaultRecord[];
  /**
   * What still waits: its deliveries, those of others that say the same and stand for its own, and the follow-ups of
   * both; deliveries of acknowledgements aside.
   */
  readonly open: readonly { readonly id: number; readonly messageId: number; readonly notBefore: number | null }[];
}

/** Room for deliveries to one target under one party. */
export interface Slot {
  readonly target: string;
  readonly party: string;
  readonly free: number;
  /** Operations that are not to be claimed just now. */
  readonly without: readonly string[];
}

export interface Claimed {
  readonly deliveries: Delivery[];
  /** Cancelled because their `notAfter` had passed while they waited. */
  readonly expired: { readonly id: number; readonly target: string; readonly party: string }[];
  /** When the next delivery that only waits for its time comes due (in any slot); null = none. */
  readonly nextDueAt: number | null;
}

export interface AttemptEnd {
  readonly deliveryId: number;
  readonly attempt: number;
  readonly at: number;
  readonly durationMs: number;
  readonly outcome:
    | { readonly state: 'delivered' }
    | { readonly state: 'waiting'; readonly nextAt: number; readonly fault: FaultRecord }
    | { readonly state: 'held'; readonly fault: FaultRecord };
  /** The receiver's answer, good or bad. */
  readonly response: {
    readonly status: number;
    readonly contentType: string | null;
    readonly body: Uint8Array;
    readonly fault: FaultRecord | null;
  } | null;
  readonly followUps: readonly OutcomeDraft[];
}

export interface Recorded {
  /** The state it has now. An attempt that is no longer the delivery's current one changes nothing and gives `fenced`. */
  readonly state: DeliveryState | 'fenced';
}

export type Released =
  | { readonly result: 'released' | 'not-held' | 'not-found' }
  | { readonly result: 'stale'; readonly overtakenBy: number };

export interface Cancelled {
  readonly result: 'cancelled' | 'in-flight' | 'ended' | 'not-found';
}

export interface StoredAct extends Act, PauseScope {
  readonly event: 'paused' | 'resumed';
}

export interface StoredMessage {
  readonly id: number;
  readonly channel: string;
  readonly bytes: Uint8Array;
  readonly controlId: string | null;
  readonly origin: string;
  readonly sender: string | null;
  readonly receivedAt: number;
  readonly state: MessageState;
  readonly mappingVersion: string | null;
  readonly skipped: readonly Skipped[];
  readonly faults: readonly FaultRecord[];
  readonly warnings: readonly FaultRecord[];
  /** How often the same bytes came. */
  readonly timesSeen: number;
  /** Its bytes, the bodies of its deliveries and the answers to them are gone, and empty here. */
  readonly isPruned: boolean;
}

export interface StoredDelivery extends Omit<Delivery, 'attempt'> {
  readonly state: DeliveryState;
  readonly inFlight: boolean;
  /** The delivery whose answer it was made from; null = made from the message. */
  readonly follows: number | null;
  readonly attempts: number;
  readonly notBefore: number | null;
  readonly notAfter: number | null;
  /** When it may next be tried; null where nothing is owed. */
  readonly nextAt: number | null;
  /** What it needs, and which message provided that when; null = nothing. */
  readonly needs: {
    readonly reason: string;
    readonly providedBy: number | null;
    readonly providedAt: number | null;
  } | null;
  /** The last fault; null = none. */
  readonly fault: FaultRecord | null;
  readonly response: AttemptEnd['response'];
}

export interface HistoryEvent {
  readonly at: number;
  readonly messageId: number;
  /** null = the message itself. */
  readonly deliveryId: number | null;
  /**
   * Event name of the lifecycle table, or one that changes no state: `resent`, `linked`, `overtaken`, `attempt`,
   * `provides` (of the message that brought what `delivery 3` lacked), `taken-back` (what it provided), `control-id-reused`, `ack-owed`, `ack-written`, `ack-waived`, `ack-returned`, `ack-dropped`, `pruned`, `restored`.
   */
  readonly event: string;
  readonly from: string | null;
  readonly to: string | null;
  /** A fault code, a skip reason, `message 17`, `AA`; never a value of the message. */
  readonly why: string | null;
  /** `engine`, or who acted. */
  readonly by: string;
  /** A person's words on the act; null where there are none. */
  readonly note: string | null;
}

export interface Overview {
  readonly messages: readonly { readonly channel: string; readonly state: MessageState; readonly count: number }[];
  readonly deliveries: readonly {
    readonly target: string;
    readonly party: string;
    readonly state: DeliveryState;
    readonly count: number;
  }[];
  /** Acknowledgements that are owed and could not be written yet; those that are not due yet among them. */
  readonly owedAcks: readonly { readonly channel: string; readonly count: number; readonly oldestAt: number }[];
  /** Since when the oldest delivery that is due has been waiting; null = none waits. */
  readonly oldestWaitingAt: number | null;
  /** Since when the oldest held message or delivery has been held; null = none. */
  readonly oldestHeldAt: number | null;
}

/** How a message ended, worst first: one of its deliveries held, or itself; else one delivered; else all cancelled. */
export type Ending = 'held' | 'refused' | 'skipped' | 'delivered' | 'cancelled';

/** Each walk begins with `after: 0`, goes on with `Pruned.next`, and looks at no more than `limit` rows a bite. */
export type PruneBite = { readonly at: number; readonly limit: number } & (
  | {
      /** Bytes, bodies and answers of messages that ended before these times (null = never); at most about `maxBytes`. */
      readonly walk: 'bytes';
      readonly after: number;
      readonly before: Readonly<Record<Ending, number | null>>;
      readonly maxBytes: number;
    }
  /** Everything about messages without bytes that ended before then, unless something younger rests on them. */
  | { readonly walk: 'rows'; readonly after: number; readonly before: number }
  /** Results that no message states and no delivery is made for any more. */
  | { readonly walk: 'results'; readonly after: number }
  /** Acknowledgements of these channels, owed since before then: `ack-dropped` in the history. */
  | { readonly walk: 'acks'; readonly channels: readonly string[]; readonly before: number }
  | { readonly walk: 'arrivals'; readonly before: number }
);

export interface Pruned {
  /** How many were pruned, forgotten or dropped. */
  readonly count: number;
  readonly bytes: number;
  /** Where this walk goes on; null = it is at its end. */
  readonly next: number | null;
  /** Of the walk `acks`: by channel. */
  readonly channels: readonly { readonly channel: string; readonly count: number }[];
}

/** What came on a channel in one hour, messages sent again among it. It outlives the messages. */
export interface ArrivalHour {
  readonly channel: string;
  /** Its begin, ms since the epoch. */
  readonly hourAt: number;
  readonly count: number;
  readonly firstAt: number;
  readonly lastAt: number;
  /** Longest time between two arrivals of this hour; 0 where there was one only. */
  readonly longestGapMs: number;
}
