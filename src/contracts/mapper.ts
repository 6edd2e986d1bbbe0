import type { FaultRecord } from './fault.ts';
import type { Response } from './target.ts';

/** Pure: same bytes, context and files give the same outcome, byte for byte. It sees one message and nothing else. */
export interface Mapper {
  /** Hash of every file the mapping was made of, 16 hex digits; recorded with each message. */
  readonly version: string;
  /** Never throws for what a message holds: content that is wrong is a fault in the outcome. */
  map(message: Uint8Array, context: MapContext): Mapped;
  /**
   * What a receiver's answer gives rise to, such as a file or a message back to the sender. What cannot be made is among
   * it, with its `flaw`, and keeps nothing else from being made.
   * @throws Fault where message or answer cannot be read at all
   */
  mapResponse(message: Uint8Array, answered: Answered, context: MapContext): Draft[];
  /** True if mapResponse could make a draft for this operation; else the message need not be read again. */
  hasFollowUps(channel: string, target: string, operation: string): boolean;
}

export interface MapContext {
  readonly channel: string;
  /** Name in the sender's client certificate. */
  readonly sender: string | null;
}

export interface Answered {
  readonly resultKey: string;
  readonly target: string;
  readonly operation: string;
  readonly party: string;
  /** When the answer came, ms since the epoch. */
  readonly at: number;
  readonly response: Response;
}

/**
 * What became of one message. A fault whose blame is `message` refuses it whole; the others hold what they concern, and
 * the drafts beside them go on.
 */
export interface Mapped {
  readonly statements: Statement[];
  readonly drafts: Draft[];
  readonly skipped: Skipped[];
  readonly faults: FaultRecord[];
  /** Opaque keys of what the message brings, such as a request: deliveries that need one of them may go from now on. */
  readonly provides: readonly string[];
  /** What was kept as it came, or left out, because it did not fit; holds nothing back. Each place once. */
  readonly warnings: readonly FaultRecord[];
}

/** A result left out on purpose. `reason` is a word of the mapping file, such as `not-final`. */
export interface Skipped {
  readonly reason: string;
  /** HL7 location of the result, such as `OBX[2]`; null = the message as a whole. */
  readonly at: string | null;
}

/** That a message states a result, eligible or not. All three are opaque to the journal. */
export interface Statement {
  /** HMAC that names the result: the same result in another message has the same key. */
  readonly resultKey: string;
  /** Orders versions of one result: greater in code-unit order = newer. Equal ranks: the later arrival is newer. */
  readonly rank: string;
  /** HMAC over all that matters of the result: equal digest = nothing new is said. */
  readonly digest: string;
}

/** One request to one target, not yet admitted. */
export interface Draft {
  readonly resultKey: string;
  readonly target: string;
  readonly operation: string;
  readonly party: string;
  /** Deliveries with equal (target, party, laneKey) go strictly one after the other. Opaque, says nothing about a person. */
  readonly laneKey: string;
  /**
   * What the target's operation takes, as UTF-8 JSON, or the bytes of an HL7 message. Of a large one the
   * journal that the draft is handed to takes the very buffer, and leaves it empty.
   */
  readonly body: Uint8Array;
  /** ms since the epoch; null = at once. */
  readonly notBefore: number | null;
  /** ms since the epoch; from then on it is cancelled. Null = never. */
  readonly notAfter: number | null;
  /** Null = it does not depend on other results. */
  readonly once: Once | null;
  /** Why it is not to be sent, a word of the mapping file: it is there to count for `once`, its body JSON's null. Null = send it. */
  readonly waived: string | null;
  /** What some message, this one or another, has to provide before it may be sent; null = nothing. */
  readonly needs: Need | null;
  /**
   * Why it could not be made; its body is JSON's null then. Only beside `needs`, as what may never be sent refuses and
   * holds nothing, and it is held with this fault once what it needs is provided; and of what follows an answer.
   */
  readonly flaw: FaultRecord | null;
}

export interface Need {
  /** Opaque: one of `Mapped.provides`, of whatever message. */
  readonly key: string;
  /** Why it is left out for as long as nothing provides the key, a word of the mapping file, such as `not-requested`. */
  readonly reason: string;
}

/** Of the drafts with one key, of whatever results, only the first counts, and keeps those within its time from counting. */
export interface Once {
  /** Opaque. */
  readonly key: string;
  /** What they are ordered by, ms since the epoch; of equal ones the first admitted. */
  readonly at: number;
  /** ms since the epoch: one from then on counts again. */
  readonly until: number;
}
