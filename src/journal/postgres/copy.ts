import { createHash } from 'node:crypto';
import type { Database } from 'better-sqlite3';
import { openReader } from '../database.ts';
import { takeLock } from '../lock.ts';
import { MIGRATIONS } from '../migrations.ts';
import type { PostgresAddress } from './address.ts';
import { type Connection, makeConnector } from './connection.ts';
import {
  type ChunkSize,
  type CopiedTable,
  copyRows,
  findDifference,
  listTables,
  makeSourceSide,
  makeTargetSide,
  type Side,
  sumTable,
  type TableSum,
  type TargetSide,
} from './copied-rows.ts';
import { coverNumbers } from './periods.ts';
import { COPY_LOCK, migrate } from './schema.ts';

export interface CopyOptions {
  /** File of the SQLite journal. It is only read. */
  readonly from: string;
  readonly to: PostgresAddress;
  /** Name of the node that will go on with what was begun: the first that starts. */
  readonly node: string;
  /** ms since the epoch, for whoever finds the file in use. */
  readonly now: number;
  readonly chunk?: ChunkSize;
  /** After each transaction. What it throws ends the copy where it is. */
  readonly onChunk?: (table: string, rows: number) => void;
}

export interface JournalCopy {
  readonly tables: readonly CopiedSum[];
  /** In words, without what was stored; empty = both hold the same, and nodes may start. */
  readonly differences: readonly string[];
}

interface CopiedSum extends TableSum {
  /** Rows of this run; the others were there from the run before. */
  readonly copied: number;
}

const CHUNK: ChunkSize = { rows: 1_000, bytes: 8 << 20 };
const SEQUENCES = { message_ids: 'message', delivery_ids: 'delivery', result_ids: 'result', history_ids: 'history' };

/**
 * Copies a SQLite journal into an empty PostgreSQL database, row by row with the same numbers, and compares both. Cut off
 * and begun again it goes on with what is missing; until both are the same no node opens the copy. What was in flight
 * stays so: the first node that starts under the name `node`, or finds that name gone, judges it as after a crash.
 * @throws Error in words: the file is in use (by whom), the database is not empty, or holds the beginning of another copy
 */
export async function copyJournal(options: CopyOptions): Promise<JournalCopy> {
  const { from, chunk = CHUNK, onChunk = () => {} } = options;
  const db = openSource(from);
  let giveBack = () => {};
  try {
    giveBack = takeLock(`${from}.lock`, options.now);
    const tables = listTables(db);
    const source = makeSourceSide(db, chunk);
    const on = await makeConnector(options.to)('copy');
    try {
      await reserve(on);
      let node = 0;
      const target = await makeTargetSide(on, tables, chunk, () => node);
      const sums: TableSum[] = [];
      for (const table of tables) sums.push(await sumTable(source, table));
      const { message, delivery } = readLastNumbers(db) as { message: number; delivery: number };
      node = await begin(on, tables, { identity: identityOf(sums), node: options.node });
      await coverNumbers(on, { message, delivery });
      const copied: CopiedSum[] = [];
      for (const [index, table] of tables.entries()) {
        copied.push({ ...sums[index]!, copied: await copyRows([source, target], table, onChunk) });
      }
      const differences = await compare(tables, sums, [source, target]);
      if (differences.length === 0) await complete(on, db, tables);
      return { tables: copied, differences };
    } finally {
      await on.end().catch(() => {});
    }
  } finally {
    giveBack();
    db.close();
  }
}

/** @throws Error in words where there is none, or another version of Sluss wrote it */
function openSource(path: string): Database {
  let db: Database;
  try {
    db = openReader(path);
  } catch (error) {
    throw new Error(`the journal ${path} cannot be read (${(error as { code?: string }).code ?? 'unknown'})`);
  }
  const version = db.pragma('user_version', { simple: true }) as number;
  if (version === MIGRATIONS.length) return db;
  db.close();
  const who = version < MIGRATIONS.length ? 'an older version; start the engine on it once' : 'a newer version';
  throw new Error(`the journal ${path} was written by ${who}`);
}

/** What tells one journal from all others, and from itself at another time. */
function identityOf(sums: readonly TableSum[]): string {
  return createHash('sha256').update(JSON.stringify(sums)).digest('hex');
}

/** One copy at a time, into the tables of this version. */
async function reserve(on: Connection): Promise<void> {
  const { rows } = await on.query(`select pg_try_advisory_lock(${COPY_LOCK}) as "isOurs"`);
  if (rows[0].isOurs !== true) throw new Error('another copy into this database is under way');
  await migrate(on);
}

/** The number of the node that the copy's rows are of. */
async function begin(
  on: Connection,
  tables: readonly CopiedTable[],
  { identity, node }: { readonly identity: string; readonly node: string },
): Promise<number> {
  const { rows } = await on.query<{ identity: string; isComplete: boolean; node: number }>(
    'select identity, completed_at is not null as "isComplete", node from copied_from',
  );
  const [known] = rows;
  if (known?.isComplete) throw new Error('a journal was copied into this database before, and completely');
  if (known !== undefined && known.identity !== identity) {
    throw new Error(
      'the database holds the beginning of a copy of another journal, or this one has changed since: empty the database, and begin anew',
    );
  }
  await refuseNodes(on);
  if (known !== undefined) return known.node;
  for (const { name } of tables) {
    const found = await on.query(`select 1 from ${name} limit 1`);
    if (found.rows.length > 0) throw new Error(`the database is not empty: there are rows in ${name}`);
  }
  const began = await on.query<{ node: number }>(
    `with own as (
       insert into nodes (name, run, started_at, seen_at, lease_until) values ($1, gen_random_uuid(), now(), now(), now())
       on conflict (name) do update set lease_until = now() returning number)
     insert into copied_from (identity, begun_at, node) select $2, now(), number from own returning node`,
    [node, identity],
  );
  try {
    // A node that starts just now looks for a copy after it has taken its place, and we look for nodes after ours.
    await refuseNodes(on);
  } catch (error) {
    await on.query('delete from copied_from');
    throw error;
  }
  return began.rows[0]!.node;
}

async function refuseNodes(on: Connection): Promise<void> {
  const { rows } = await on.query<{ name: string }>('select name from nodes where lease_until > now() order by name');
  if (rows.length === 0) return;
  throw new Error(`the database is in use by ${rows.map(({ name }) => name).join(', ')}: stop every engine on it`);
}

/** What differs, in words. */
async function compare(
  tables: readonly CopiedTable[],
  sums: readonly TableSum[],
  [source, target]: readonly [Side, TargetSide],
): Promise<string[]> {
  const differences: string[] = [];
  for (const [index, table] of tables.entries()) {
    const theirs = await sumTable(target, table);
    const ours = sums[index]!;
    if (ours.digest === theirs.digest && ours.rows === theirs.rows) continue;
    const where = await findDifference(source, target, table);
    const counts = ours.rows === theirs.rows ? '' : `, ${ours.rows} rows in the file and ${theirs.rows} in the copy`;
    differences.push(
      `${table.name} differs${where === null ? '' : ` from ${table.key.join(' ')} ${where} on`}${counts}`,
    );
  }
  return differences;
}

/** New numbers are greater than all that was ever told of; from here on nodes may start. */
async function complete(on: Connection, db: Database, tables: readonly CopiedTable[]): Promise<void> {
  // Without statistics the first plans would be kept for as long as a node lives.
  for (const { name } of tables) await on.query(`analyze ${name}`);
  const last = readLastNumbers(db);
  const statements = Object.entries(SEQUENCES).map(
    ([sequence, of]) => [`'${sequence}'`, last[of]!] as [string, number],
  );
  statements.push([`pg_get_serial_sequence('acts', 'id')`, last.act!]);
  const setting = statements
    .filter(([, number]) => number > 0)
    .map(([name, number]) => `select setval(${name}, ${number})`);
  // Several statements in one are one transaction.
  await on.query([...setting, 'update copied_from set completed_at = now()'].join('; '));
}

/** Numbers of what is forgotten can be told of for longer. */
function readLastNumbers(db: Database): Record<string, number> {
  return db
    .prepare<[], Record<string, number>>(
      `select
        max((select ifnull(max(id), 0) from messages), (select ifnull(max(message_id), 0) from history),
          (select ifnull(max(max(ifnull(message_id, 0), ifnull(last_message_id, 0))), 0) from results)) as message,
        max((select ifnull(max(id), 0) from deliveries), (select ifnull(max(delivery_id), 0) from history)) as delivery,
        (select ifnull(max(id), 0) from results) as result,
        (select ifnull(max(id), 0) from history) as history,
        (select ifnull(max(id), 0) from acts) as act`,
    )
    .get()!;
}
