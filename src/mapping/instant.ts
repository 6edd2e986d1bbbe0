import { readDate } from './day.ts';

/** A time with offset, as FHIR writes it; whether its day exists is looked at apart. */
const FORM =
  /^\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d(?::(?:[0-5]\d|60)(?:\.\d{1,9})?)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

/** The last text that was read: a message's rules ask for the same time again and again. */
let last: { readonly text: string; readonly at: number | null } = { text: '', at: null };

/** Reads a FHIR time with offset: ms since the epoch, what is finer left out; null = it is none. */
export function readInstant(text: string): number | null {
  if (text !== last.text) last = { text, at: parseInstant(text) };
  return last.at;
}

function parseInstant(text: string): number | null {
  // Date.parse takes 30 February for a day of March.
  if (!FORM.test(text) || readDate(text.slice(0, 10)) === null) return null;
  const hasLeapSecond = text.startsWith(':60', 16);
  return Date.parse(hasLeapSecond ? `${text.slice(0, 16)}:59${text.slice(19)}` : text);
}
