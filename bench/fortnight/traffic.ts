import type { Person } from './people.ts';
import type { Lab, Provider } from './world.ts';

/** One test of one specimen, as a laboratory knows it. */
export interface Test {
  /** The laboratory's own number of it. */
  readonly filler: string;
  readonly person: Person;
  readonly kind: 'naat' | 'rat' | 'antibodies' | 'unheard-of';
  readonly device: string | null;
  readonly sampledAt: number;
  readonly provider: Provider;
}

export type Spoilt =
  | 'check-digit'
  | 'no-sample-time'
  | 'sampled-after-sending'
  | 'hour-that-is-not'
  | 'not-oru'
  | 'wrong-bytes'
  | 'two-numbers'
  | 'other-birth-date'
  | 'protected';

/** What one message says of a test. */
export interface Said {
  readonly test: Test;
  readonly outcome: 'negative' | 'positive' | 'inconclusive';
  /** OBX-11: preliminary, final, corrected, deleted. */
  readonly status: 'P' | 'F' | 'C' | 'D';
  readonly asked: readonly ('test' | 'recovery')[];
  readonly mark: 'self-sampled' | 'done-abroad' | 'done-by-another-provider' | null;
  readonly spoilt: Spoilt | null;
}

/** One message of a laboratory, at its time. */
export interface Sending {
  /** `request`: an order that asks for certificates, and holds no result yet. */
  readonly holds: 'results' | 'request';
  readonly lab: Lab;
  /** MSH-10 */
  readonly controlId: string;
  /** When it leaves the laboratory. */
  readonly at: number;
  /** MSH-7 */
  readonly writtenAt: number;
  readonly says: readonly Said[];
  /** The same bytes once more. */
  readonly repeats: Sending | null;
}

/** What a person at the engine does about what a message made. */
export interface Act {
  readonly at: number;
  readonly what: 'release' | 'cancel';
  readonly of: Sending;
}

/** A person's results with everything that is said of them. What one case holds touches no other. */
export interface Case {
  readonly kind: string;
  /** In order of time. */
  readonly sendings: readonly Sending[];
  readonly acts: readonly Act[];
}
