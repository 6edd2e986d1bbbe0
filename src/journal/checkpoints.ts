import type { Database } from 'better-sqlite3';

/** Ask for a checkpoint when this many pages of the log are not yet in the database (16 MB): most are there several times. */
const ASK_PAGES = 4000;
/** The writer does one itself when the log is this long (64 MB): only then can it start the log over. */
const FORCE_PAGES = 16_000;
/** And so little of it is left to copy: it keeps commits waiting. The longer the log, the more has to do. */
const LEFT_SHARE = 1 / 8;

interface LogState {
  readonly busy: number;
  readonly log: number;
  readonly checkpointed: number;
}

/**
 * When to move the write-ahead log into the database. A checkpoint on the committing thread makes the slowest commits
 * ten times slower, so the reader's thread does the copying, in PASSIVE mode, which never stops a writer. But a log that
 * is written without pause is never copied to its very end, and only then does SQLite begin it anew; so once it is long,
 * the writer copies what little is left.
 *
 * Returns true when the other thread should make a checkpoint now. To be called after each commit.
 */
export function makeCheckpoints(db: Database) {
  const look = db.prepare<[], LogState>('pragma wal_checkpoint(noop)');
  const copy = db.prepare<[], LogState>('pragma wal_checkpoint(passive)');
  let askedAt = 0;
  let forceAt = FORCE_PAGES;

  return function isCheckpointDue(): boolean {
    const { log, checkpointed } = look.get()!;
    if (log < askedAt) {
      askedAt = 0;
      forceAt = FORCE_PAGES;
    }
    if (log >= forceAt && log - checkpointed < log * LEFT_SHARE) {
      copy.get();
      // If a long read keeps the log from being copied whole, look again only after as much more.
      forceAt = log + FORCE_PAGES / 4;
      return false;
    }
    if (log - Math.max(checkpointed, askedAt) < ASK_PAGES) return false;
    askedAt = log;
    return true;
  };
}
