import type { Connection } from './connection.ts';
import { asideOf, nameOf, swap } from './partitions.ts';
import { inTransaction, type Period } from './periods.ts';

/** A period that more than this part of stays is left as it is. */
const MOST_STAYING = 0.1;
/** Of these at most what stays is copied while others wait. */
const MOST_REMEMBERED = 1_000;

/**
 * The history of a period whose messages are forgotten; of a few that stay it is kept. The walk by rows leaves it to this.
 * @returns true where it was dropped
 */
export async function retireHistory(on: Connection, period: Period, isOver: boolean): Promise<boolean> {
  const { number, message_from, message_to } = period;
  const { rows } = await on.query<{ count: number }>(
    'select count(*) as count from (select 1 from messages where id >= $1 and id < $2 limit $3) part',
    [message_from, message_to, MOST_REMEMBERED + 1],
  );
  const { count } = rows[0]!;
  const all = period.looked_at > 0 ? period.looked_at : await countMessages(on, period);
  const areFew = count <= Math.min(MOST_REMEMBERED, all * MOST_STAYING);
  const isWorthIt = count === 0 || (period.history === 'whole' && isOver && areFew);
  if (!isWorthIt) return false;
  return await inTransaction(on, async () => {
    const [own, aside] = [nameOf('history', period), asideOf('history', period)];
    await on.query('lock table only history in access exclusive mode');
    await on.query(`drop table if exists ${aside}`);
    await on.query(`create table ${aside} (like history including all)`);
    const kept = await on.query(
      `insert into ${aside} select h.* from messages m join ${own} h on h.message_id = m.id where m.id >= $1 and m.id < $2`,
      [message_from, message_to],
    );
    await swap(on, 'history', period);
    await on.query('update periods set history = $2 where number = $1', [
      number,
      (kept.rowCount ?? 0) === 0 ? 'gone' : 'kept',
    ]);
    return true;
  });
}

/** How many there are before the first is forgotten. */
async function countMessages(on: Connection, { number, message_from, message_to }: Period): Promise<number> {
  const { rows } = await on.query<{ count: number }>(
    `update periods set looked_at = (select count(*) from messages where id >= $2 and id < $3) where number = $1
     returning looked_at as count`,
    [number, message_from, message_to],
  );
  return rows[0]!.count;
}
