import { Temporal } from 'temporal-polyfill';

export type Precision = 'year' | 'month' | 'day' | 'hour' | 'minute' | 'second' | 'fraction';

/** An HL7 date-time as it was written: nothing added, nothing lost. */
export interface DateTime {
  readonly precision: Precision;
  readonly year: number;
  /** 1 where the precision does not reach it, and so on below. */
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  /** Digits after the decimal point, as written; '' = none. */
  readonly fraction: string;
  /** Minutes east of UTC; null = the sender gave none. */
  readonly offsetMinutes: number | null;
}

/** What a local time without offset means in a zone. */
export type ZoneOffset =
  | { readonly kind: 'one'; readonly offsetMinutes: number }
  | { readonly kind: 'gap'; readonly earlier: number; readonly later: number }
  | { readonly kind: 'overlap'; readonly earlier: number; readonly later: number };

const DTM = /^(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:\.(\d{1,4}))?)?)?)?)?)?([+-]\d{4})?$/;

const PRECISIONS: readonly Precision[] = ['year', 'month', 'day', 'hour', 'minute', 'second', 'fraction'];

/**
 * Reads DTM, DT and the first component of TS. Null where the text is none, or names a day or a time that does not exist.
 * @see HL7 v2.5.1 §2.A.22
 */
export function parseDateTime(text: string): DateTime | null {
  const parts = DTM.exec(text);
  if (parts === null) return null;
  const [, year, month = '1', day = '1', hour = '0', minute = '0', second = '0', fraction = '', offset] = parts;
  // The year is always there, and a part only where those before it are.
  let given = 1;
  while (given < PRECISIONS.length && parts[given + 1] !== undefined) given += 1;
  const value: DateTime = {
    precision: PRECISIONS[given - 1] ?? 'year',
    year: Number(year),
    month: Number(month),
    day: Number(day),
    hour: Number(hour),
    minute: Number(minute),
    second: Number(second),
    fraction,
    offsetMinutes: parseOffset(offset),
  };
  return isReal(value) ? value : null;
}

/** True if `have` is at least as fine as `wanted`. */
export function isAtLeast(have: Precision, wanted: Precision): boolean {
  return PRECISIONS.indexOf(have) >= PRECISIONS.indexOf(wanted);
}

/** `2021-11-24`, or `2021-11`, or `2021`: as much of the date as was given. */
export function formatDate(value: DateTime): string {
  if (value.precision === 'year') return pad(value.year, 4);
  const month = `${pad(value.year, 4)}-${pad(value.month, 2)}`;
  return value.precision === 'month' ? month : `${month}-${pad(value.day, 2)}`;
}

/**
 * FHIR dateTime: a date where no time was given, else date, time and offset. FHIR wants seconds, so a time given to the
 * minute gets `:00`; a time given to the hour only is left out, because its minutes would be invented.
 * @param offsetMinutes of the zone; used only where the value has none of its own
 * @see FHIR R4 datatypes, dateTime
 */
export function formatDateTime(value: DateTime, offsetMinutes: number): string {
  if (!isAtLeast(value.precision, 'minute')) return formatDate(value);
  const fraction = value.fraction === '' ? '' : `.${value.fraction}`;
  const time = `${pad(value.hour, 2)}:${pad(value.minute, 2)}:${pad(value.second, 2)}${fraction}`;
  return `${formatDate(value)}T${time}${formatOffset(value.offsetMinutes ?? offsetMinutes)}`;
}

/** ms since the epoch of the beginning of what was written. */
export function toInstant(value: DateTime, offsetMinutes: number): number {
  const millisecond = Number(value.fraction.slice(0, 3).padEnd(3, '0'));
  const local = new Date(0);
  // Date.UTC would take the years 1 to 99 for 1901 to 1999.
  local.setUTCFullYear(value.year, value.month - 1, value.day);
  local.setUTCHours(value.hour, value.minute, value.second, millisecond);
  return local.getTime() - (value.offsetMinutes ?? offsetMinutes) * 60_000;
}

/** A moment as HL7 writes it, in a zone and with its offset: `20211124101500+0100`; with `.250` where there is a fraction. */
export function writeDateTime(at: number, zone: string): string {
  const { year, month, day, hour, minute, second, millisecond, offsetNanoseconds } =
    Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(zone);
  const fraction = millisecond === 0 ? '' : `.${pad(millisecond, 3)}`;
  const rest = [month, day, hour, minute, second].map((part) => pad(part, 2)).join('');
  return `${pad(year, 4)}${rest}${fraction}${formatOffset(Math.round(offsetNanoseconds / 60e9)).replace(':', '')}`;
}

const CACHE_LIMIT = 20_000;
const offsets = new Map<string, ZoneOffset>();

/**
 * The offset of a local time in an IANA zone; the hour that does not exist, and the one that exists twice, are told
 * apart. Remembered by half hour, since no zone changes more often.
 * @throws RangeError if there is no such zone
 */
export function findOffset(value: DateTime, zone: string): ZoneOffset {
  const key = `${zone} ${value.year} ${value.month} ${value.day} ${value.hour} ${value.minute < 30 ? 0 : 30}`;
  const known = offsets.get(key);
  if (known !== undefined) return known;
  if (offsets.size >= CACHE_LIMIT) offsets.clear();
  const found = askZone(value, zone);
  offsets.set(key, found);
  return found;
}

function askZone(value: DateTime, zone: string): ZoneOffset {
  const { year, month, day, hour } = value;
  const local = Temporal.PlainDateTime.from({ year, month, day, hour, minute: value.minute < 30 ? 0 : 30 });
  const earlier = local.toZonedDateTime(zone, { disambiguation: 'earlier' });
  const later = local.toZonedDateTime(zone, { disambiguation: 'later' });
  const minutesOf = (zoned: Temporal.ZonedDateTime) => Math.round(zoned.offsetNanoseconds / 60e9);
  if (earlier.epochMilliseconds === later.epochMilliseconds) return { kind: 'one', offsetMinutes: minutesOf(earlier) };
  // In an overlap both readings show the local time that was asked for; in a gap none does.
  const kind = earlier.toPlainDateTime().equals(local) ? 'overlap' : 'gap';
  return { kind, earlier: minutesOf(earlier), later: minutesOf(later) };
}

function parseOffset(text: string | undefined): number | null {
  if (text === undefined) return null;
  const minutes = Number(text.slice(3, 5));
  // An hour has sixty minutes: +0160 is no offset.
  const offset = minutes > 59 ? Number.NaN : Number(text.slice(1, 3)) * 60 + minutes;
  return text.startsWith('-') && offset !== 0 ? -offset : offset;
}

function isReal(value: DateTime): boolean {
  if (value.year === 0 || value.month < 1 || value.month > 12 || value.day < 1) return false;
  // Every month has 28.
  if (value.day > 28 && value.day > new Date(Date.UTC(value.year, value.month, 0)).getUTCDate()) return false;
  if (value.hour > 23 || value.minute > 59 || value.second > 59) return false;
  return value.offsetMinutes === null || (Math.abs(value.offsetMinutes) <= 14 * 60 && value.offsetMinutes % 15 === 0);
}

function formatOffset(minutes: number): string {
  const size = Math.abs(minutes);
  return `${minutes < 0 ? '-' : '+'}${pad(Math.floor(size / 60), 2)}:${pad(size % 60, 2)}`;
}

const pad = (number: number, width: number) => String(number).padStart(width, '0');
