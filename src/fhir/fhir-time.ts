const YEAR = '(?!0000)[0-9]{4}';
const MONTH = '(?:0[1-9]|1[0-2])';
const DAY = '(?:0[1-9]|[12][0-9]|3[01])';
const TIME = '(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\\.[0-9]+)?';
const OFFSET = '(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))';
const DATE_FORM = new RegExp(`^${YEAR}(?:-${MONTH}(?:-${DAY})?)?$`);
const DATE_TIME_FORM = new RegExp(`^${YEAR}(?:-${MONTH}(?:-${DAY}(?:T${TIME}${OFFSET})?)?)?$`);
const INSTANT_FORM = new RegExp(`^${YEAR}-${MONTH}-${DAY}T${TIME}${OFFSET}$`);
const TIME_FORM = new RegExp(`^${TIME}$`);

/** Is it a FHIR date: a year, a month, or a day that the calendar has. */
export function isDate(text: string): boolean {
  return DATE_FORM.test(text) && isCalendarDay(text);
}

/** Is it a FHIR dateTime: a date, or a day with a time in seconds and an offset. */
export function isDateTime(text: string): boolean {
  return DATE_TIME_FORM.test(text) && isCalendarDay(text);
}

/** Is it a FHIR instant: a day with a time in seconds or finer and an offset. */
export function isInstant(text: string): boolean {
  return INSTANT_FORM.test(text) && isCalendarDay(text);
}

/** Is it a FHIR time: hours, minutes and seconds without an offset. */
export function isTime(text: string): boolean {
  return TIME_FORM.test(text);
}

/**
 * Is the first point in time certainly after the second. Both are valid dateTimes; where their precisions overlap, or
 * a date's unknown zone could make up for it, it is not certain.
 */
export function isCertainlyAfter(first: string, second: string): boolean {
  if (first === second) return false;
  if (first.length <= 10 && second.length <= 10) {
    const shared = Math.min(first.length, second.length);
    return first.slice(0, shared) > second.slice(0, shared);
  }
  return earliest(first) > latest(second);
}

const HOUR_MS = 3_600_000;
// Local time runs from 12 hours behind UTC to 14 hours ahead of it.
const FURTHEST_AHEAD_MS = 14 * HOUR_MS;
const FURTHEST_BEHIND_MS = 12 * HOUR_MS;

function earliest(text: string): number {
  return text.length > 10 ? toMs(text) : Date.parse(text) - FURTHEST_AHEAD_MS;
}

function latest(text: string): number {
  if (text.length > 10) return toMs(text);
  const [year = 0, month, day] = text.split('-').map(Number);
  const end =
    month === undefined
      ? Date.UTC(year + 1, 0)
      : day === undefined
        ? Date.UTC(year, month)
        : Date.UTC(year, month - 1, day + 1);
  return end + FURTHEST_BEHIND_MS;
}

function toMs(text: string): number {
  // A leap second is not one that JavaScript knows.
  return Date.parse(text.replace(/:60(?=[.Z+-])/, ':59'));
}

const DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function isCalendarDay(text: string): boolean {
  if (text.length < 10) return true;
  // What the form allows and a calendar may not: 29 to 31 only.
  const day = (text.charCodeAt(8) - 48) * 10 + text.charCodeAt(9) - 48;
  if (day < 29) return true;
  const month = (text.charCodeAt(5) - 48) * 10 + text.charCodeAt(6) - 48;
  if (day > (DAYS[month - 1] ?? 0)) return false;
  if (month !== 2) return true;
  const year = Number(text.slice(0, 4));
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}
