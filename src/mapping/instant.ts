import { Temporal } from 'temporal-polyfill';

/** A time with offset, as FHIR writes it; whether its parts are possible is looked at apart. */
const FORM = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/;

/** Reads a FHIR time with offset; null = it is none. */
export function readInstant(text: string): Temporal.Instant | null {
  // Most of what is asked for is a date: to find that by an exception costs more than all the rest.
  if (!FORM.test(text)) return null;
  try {
    return Temporal.Instant.from(text);
  } catch {
    return null;
  }
}

/** The last day that was worked out in each zone: a message's rules ask for the day of the same time again and again. */
const lastDays = new Map<string, { readonly text: string; readonly day: Temporal.PlainDate }>();

/** The local day of a time with offset; null = it is none. */
export function readLocalDay(text: string, zone: string): Temporal.PlainDate | null {
  const last = lastDays.get(zone);
  if (last?.text === text) return last.day;
  const day = readInstant(text)?.toZonedDateTimeISO(zone).toPlainDate() ?? null;
  if (day !== null) lastDays.set(zone, { text, day });
  return day;
}
