import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import Database from 'better-sqlite3';
import { makePrivateFile } from './database.ts';

interface Holder {
  readonly pid: number;
  readonly host: string;
  readonly since: string;
}

/** A command that found no engine has the journal for a moment; an engine that starts just then need not give up. */
const PATIENCE_MS = 3_000;

/**
 * Takes the lock beside a journal, so that one engine at a time writes it; returns what gives it back.
 *
 * The lock file is a database of one row that names the holder, and the lock is SQLite's write lock on it. So it is the
 * kernel that says whether the holder lives: it lets go of the lock of a process that died, however it died, it is not
 * fooled by a process id used again, and two that find a dead holder cannot both win. A text file with a process id has
 * none of this, least of all in containers, where the host name is another after each start. Who has it for a moment
 * only is waited for, and everything else in this thread with it.
 * @throws Error that names the holder
 */
export function takeLock(path: string, now: number): () => void {
  makePrivateFile(path);
  const db = new Database(path, { timeout: PATIENCE_MS });
  try {
    // What the row says is for people; only the lock itself matters, and it needs no disk.
    db.pragma('journal_mode = memory');
    db.pragma('synchronous = off');
    db.exec('begin immediate');
    db.exec(`
      create table if not exists holder (pid integer, host text, since text, process_start text) strict;
      delete from holder;`);
    db.prepare('insert into holder values (?, ?, ?, ?)').run(
      process.pid,
      hostname(),
      new Date(now).toISOString(),
      processStart(),
    );
    db.exec('commit');
    // Taken again for good. If another came between, it has the lock and its own name in the row.
    db.exec('begin immediate');
  } catch (error) {
    const taken = (error as { code?: string }).code?.startsWith('SQLITE_BUSY') ? describeHolder(db) : null;
    db.close();
    throw taken ?? error;
  }
  return () => {
    db.exec('delete from holder; commit');
    db.close();
  };
}

function describeHolder(db: Database.Database): Error {
  let holder: Holder | undefined;
  try {
    db.pragma('busy_timeout = 1000');
    holder = db.prepare<[], Holder>('select pid, host, since from holder').get();
  } catch {
    // It is only about to write its name.
  }
  const who = holder === undefined ? 'another engine' : `process ${holder.pid} on ${holder.host} since ${holder.since}`;
  return new Error(`the journal is in use by ${who}; only one engine at a time can have it`);
}

/** Kernel ticks from boot to the start of this process, where the kernel tells; tells people a reused pid apart. */
function processStart(): string | null {
  try {
    return readFileSync('/proc/self/stat', 'latin1').split(') ')[1]?.split(' ')[19] ?? null;
  } catch {
    return null;
  }
}
