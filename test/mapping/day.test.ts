import fc from 'fast-check';
import { Temporal } from 'temporal-polyfill';
import { describe, expect, it } from 'vitest';
import { readDate, readDay, startOfDay } from '../../src/mapping/day.ts';
import { readInstant } from '../../src/mapping/instant.ts';

const DAY_MS = 86_400_000;
const ZONES = ['Europe/Stockholm', 'UTC', 'America/Sao_Paulo', 'Pacific/Kiritimati', 'America/Toronto'];

/** What the calendar's own reader makes of a text; null = it throws. */
const orNull = <Made>(read: () => Made): Made | null => {
  try {
    return read();
  } catch {
    return null;
  }
};

const digits = (count: number, max: number) => fc.integer({ min: 0, max }).map((n) => String(n).padStart(count, '0'));
const YEARS = fc.oneof(digits(4, 9999), fc.integer({ min: 1890, max: 2100 }).map(String));
const DATES = fc.tuple(YEARS, digits(2, 13), digits(2, 32)).map((parts) => parts.join('-'));
const OFFSETS = fc.oneof(
  fc.constantFrom('Z', '+01:00', '+02:00', '-00:00', '+24:00', '-23:59'),
  fc.tuple(fc.constantFrom('+', '-'), digits(2, 25), digits(2, 61)).map(([sign, h, m]) => `${sign}${h}:${m}`),
);
const FRACTIONS = fc.oneof(
  fc.constant(''),
  fc.stringMatching(/^\d{1,10}$/).map((text) => `.${text}`),
);
const SECONDS = fc.oneof(
  fc.constant(''),
  fc.tuple(digits(2, 62), FRACTIONS).map(([second, fraction]) => `:${second}${fraction}`),
);
const TIMES = fc
  .tuple(DATES, digits(2, 25), digits(2, 61), SECONDS, OFFSETS)
  .map(([date, hour, minute, rest, offset]) => `${date}T${hour}:${minute}${rest}${offset}`);

describe('times and days', () => {
  it('are read as the calendar reads them, also those that do not exist', () => {
    fc.assert(
      fc.property(TIMES, fc.constantFrom(...ZONES), (text, zone) => {
        const instant = orNull(() => Temporal.Instant.from(text));
        expect(readInstant(text)).toBe(instant === null ? null : instant.epochMilliseconds);
        const day = instant?.toZonedDateTimeISO(zone).toPlainDate() ?? null;
        expect(readDay(text, zone)).toBe(day === null ? null : daysOf(day));
      }),
      { numRuns: 1500 },
    );
    fc.assert(
      fc.property(DATES, (text) => {
        const day = orNull(() => Temporal.PlainDate.from(text, { overflow: 'reject' }));
        expect(readDate(text)).toBe(day === null ? null : daysOf(day));
        expect(readDay(text, 'UTC')).toBe(readDate(text));
      }),
      { numRuns: 500 },
    );
  });

  it('begin when the calendar has it, also where midnight is skipped or comes twice', () => {
    const day = fc.integer({ min: -29_000, max: 40_000 });
    fc.assert(
      fc.property(day, fc.constantFrom(...ZONES), (days, zone) => {
        const start = new Temporal.PlainDate(1970, 1, 1).add({ days }).toZonedDateTime(zone);
        expect(startOfDay(days, zone)).toBe(start.epochMilliseconds);
        expect(startOfDay(days, zone)).toBe(start.epochMilliseconds);
      }),
      { numRuns: 300 },
    );
    // Midnight of 4 November 2018 did not exist there.
    const skipped = readDate('2018-11-04') ?? Number.NaN;
    expect(new Date(startOfDay(skipped, 'America/Sao_Paulo')).toISOString()).toBe('2018-11-04T03:00:00.000Z');
  });

  it.each(['', '2022', '2022-03', '2022-03-01T10:00', '2022-03-01 10:00Z', '2022-03-01T10Z', 'x2022-03-01T10:00Z'])(
    'are none where %j stands',
    (text) => {
      expect(readInstant(text)).toBeNull();
      expect(readDay(text, 'UTC')).toBeNull();
    },
  );
});

function daysOf(day: Temporal.PlainDate): number {
  return day.toZonedDateTime('UTC').epochMilliseconds / DAY_MS;
}
