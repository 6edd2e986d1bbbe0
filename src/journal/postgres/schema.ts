import { setTimeout as wait } from 'node:timers/promises';
import { type Connection, isInUse } from './connection.ts';
import { POSTGRES_MIGRATIONS } from './migrations.ts';

/** Our own among the advisory locks: one node at a time brings the schema up to date. */
const LOCK = 7_355_608;
/** Held for as long as a journal is copied into the database. */
export const COPY_LOCK = LOCK + 1;

/** Since this step each node says up to which one it knows the schema. */
const NODES_SAY_SCHEMA = 4;
/** Whoever waits for a table keeps all others from it, who come later: so not for long at a time. */
const LOCK_MS = 300;
const AGAIN_MS = 700;
/** Nearly every transaction begins with one of these: once they are had, hardly anybody holds what is asked for next. */
const FIRST = 'lock table deliveries, messages in access exclusive mode; ';
/** A step, and the wait for another node's, may take longer than a statement of every day. */
const STEP_MS = 3_600_000;

/**
 * Brings the schema up to date, one step after the other. Nodes of the version before go on meanwhile, and with what it
 * makes: a table that somebody has in use is waited for in short turns.
 * @param steps every step this version knows, in order
 * @throws Error in words: a newer version made it, a node of an older one still runs, a table stayed in use all the time
 */
export async function migrate(
  on: Connection,
  { steps = POSTGRES_MIGRATIONS, patienceMs = 60_000 }: { steps?: readonly string[]; patienceMs?: number } = {},
): Promise<void> {
  await on.query({ text: `select pg_advisory_lock(${LOCK})`, query_timeout: STEP_MS } as never);
  try {
    await on.query('create table if not exists schema_version (version integer not null)');
    const { rows } = await on.query<{ version: number }>('select version from schema_version');
    const version = rows[0]?.version ?? 0;
    refuseNewer(version, steps.length);
    if (rows.length === 0) await on.query('insert into schema_version values (0)');
    if (version > 0 && version < steps.length) await refuseToLeaveBehind(on, version, steps.length);
    for (const [index, sql] of steps.entries()) {
      if (index >= version)
        await take(
          on,
          `${index === 0 ? '' : FIRST}${sql}; update schema_version set version = ${index + 1}`,
          patienceMs,
        );
    }
  } finally {
    await on.query(`select pg_advisory_unlock(${LOCK})`);
  }
}

/**
 * Tables are only added to, and what a version writes the one before can read: but only the one before.
 * @throws Error in words where a version made it that is more than one step ahead
 */
export function refuseNewer(version: number, known: number): void {
  if (!isTooNew(version, known)) return;
  throw new Error(
    `the journal was written by a newer version: its schema is ${version}, this version knows ${known} and works with ${known + 1} at most; start the version that wrote it, or the one before that`,
  );
}

/** True where one schema is more than one step ahead of what is known. */
export const isTooNew = (version: number, known: number): boolean => version > known + 1;

/** @throws Error in words where a node runs that would be two steps behind */
async function refuseToLeaveBehind(on: Connection, version: number, wanted: number): Promise<void> {
  const schema = version < NODES_SAY_SCHEMA ? String(version) : 'schema';
  const { rows } = await on.query<{ name: string; version: string; schema: number }>(
    `select name, version, ${schema} as schema from nodes where lease_until > now() and ${schema} < ${wanted - 1} order by name limit 1`,
  );
  const [behind] = rows;
  if (behind === undefined) return;
  throw new Error(
    `node ${behind.name} still runs with version ${behind.version || 'unknown'}, which knows the schema up to ${behind.schema}, and this version would make it ${wanted}: start the version in between first, on one node after the other, or stop all nodes`,
  );
}

/** One step, whole or not at all: several statements in one transaction. */
async function take(on: Connection, sql: string, patienceMs: number): Promise<void> {
  const until = performance.now() + patienceMs;
  for (;;) {
    try {
      const text = `begin; set local lock_timeout = ${LOCK_MS}; ${sql}; commit`;
      await on.query({ text, query_timeout: STEP_MS } as never);
      return;
    } catch (error) {
      await on.query('rollback');
      if (!isInUse(error)) throw error;
      if (performance.now() >= until) throw await inUse(on, error);
      await wait(AGAIN_MS);
    }
  }
}

async function inUse(on: Connection, cause: unknown): Promise<Error> {
  const { rows } = await on.query<{ pid: number; name: string; since: Date }>(
    `select pid, application_name as name, xact_start as since from pg_stat_activity
     where datname = current_database() and pid <> pg_backend_pid() and xact_start is not null order by xact_start limit 1`,
  );
  const [oldest] = rows;
  const who =
    oldest === undefined
      ? ''
      : ` (the longest transaction is of process ${oldest.pid}, ${oldest.name || 'unnamed'}, since ${oldest.since.toISOString()})`;
  return new Error(
    `its tables are to be changed for this version, and are in use all the time${who}: nothing was changed and other nodes go on; end that, or wait for its end, and start again`,
    { cause },
  );
}

/**
 * What must not be is looked for again once a node has its place: who begins to copy a journal into it, or to change its
 * tables, looks for nodes first.
 * @throws Error in words
 */
export async function refuseUnfit(on: Connection): Promise<void> {
  const { rows } = await on.query<{ version: number }>('select version from schema_version');
  refuseNewer(rows[0]?.version ?? 0, POSTGRES_MIGRATIONS.length);
  await refuseHalfCopy(on);
}

/**
 * Half a copy of a journal is no journal: who worked on it would send twice, and take for new what is known.
 * @throws Error in words while a copy is not complete
 */
export async function refuseHalfCopy(on: Connection): Promise<void> {
  const { rows } = await on.query('select 1 from copied_from where completed_at is null');
  if (rows.length === 0) return;
  throw new Error(
    'it holds a part of another journal: run `sluss journal copy` again until it says that both are the same, or empty the database',
  );
}
