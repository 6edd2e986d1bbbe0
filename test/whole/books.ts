import Database from 'better-sqlite3';
import pg from 'pg';

/** What a journal says by itself, once nobody writes it any more. */
export interface Books {
  readonly messages: readonly MessageRow[];
  /** In order of their places. */
  readonly deliveries: readonly DeliveryRow[];
  /** In order of messages, and of time within each. */
  readonly history: readonly HistoryRow[];
  /** What is wrong with the journal as such: [] = it is whole, and nothing waits. */
  readonly problems: readonly string[];
}

export interface MessageRow {
  readonly id: number;
  readonly state: string;
  readonly times_seen: number;
  /** Hex. */
  readonly contentHash: string;
}

export interface DeliveryRow {
  readonly id: number;
  readonly message_id: number;
  readonly target: string;
  readonly party: string;
  readonly lane_key: string;
  readonly state: string;
  readonly attempts: number;
  readonly body: Buffer;
}

export interface HistoryRow {
  readonly message_id: number;
  readonly delivery_id: number | null;
  readonly event: string;
  readonly from_state: string | null;
  readonly to_state: string | null;
}

/** The tables have the same names in both journals. */
const SQL = {
  messages: 'select id, state, times_seen, content_hash as hash from messages',
  deliveries: `select d.id, d.message_id, d.target, d.party, d.lane_key, d.state, d.attempts, b.body
    from deliveries d join bodies b on b.delivery_id = d.id order by d.place, d.id`,
  history: 'select message_id, delivery_id, event, from_state, to_state from history order by message_id, id',
  waiting: "select count(*) as count from deliveries where state = 'waiting'",
  counted: `select 'delivery' as kind, target as owner, party, state, count(*) as count from deliveries group by target, party, state
    union all select 'message', channel, '', state, count(*) from messages group by channel, state order by 1, 2, 3, 4`,
  tallied: `select kind, owner, party, state, sum(count) as count from tallies group by kind, owner, party, state
    having sum(count) <> 0 order by 1, 2, 3, 4`,
} as const;

type Row = Record<string, unknown>;
type All = (sql: string) => Promise<Row[]>;

/** Reads the journal of an engine that has stopped. */
export async function readSqliteBooks(file: string): Promise<Books> {
  const db = new Database(file, { readonly: true });
  try {
    const problems: string[] = [];
    const integrity = db.pragma('integrity_check', { simple: true });
    if (integrity !== 'ok') problems.push(`integrity_check: ${String(integrity)}`);
    if ((db.pragma('foreign_key_check') as unknown[]).length > 0) {
      problems.push('foreign_key_check finds rows without their parent');
    }
    return await readBooks(async (sql) => db.prepare<[], Row>(sql).all(), problems);
  } finally {
    db.close();
  }
}

/** Reads the journal of nodes that have all stopped. */
export async function readPostgresBooks(url: string): Promise<Books> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return await readBooks(async (sql) => (await client.query<Row>(sql)).rows.map(withNumbers), []);
  } finally {
    await client.end();
  }
}

async function readBooks(all: All, found: readonly string[]): Promise<Books> {
  const problems = [...found];
  const waiting = Number((await all(SQL.waiting))[0]?.count);
  if (waiting !== 0) problems.push(`${waiting} deliveries still wait`);
  const [made, kept] = [await all(SQL.counted), await all(SQL.tallied)].map((rows) => JSON.stringify(rows));
  if (made !== kept) problems.push(`the tallies are ${kept}, counted it is ${made}`);
  const messages = (await all(SQL.messages)).map(({ hash, ...row }) => ({
    ...(row as unknown as Omit<MessageRow, 'contentHash'>),
    contentHash: (hash as Buffer).toString('hex'),
  }));
  return {
    messages,
    deliveries: (await all(SQL.deliveries)) as unknown as DeliveryRow[],
    history: (await all(SQL.history)) as unknown as HistoryRow[],
    problems,
  };
}

/** Whole numbers come as texts where they might be greater than a number can be. */
function withNumbers(row: Row): Row {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [
      name,
      ['id', 'message_id', 'delivery_id', 'attempts', 'times_seen', 'count'].includes(name) && value !== null
        ? Number(value)
        : value,
    ]),
  );
}
