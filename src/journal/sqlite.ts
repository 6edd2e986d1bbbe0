/**
 * journal/ is the only memory: what came, what became of it, what is still owed. To it a message is bytes and a result
 * is a key; it must never know what HL7 or FHIR is, who sends, or why, and it has no clock: every time is handed in.
 */
import type { Journal } from '../contracts/journal.ts';
import type { Log } from '../contracts/log.ts';
import { makePrivateFile } from './database.ts';
import { makeJournal } from './journal.ts';
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
