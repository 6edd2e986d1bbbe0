/**
 * What it costs PostgreSQL to let the bytes of messages go: by a drop of their period, and row by row; and what an admission
 * and its delivery cost with partitions and without. `node bench/periods.ts [messages]` prints bytes of its log (WAL, with
 * full pages), the time and the processor time of the server's sessions; only the ratios mean anything elsewhere.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import pg from 'pg';
import type { Journal, PruneBite } from '../src/contracts/journal.ts';
import { parsePostgresUrl } from '../src/journal/postgres/address.ts';
import { makeConnector } from '../src/journal/postgres/connection.ts';
import { POSTGRES_MIGRATIONS } from '../src/journal/postgres/migrations.ts';
import { PERIOD_TABLES } from '../src/journal/postgres/period-tables.ts';
import { migrate } from '../src/journal/postgres/schema.ts';
import { openPostgresJournal, type PostgresJournal } from '../src/journal/postgres.ts';
import { admission, draft, ended, SLOT } from '../test/journal/kit.ts';
import { startPostgres } from '../test/journal/postgres-server.ts';

const MESSAGES = Number(process.argv[2] ?? 20_000);
const DAY_MS = 86_400_000;
/** The period that is filled begins there: see `add_period`. */
const FIRST = 10_000;
const PARTITIONS = 14;
const ADMISSIONS = 1_500;
const ROUNDS = 3;

const server = await startPostgres({ fsync: false, settings: { full_page_writes: 'on', max_wal_size: '8GB' } });

interface Cost {
  readonly walBytes: number;
  readonly ms: number;
  readonly serverMs: number;
}

/** Of the sessions that are there before and after; `more` adds what one costs that ended in between. */
async function measure(admin: pg.Client, work: () => Promise<unknown>): Promise<Cost> {
  await admin.query('checkpoint');
  const { rows: begin } = await admin.query('select pg_current_wal_insert_lsn() as lsn');
  const spentBefore = await spentMs(admin);
  const from = performance.now();
  await work();
  const ms = performance.now() - from;
  const spentAfter = await spentMs(admin);
  const { rows: end } = await admin.query('select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), $1)::float8 as bytes', [
    begin[0].lsn,
  ]);
  return { walBytes: end[0].bytes, ms, serverMs: spentAfter - spentBefore };
}

/** Processor time of the database's sessions, but of those that have ended. */
async function spentMs(admin: pg.Client): Promise<number> {
  const { rows } = await admin.query(
    `select pid from pg_stat_activity where datname = current_database() and application_name like 'sluss %'`,
  );
  return rows.reduce((sum: number, { pid }: { pid: number }) => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
    return sum + (Number(fields[11]) + Number(fields[12])) * 10;
  }, 0);
}

/** Messages of the first day, each with a delivery, its answer and six events, as the journal would have written them. */
async function fill(admin: pg.Client): Promise<void> {
  const range = `generate_series(${FIRST}, ${FIRST + MESSAGES - 1}) i`;
  const noise = (bytes: number) => {
    const words = Array.from({ length: Math.ceil(bytes / 32) }, (_, n) => `sha256((i || ' ${n}')::bytea)`);
    return `(${words.join(' || ')})`;
  };
  await admin.query(`select add_period(${FIRST + MESSAGES + 10_000}, ${FIRST + MESSAGES + 10_000})`);
  await admin.query(`insert into messages (id, channel, content_hash, control_id, origin, received_at, state, state_at, skipped,
      faults, node) select i, 'lab', sha256(i::text::bytea), 'M' || i, 'mllp 10.0.0.1:4000', i, 'mapped', i, '[]', '[]', 1 from ${range}`);
  await admin.query(`insert into message_bytes select i, ${noise(1_500)} from ${range}`);
  await admin.query(`insert into results select i, 'key ' || i, '1', 'digest', i, i from ${range}`);
  await admin.query(`insert into deliveries (id, message_id, channel, result_id, target, operation, party, lane_key, admitted_at,
      place, next_at, due_at, in_doubt, on_correction, state, state_at) select i, i, 'lab', i, 'register', 'issue', 'p1',
      'lane ' || i, i, i, i, i, 'repeat', 'update', 'delivered', i + 2 from ${range}`);
  await admin.query(`insert into bodies select i, ${noise(2_500)} from ${range}`);
  await admin.query(
    `insert into responses select i, 201, 'application/json', 'identity', ${noise(4_000)}, null from ${range}`,
  );
  await admin.query(`insert into history (message_id, delivery_id, at, event, from_state, to_state, why, by)
    select i, i, i, 'event', 'waiting', 'delivered', 'attempt 1', 'engine' from ${range}, generate_series(1, 6)`);
  await admin.query(`select setval('message_ids', ${FIRST + MESSAGES}), setval('delivery_ids', ${FIRST + MESSAGES})`);
  await admin.query('vacuum analyze');
}

async function pass(journal: Journal, at: number): Promise<number> {
  const before = at - 90 * DAY_MS;
  const limits = { held: null, refused: before, skipped: before, delivered: before, cancelled: before };
  let count = 0;
  for (let next: number | null = 0; next !== null; ) {
    const bite: PruneBite = { walk: 'bytes', at, after: next, limit: 200, maxBytes: 4_000_000, before: limits };
    const pruned = await journal.prune(bite);
    count += pruned.count;
    next = pruned.next;
  }
  return count;
}

async function letGo(how: 'drop' | 'rows'): Promise<Cost & { readonly vacuumWalBytes: number }> {
  const database = await server.createDatabase();
  const admin = new pg.Client(database.url);
  await admin.connect();
  // Opened first, for it makes the tables.
  const journal = await openPostgresJournal({ address: parsePostgresUrl(database.url), node: 'a', now: 0 });
  await fill(admin);
  await pass(journal, 8 * DAY_MS);
  if (how === 'rows') await admin.query(`update periods set bytes = 'kept'`);
  let count = 0;
  const cost = await measure(admin, async () => {
    count = await pass(journal, 99 * DAY_MS);
  });
  if (count !== MESSAGES) throw new Error(`${count} went instead of ${MESSAGES}`);
  const vacuum = await measure(admin, () => admin.query('vacuum message_bytes, bodies, responses'));
  await journal.close();
  await admin.end();
  await database.drop();
  return { ...cost, vacuumWalBytes: vacuum.walBytes };
}

/** The tables as they were, beside what the journal asks of periods. */
const WITHOUT = POSTGRES_MIGRATIONS.map((sql) =>
  sql.replace(
    PERIOD_TABLES,
    () => `${PERIOD_TABLES.slice(0, PERIOD_TABLES.lastIndexOf('do $$'))}
     insert into periods (number, message_from, message_to, delivery_from, delivery_to) values (0, 0, 1e9::bigint, 0, 1e9::bigint);`,
  ),
);

async function openSide(steps: readonly string[]) {
  const database = await server.createDatabase();
  const on = await makeConnector(parsePostgresUrl(database.url))('schema');
  await migrate(on, { steps });
  await on.end();
  const admin = new pg.Client(database.url);
  await admin.connect();
  if (steps === POSTGRES_MIGRATIONS) {
    for (let i = 2; i < PARTITIONS; i++) await admin.query('select add_period(0, 0)');
  }
  const journal = await openPostgresJournal({ address: parsePostgresUrl(database.url), node: 'a', now: 0 });
  return { database, admin, journal };
}

async function deliverSome(journal: PostgresJournal, name: string): Promise<void> {
  const one = async (i: number) => {
    const text = `${name} ${i} ${createHash('sha256').update(`${i}`).digest('hex').repeat(24)}`;
    const body = Buffer.from(text);
    await journal.admit(
      admission(text, 1, {
        statements: [{ resultKey: `${name} ${i}`, rank: '1', digest: 'd' }],
        drafts: [draft(`${name} ${i}`, { laneKey: `${name} ${i}`, body })],
      }),
    );
    const { deliveries } = await journal.claim([{ ...SLOT, free: 1 }], 2);
    const response = { status: 201, contentType: 'application/json', body, fault: null };
    await Promise.all(deliveries.map((delivery) => journal.record(ended(delivery, 3, { response }))));
  };
  for (let i = 0; i < ADMISSIONS; i += 16) await Promise.all(Array.from({ length: 16 }, (_, j) => one(i + j)));
}

const print = (name: string, { walBytes, ms, serverMs }: Cost, of: number) =>
  console.log(
    `${name.padEnd(28)} ${(walBytes / of).toFixed(0).padStart(7)} B of log, ${(ms / of).toFixed(3)} ms, ${(serverMs / of).toFixed(3)} ms of the server, each`,
  );

const sides = {
  partitions: await openSide(POSTGRES_MIGRATIONS),
  none: await openSide(WITHOUT),
};
const rounds: Record<keyof typeof sides, Cost[]> = { partitions: [], none: [] };
for (let round = 0; round <= ROUNDS; round++) {
  for (const name of ['none', 'partitions'] as const) {
    const { admin, journal } = sides[name];
    const cost = await measure(admin, () => deliverSome(journal, `${round}`));
    // The first is for the plans.
    if (round > 0) rounds[name].push(cost);
  }
}
const sum = (costs: readonly Cost[]): Cost => ({
  walBytes: costs.reduce((all, { walBytes }) => all + walBytes, 0),
  ms: costs.reduce((all, { ms }) => all + ms, 0),
  serverMs: costs.reduce((all, { serverMs }) => all + serverMs, 0),
});
print('admitted, delivered: before', sum(rounds.none), ADMISSIONS * ROUNDS);
print(`… with ${PARTITIONS} partitions`, sum(rounds.partitions), ADMISSIONS * ROUNDS);
for (const { database, admin, journal } of Object.values(sides)) {
  await journal.close();
  await admin.end();
  await database.drop();
}
const rows = await letGo('rows');
const drop = await letGo('drop');
print('gone row by row', rows, MESSAGES);
print('gone by a drop', drop, MESSAGES);
console.log(
  `a drop takes ${(drop.walBytes / rows.walBytes).toFixed(3)} of the log (${(drop.walBytes / (rows.walBytes + rows.vacuumWalBytes)).toFixed(3)} with the vacuum that follows), ${(drop.ms / rows.ms).toFixed(3)} of the time`,
);
await server.remove();
