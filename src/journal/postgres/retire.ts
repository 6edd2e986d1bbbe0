/**
 * How the bytes of a period that is over go. What stays is copied to tables beside its partitions, bite by bite (weighing);
 * then, in one short transaction, these take the place of the partitions, which are dropped; then the messages that lost
 * their bytes are told (marking), as the walk that goes row by row tells them. Between two steps everything is in the
 * database, so any node goes on, and a crash loses nothing.
 *
 * What happens to an old message while its period is weighed is noted by whoever writes it (`touched`, see write.ts), and such
 * a message stays, as it is when the partitions change places: nobody can write it then.
 */
import type { Ending, PruneBite, Pruned } from '../../contracts/journal.ts';
import type { Connection } from './connection.ts';
import { asideOf, LARGE, LARGE_TABLES, nameOf, swap } from './partitions.ts';
import { inTransaction, type Period } from './periods.ts';

export type BytesBite = PruneBite & { readonly walk: 'bytes' };

/** Messages looked at in a step, for each that the walk by rows would look at in a bite. */
const TIMES_ROWS = 25;
/** A period that this part of stays is not worth it, once so many were looked at. */
const MOST_STAYING = 0.1;
const LOOKED_AT_LEAST = 1_000;
/** More of them are not looked at while others wait. */
const MOST_TOUCHED = 500;
/** Nothing went, and there is more to do. */
const NOTHING_YET: Pruned = { count: 0, bytes: 0, next: 0, channels: [] };

/**
 * How a message and its deliveries ended and when, as `endOf` and `howEnded` of the SQLite journal's pruning have it; a test
 * compares what goes. Messages are `m`, `$1` and `$2` numbers from and to.
 */
const ENDED = `left join (
    select message_id, bool_or(state = 'waiting') as waits, bool_or(state = 'held') as is_held,
      bool_or(state = 'delivered') as is_delivered, max(state_at) as at,
      max(not_after) filter (where ended = 'lacking') as lacks_until, min(id) as first_id, max(id) as last_id
    from deliveries where message_id >= $1 and message_id < $2 group by message_id) d on d.message_id = m.id
  cross join lateral (select case
      when m.state = 'held' or d.is_held then 'held'
      when m.state in ('refused', 'skipped') then m.state
      when d.message_id is null or d.is_delivered then 'delivered'
      else 'cancelled' end as how) e`;

/** How long each ending is kept, in ms; never ones left out. */
export function keptFor(bite: BytesBite): Partial<Record<Ending, number>> {
  const entries = Object.entries(bite.before).flatMap(([how, before]) =>
    before === null ? [] : [[how, bite.at - before]],
  );
  return Object.fromEntries(entries);
}

/** One step of a period that is over. Null = it is for the next pass. */
export async function retireBytes(on: Connection, period: Period, bite: BytesBite): Promise<Pruned | null> {
  const limit = bite.limit * TIMES_ROWS;
  if (period.bytes === 'marking') return await mark(on, period, bite, limit);
  const weighedFor = JSON.stringify(keptFor(bite));
  if (period.bytes === 'whole' || period.weighed_for !== weighedFor) {
    await inTransaction(on, () => begin(on, period, weighedFor));
    return NOTHING_YET;
  }
  const done = await inTransaction(on, () => weigh(on, period, bite, limit));
  if (done !== 'weighed') return NOTHING_YET;
  const bytes = await inTransaction(on, () => replace(on, period));
  return bytes === null ? null : { ...NOTHING_YET, bytes };
}

async function begin(on: Connection, period: Period, weighedFor: string): Promise<void> {
  for (const table of LARGE) {
    await on.query(`drop table if exists ${asideOf(table, period)}`);
    await on.query(`create table ${asideOf(table, period)} (like ${table} including all)`);
  }
  // What was begun elsewhere under other limits is begun anew, for it would not know what happened since.
  await on.query('delete from touched');
  await on.query(`update periods set bytes = 'whole' where bytes = 'weighing'`);
  await on.query(
    `update periods set bytes = 'weighing', weighed_for = $2, weighed_to = message_from, weight = 0, staying = 0, looked_at = 0
     where number = $1`,
    [period.number, weighedFor],
  );
}

/** Looks at so many messages, and copies what stays. */
async function weigh(
  on: Connection,
  period: Period,
  bite: BytesBite,
  limit: number,
): Promise<'weighing' | 'weighed' | 'kept'> {
  const { number, weighed_to: from } = period;
  const own = nameOf('message_bytes', period);
  const { rows } = await on.query<{ last: number | null; count: number }>(
    `select max(message_id) as last, count(*) as count from
       (select message_id from ${own} where message_id >= $1 order by message_id limit $2) part`,
    [from, limit],
  );
  const { last, count } = rows[0]!;
  if (last === null) {
    await keepStrays(on, period);
    return 'weighed';
  }
  const { before, at } = bite;
  const found = await on.query<{ staying: number[] | null; weight: number }>(
    `with judged as materialized (
       select m.id, length(b.bytes) as weight, coalesce(m.state <> 'received' and not coalesce(d.waits, false)
           and coalesce(d.lacks_until <= $3, true)
           and coalesce(d.first_id >= $4 and d.last_id < $5, true)
           and not exists (select 1 from owed_acks o where o.message_id = m.id)
           and greatest(m.state_at, d.at) < case e.how when 'delivered' then $6::bigint when 'cancelled' then $7::bigint
             when 'refused' then $8::bigint when 'skipped' then $9::bigint end, false) as goes
       from ${own} b join messages m on m.id = b.message_id ${ENDED}
       where b.message_id >= $1 and b.message_id < $2),
     bodies as (
       select coalesce((select length(b.body) from ${nameOf('bodies', period)} b where b.delivery_id = d.id), 0)
         + coalesce((select length(r.body) from ${nameOf('responses', period)} r where r.delivery_id = d.id), 0) as weight
       from judged j join deliveries d on d.message_id = j.id where j.goes)
     select array_agg(id) filter (where not goes) as staying, (coalesce(sum(weight) filter (where goes), 0)
         + coalesce((select sum(weight) from bodies), 0))::bigint as weight
     from judged`,
    [
      from,
      last + 1,
      at,
      period.delivery_from,
      period.delivery_to,
      before.delivered,
      before.cancelled,
      before.refused,
      before.skipped,
    ],
  );
  const { staying, weight } = found.rows[0]!;
  const ids = staying ?? [];
  if (ids.length > 0) await copyAside(on, period, ids);
  const looked = period.looked_at + count;
  if (looked >= LOOKED_AT_LEAST && period.staying + ids.length > looked * MOST_STAYING) {
    await giveUp(on, period);
    return 'kept';
  }
  await on.query(
    `update periods set weighed_to = $2, weight = weight + $3, staying = staying + $4, looked_at = $5 where number = $1`,
    [number, last + 1, weight, ids.length, looked],
  );
  return 'weighing';
}

/** Too much of it stays: it goes row by row, and its partitions when nothing is left of it. */
async function giveUp(on: Connection, period: Period): Promise<void> {
  for (const table of LARGE) await on.query(`drop table if exists ${asideOf(table, period)}`);
  await on.query(`update periods set bytes = 'kept' where number = $1`, [period.number]);
}

async function copyAside(on: Connection, period: Period, ids: readonly number[]): Promise<number> {
  let weight = 0;
  for (const table of LARGE) {
    const { content, of } = LARGE_TABLES[table];
    const { rows } = await on.query<{ weight: number }>(
      `with copied as (insert into ${asideOf(table, period)} select * from ${nameOf(table, period)} where ${of('$1::bigint[]')}
         returning length(${content}) as weight)
       select coalesce(sum(weight), 0)::bigint as weight from copied`,
      [ids],
    );
    weight += rows[0]!.weight;
  }
  return weight;
}

/** Deliveries of this period whose messages are of another. */
async function keepStrays(on: Connection, period: Period): Promise<void> {
  const { delivery_from, delivery_to, message_from, message_to } = period;
  for (const table of ['bodies', 'responses'] as const) {
    await on.query(
      `insert into ${asideOf(table, period)} select b.* from deliveries d join ${nameOf(table, period)} b on b.delivery_id = d.id
       where d.id >= $1 and d.id < $2 and (d.message_id < $3 or d.message_id >= $4) on conflict do nothing`,
      [delivery_from, delivery_to, message_from, message_to],
    );
  }
}

/** What stays takes the place of everything. Resolves with how many bytes went; null = too much happened, all is weighed anew. */
async function replace(on: Connection, period: Period): Promise<number | null> {
  // Who writes about old messages has committed, or has written nothing yet.
  await on.query('lock table touched in share row exclusive mode');
  await on.query(`lock table only ${LARGE.join(', only ')} in access exclusive mode`);
  const { rows: touched } = await on.query<{ id: number }>(
    `select distinct message_id as id from touched limit ${MOST_TOUCHED + 1}`,
  );
  if (touched.length > MOST_TOUCHED) {
    await on.query(`update periods set bytes = 'whole' where number = $1`, [period.number]);
    return null;
  }
  let { weight } = (await on.query<{ weight: number }>('select weight from periods where number = $1', [period.number]))
    .rows[0]!;
  if (touched.length > 0) {
    const ids = touched.map(({ id }) => id);
    for (const table of LARGE) {
      const { content, of } = LARGE_TABLES[table];
      const { rows } = await on.query<{ weight: number }>(
        `with gone as (delete from ${asideOf(table, period)} where ${of('$1::bigint[]')} returning length(${content}) as weight)
         select coalesce(sum(weight), 0)::bigint as weight from gone`,
        [ids],
      );
      weight += rows[0]!.weight;
    }
    weight -= await copyAside(on, period, ids);
  }
  for (const table of LARGE) await swap(on, table, period);
  await on.query(`update periods set bytes = 'marking', weighed_to = message_from where number = $1`, [period.number]);
  return Math.max(0, weight);
}

/** Tells so many messages that their bytes are gone: their history, and who they came from. */
async function mark(on: Connection, period: Period, { at }: BytesBite, limit: number): Promise<Pruned> {
  return await inTransaction(on, async () => {
    const { rows: part } = await on.query<{ last: number | null }>(
      `select max(id) as last from (select id from messages where id >= $1 and id < $2 order by id limit $3) part`,
      [period.weighed_to, period.message_to, limit],
    );
    const { last } = part[0]!;
    if (last === null) {
      await on.query(`update periods set bytes = 'kept' where number = $1`, [period.number]);
      return NOTHING_YET;
    }
    const { rows } = await on.query<{ count: number }>(
      `with gone as materialized (
         select m.id, e.how from messages m ${ENDED}
         where m.id >= $1 and m.id < $2 and not exists (select 1 from message_bytes b where b.message_id = m.id)
           and not coalesce((select h.event = 'pruned' from ${nameOf('history', period)} h
             where h.message_id = m.id and h.event in ('pruned', 'restored') order by h.id desc limit 1), false)),
       nameless as (
         update messages m set origin = '' from gone where m.id = gone.id and m.origin <> ''),
       told as (
         insert into history (message_id, at, event, why, by) select id, $3, 'pruned', how, 'engine' from gone)
       select count(*) as count from gone`,
      [period.weighed_to, last + 1, at],
    );
    await on.query('update periods set weighed_to = $2 where number = $1', [period.number, last + 1]);
    return { ...NOTHING_YET, count: rows[0]!.count };
  });
}
