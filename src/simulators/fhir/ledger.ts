/** One write that was processed, whether or not its answer reached the caller. */
interface WriteEntry {
  /** Of the HTTP request, from 1. */
  readonly sequence: number;
  /** Of the entry in its bundle, from 0; null = not in a bundle. */
  readonly position: number | null;
  /** ms since the epoch. */
  readonly at: number;
  /** organisationsnummer of the client certificate; null = none. */
  readonly organisation: string | null;
  /** OAuth client id; null = none. */
  readonly client: string | null;
  /** `none` = it was there already: a conditional create that matched, or content that did not differ. */
  readonly interaction: 'create' | 'update' | 'delete' | 'none';
  readonly type: string;
  readonly id: string;
  /** null = nothing was there to delete. */
  readonly versionId: number | null;
  readonly status: number;
  /** `system|value` of the resource as it is stored. */
  readonly identifiers: readonly string[];
}

/** One HTTP request that was read. */
interface RequestEntry {
  readonly sequence: number;
  readonly at: number;
  readonly organisation: string | null;
  readonly client: string | null;
  readonly method: string;
  /** Without query. */
  readonly path: string;
  /** Headers that matter to FHIR: `prefer`, `if-none-exist`, `content-type`, … as they came. */
  readonly headers: Readonly<Record<string, string>>;
  /** Status it was answered with, or would have been where a fault lost the answer. */
  readonly status: number;
  /** False where a fault on order lost the answer. */
  readonly answered: boolean;
}

/** A request or a write as it comes in, for whoever looks on. */
export type Seen =
  | { readonly kind: 'request'; readonly entry: RequestEntry }
  | { readonly kind: 'write'; readonly entry: WriteEntry }
  /** A fault on order closed the connection; it stands in no ledger. */
  | { readonly kind: 'dropped'; readonly organisation: string | null; readonly method: string; readonly path: string };

/** What the server has seen, in order of processing. */
export interface Ledger {
  writes(): readonly WriteEntry[];
  requests(): readonly RequestEntry[];
  /** Identifiers that more than one living resource of a type bears: `Patient system|value` and how many. */
  duplicates(): Map<string, number>;
  /** Requests and writes as JSON objects, a line each. */
  toNdjson(): string;
  /** Resolves once so many requests have been processed. */
  waitFor(requests: number): Promise<void>;
}

/** The ledger with what only its server may do. */
export interface OpenLedger extends Ledger {
  nextSequence(): number;
  enterWrite(entry: WriteEntry): void;
  enterRequest(entry: RequestEntry): void;
}

/**
 * @param living type and identifiers (`system|value`) of every living resource.
 * @param watch is told of each row as it is entered; must not throw.
 */
export function createLedger(
  living: () => Iterable<readonly [type: string, identifiers: readonly string[]]>,
  watch: (seen: Seen) => void = () => {},
): OpenLedger {
  const writes: WriteEntry[] = [];
  const requests: RequestEntry[] = [];
  let waiting: { count: number; done: () => void }[] = [];
  let sequence = 0;
  return {
    nextSequence: () => ++sequence,
    enterWrite(entry) {
      writes.push(entry);
      watch({ kind: 'write', entry });
    },
    enterRequest(entry) {
      requests.push(entry);
      watch({ kind: 'request', entry });
      for (const one of waiting) if (requests.length >= one.count) one.done();
      waiting = waiting.filter((one) => requests.length < one.count);
    },
    writes: () => writes,
    requests: () => requests,
    duplicates() {
      const counts = new Map<string, number>();
      for (const [type, identifiers] of living()) {
        for (const one of new Set(identifiers)) counts.set(`${type} ${one}`, (counts.get(`${type} ${one}`) ?? 0) + 1);
      }
      return new Map([...counts].filter(([, count]) => count > 1));
    },
    toNdjson: () =>
      [...requests, ...writes]
        .sort((a, b) => a.sequence - b.sequence)
        .map((row) => `${JSON.stringify(row)}\n`)
        .join(''),
    waitFor: (count) =>
      new Promise((done) => (requests.length >= count ? done() : void waiting.push({ count, done: () => done() }))),
  };
}
