import { closeSync, fsyncSync, openSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Database } from 'better-sqlite3';
import { openReader } from './database.ts';

export interface Backup {
  readonly bytes: number;
  readonly messages: number;
  readonly deliveries: number;
  /** When the newest message in it came; null = there is none. */
  readonly lastReceivedAt: number | null;
}

interface Counts extends Omit<Backup, 'bytes'> {
  readonly lastId: number | null;
}

/**
 * Copies a journal as it is at one moment into a new file, readable by its owner alone, and looks the copy through. The
 * engine may run: this is done by the asking process, over a connection that cannot write; what comes meanwhile is not
 * in the copy. What cannot be a good copy is removed again.
 * @throws Error in words: the file exists, the journal cannot be read, the disk is full, the copy is not sound
 */
export function backUpJournal(path: string, to: string): Backup {
  const db = openReader(path);
  try {
    const before = readCounts(db);
    makeNew(to);
    try {
      db.prepare('vacuum into ?').run(to);
      sync(to);
      return verify(to, db.pragma('user_version', { simple: true }), before);
    } catch (error) {
      for (const suffix of ['', '-journal', '-wal', '-shm']) rmSync(to + suffix, { force: true });
      throw error;
    }
  } finally {
    db.close();
  }
}

/** Made before SQLite would, which asks the umask alone. */
function makeNew(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    throw new Error(`${path} exists; a backup replaces nothing`);
  }
}

/** The file, and its name in the folder. */
function sync(path: string): void {
  for (const [one, flags] of [
    [path, 'r+'],
    [dirname(path), 'r'],
  ] as const) {
    const file = openSync(one, flags);
    fsyncSync(file);
    closeSync(file);
  }
}

function verify(path: string, schema: unknown, before: Counts): Backup {
  const copy = openReader(path);
  try {
    const found = copy.pragma('integrity_check', { simple: true });
    const { lastId, ...counts } = readCounts(copy);
    const tallied = copy.prepare("select ifnull(sum(count), 0) from tallies where kind = 'message'").pluck().get();
    const isSound =
      found === 'ok' &&
      copy.pragma('user_version', { simple: true }) === schema &&
      counts.messages === tallied &&
      (lastId ?? 0) >= (before.lastId ?? 0);
    if (!isSound) throw new Error('the copy is not sound; it was removed again');
    return { ...counts, bytes: statSync(path).size };
  } finally {
    copy.close();
  }
}

function readCounts(db: Database): Counts {
  return db
    .prepare<[], Counts>(
      `select (select count(*) from messages) as messages, (select count(*) from deliveries) as deliveries,
         (select max(id) from messages) as lastId, (select max(received_at) from messages) as lastReceivedAt`,
    )
    .get()!;
}
