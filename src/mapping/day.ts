import { Temporal } from 'temporal-polyfill';
import { offsetAt } from '../hl7/zone-offset.ts';
import { readInstant } from './instant.ts';

export const DAY_MS = 86_400_000;
const DAYS_OF_400_YEARS = 146_097;

/** The local day of a time with offset, or a date itself, as days since 1970-01-01; null = neither. */
export function readDay(text: string, zone: string): number | null {
  const at = readInstant(text);
  return at === null ? readDate(text) : Math.floor((at + offsetAt(at, zone)) / DAY_MS);
}

/** Days since 1970-01-01 of a FHIR date; null = it is none, has no day, or names one that does not exist. */
export function readDate(text: string): number | null {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return null;
  const [year, month, day] = [Number(text.slice(0, 4)), Number(text.slice(5, 7)), Number(text.slice(8))];
  // Every 400 years the calendar is the same; Date.UTC would take the years 0 to 99 for 1900 to 1999.
  const at = Date.UTC(year + 400, month - 1, day);
  const isReal = month >= 1 && month <= 12 && day >= 1 && (day <= 28 || new Date(at).getUTCDate() === day);
  return isReal ? at / DAY_MS - DAYS_OF_400_YEARS : null;
}

const MAX_STARTS = 1000;
const starts = new Map<string, number>();

/** When a day begins in a zone, ms since the epoch; remembered, since many results are of the same days. */
export function startOfDay(day: number, zone: string): number {
  const key = `${day} ${zone}`;
  const known = starts.get(key);
  if (known !== undefined) return known;
  const date = new Temporal.PlainDate(1970, 1, 1).add({ days: day });
  const start = date.toZonedDateTime(zone).epochMilliseconds;
  if (starts.size >= MAX_STARTS) starts.clear();
  starts.set(key, start);
  return start;
}
