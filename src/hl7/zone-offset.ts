import { Temporal } from 'temporal-polyfill';

/** A time during which a zone's clocks are not changed; ms since the epoch, `until` not included. */
interface Period {
  readonly from: number;
  readonly until: number;
  readonly offsetMs: number;
}

/** Messages are of these months, and of few others. */
const MAX_PERIODS = 16;
const periods = new Map<string, Period[]>();

/**
 * How far an IANA zone is east of UTC at a moment, in ms; exact also where clocks are changed. The periods between such
 * changes are remembered, so that the calendar is asked a few times a year and not for each message.
 * @param at ms since the epoch
 * @throws RangeError if there is no such zone
 */
export function offsetAt(at: number, zone: string): number {
  const known = periods.get(zone) ?? [];
  for (const one of known) if (one.from <= at && at < one.until) return one.offsetMs;
  const found = findPeriod(at, zone);
  // The newest first, and no more than messages of one time need.
  periods.set(zone, [found, ...known.slice(0, MAX_PERIODS - 1)]);
  return found.offsetMs;
}

function findPeriod(at: number, zone: string): Period {
  const zoned = Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(zone);
  // What is asked for is the last change before a moment: one of this very ms is not before it.
  const before = zoned.add({ milliseconds: 1 }).getTimeZoneTransition('previous');
  const after = zoned.getTimeZoneTransition('next');
  return {
    from: before?.epochMilliseconds ?? Number.NEGATIVE_INFINITY,
    until: after?.epochMilliseconds ?? Number.POSITIVE_INFINITY,
    offsetMs: zoned.offsetNanoseconds / 1e6,
  };
}
