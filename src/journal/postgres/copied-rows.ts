import { createHash } from 'node:crypto';
import type { Database } from 'better-sqlite3';
import { type Connection, errorCode } from './connection.ts';
import type { Row, Value } from './scratch.ts';
import { plain } from './write.ts';

/** A table as the SQLite journal has it. */
export interface CopiedTable {
  readonly name: string;
  readonly columns: readonly string[];
  /** Those of its primary key, in order. */
  readonly key: readonly string[];
}

/** What is read at a time, and what is written in one transaction: at least one row, whatever its size. */
export interface ChunkSize {
  readonly rows: number;
  readonly bytes: number;
}

/** One of the two journals, read by key. */
export interface Side {
  /** The rows behind that key (null = the first), in order; none = there are no more. */
  read(table: CopiedTable, after: readonly Value[] | null): Promise<readonly Row[]>;
}

/** What a table holds, so that two journals can be compared. */
export interface TableSum {
  readonly name: string;
  readonly rows: number;
  /** SHA-256 over every value of every row in order, in hex. */
  readonly digest: string;
  /** Rows of each state, of what has one. */
  readonly states: Readonly<Record<string, number>>;
}

/** Every table there is, whichever migration made it. */
export function listTables(db: Database): CopiedTable[] {
  const names = db
    .prepare<[], string>(
      `select name from sqlite_schema where type = 'table' and name not like 'sqlite\\_%' escape '\\'`,
    )
    .pluck()
    .all();
  return names.map((name) => {
    const columns = db.pragma(`table_info(${name})`) as { name: string; pk: number }[];
    const key = columns.filter(({ pk }) => pk > 0).sort((a, b) => a.pk - b.pk);
    return { name, columns: columns.map((column) => column.name), key: key.map((column) => column.name) };
  });
}

export const keyOfRow = ({ key }: CopiedTable, row: Row): Value[] => key.map((column) => row[column]!);

/** The file. Texts are as PostgreSQL can hold them. */
export function makeSourceSide(db: Database, size: ChunkSize): Side {
  return {
    async read(table, after) {
      const { name, columns, key } = table;
      const where = after === null ? '' : `where (${key.join(', ')}) > (${key.map(() => '?').join(', ')})`;
      const sql = `select ${columns.join(', ')} from ${name} ${where} order by ${key.join(', ')}`;
      const rows: Row[] = [];
      let bytes = 0;
      for (const row of db.prepare<Value[], Row>(sql).iterate(...(after ?? []))) {
        rows.push(Object.fromEntries(columns.map((column) => [column, plain(row[column]) as Value])));
        for (const value of Object.values(row)) if (value instanceof Uint8Array) bytes += value.byteLength;
        if (rows.length >= size.rows || bytes >= size.bytes) break;
      }
      return rows;
    },
  };
}

export interface TargetSide extends Side {
  /** In one transaction. @throws Error with a code, and nothing of the rows */
  write(table: CopiedTable, rows: readonly Row[]): Promise<void>;
  /** Key of the last row that is there. */
  lastKey(table: CopiedTable): Promise<Value[] | null>;
}

interface PostgresColumn {
  readonly table: string;
  readonly column: string;
  readonly type: string;
  readonly isRequired: boolean;
}

/**
 * The database. What it wants to know more than the file says is which node a row is of: what is in flight, counted or
 * alarmed is of `node`, and everything else is nobody's.
 * @throws Error where a table or column has no place there
 */
export async function makeTargetSide(
  on: Connection,
  tables: readonly CopiedTable[],
  size: ChunkSize,
  node: () => number,
): Promise<TargetSide> {
  const { rows: all } = await on.query<PostgresColumn>(
    `select c.relname as table, a.attname as column, format_type(a.atttypid, null) as type, a.attnotnull as "isRequired"
     from pg_attribute a join pg_class c on c.oid = a.attrelid
     where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped`,
  );
  const find = (table: string, column: string) => all.find((one) => one.table === table && one.column === column);
  for (const { name, columns } of tables) {
    const missing = columns.find((column) => find(name, column) === undefined);
    if (missing !== undefined) throw new Error(`there is no place for ${name}.${missing}`);
  }
  const typeOf = (table: string, column: string) => find(table, column)!.type;
  const ask = async (sql: string, values: readonly unknown[], doing: string) => {
    try {
      return await on.query<Row>(sql, [...values]);
    } catch (error) {
      // Its own words could quote what was stored.
      throw new Error(`${doing} failed (${errorCode(error)})`);
    }
  };

  return {
    async read({ name, columns, key }, after) {
      const large = columns.filter((column) => typeOf(name, column) === 'bytea');
      const weight = large.length === 0 ? '0' : large.map((column) => `octet_length(${column})`).join(' + ');
      const places = key.map((column, i) => `$${i + 1}::${typeOf(name, column)}`).join(', ');
      const [list, order] = [columns.join(', '), key.join(', ')];
      const { rows } = await ask(
        `select ${list} from (
           select *, sum(weight) over (order by ${order} rows unbounded preceding) as heap from (
             select ${list}, ${weight} as weight from ${name} ${after === null ? '' : `where (${order}) > (${places})`}
             order by ${order} limit ${size.rows}) one) counted
         where heap - weight < ${size.bytes} order by ${order}`,
        after ?? [],
        `reading ${name} back`,
      );
      return rows;
    },
    async write({ name, columns }, rows) {
      const owner = find(name, 'node');
      const inFlight = columns.includes('turn') ? `case when turn = 'flight' then ${node()} end` : 'null::integer';
      const of = owner === undefined ? '' : `, ${owner.isRequired ? node() : inFlight}`;
      const lists = columns.map((column, i) => `$${i + 1}::${typeOf(name, column)}[]`);
      await ask(
        `insert into ${name} (${columns.join(', ')}${of === '' ? '' : ', node'}) overriding system value
         select ${columns.join(', ')}${of} from unnest(${lists.join(', ')}) as x (${columns.join(', ')})`,
        columns.map((column) => rows.map((row) => row[column])),
        `writing ${name}`,
      );
    },
    async lastKey(table) {
      const { name, key } = table;
      const order = key.map((column) => `${column} desc`).join(', ');
      const { rows } = await ask(
        `select ${key.join(', ')} from ${name} order by ${order} limit 1`,
        [],
        `reading ${name}`,
      );
      return rows[0] === undefined ? null : keyOfRow(table, rows[0]);
    },
  };
}

async function* chunksOf(side: Side, table: CopiedTable, after: readonly Value[] | null = null) {
  for (let rows = await side.read(table, after); rows.length > 0; ) {
    yield rows;
    rows = await side.read(table, keyOfRow(table, rows.at(-1)!));
  }
}

/** Copies what is behind that key; how many rows. */
export async function copyRows(
  [from, to]: readonly [Side, TargetSide],
  table: CopiedTable,
  onChunk: (table: string, rows: number) => void,
): Promise<number> {
  let count = 0;
  for await (const rows of chunksOf(from, table, await to.lastKey(table))) {
    await to.write(table, rows);
    count += rows.length;
    onChunk(table.name, rows.length);
  }
  return count;
}

/** Reads a whole table. */
export async function sumTable(side: Side, table: CopiedTable): Promise<TableSum> {
  const hash = createHash('sha256');
  const states: Record<string, number> = {};
  const hasStates = table.name === 'messages' || table.name === 'deliveries';
  let count = 0;
  for await (const rows of chunksOf(side, table)) {
    for (const row of rows) {
      count += 1;
      for (const part of wordsOf(table, row)) hash.update(part);
      if (hasStates) states[String(row.state)] = (states[String(row.state)] ?? 0) + 1;
    }
  }
  return { name: table.name, rows: count, digest: hash.digest('hex'), states };
}

/** A row as what is hashed: no two rows have the same. */
function wordsOf({ columns }: CopiedTable, row: Row): (string | Uint8Array)[] {
  const values = columns.map((column) => row[column] ?? null);
  const large = values.filter((value) => value instanceof Uint8Array);
  return [JSON.stringify(values.map((value) => (value instanceof Uint8Array ? [value.byteLength] : value))), ...large];
}

/** Where two tables begin to differ, by key; null = nowhere. Keys say nothing of a patient. */
export async function findDifference(one: Side, other: Side, table: CopiedTable): Promise<string | null> {
  const [left, right] = [rowsOf(one, table), rowsOf(other, table)];
  for (;;) {
    const [a, b] = [(await left.next()).value, (await right.next()).value];
    if (a === undefined && b === undefined) return null;
    const isSame = a !== undefined && b !== undefined && Buffer.compare(asBytes(table, a), asBytes(table, b)) === 0;
    if (isSame) continue;
    return keyOfRow(table, a ?? b!).join(' ');
  }
}

async function* rowsOf(side: Side, table: CopiedTable): AsyncGenerator<Row, undefined> {
  for await (const rows of chunksOf(side, table)) yield* rows;
}

const asBytes = (table: CopiedTable, row: Row) => Buffer.concat(wordsOf(table, row).map((word) => Buffer.from(word)));
