import { DAY_MS, readDay } from '../day.ts';
import type { FunctionCall } from '../functions.ts';
import { readInstant } from '../instant.ts';
import { foundText } from '../scope.ts';

/** Minutes from the first time to the second, below 0 where that is the earlier; null where there are not two times with offset. */
export function minutesBetween({ found, run }: FunctionCall): number | null {
  if (found.length !== 2) return null;
  const [from, to] = found.map((one) => readInstant(foundText(one, run)));
  if (from == null || to == null) return null;
  return (to - from) / 60_000;
}

/** Days from the first date to the second; of times with offset the local day counts. Null where there are not two days. */
export function daysBetween(call: FunctionCall): number | null {
  const days = readDays(call);
  return days === null ? null : days[1] - days[0];
}

/** Whole years from the first date to the second, as people count their age: one of 29 February is a year older on 1 March. */
export function yearsBetween(call: FunctionCall): number | null {
  const days = readDays(call);
  if (days === null) return null;
  const [from, to] = [new Date(days[0] * DAY_MS), new Date(days[1] * DAY_MS)];
  const months = (to.getUTCFullYear() - from.getUTCFullYear()) * 12 + to.getUTCMonth() - from.getUTCMonth();
  return Math.floor((months - (to.getUTCDate() < from.getUTCDate() ? 1 : 0)) / 12);
}

function readDays({ found, run }: FunctionCall): readonly [from: number, to: number] | null {
  if (found.length !== 2) return null;
  const [from, to] = found.map((one) => readDay(foundText(one, run), run.zone));
  return from == null || to == null ? null : [from, to];
}
