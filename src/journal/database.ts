import { chmodSync, closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { MIGRATIONS } from './migrations.ts';

/*
 * `+?` in the SQL of this room: for a table with partial indexes SQLite looks at the values that are bound, to see whether
 * such an index would do, and prepares the statement anew whenever they change, which costs ten times the statement. The
 * plus hides the value from it; the plan is the same. It does so, too, where the first column of a primary key is not
 * unique by itself (provisions).
 */

/** Makes the file, readable by its owner alone, where it does not exist; its -wal and -shm get the same mode from SQLite. */
export function makePrivateFile(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  try {
    // Only ever 'wx': to open and close a file that SQLite has open in this process would drop SQLite's locks on it.
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    chmodSync(path, 0o600);
  }
}

/**
 * Opens the writer's connection and brings the schema up to date.
 * @throws Error if the file was written by a newer version of the schema
 */
export function openWriter(path: string, maxPages: number | null): Database.Database {
  const db = new Database(path);
  db.pragma('busy_timeout = 5000');
  db.pragma('journal_mode = wal');
  // better-sqlite3 is built with NORMAL for WAL files, which a power cut can cost acknowledged messages.
  db.pragma('synchronous = full');
  db.pragma('foreign_keys = on');
  setCache(db, 'usual');
  // Every savepoint keeps the pages it changes; in a temporary file that costs more than the insert.
  db.pragma('temp_store = memory');
  // Checkpoints are asked for, see checkpoints.ts.
  db.pragma('wal_autocheckpoint = 0');
  migrate(db);
  if (maxPages !== null) db.pragma(`max_page_count = ${maxPages}`);
  return db;
}

/**
 * How many pages the connection keeps. With few of them something large goes to the file as it is written: it would take
 * as much memory again, drive all else out of the cache, and nobody reads it from there.
 */
export function setCache(db: Database.Database, size: 'usual' | 'small'): void {
  db.pragma(`cache_size = ${size === 'usual' ? -64_000 : -2_000}`);
}

export function openReader(path: string): Database.Database {
  const db = new Database(path, { readonly: true, fileMustExist: true });
  db.pragma('busy_timeout = 5000');
  return db;
}

function migrate(db: Database.Database): void {
  const version = db.pragma('user_version', { simple: true }) as number;
  if (version > MIGRATIONS.length) {
    db.close();
    throw new Error(
      `the journal was written by a newer version: its schema is ${version}, this version knows ${MIGRATIONS.length}`,
    );
  }
  for (const [index, sql] of MIGRATIONS.entries()) {
    if (index < version) continue;
    db.transaction(() => {
      db.exec(sql);
      db.pragma(`user_version = ${index + 1}`);
    }).immediate();
  }
}
