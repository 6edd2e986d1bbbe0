import { Temporal } from 'temporal-polyfill';
import type { FunctionCall } from '../functions.ts';
import { readInstant, readLocalDay } from '../instant.ts';
import { foundText } from '../scope.ts';

/** Minutes from the first time to the second, below 0 where that is the earlier; null where there are not two times with offset. */
export function minutesBetween({ found, run }: FunctionCall): number | null {
  if (found.length !== 2) return null;
  const [from, to] = found.map((one) => readInstant(foundText(one, run)));
  if (from == null || to == null) return null;
  return (to.epochMilliseconds - from.epochMilliseconds) / 60_000;
}

/** Days from the first date to the second; of times with offset the local day counts. Null where there are not two days. */
export function daysBetween(call: FunctionCall): number | null {
  return between(call, 'days');
}

/** Whole years from the first date to the second, as people count their age: one of 29 February is a year older on 1 March. */
export function yearsBetween(call: FunctionCall): number | null {
  return between(call, 'years');
}

function between({ found, run }: FunctionCall, unit: 'days' | 'years'): number | null {
  if (found.length !== 2) return null;
  const [from, to] = found.map((one) => readDay(foundText(one, run), run.zone));
  if (from == null || to == null) return null;
  if (unit === 'days') return from.until(to, { largestUnit: 'days' }).days;
  // A year after 29 February ends with the 28th; the person is a year older on the day after.
  const isBefore = to.month < from.month || (to.month === from.month && to.day < from.day);
  return to.year - from.year - (isBefore ? 1 : 0);
}

/** A day so many days later. */
export function addDays(day: Temporal.PlainDate, days: number): Temporal.PlainDate {
  return day.add({ days });
}

/** A date, or the local day of a time with offset; null = neither. */
export function readDay(text: string, zone: string): Temporal.PlainDate | null {
  const day = readLocalDay(text, zone);
  if (day !== null) return day;
  try {
    return /^\d{4}-\d\d-\d\d$/.test(text) ? Temporal.PlainDate.from(text, { overflow: 'reject' }) : null;
  } catch {
    return null;
  }
}
