import type { Database } from 'better-sqlite3';
import { Fault, type FaultRecord } from '../contracts/fault.ts';

/** A call on its way to a worker thread. */
export interface Request {
  readonly id: number;
  readonly call: string;
  readonly args: readonly unknown[];
}

/** What became of it. `error` is class and code of an unforeseen error, for the log. */
export type Reply =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly fault: FaultRecord; readonly error: string | null };

export type Calls = Readonly<Record<string, (...args: never[]) => unknown>>;

/** What is counted in memory while a batch runs, and written with its commit. */
export interface Counted {
  /** Before each call; `undo` goes back to here. */
  begin?(): void;
  undo?(): void;
  flush(): void;
  reset(): void;
}

/** After one of these SQLite may have undone the transaction, and nothing else in it can be trusted to be there. */
const FATAL = /^SQLITE_(FULL|IOERR|NOMEM|CORRUPT|READONLY|CANTOPEN|BUSY|NOTADB|PROTOCOL)/;

/**
 * Runs requests in one transaction: a bad one fails alone. The replies may leave once this returns, for COMMIT has then
 * reached the disk. Never throws: if the transaction fails, every request has failed.
 *
 * A savepoint costs more than most statements, and hardly a request ever fails. So all run without one at first; if one
 * fails, everything is undone, and all run once more, each in a savepoint of its own.
 */
export function makeGroupCommit(db: Database, calls: Calls, counted: readonly Counted[]) {
  const begin = db.prepare('begin immediate');
  const commit = db.prepare('commit');
  const rollback = db.prepare('rollback');
  const save = db.prepare('savepoint item');
  const release = db.prepare('release item');
  const undo = db.prepare('rollback to item');

  const runOne = (request: Request): Reply => {
    for (const one of counted) one.begin?.();
    return { id: request.id, value: run(calls, request) };
  };

  const runApart = (request: Request): Reply => {
    save.run();
    try {
      const reply = runOne(request);
      release.run();
      return reply;
    } catch (error) {
      if (isFatal(error) || !db.inTransaction) throw error;
      undo.run();
      release.run();
      for (const one of counted) one.undo?.();
      return failure(request.id, error);
    }
  };

  const commitAll = (requests: readonly Request[], runEach: (request: Request) => Reply): Reply[] => {
    begin.run();
    const replies = requests.map(runEach);
    for (const one of counted) one.flush();
    commit.run();
    return replies;
  };

  const giveUp = () => {
    for (const one of counted) one.reset();
    if (db.inTransaction) rollback.run();
  };

  return function commitGroup(requests: readonly Request[]): Reply[] {
    const failAll = (error: unknown) => requests.map(({ id }) => failure(id, error));
    try {
      return commitAll(requests, runOne);
    } catch (error) {
      giveUp();
      if (isFatal(error) || requests.length === 1) return failAll(error);
    }
    try {
      return commitAll(requests, runApart);
    } catch (error) {
      giveUp();
      return failAll(error);
    }
  };
}

/** @throws Fault `internal` for a call that does not exist. */
export function run(calls: Calls, { call, args }: Request): unknown {
  const made = calls[call];
  if (made === undefined) throw new Fault('internal', { detail: call });
  return made(...(args as never[]));
}

/** A failed request's reply: a Fault as it is, what SQLite says as `journal-failed`, anything else as `internal`. */
export function failure(id: number, error: unknown): Reply {
  if (error instanceof Fault) return { id, fault: error.record, error: null };
  const code = sqliteCode(error);
  const fault = { code: code === null ? 'internal' : 'journal-failed', at: null, where: null, detail: code } as const;
  return { id, fault, error: code ?? (error instanceof Error ? error.name : 'unknown') };
}

function isFatal(error: unknown): boolean {
  return FATAL.test(sqliteCode(error) ?? '');
}

function sqliteCode(error: unknown): string | null {
  const code = error instanceof Error && 'code' in error ? error.code : null;
  return typeof code === 'string' && code.startsWith('SQLITE_') ? code : null;
}
