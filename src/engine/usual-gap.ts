import type { ArrivalHour } from '../contracts/journal.ts';

const HOUR_MS = 3_600_000;
const WEEK_MS = 7 * 24 * HOUR_MS;
const WEEKS = 4;
/** With fewer weeks known, or fewer arrivals in all, nothing is usual yet. */
const LEAST_WEEKS = 3;
const LEAST_ARRIVALS = 100;
/**
 * How far around the same time of an earlier week is looked: a laboratory does not open to the minute. Where its zone is
 * not known, the change between summer and winter time comes on top.
 */
const AROUND_MS = 1.5 * HOUR_MS;
const SUMMER_TIME_MS = HOUR_MS;
/**
 * With fewer arrivals than this around that time their gaps differ so much that the longest is no exception, and the
 * first of a day may come hours after the doors are open: so many mean gaps around are looked at, within this limit.
 */
const MANY_ARRIVALS = 60;
const GAPS_AROUND = 6;
const MOST_AROUND_MS = 12 * HOUR_MS;

/** As much of the past as `usualGapMs` looks at: four weeks, and what a silence from before them may reach into. */
export const LEARNT_FROM_MS = (WEEKS + 1) * WEEK_MS;

/**
 * The longest silence that is usual at this time of the week, ms; null = not enough is known to say. The longest of each
 * of the last four weeks is taken, and of these, where there is much traffic, the second longest: one of the weeks may
 * have had a holiday, or the very failure that this is to find.
 * @param hours of one channel, by time
 * @param zone IANA name; null = not known
 */
export function usualGapMs(hours: readonly ArrivalHour[], at: number, zone: string | null): number | null {
  if (countArrivals(hours, at - WEEKS * WEEK_MS, at) < LEAST_ARRIVALS) return null;
  const thens = Array.from({ length: WEEKS }, (_, week) => sameTimeOfWeek(at, week + 1, zone));
  const closeMs = AROUND_MS + (zone === null ? SUMMER_TIME_MS : 0);
  const count = thens.reduce((sum, then) => sum + countArrivals(hours, then - closeMs, then + closeMs), 0);
  const isSparse = count < MANY_ARRIVALS;
  const aroundMs = isSparse ? Math.min(MOST_AROUND_MS, (GAPS_AROUND * WEEKS * 2 * closeMs) / Math.max(1, count)) : 0;
  const reachMs = Math.max(closeMs, aroundMs);
  const longest = thens.flatMap((then) => longestGapMs(hours, then - reachMs, then + reachMs) ?? []);
  if (longest.length < LEAST_WEEKS) return null;
  return longest.sort((a, b) => b - a)[isSparse ? 0 : 1] ?? null;
}

function countArrivals(hours: readonly ArrivalHour[], from: number, to: number): number {
  return hours.reduce((sum, hour) => sum + (hour.lastAt >= from && hour.firstAt < to ? hour.count : 0), 0);
}

/** Of the gaps that reach into this time; null = nothing is known of it. */
function longestGapMs(hours: readonly ArrivalHour[], from: number, to: number): number | null {
  let longest: number | null = null;
  let before: ArrivalHour | null = null;
  for (const hour of hours) {
    const gaps = [];
    if (before !== null && before.lastAt < to && hour.firstAt > from) gaps.push(hour.firstAt - before.lastAt);
    // Somewhere in its hour.
    if (hour.hourAt < to && hour.hourAt + HOUR_MS > from) gaps.push(hour.longestGapMs);
    // What is known begins with an arrival: of a time before it nothing is.
    if (gaps.length > 0 && (before !== null || hour.hourAt <= from)) longest = Math.max(longest ?? 0, ...gaps);
    before = hour;
  }
  return longest;
}

/** The same local time so many weeks before. */
function sameTimeOfWeek(at: number, weeks: number, zone: string | null): number {
  const then = at - weeks * WEEK_MS;
  return zone === null ? then : then + offsetMs(at, zone) - offsetMs(then, zone);
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** How far a zone is ahead of UTC. */
function offsetMs(at: number, zone: string): number {
  let format = formats.get(zone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' });
    formats.set(zone, format);
  }
  const name = format.formatToParts(at).find(({ type }) => type === 'timeZoneName')?.value ?? '';
  const [, sign, hours = '0', minutes = '0'] = /([+-])(\d\d):(\d\d)/.exec(name) ?? [];
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000;
}
