/**
 * journal/ is the only memory: what came, what became of it, what is still owed. To it a message is bytes and a result
 * is a key; it must never know what HL7 or FHIR is, who sends, or why, and it has no clock: every time is handed in.
 */
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
import type { Log } from '../contracts/log.ts';
import type { StoredAnswer } from './attempts.ts';
import { countBytes } from './bytes.ts';
import { makePrivateFile } from './database.ts';
import { takeLock } from './lock.ts';
import { type SqliteThread, startThread } from './sqlite-thread.ts';

export interface SqliteJournalOptions {
  /** The database file; `-wal`, `-shm` and `.lock` come to stand beside it. Its folder is made if need be. */
  readonly path: string;
  /** ms since the epoch: when the attempts that a crash cut off are recorded as ended. */
  readonly now: number;
  readonly log?: Log;
  /** Admissions that may wait for their commit; beyond it `journal-busy`. Default 10 000. */
  readonly maxQueued?: number;
  /** Bytes of such admissions. Default 128 MiB; a single one may be larger. */
  readonly maxQueuedBytes?: number;
  /** Calls in one transaction at most. Default 256. */
  readonly maxBatch?: number;
  /** Largest size of the database in pages of 4 KiB; beyond it `journal-failed`, as when the disk is full. Default none. */
  readonly maxPages?: number | null;
}

/** Answers smaller than this are not worth compressing. */
const COMPRESS_BYTES = 8192;

/**
 * Opens the journal in an SQLite file, making it where it does not exist, and ends what a crash cut off: an attempt in
 * flight waits again, or is held, as its operation says.
 * @throws Error if another engine has the file (naming it), if a newer version wrote it, or if it cannot be opened
 */
export async function openSqliteJournal(options: SqliteJournalOptions): Promise<Journal> {
  const { path, now, log, maxQueued = 10_000, maxQueuedBytes = 128 << 20, maxBatch = 256, maxPages = null } = options;
  makePrivateFile(path);
  const giveBack = takeLock(`${path}.lock`, now);
  const onError = (error: string) => log?.error('journal-error', { error });
  let reader: SqliteThread | null = null;
  let writer: SqliteThread | null = null;
  try {
    writer = await startThread(
      { role: 'writer', path, now, maxBatch, maxPages },
      { onCheckpointDue: () => reader?.checkpoint(), onError },
    );
    reader = await startThread({ role: 'reader', path }, { onCheckpointDue: () => {}, onError });
  } catch (error) {
    await writer?.close();
    giveBack();
    throw error;
  }
  if (writer.recovered > 0) log?.warn('attempts-recovered', { count: writer.recovered });
  return makeJournal(writer, reader, { maxQueued, maxQueuedBytes }, giveBack);
}

function makeJournal(
  writer: SqliteThread,
  reader: SqliteThread,
  limits: { maxQueued: number; maxQueuedBytes: number },
  giveBack: () => void,
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
  const take = (name: 'admit' | 'settle' | 'replay', bytes: number, ...args: unknown[]): Promise<Admitted> =>
    track(async () => {
      const isFull = queued >= limits.maxQueued || (queued > 0 && queuedBytes + bytes > limits.maxQueuedBytes);
      if (isFull) throw new Fault('journal-busy');
      queued++;
      queuedBytes += bytes;
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
    admit: (admission: Admission) => take('admit', countBytes(admission), admission),
    settle: (messageId: number, at: number, outcome: Outcome) =>
      take('settle', countBytes(outcome), messageId, at, outcome),
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
    replay: (messageId, outcome, act) => take('replay', countBytes(outcome), messageId, outcome, act),
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
    close() {
      closed ??= (async () => {
        await Promise.allSettled(underway);
        // The reader first: the last connection to close copies the log into the database and removes it.
        await reader.close();
        await writer.close();
        giveBack();
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
