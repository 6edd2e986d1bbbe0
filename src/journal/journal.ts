import { promisify } from 'node:util';
import { constants, zstdCompress } from 'node:zlib';
import { Fault } from '../contracts/fault.ts';
import type {
  AckPayment,
  Admission,
  Admitted,
  AttemptEnd,
  Claimed,
  Journal,
  Outcome,
  Pruned,
  Recorded,
} from '../contracts/journal.ts';
import type { StoredAnswer } from './attempts.ts';
import { countBytes, give } from './bytes.ts';

/** Answers smaller than this are not worth compressing. */
const COMPRESS_BYTES = 8192;

/** Who runs the calls of one half of a journal. */
export interface Caller {
  /** @throws Fault as what ran it said, or `journal-failed` where nobody knows what became of it */
  call<T>(name: string, ...args: unknown[]): Promise<T>;
  /** Resolves when everything called has been answered. */
  close(): Promise<void>;
}

/** A journal out of its halves: what writes, and what only reads. It takes so much at once, and no more. */
export function makeJournal(
  writer: Caller,
  reader: Caller,
  limits: { readonly maxQueued: number; readonly maxQueuedBytes: number },
  giveBack: () => void | Promise<void>,
): Journal {
  const underway = new Set<Promise<unknown>>();
  let queued = 0;
  let queuedBytes = 0;
  let closed: Promise<void> | null = null;

  const track = async <T>(start: () => Promise<T>): Promise<T> => {
    if (closed !== null) throw new Fault('stopping');
    const call = start();
    underway.add(call);
    try {
      return await call;
    } finally {
      underway.delete(call);
    }
  };

  // What comes in may be refused; what ends an attempt may not, and there is never more of that than slots.
  const take = (
    name: 'admit' | 'settle' | 'replay',
    { drafts }: Outcome,
    bytes: number,
    ...args: unknown[]
  ): Promise<Admitted> =>
    track(async () => {
      const isFull = queued >= limits.maxQueued || (queued > 0 && queuedBytes + bytes > limits.maxQueuedBytes);
      if (isFull) throw new Fault('journal-busy');
      queued++;
      queuedBytes += bytes;
      for (const { body } of drafts) give(body);
      try {
        return await writer.call<Admitted>(name, ...args);
      } finally {
        queued--;
        queuedBytes -= bytes;
      }
    });

  const write =
    <Args extends unknown[], T>(name: string) =>
    (...args: Args): Promise<T> =>
      track(() => writer.call<T>(name, ...args));

  const read =
    <Args extends unknown[], T>(name: string) =>
    (...args: Args): Promise<T> =>
      track(() => reader.call<T>(name, ...args));

  return {
    admit: (admission: Admission) => take('admit', admission.outcome, countBytes(admission), admission),
    settle: (messageId: number, at: number, outcome: Outcome) =>
      take('settle', outcome, countBytes(outcome), messageId, at, outcome),
    claim: (slots, at) => track(() => writer.call<Claimed>('claim', slots, at)),
    record: (attempt) =>
      track(() => {
        const { response } = attempt;
        const end = (stored: StoredAnswer | null) => writer.call<Recorded>('record', { ...attempt, response: stored });
        if (response === null) return end(null);
        // Handed over before this returns, so that the claim which its end makes room for comes behind it.
        if (response.body.byteLength < COMPRESS_BYTES) return end({ ...response, encoding: 'plain' });
        return packAnswer(response).then(end);
      }),
    payAck: write<[AckPayment], void>('payAck'),
    replay: (messageId, outcome, act) => take('replay', outcome, countBytes(outcome), messageId, outcome, act),
    release: write('release'),
    cancel: write('cancel'),
    dismiss: write('dismiss'),
    pause: write('pause'),
    resume: write('resume'),
    listPauses: read('listPauses'),
    listActs: read('listActs'),
    findMessages: read('findMessages'),
    readDelivery: read('readDelivery'),
    prune: (bite) => track(() => writer.call<Pruned>('prune', bite)),
    saveAlarms: (alarms, gone) => track(() => writer.call<void>('saveAlarms', alarms, gone)),
    readArrivals: read('readArrivals'),
    readAlarms: read('readAlarms'),
    listReceived: read('listReceived'),
    listOwedAcks: read('listOwedAcks'),
    readStandings: read('readStandings'),
    readMessage: read('readMessage'),
    readDeliveries: read('readDeliveries'),
    readHistory: read('readHistory'),
    readOverview: read('readOverview'),
    onChange() {},
    hold: async () => true,
    letGo: async () => {},
    isReachable: () => true,
    close() {
      closed ??= (async () => {
        await Promise.allSettled(underway);
        // The reader first: the last connection to close copies the log into the database and removes it.
        await reader.close();
        await writer.close();
        await giveBack();
      })();
      return closed;
    },
  };
}

const compress = promisify(zstdCompress);
const FASTEST = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

/** Compresses a large answer on the thread pool, where neither the event loop nor a commit waits for it. */
async function packAnswer(response: NonNullable<AttemptEnd['response']>): Promise<StoredAnswer> {
  const body = await compress(response.body, FASTEST);
  if (body.byteLength < response.body.byteLength) return { ...response, encoding: 'zstd', body };
  return { ...response, encoding: 'plain' };
}
