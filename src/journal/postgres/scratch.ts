import Database from 'better-sqlite3';
import type { Arrivals } from '../arrivals.ts';
import { type Calls, makeGroupCommit, type Reply, type Request } from '../group-commit.ts';
import { MIGRATIONS } from '../migrations.ts';
import { makeOverdue, type Overdue } from '../overdue.ts';
import { makeWrites } from '../writes.ts';

/** Tables whose rows are copied, each with its key. */
export const TABLES = {
  messages: ['id'],
  results: ['id'],
  deliveries: ['id'],
  owed_acks: ['message_id'],
  links: ['message_id', 'delivery_id'],
  ack_deliveries: ['delivery_id'],
  provisions: ['key', 'message_id'],
  message_bytes: ['message_id'],
  bodies: ['delivery_id'],
  responses: ['delivery_id'],
} as const satisfies Readonly<Record<string, readonly string[]>>;

export type Table = keyof typeof TABLES;
export type Value = string | number | Uint8Array | null;
/** By the names of its columns. */
export type Row = Record<string, Value>;

/** Rows by key; of the tables with large values only that they are there, and how large. */
export type Rows = { readonly [Name in Table]: Map<string, Row> };

export const emptyRows = (): Rows =>
  Object.fromEntries(Object.keys(TABLES).map((name) => [name, new Map<string, Row>()])) as unknown as Rows;

export const keyOf = (table: Table, row: Row): string => TABLES[table].map((column) => row[column]).join(' ');

/** First of the numbers that new rows get; they are greater than those of all copies. */
export interface Numbers {
  readonly messages: number;
  readonly deliveries: number;
  readonly results: number;
}

export interface Change {
  readonly before: Row | null;
  /** null = gone. */
  readonly after: Row | null;
}

export interface Changes {
  readonly rows: { readonly [Name in Table]: readonly Change[] };
  readonly history: readonly Row[];
  /** What is to be added to each count. */
  readonly tallies: readonly Row[];
}

/** What scratch paper cannot hold is not copied: of these it is only known that they are there, and how large. */
const LARGE = { message_bytes: 'bytes', bodies: 'body', responses: 'body' } as const;
const isLarge = (table: Table): table is keyof typeof LARGE => Object.hasOwn(LARGE, table);

/** The PostgreSQL journal counts arrivals itself. */
const NO_ARRIVALS: Arrivals = { note() {}, flush() {}, reset() {} };

export type Scratch = ReturnType<typeof makeScratch>;

/**
 * Scratch paper: a database in memory with the tables of the SQLite journal. What concerns a batch of calls is copied onto
 * it, the calls are decided there by the very code of the SQLite journal, and what differs afterwards is what has to be
 * written. So there is one set of decisions, whatever the store; nothing of it lasts longer than the batch.
 */
export function makeScratch() {
  const db = new Database(':memory:');
  db.pragma('foreign_keys = off');
  db.pragma('temp_store = memory');
  for (const sql of MIGRATIONS) db.exec(sql);
  const { calls, transitions, lanes } = makeWrites(db, NO_ARRIVALS);
  const readOverdue = db.prepare<[number], Overdue>(
    `select id, message_id, target, party, lane_key, may_have_arrived from deliveries where id = ? and state = 'waiting' and turn is not 'flight'`,
  );
  const endOverdue = makeOverdue(db, lanes, transitions);
  const commitGroup = makeGroupCommit(
    db,
    {
      ...calls,
      /** Found past its time by a claim. Null = it does not wait any more. */
      endOverdue(id: number, at: number): 'expired' | 'held' | null {
        const row = readOverdue.get(id);
        return row === undefined ? null : endOverdue(row, at);
      },
    } as Calls,
    [transitions],
  );

  const names = Object.keys(TABLES) as Table[];
  const columns = Object.fromEntries(names.map((name) => [name, columnsOf(db, name)])) as Record<Table, Column[]>;
  const inserts = new Map(
    names.map((name) => {
      const marks = columns[name].map((column) => (isLarge(name) && column.name === LARGE[name] ? 'zeroblob(?)' : '?'));
      return [
        name,
        db.prepare(`insert into ${name} (${namesOf(columns[name])}) values (${marks.join(', ')})`),
      ] as const;
    }),
  );
  const selects = new Map(
    names.map((name) => {
      const wanted = isLarge(name)
        ? `${TABLES[name].join(', ')}, length(${LARGE[name]}) as ${LARGE[name]}`
        : namesOf(columns[name]);
      return [name, db.prepare<[], Row>(`select ${wanted} from ${name}`)] as const;
    }),
  );
  const readLarge = new Map(
    Object.keys(LARGE).map((name) => {
      const key = TABLES[name as Table][0];
      return [name as Table, db.prepare<[Value], Row>(`select * from ${name} where ${key} = ?`)] as const;
    }),
  );
  const readHistory = db.prepare<[], Row>(
    'select message_id, delivery_id, at, event, from_state, to_state, why, by, note from history order by id',
  );
  const readTallies = db.prepare<[], Row>('select kind, owner, party, state, count from tallies where count <> 0');
  const clearing = [...names, 'history', 'tallies'].map((name) => db.prepare(`delete from ${name}`));
  // Numbers go on from the greatest there is.
  const floors = {
    messages: db.prepare(
      `insert or ignore into messages (id, channel, content_hash, origin, received_at, state, state_at, skipped, faults)
       values (?, '', x'', '', 0, '', 0, '', '')`,
    ),
    deliveries: db.prepare(
      `insert or ignore into deliveries (id, message_id, channel, result_id, target, operation, party, lane_key, admitted_at, place,
         next_at, due_at, in_doubt, on_correction, state, state_at)
       values (?, 0, '', 0, '', '', '', '', 0, 0, 0, 0, '', '', '', 0)`,
    ),
    results: db.prepare(`insert or ignore into results (id, key) values (?, '')`),
  };
  const copy = db.transaction((rows: Rows, first: Numbers) => {
    for (const statement of clearing) statement.run();
    for (const name of names) {
      const insert = inserts.get(name)!;
      const of = columns[name];
      for (const row of rows[name].values()) insert.run(of.map((column) => row[column.name] ?? null));
    }
    for (const name of ['messages', 'deliveries', 'results'] as const) {
      if (first[name] > 1) floors[name].run(first[name] - 1);
    }
  });

  const compare = (name: Table, before: Map<string, Row>, floor: number | null): Change[] => {
    const changes: Change[] = [];
    const met = new Set<string>();
    for (const after of selects.get(name)!.all()) {
      const key = keyOf(name, after);
      const known = before.get(key);
      met.add(key);
      if (isLarge(name)) {
        if (known !== undefined && known[LARGE[name]] === after[LARGE[name]]) continue;
        changes.push({ before: null, after: readLarge.get(name)!.get(after[TABLES[name][0]]!)! });
      } else if (known === undefined) {
        if (floor === null || after.id !== floor) changes.push({ before: null, after });
      } else if (columns[name].some((column) => !column.isBlob && known[column.name] !== after[column.name])) {
        changes.push({ before: known, after });
      }
    }
    for (const [key, row] of before) if (!met.has(key)) changes.push({ before: row, after: null });
    return changes;
  };

  return {
    columns,

    /** Decides the calls on copies of these rows. What a call that failed did is undone, and no part of the changes. */
    decide(rows: Rows, first: Numbers, requests: readonly Request[]): { replies: Reply[]; changes: Changes } {
      copy(rows, first);
      const replies = commitGroup(requests);
      const floorOf = (name: Table) => (name in first ? first[name as keyof Numbers] - 1 : null);
      const changed = names.map((name) => [name, compare(name, rows[name], floorOf(name))]);
      return {
        replies,
        changes: {
          rows: Object.fromEntries(changed) as Changes['rows'],
          history: readHistory.all(),
          tallies: readTallies.all(),
        },
      };
    },

    close(): void {
      db.close();
    },
  };
}

export interface Column {
  readonly name: string;
  /** Its type in PostgreSQL. */
  readonly type: 'bigint' | 'text' | 'bytea';
  readonly isBlob: boolean;
}

function columnsOf(db: Database.Database, table: string): Column[] {
  const found = db
    .prepare<[], { name: string; type: string }>(`select name, lower(type) as type from pragma_table_info('${table}')`)
    .all();
  return found.map(({ name, type }) => {
    const isBlob = type === 'blob';
    return { name, isBlob, type: isBlob ? 'bytea' : type === 'integer' ? 'bigint' : 'text' };
  });
}

export function namesOf(columns: readonly Column[]): string {
  return columns.map(({ name }) => name).join(', ');
}
