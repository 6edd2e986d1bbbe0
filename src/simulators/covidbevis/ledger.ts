import { createHash } from 'node:crypto';
import type { FaultyOperation } from './fault-orders.ts';
import type { Subject } from './subject.ts';
import type { Submitting } from './submission.ts';

/** One request that was accepted, whether or not its answer reached the caller. */
export interface LedgerEntry {
  /** 1 for the first request that was read, accepted or refused. */
  readonly sequence: number;
  /** ms since the epoch. */
  readonly at: number;
  /** organisationsnummer of the client certificate. */
  readonly organisation: string;
  /** Organization.name in the request; null = none. */
  readonly stated: string | null;
  readonly operation: Submitting;
  readonly identifier: string;
  readonly uvci: string;
  readonly bodySha256: string;
  /** Stands for the person without naming them: equal for equal persons. */
  readonly personSha256: string;
  /** 0 = first, 1 = first repetition, … */
  readonly repeat: number;
  /** False where a fault on order lost the answer. */
  readonly answered: boolean;
}

/** One request that was refused. */
export interface Refusal {
  readonly sequence: number;
  readonly at: number;
  /** null = no organisation could be read. */
  readonly organisation: string | null;
  readonly path: string;
  readonly status: number;
  readonly message: string;
}

/** A request as it comes in, for whoever looks on. */
export type Seen =
  | { readonly kind: 'accepted'; readonly entry: LedgerEntry }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  | { readonly kind: 'pinged'; readonly organisation: string }
  /** A fault on order closed the connection; it stands in no ledger. */
  | { readonly kind: 'dropped'; readonly organisation: string; readonly operation: FaultyOperation };

/** What the stand-in has seen; order of arrival is the order of `sequence`. */
export interface Ledger {
  entries(): readonly LedgerEntry[];
  refusals(): readonly Refusal[];
  /** How often each Observation.identifier was accepted. */
  countsByIdentifier(): Map<string, number>;
  /** How many different certificates were issued. */
  certificates(): number;
  /** Identifiers in order of first arrival, of one person where a hash is given. */
  order(personSha256?: string): string[];
  /** Entries whose stated name belongs to another organisation than the certificate's. */
  crossed(): LedgerEntry[];
  /** One JSON object a line: entries and refusals by sequence. */
  toNdjson(): string;
  /** Resolves once so many requests have been accepted, repetitions included. */
  waitFor(count: number): Promise<void>;
}

/** The ledger with what only its stand-in may do. */
export interface OpenLedger extends Ledger {
  nextSequence(): number;
  accept(entry: LedgerEntry): void;
  refuse(refusal: Refusal): void;
}

/**
 * @param sites names by organisationsnummer that may only be stated under that organisation.
 * @param watch is told of each row as it is entered; must not throw.
 */
export function createLedger(sites: ReadonlyMap<string, string>, watch: (seen: Seen) => void = () => {}): OpenLedger {
  const entries: LedgerEntry[] = [];
  const refusals: Refusal[] = [];
  let waiting: { count: number; done: () => void }[] = [];
  let sequence = 0;
  return {
    nextSequence: () => ++sequence,
    accept(entry) {
      entries.push(entry);
      watch({ kind: 'accepted', entry });
      for (const one of waiting) if (entries.length >= one.count) one.done();
      waiting = waiting.filter((one) => entries.length < one.count);
    },
    refuse(refusal) {
      refusals.push(refusal);
      watch({ kind: 'refused', refusal });
    },
    entries: () => entries,
    refusals: () => refusals,
    countsByIdentifier() {
      const counts = new Map<string, number>();
      for (const { identifier } of entries) counts.set(identifier, (counts.get(identifier) ?? 0) + 1);
      return counts;
    },
    certificates: () => new Set(entries.map((entry) => entry.uvci)).size,
    order: (person) =>
      entries
        .filter((entry) => entry.repeat === 0 && (person === undefined || entry.personSha256 === person))
        .map((entry) => entry.identifier),
    crossed: () =>
      entries.filter(({ stated, organisation }) => {
        const owner = stated === null ? undefined : sites.get(stated);
        return owner !== undefined && owner !== organisation;
      }),
    toNdjson: () =>
      [...entries, ...refusals]
        .sort((a, b) => a.sequence - b.sequence)
        .map((row) => `${JSON.stringify(row)}\n`)
        .join(''),
    waitFor: (count) =>
      new Promise((done) => (entries.length >= count ? done() : void waiting.push({ count, done: () => done() }))),
  };
}

/** Names a person in the ledger without saying who it is. */
export function hashPerson(subject: Subject): string {
  const key = subject.number ?? [subject.family, ...subject.given, subject.birthDate].join('\n');
  return createHash('sha256').update(key).digest('hex');
}
