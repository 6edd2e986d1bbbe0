import { describe, expect, it } from 'vitest';
import type { ArrivalHour } from '../../src/contracts/journal.ts';
import { createRhythm, type Feed } from '../../src/engine/rhythm.ts';
import { createRecordedLog } from './kit.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEP = 5 * MINUTE;
const ZONE = 'Europe/Stockholm';
const QUIET = { factor: 3, atLeastMs: 30 * MINUTE };

/** The same figures each time. */
function createDice(seed: number) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const LOCAL = new Intl.DateTimeFormat('en-GB', {
  timeZone: ZONE,
  weekday: 'short',
  hour: '2-digit',
  minute: '2-digit',
  hour12: false,
});

/** Local hour (with minutes as a fraction) and day of the week, 0 = Sunday. */
function localTime(at: number) {
  const parts = LOCAL.formatToParts(at);
  const of = (type: string) => parts.find((part) => part.type === type)?.value ?? '';
  return {
    day: ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'].indexOf(of('weekday')),
    hour: (Number(of('hour')) % 24) + Number(of('minute')) / 60,
  };
}

/** Messages an hour at a time of a laboratory's week. */
type Week = (at: number) => number;
/** Open on working days from 7 to 17, a little later or earlier each day. */
const OFFICE: Week = (at) => {
  const { day, hour } = localTime(at);
  return day >= 1 && day <= 5 && hour >= 7 && hour < 17 ? 20 : 0;
};
const ROUND_THE_CLOCK: Week = () => 30;
const WEEKEND_TOO: Week = (at) => {
  const { day } = localTime(at);
  return day === 0 || day === 6 ? 1 : 20;
};
const RARE: Week = (at) => (OFFICE(at) > 0 ? 1 : 0);

function simulate(week: Week, feed: Partial<Feed> = {}, from = Date.UTC(2021, 2, 1), seed = 7) {
  let now = from;
  const clock = { now: () => now, wakeAt: () => () => {} };
  const hours = new Map<number, ArrivalHour>();
  let lastAt = 0;
  const journal = {
    readArrivals: async (since: number) => [...hours.values()].filter(({ hourAt }) => hourAt + HOUR > since),
  };
  const dice = createDice(seed);
  const arrive = (at: number) => {
    const hourAt = at - (at % HOUR);
    const known = hours.get(hourAt);
    const gap = lastAt >= hourAt ? at - lastAt : 0;
    hours.set(hourAt, {
      channel: 'lab',
      hourAt,
      count: (known?.count ?? 0) + 1,
      firstAt: known?.firstAt ?? at,
      lastAt: at,
      longestGapMs: Math.max(gap, known?.longestGapMs ?? 0),
    });
    lastAt = at;
    rhythm.heard('lab');
  };
  const restart = () =>
    createRhythm({
      journal,
      feeds: () => [{ name: 'lab', zone: ZONE, quietAfterMs: null, ...feed }],
      settings: QUIET,
      clock,
      log: createRecordedLog(),
    });
  let rhythm = restart();
  let isDead = false;
  /** Wall clock ahead of real time. */
  let jump = 0;
  return {
    restart() {
      rhythm = restart();
    },
    die: () => {
      isDead = true;
    },
    revive: () => {
      isDead = false;
    },
    /** Sets the wall clock, and nothing else. */
    async setClock(aheadMs: number) {
      jump = aheadMs;
    },
    /** Lives on for so long; gives the times at which it was found quiet, as ms since the beginning of this call. */
    async run(lengthMs: number): Promise<number[]> {
      const alarms: number[] = [];
      for (let past = 0; past < lengthMs; past += STEP) {
        const realNow = from + elapsed;
        const chance = isDead ? 0 : week(realNow) / 60;
        for (let minute = 0; minute < 5; minute++) {
          const at = realNow + minute * MINUTE;
          if (dice() < chance) arrive(at + jump + Math.floor(dice() * MINUTE));
        }
        elapsed += STEP;
        now = from + elapsed + jump;
        await rhythm.step(STEP);
        if (rhythm.quiet().length > 0) alarms.push(past + STEP);
      }
      return alarms;
    },
    isUnknown: () => rhythm.isUnknown('lab'),
  };
}
let elapsed = 0;
const start = (...args: Parameters<typeof simulate>) => {
  elapsed = 0;
  return simulate(...args);
};

describe('a feed with a rhythm', () => {
  it.each([
    ['of office hours', OFFICE],
    ['round the clock', ROUND_THE_CLOCK],
    ['with little at weekends', WEEKEND_TOO],
    ['with a message now and then', RARE],
  ])('%s is not said to be quiet in seven weeks of it, over the change to summer time', async (_, week) => {
    const lab = start(week);
    expect(await lab.run(7 * 7 * DAY)).toEqual([]);
  });

  it.each([[ZONE], [null]])('is not said to be quiet over the change to winter time either (zone %s)', async (zone) => {
    const lab = start(OFFICE, { zone }, Date.UTC(2021, 9, 1));
    expect(await lab.run(6 * 7 * DAY)).toEqual([]);
  });

  it('is found quiet when it ceases in the middle of a working day', async () => {
    const lab = start(OFFICE);
    // Five weeks from a Monday at 1 o'clock, and to a Tuesday at 11.
    await lab.run(5 * 7 * DAY + DAY + 9 * HOUR);
    lab.die();
    const [first] = await lab.run(6 * HOUR);
    expect(first).toBeGreaterThanOrEqual(30 * MINUTE);
    expect(first).toBeLessThan(90 * MINUTE);
    lab.revive();
    expect((await lab.run(HOUR)).length).toBeLessThan(4);
    expect(await lab.run(HOUR)).toEqual([]);
  });

  it('is found quiet on Monday morning when it ceased at the weekend, and not before', async () => {
    const lab = start(OFFICE);
    await lab.run(5 * 7 * DAY - DAY);
    lab.die();
    // From Sunday at one or two in the morning, local time.
    const [first] = await lab.run(2 * DAY);
    const { day, hour } = localTime(Date.UTC(2021, 2, 1) + 5 * 7 * DAY - DAY + (first ?? 0));
    expect(day).toBe(1);
    expect(hour).toBeGreaterThan(7.5);
    expect(hour).toBeLessThan(10);
  });

  it('is not judged before enough of it is known, nor when it seldom says anything', async () => {
    const young = start(OFFICE);
    await young.run(2 * 7 * DAY + 2 * DAY + 10 * HOUR);
    young.die();
    expect(await young.run(8 * HOUR)).toEqual([]);
    const seldom = start((at) => (OFFICE(at) > 0 ? 0.05 : 0));
    expect(await seldom.run(7 * 7 * DAY)).toEqual([]);
  });

  it('is judged by what is configured instead, where something is', async () => {
    const asked = start(OFFICE, { quietAfterMs: 2 * HOUR });
    await asked.run(12 * HOUR);
    asked.die();
    const [first] = await asked.run(6 * HOUR);
    expect(first).toBeGreaterThan(HOUR);
    expect(first).toBeLessThan(3 * HOUR);
    const never = start(OFFICE, { quietAfterMs: 'never' });
    await never.run(5 * 7 * DAY + 10 * HOUR);
    never.die();
    expect(await never.run(3 * DAY)).toEqual([]);
  });

  it.each([[HOUR], [-HOUR]])(
    'is not found quiet because the clock jumps by %i ms, at whatever time of the day',
    async (jump) => {
      const lab = start(OFFICE);
      await lab.run(5 * 7 * DAY);
      for (let day = 0; day < 3; day++) {
        for (const offset of [jump, 0]) {
          await lab.setClock(offset);
          expect(await lab.run(7 * HOUR)).toEqual([]);
        }
        expect(await lab.run(10 * HOUR)).toEqual([]);
      }
    },
  );

  it('that was quiet before a restart is so after it, once it was listened to for a while', async () => {
    const lab = start(OFFICE);
    await lab.run(5 * 7 * DAY + DAY + 9 * HOUR);
    lab.die();
    expect((await lab.run(3 * HOUR)).length).toBeGreaterThan(0);
    lab.restart();
    expect(await lab.run(STEP)).toEqual([]);
    expect(lab.isUnknown()).toBe(true);
    const [first] = await lab.run(HOUR);
    expect(first).toBeLessThanOrEqual(30 * MINUTE);
  });
});
