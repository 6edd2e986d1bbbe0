import type { PruneBite, Pruned } from '../../contracts/journal.ts';
import type { Connection } from './connection.ts';
import type { Gather } from './gather.ts';
import { type Key, makeKeySet } from './keys.ts';
import { NO_NUMBERS } from './numbers.ts';
import { prepared } from './prepared.ts';
import type { Range } from './retirement.ts';
import { keyOf, namesOf, type Row, type Rows, type Scratch } from './scratch.ts';

/** The SQL that finds what a bite looks at. */
export const POSTGRES_PRUNE_SQL = {
  bytes: `select message_id as id from message_bytes where message_id > $1 and message_id < $3 order by message_id limit $2`,
  rows: 'select id from messages where id > $1 order by id limit $2',
  acks: `select message_id as id from owed_acks where channel = any ($1::text[]) and owed_at < $2 order by message_id limit $3`,
  results: 'select id, key from results where id > $1 order by id limit $2',
} as const;

/**
 * What a bite of retention may look at, locked; or what it did, where nothing is to be decided. Null = somebody else is
 * about one of these just now: nothing was done, and the next pass comes by again.
 */
export async function readBite(
  on: Connection,
  [bite, left]: readonly [PruneBite, readonly Range[]],
  gather: Gather,
  columns: Scratch['columns'],
): Promise<{ readonly rows: Rows } | { readonly pruned: Pruned } | null> {
  const ask = async (sql: string, ...values: readonly unknown[]): Promise<Row[]> =>
    (await on.query(prepared(sql, values))).rows;

  if (bite.walk === 'arrivals') return { pruned: await pruneArrivals(on, bite) };
  if (bite.walk === 'results') return { pruned: await pruneResults(on, bite, gather) };
  const ids = (
    bite.walk === 'acks'
      ? await ask(POSTGRES_PRUNE_SQL.acks, bite.channels, bite.before, bite.limit)
      : bite.walk === 'bytes'
        ? await readBetween(ask, bite, left)
        : await ask(POSTGRES_PRUNE_SQL.rows, bite.after, bite.limit)
  ).map(({ id }) => id as number);
  const keys = ids.flatMap((id): Key[] => [
    ['message', id],
    ['of-message', id],
  ]);
  const gathered = await gather(on, makeKeySet(keys), NO_NUMBERS);
  if (!('rows' in gathered)) return null;
  const { rows } = gathered;
  // Only what is walked through may look as if it had bytes, and each body counts with its size.
  rows.message_bytes.clear();
  rows.bodies.clear();
  const put = (table: keyof Rows) => (row: Row) => void rows[table].set(keyOf(table, row), row);
  const ofIds = 'where delivery_id in (select id from deliveries where message_id = any ($1::bigint[]))';
  const sizes = [
    ask('select message_id, length(bytes) as bytes from message_bytes where message_id = any ($1::bigint[])', ids),
    ask(`select delivery_id, length(body) as body from bodies ${ofIds}`, ids),
    ask(`select delivery_id, length(body) as body, status, content_type, encoding, fault from responses ${ofIds}`, ids),
  ] as const;
  const [bytes, bodies, responses] = await Promise.all(sizes);
  bytes.forEach(put('message_bytes'));
  bodies.forEach(put('bodies'));
  responses.forEach(put('responses'));
  if (bite.walk !== 'rows') return { rows };

  const message = namesOf(columns.messages);
  const [relied, last, links] = await Promise.all([
    ask(
      `select ${message} from messages where id in (select r.last_message_id from results r
         where r.id in (select result_id from deliveries where message_id = any ($1::bigint[])))
       or id = (select max(id) from messages)`,
      ids,
    ),
    ask(`select ${namesOf(columns.deliveries)} from deliveries where id = (select max(id) from deliveries)`),
    ask(`select message_id, delivery_id from links ${ofIds} or message_id = any ($1::bigint[])`, ids),
  ]);
  for (const row of relied) if (!rows.messages.has(keyOf('messages', row))) put('messages')(row);
  for (const row of last) if (!rows.deliveries.has(keyOf('deliveries', row))) put('deliveries')(row);
  links.forEach(put('links'));
  return { rows };
}

/** What has bytes, but for what goes otherwise. */
async function readBetween(
  ask: (sql: string, ...values: readonly unknown[]) => Promise<Row[]>,
  { after, limit }: { readonly after: number; readonly limit: number },
  left: readonly Range[],
): Promise<Row[]> {
  const rows: Row[] = [];
  let last = after;
  for (const { from, to } of [...left.filter((range) => range.to > after + 1), END]) {
    if (from > last + 1) rows.push(...(await ask(POSTGRES_PRUNE_SQL.bytes, last, limit - rows.length, from)));
    if (rows.length >= limit) break;
    last = to - 1;
  }
  return rows;
}
const END: Range = { from: Number.MAX_SAFE_INTEGER, to: Number.MAX_SAFE_INTEGER };

async function pruneArrivals(on: Connection, { before, limit }: PruneBite & { walk: 'arrivals' }): Promise<Pruned> {
  const sql = `delete from arrivals where (channel, hour_at) in
    (select channel, hour_at from arrivals where hour_at < $1 limit $2)`;
  const count = (await on.query(prepared(sql, [before, limit]))).rowCount ?? 0;
  return { count, bytes: 0, next: count < limit ? null : 0, channels: [] };
}

async function pruneResults(
  on: Connection,
  { after, limit }: PruneBite & { walk: 'results' },
  gather: Gather,
): Promise<Pruned> {
  const { rows } = await on.query<{ id: number; key: string }>(prepared(POSTGRES_PRUNE_SQL.results, [after, limit]));
  // Nobody may be about to use one of them.
  await gather(on, makeKeySet(rows.map(({ key }): Key => ['result', key])), NO_NUMBERS);
  const sql = `delete from results r where id = any ($1::bigint[])
    and not exists (select 1 from deliveries where result_id = r.id)
    and not exists (select 1 from messages where id = r.last_message_id)`;
  const count = (await on.query(prepared(sql, [rows.map(({ id }) => id)]))).rowCount ?? 0;
  return { count, bytes: 0, next: rows.length < limit ? null : (rows.at(-1)?.id ?? null), channels: [] };
}
