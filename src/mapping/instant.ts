import { readDate } from './day.ts';

/** A time with offset, as FHIR writes it; whether its parts are possible is looked at apart. */
const FORM = /^(\d{4}-\d\d-\d\d)T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(?:Z|([+-])(\d\d):(\d\d))$/;

/** Reads a FHIR time with offset: ms since the epoch, what is finer left out; null = it is none. */
export function readInstant(text: string): number | null {
  const parts = FORM.exec(text);
  if (parts === null) return null;
  const [, date = '', hour, minute, second = '0', fraction = '', sign, east = '0', eastMinutes = '0'] = parts;
  const day = readDate(date);
  const isPossible = Number(hour) < 24 && Number(minute) < 60 && Number(east) < 24 && Number(eastMinutes) < 60;
  if (day === null || !isPossible || Number(second) > 60) return null;
  const offset = (Number(east) * 60 + Number(eastMinutes)) * (sign === '-' ? -1 : 1);
  const minutes = (day * 24 + Number(hour)) * 60 + Number(minute) - offset;
  // A leap second counts as the one before it.
  return (minutes * 60 + Math.min(Number(second), 59)) * 1000 + Number(fraction.slice(0, 3).padEnd(3, '0'));
}
