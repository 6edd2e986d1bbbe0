import type { Connection } from './connection.ts';
import { inTransaction, type Period } from './periods.ts';

/** The tables of a period, each with what tells whose a row is. */
export const LARGE_TABLES = {
  message_bytes: { content: 'bytes', of: (ids: string) => `message_id = any (${ids})` },
  bodies: { content: 'body', of: ofDeliveries },
  responses: { content: 'body', of: ofDeliveries },
} as const;
export type LargeTable = keyof typeof LARGE_TABLES;
export const LARGE = Object.keys(LARGE_TABLES) as LargeTable[];

function ofDeliveries(ids: string): string {
  return `delivery_id in (select id from deliveries where message_id = any (${ids}))`;
}

/** Its partition of a table. */
export const nameOf = (table: string, { number }: Period): string => `${table}_${number}`;
/** What stays of it, before it takes the partition's place. */
export const asideOf = (table: string, period: Period): string => `${nameOf(table, period)}_stays`;

/** The table aside becomes the partition, or none where it is empty: then the rest takes what comes back. */
export async function swap(on: Connection, table: LargeTable | 'history', period: Period): Promise<void> {
  const [own, aside] = [nameOf(table, period), asideOf(table, period)];
  await on.query(`alter table ${table} detach partition ${own}`);
  await on.query(`drop table ${own}`);
  const { rows } = await on.query(`select 1 from ${aside} limit 1`);
  if (rows.length === 0) {
    await on.query(`drop table ${aside}`);
    return;
  }
  const [from, to] =
    table === 'bodies' || table === 'responses'
      ? [period.delivery_from, period.delivery_to]
      : [period.message_from, period.message_to];
  await on.query(`alter table ${aside} rename to ${own}`);
  // Before the first there is nothing.
  await on.query(
    `alter table ${table} attach partition ${own} for values from (${period.number === 0 ? 'minvalue' : from}) to (${to})`,
  );
}

/** Of a period of which only something stayed: true once nothing of it does any more, and its partitions are dropped. */
export async function dropEmpty(on: Connection, period: Period): Promise<boolean> {
  const isEmpty = async () => {
    for (const table of LARGE) {
      if (!(await isThere(on, nameOf(table, period)))) continue;
      if ((await on.query(`select 1 from ${nameOf(table, period)} limit 1`)).rows.length > 0) return false;
    }
    return true;
  };
  if (!(await isEmpty())) return false;
  return await inTransaction(on, async () => {
    await on.query(`lock table only ${LARGE.join(', only ')} in access exclusive mode`);
    if (!(await isEmpty())) return false;
    for (const table of LARGE) {
      await on.query(`drop table if exists ${asideOf(table, period)}`);
      if (!(await isThere(on, nameOf(table, period)))) continue;
      await on.query(`alter table ${table} detach partition ${nameOf(table, period)}`);
      await on.query(`drop table ${nameOf(table, period)}`);
    }
    await on.query(`update periods set bytes = 'gone' where number = $1`, [period.number]);
    return true;
  });
}

async function isThere(on: Connection, table: string): Promise<boolean> {
  return (await on.query<{ is: boolean }>('select to_regclass($1) is not null as is', [table])).rows[0]!.is;
}
