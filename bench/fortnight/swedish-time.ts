/** Swedish wall-clock time by the runtime's own calendar, so that what is expected does not rest on the engine's. */
const WALL = new Intl.DateTimeFormat('en-GB', {
  timeZone: 'Europe/Stockholm',
  ...{ year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit' },
  hourCycle: 'h23',
});

export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;

interface Wall {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
}

/** What a Swedish clock on the wall shows. */
export function wallOf(at: number): Wall {
  const parts = Object.fromEntries(WALL.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
  const { year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0 } = parts;
  return { year, month, day, hour, minute, second };
}

/** When that clock shows so many days, hours and minutes after midnight of the day that holds `at`. */
export function onDay(at: number, days: number, hour = 0, minute = 0): number {
  const { year, month, day } = wallOf(at);
  const wanted = Date.UTC(year, month - 1, day + days, hour, minute);
  // Twice: the first guess may lie on the other side of a change of the clocks.
  let guess = wanted;
  for (let round = 0; round < 2; round += 1) guess = wanted - offsetOf(guess);
  return guess;
}

function offsetOf(at: number): number {
  const { year, month, day, hour, minute, second } = wallOf(at);
  return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(at / 1_000) * 1_000;
}

/** `YYYYMMDDHHMMSS` as it hangs on the wall, or as many digits of it. */
export function hl7Time(at: number, digits = 14): string {
  const { year, ...rest } = wallOf(at);
  const { month, day, hour, minute, second } = rest;
  const two = [month, day, hour, minute, second].map((part) => String(part).padStart(2, '0')).join('');
  return `${year}${two}`.slice(0, digits);
}

/** The last Sunday of March or October, 01:00 UTC, at least so long after a moment: then the clocks are changed. */
export function nextSwitch(after: number): number {
  const year = new Date(after).getUTCFullYear();
  const switches = [year, year + 1].flatMap((one) =>
    [2, 9].map((month) => {
      const last = new Date(Date.UTC(one, month, 31, 1));
      return last.getTime() - last.getUTCDay() * DAY_MS;
    }),
  );
  return switches.find((at) => at > after) ?? after;
}
