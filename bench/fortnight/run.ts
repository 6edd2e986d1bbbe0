import { type Books, hashOf, readBooks } from './books.ts';
import { type Course, createCourse } from './course.ts';
import type { LogLine } from './engine.ts';
import { writeMessage } from './message-text.ts';
import { type PlannedCase, planTraffic } from './plan.ts';
import { createRandomness } from './randomness.ts';
import type { Foreseen } from './reconcile.ts';
import { makeSite, type Site } from './site.ts';
import { createSteppedClock } from './stepped-clock.ts';
import { DAY_MS, HOUR_MS } from './swedish-time.ts';
import { makeWorld, SYD, type World } from './world.ts';

export interface FortnightOptions {
  readonly seed: number;
  readonly results: number;
  readonly days: number;
  /** By the machine's clock. */
  readonly now: number;
  /** The fortnight lies ahead of this, too; null = it is the next with a change of the clocks. */
  readonly after: number | null;
  readonly say: (line: string) => void;
}

export interface Fortnight {
  readonly world: World;
  readonly cases: readonly PlannedCase[];
  readonly foreseen: readonly Foreseen[];
  readonly books: Books;
  /** Everything the engine said. */
  readonly log: readonly LogLine[];
  /** What of the course itself was not as it must be. */
  readonly problems: readonly string[];
}

/** Plays the fortnight through the real engine and closes the books. */
export async function playFortnight(options: FortnightOptions): Promise<Fortnight> {
  const { seed, results, days, now, after, say } = options;
  const world = makeWorld(Math.max(now, after ?? 0), days);
  const cases = planTraffic(results, days, createRandomness(seed), world);
  const clock = createSteppedClock(world.startAt - HOUR_MS);
  await using site = await makeSite(world, clock, now);
  await using course = await createCourse({ site, world, clock, seed });
  let day = -1;
  for (const event of scheduleOf(cases, world, course, site)) {
    await course.goTo(event.at);
    const today = Math.floor((event.at - world.startAt) / DAY_MS);
    if (today > day) say(`day ${today}: ${site.standIn.ledger.certificates()} certificates so far`);
    day = Math.max(day, today);
    if (event.name !== null) say(`  ${event.name}`);
    await event.happen();
    await course.settle();
  }
  await course.goTo(world.endAt);
  await course.end();
  const books = await readBooks(site, course.answers, course.log());
  const foreseen = cases.flatMap(({ kind, expected }) =>
    expected.map((one): Foreseen => ({ kind, hash: hashOf(writeMessage(one.sending)), expected: one })),
  );
  return { world, cases, foreseen, books, log: course.log(), problems: course.problems };
}

interface Event {
  readonly at: number;
  /** null = part of the daily traffic. */
  readonly name: string | null;
  happen(): Promise<void>;
}

function scheduleOf(cases: readonly PlannedCase[], world: World, course: Course, site: Site): Event[] {
  const sendings = cases.flatMap((one) => one.sendings);
  const { faults } = site.standIn;
  const atKill = sendings.filter(({ at }) => at === world.killAt);
  const usual = sendings.filter(({ at }) => at !== world.killAt);
  const files = Map.groupBy(
    usual.filter(({ lab }) => lab === 'skog'),
    ({ at }) => at,
  );
  const strike = (day: number, kind: 'lose-answer' | 'truncate' | 'drop', times: number): Event => ({
    at: world.startAt + day * DAY_MS + 9 * HOUR_MS,
    name: `the service’s next ${times} answers: ${kind}`,
    happen: async () => faults.add({ fault: { kind }, times }),
  });
  const events: Event[] = [
    ...usual
      .filter(({ lab }) => lab === 'kust')
      .map((one) => ({ at: one.at, name: null, happen: () => course.send(one) })),
    ...[...files].map(([at, some]) => ({ at, name: null, happen: () => course.putFile(some) })),
    ...cases.flatMap(({ acts }) => acts).map((act) => ({ at: act.at, name: null, happen: () => course.act(act) })),
    ...[strike(1, 'lose-answer', 2), strike(2, 'truncate', 1), strike(6, 'drop', 2), strike(11, 'lose-answer', 1)],
    { at: world.killAt, name: 'the engine is killed in the midst of its work', happen: () => course.kill(atKill) },
    {
      at: world.certificateEndsAt,
      name: `the certificate of ${SYD.name} has ended`,
      happen: async () => {},
    },
    {
      at: world.wrongRenewalAt,
      name: 'somebody puts one in its place that has ended, too',
      happen: () => site.renew(SYD, Date.now() - DAY_MS),
    },
    { at: world.renewalAt, name: 'it is renewed', happen: () => site.renew(SYD, world.endAt + 300 * DAY_MS) },
    {
      at: world.outageAt,
      name: 'the service answers 503',
      happen: async () => faults.add({ fault: { kind: 'status', status: 503 } }),
    },
    {
      at: world.outageClosedAt,
      name: 'nobody listens at its address any more',
      happen: async () => {
        await site.closeService();
        faults.clear();
      },
    },
    { at: world.outageEndsAt, name: 'the service works again', happen: () => site.openService() },
    { at: world.restartAt, name: 'the engine is stopped and started', happen: () => course.restart() },
  ];
  return events.filter(({ at }) => at < world.endAt).sort((a, b) => a.at - b.at);
}
