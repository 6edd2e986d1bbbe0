import fc from 'fast-check';
import { Temporal } from 'temporal-polyfill';
import { describe, expect, it } from 'vitest';
import { offsetAt } from '../../src/hl7/zone-offset.ts';

const ZONES = [
  'Europe/Stockholm',
  'UTC',
  'America/St_Johns',
  'Australia/Lord_Howe',
  'Africa/Casablanca',
  'Asia/Tehran',
];
const asked = (at: number, zone: string) =>
  Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(zone).offsetNanoseconds / 1e6;

describe('how far a zone is east of UTC', () => {
  it('is what the calendar says, at any time and in any order', () => {
    const time = fc.integer({ min: Date.UTC(1850, 0), max: Date.UTC(2150, 0) });
    fc.assert(
      fc.property(fc.array(fc.tuple(time, fc.constantFrom(...ZONES)), { maxLength: 40 }), (times) => {
        for (const [at, zone] of times) expect(offsetAt(at, zone)).toBe(asked(at, zone));
      }),
      { numRuns: 60 },
    );
  });

  it.each(ZONES)('changes to the millisecond in %s', (zone) => {
    let change = Temporal.Instant.from('2015-01-01T00:00Z').toZonedDateTimeISO(zone);
    for (let count = 0; count < 30; count += 1) {
      const next = change.getTimeZoneTransition('next');
      if (next === null) break;
      change = next;
      for (const shift of [0, -1, 1, -3_600_000, 3_600_000, -86_400_000, 86_400_000]) {
        const at = change.epochMilliseconds + shift;
        expect(offsetAt(at, zone), `${at}`).toBe(asked(at, zone));
      }
    }
  });

  it('is refused of a zone there is not', () => {
    expect(() => offsetAt(0, 'Europe/Nowhere')).toThrow(RangeError);
  });
});
