import type { Message } from '../hl7/message.ts';

/** What a sample says of the zone of its sender's clock. */
export interface SampleZone {
  /** Offsets that times of the sample bear, such as `-0500`; [] = none. */
  readonly offsets: readonly string[];
  /** A zone that has just these offsets at those times; null = nothing is known. */
  readonly zone: string | null;
}

/** Tried in this order; of several that fit, the first is asked about. */
const CANDIDATES = [
  'Europe/Stockholm',
  'Europe/Helsinki',
  'Europe/London',
  'America/New_York',
  'America/Chicago',
  'America/Denver',
  'America/Los_Angeles',
  'America/Sao_Paulo',
  'Asia/Kolkata',
  'Asia/Tokyo',
  'Australia/Sydney',
  'UTC',
];

const STAMP = /(?<!\d)((?:19|20)\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(?:\d{2}(?:\.\d{1,4})?)?([+-])(\d{2})(\d{2})(?!\d)/g;

/** Reads the offsets of all times, and finds a zone that has them. */
export function readZone(messages: readonly Message[]): SampleZone {
  const times = messages.flatMap(({ segments }) =>
    segments.flatMap(({ text }) =>
      [...text.matchAll(STAMP)].map(([, year, month, day, hour, minute, sign, hours, minutes]) => {
        const offsetMs = (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000;
        const local = Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute));
        return { at: local - offsetMs, offsetMs, offset: `${sign}${hours}${minutes}` };
      }),
    ),
  );
  const offsets = [...new Set(times.map(({ offset }) => offset))];
  if (times.length === 0) return { offsets, zone: null };
  const zone = CANDIDATES.find((name) => times.every(({ at, offsetMs }) => offsetAt(name, at) === offsetMs));
  return { offsets, zone: zone ?? null };
}

function offsetAt(zone: string, at: number): number {
  const parts = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' }).formatToParts(at);
  const name = parts.find(({ type }) => type === 'timeZoneName')?.value ?? '';
  const [, sign = '+', hours = '0', minutes = '0'] = /GMT([+-])(\d{2}):(\d{2})/.exec(name) ?? [];
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000;
}
