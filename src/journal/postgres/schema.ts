import type { Connection } from './connection.ts';
import { POSTGRES_MIGRATIONS } from './migrations.ts';

/** Our own among the advisory locks: one node at a time brings the schema up to date. */
const LOCK = 7_355_608;
/** Held for as long as a journal is copied into the database. */
export const COPY_LOCK = LOCK + 1;

/**
 * Brings the schema up to date. Nodes of the version before go on with what it makes.
 * @throws Error where a newer version made it, more than one step ahead
 */
export async function migrate(on: Connection): Promise<void> {
  await on.query(`select pg_advisory_lock(${LOCK})`);
  try {
    await on.query('create table if not exists schema_version (version integer not null)');
    const { rows } = await on.query<{ version: number }>('select version from schema_version');
    const version = rows[0]?.version ?? 0;
    if (version > POSTGRES_MIGRATIONS.length + 1) {
      throw new Error(
        `the journal was written by a newer version: its schema is ${version}, this version knows ${POSTGRES_MIGRATIONS.length}`,
      );
    }
    if (rows.length === 0) await on.query('insert into schema_version values (0)');
    for (const [index, sql] of POSTGRES_MIGRATIONS.entries()) {
      if (index < version) continue;
      // Several statements in one are one transaction.
      await on.query(`${sql}; update schema_version set version = ${index + 1}`);
    }
  } finally {
    await on.query(`select pg_advisory_unlock(${LOCK})`);
  }
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
