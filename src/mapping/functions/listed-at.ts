import { Fault } from '../../contracts/fault.ts';
import { readDate, readDay } from '../day.ts';
import type { FunctionCall } from '../functions.ts';
import { foundText } from '../scope.ts';

/**
 * How something stood on a list on a day: `listed`, `grace` (taken off, but not for more than so many days), `withdrawn`,
 * `not-yet`, or `unknown` to the list; `unchecked` where the list is empty. Called with a code, a time and the days of
 * grace; null where one of them is missing. A row says the times on the list, from its first day to the first day off
 * it: `2021-02-17/2022-07-09`, `..` for an open end, several with a space between.
 * @throws Fault `mapping-incomplete` where a row, the time or the days of grace are written otherwise
 */
export function listedAt({ found, table, run, where }: FunctionCall): string | null {
  const [code, time, grace] = found.map((one) => foundText(one, run).trim());
  if (code === undefined || time === undefined || grace === undefined) return null;
  const fail = (detail: string, at: string = where) => new Fault('mapping-incomplete', { where: at, detail });
  if (table === null) throw fail('a table is needed');
  if ([...table.rows.values()].every((codes) => codes.size === 0)) return 'unchecked';
  const row = table.find([{ code, system: '' }]);
  if (row === null || row.value === null) return 'unknown';
  const day = readDay(time, run.zone);
  if (day === null) throw fail('a date or time is needed');
  const days = Number(grace);
  if (grace === '' || !Number.isInteger(days) || days < 0 || days > 36_500) throw fail('days of grace');

  let [isOver, isInGrace] = [false, false];
  for (const interval of String(row.value).split(' ')) {
    const [begin, end] = readInterval(interval) ?? [];
    if (begin === undefined || end === undefined) throw fail('an interval such as 2021-02-17/..', row.where);
    if (day < begin) continue;
    if (day < end) return 'listed';
    isOver = true;
    isInGrace ||= day < end + days;
  }
  if (isInGrace) return 'grace';
  return isOver ? 'withdrawn' : 'not-yet';
}

/** The first day on the list, and the first off it; null = it is none. */
function readInterval(text: string): readonly [begin: number, end: number] | null {
  const [from, until, ...more] = text.split('/');
  if (from === undefined || until === undefined || more.length > 0) return null;
  const begin = from === '..' ? Number.NEGATIVE_INFINITY : readDate(from);
  const end = until === '..' ? Number.POSITIVE_INFINITY : readDate(until);
  return begin === null || end === null ? null : [begin, end];
}
