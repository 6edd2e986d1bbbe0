import type { Connection } from './connection.ts';
import { prepared } from './prepared.ts';
import type { Numbers } from './scratch.ts';

export const NO_NUMBERS: Numbers = { messages: 0, deliveries: 0, results: 0 };

const SEQUENCES = { messages: 'message_ids', deliveries: 'delivery_ids', results: 'result_ids' } as const;

/** So many numbers of each, in a row. */
export async function takeNumbers(on: Connection, wanted: Numbers): Promise<Numbers> {
  if (Object.values(wanted).every((count) => count === 0)) return NO_NUMBERS;
  const sql = `select take_numbers('message_ids', $1) as messages, take_numbers('delivery_ids', $2) as deliveries,
    take_numbers('result_ids', $3) as results`;
  const { rows } = await on.query<Numbers>(prepared(sql, [wanted.messages, wanted.deliveries, wanted.results]));
  return rows[0]!;
}

/** Those that were not used, unless somebody took others since. */
export async function giveBack(on: Connection, first: Numbers, taken: Numbers, used: Numbers): Promise<void> {
  const asking: Promise<unknown>[] = [];
  for (const [table, sequence] of Object.entries(SEQUENCES) as [keyof Numbers, string][]) {
    if (used[table] >= taken[table]) continue;
    const values = [sequence, first[table] + taken[table] - 1, first[table] - 1 + used[table]];
    asking.push(on.query(prepared('select return_numbers($1, $2, $3)', values)));
  }
  await Promise.all(asking);
}
