import { type Kind, spreadKinds } from './kinds.ts';
import { Ambiguous, type ExpectedMessage, foresee } from './oracle.ts';
import { createPeople, type Person } from './people.ts';
import type { Randomness } from './randomness.ts';
import { DAY_MS, HOUR_MS, MINUTE_MS, onDay, wallOf } from './swedish-time.ts';
import type { Act, Case, Said, Sending, Test } from './traffic.ts';
import { DEVICES, type Lab, NOT_PERMITTED, PROVIDERS, type Provider, STRANGER, SYD, type World } from './world.ts';

export interface PlannedCase extends Case {
  readonly kind: Kind;
  readonly expected: readonly ExpectedMessage[];
}

/** When `skog` writes its files. */
const SLOTS = [8, 12, 16, 20] as const;
const SLOT_MINUTE = 15;
/** Times of which nobody can say what comes first are drawn anew; so often, and the kind cannot be. */
const MOST_DRAWS = 2_000;

/** Cases of so many results, the same for the same seed. */
export function planTraffic(results: number, days: number, random: Randomness, world: World): PlannedCase[] {
  const draw = createDraw(days, random, world);
  const quotas = spreadKinds(results);
  return [...quotas].flatMap(([kind, quota]) => {
    const cases: PlannedCase[] = [];
    for (let tests = 0; tests < quota; ) {
      const made = draw(kind);
      cases.push(made);
      tests += new Set(made.sendings.flatMap(({ says }) => says.map(({ test }) => test.filler))).size;
    }
    return cases;
  });
}

function createDraw(days: number, random: Randomness, world: World): (kind: Kind) => PlannedCase {
  const people = createPeople(random);
  let numbers = 0;
  const planned: Record<Lab, Sending[]> = { kust: [], skog: [] };

  return (kind) => {
    for (let draws = 0; draws < MOST_DRAWS; draws += 1) {
      // Both are at it when the engine is killed.
      const isEven =
        kind === 'while the engine is killed'
          ? (planned.kust.length + planned.skog.length) % 2 === 0
          : random.chance(0.6);
      const lab: Lab = isEven ? 'kust' : 'skog';
      try {
        const drawn: Case = { kind, acts: [], ...build(kind, lab) };
        const sendings = drawn.sendings.toSorted((a, b) => a.at - b.at);
        if (kind !== 'while the engine is killed' && sendings.some(isNearKill)) continue;
        const expected = foresee({ ...drawn, sendings }, world);
        planned[lab].push(...sendings.slice(0, 1));
        return { ...drawn, kind, sendings, expected };
      } catch (error) {
        if (!(error instanceof Ambiguous)) throw error;
      }
    }
    throw new Error(`no case of the kind “${kind}” fits into these days`);
  };

  function isNearKill({ at }: Sending): boolean {
    return Math.abs(at - world.killAt) < 30 * MINUTE_MS;
  }

  function testOf(lab: Lab, more: Partial<Test> = {}): Test {
    numbers += 1;
    const permitted = PROVIDERS.filter((one) => one !== NOT_PERMITTED[lab]);
    const filler = `${lab === 'kust' ? 'K' : 'S'}-${String(numbers).padStart(5, '0')}`;
    const kind = 'naat' as const;
    const hours = { sampledAt: sample(0, days - 1), provider: random.pick<Provider>(permitted) };
    return { filler, person: people.resident(), kind, device: null, ...hours, ...more };
  }

  /** A sample of the daytime of one of these days, counted from the first of the fortnight. */
  function sample(from: number, to: number): number {
    return onDay(world.startAt, random.between(from, to), random.between(7, 18), random.between(0, 59));
  }

  /** When a laboratory tells of something, at the earliest so late: by day, `skog` in its files. */
  function tell(lab: Lab, earliest: number, withinMs: number): number {
    const wanted = earliest + Math.floor(random.next() * withinMs);
    if (lab === 'skog') {
      const days = [0, 1].flatMap((day) => SLOTS.map((hour) => onDay(wanted, day, hour, SLOT_MINUTE)));
      return days.find((slot) => slot - 10 * MINUTE_MS >= wanted) ?? Number.NaN;
    }
    const { hour } = wallOf(wanted);
    const day = hour < 6 ? onDay(wanted, 0, 6 + (hour % 4), random.between(0, 59)) : wanted;
    return Math.floor(day / 1_000) * 1_000 + random.between(0, 999);
  }

  function send(lab: Lab, at: number, says: readonly Said[], more: Partial<Sending> = {}): Sending {
    numbers += 1;
    const writtenAt = Math.floor((at - random.between(5, 500) * 1_000) / 1_000) * 1_000;
    const controlId = `${lab === 'kust' ? 'K' : 'S'}${String(numbers).padStart(6, '0')}`;
    return { holds: 'results', lab, controlId, at, writtenAt, says, repeats: null, ...more };
  }

  function say(test: Test, more: Partial<Said> = {}): Said {
    const outcome = more.outcome ?? 'negative';
    const both = ['test', 'recovery'] as const;
    const asked = random.chance(0.3) ? both : outcome === 'negative' ? (['test'] as const) : (['recovery'] as const);
    return { test, outcome, status: 'F', asked, mark: null, spoilt: null, ...more };
  }

  function rapid(device: string = random.pick(DEVICES.listed)): Partial<Test> {
    return { kind: 'rat', device };
  }

  function usual(lab: Lab, test: Test): number {
    return tell(lab, test.sampledAt + 4 * HOUR_MS, 26 * HOUR_MS);
  }

  /** Sampled so early that there is time for more to be said of it. */
  function early(): { sampledAt: number } {
    return { sampledAt: sample(-1, Math.max(0, days - 5)) };
  }

  /** One result, told once. */
  function single(lab: Lab, test: Partial<Test> = {}, said: Partial<Said> = {}): { sendings: Sending[] } {
    const one = testOf(lab, test);
    return { sendings: [send(lab, usual(lab, one), [say(one, said)])] };
  }

  /** One result, told twice: `after` is when, at the earliest and within how much time from then. */
  function twice(
    lab: Lab,
    test: Partial<Test>,
    first: Partial<Said>,
    second: Partial<Said>,
    after: readonly [earliestMs: number, withinMs: number] = [2 * HOUR_MS, 40 * HOUR_MS],
  ): { sendings: [Sending, Sending] } {
    const one = testOf(lab, test);
    const at = usual(lab, one);
    const then = tell(lab, at + after[0], after[1]);
    const asked = ['test', 'recovery'] as const;
    const [before, behind] = [say(one, { asked, ...first }), say(one, { asked, ...second })];
    return { sendings: [send(lab, at, [before]), send(lab, then, [behind])] };
  }

  /** Sampled on one of the days before, so that its day 11 lies in the fortnight, and told when the fortnight has begun. */
  function toldLate(lab: Lab, said: Partial<Said> = {}): { sendings: Sending[] } {
    const one = testOf(lab, { sampledAt: sample(-10, Math.max(-9, days - 12)) });
    const at = tell(lab, Math.max(one.sampledAt + 10 * HOUR_MS, world.startAt), 5 * DAY_MS);
    return { sendings: [send(lab, at, [say(one, { outcome: 'positive', ...said })])] };
  }

  /** Between two moments, by day. */
  function within(lab: Lab, from: number, until: number): number {
    return tell(lab, from, Math.max(1, until - from));
  }

  function build(kind: Kind, lab: Lab): { sendings: Sending[]; acts?: Act[] } {
    const positive = { outcome: 'positive' } as const;
    const { outageAt, outageEndsAt } = world;
    switch (kind) {
      case 'negative NAAT':
        return single(lab);
      case 'negative antigen test':
        return single(lab, rapid());
      case 'positive NAAT':
        return single(lab, { sampledAt: sample(0, days - 2) }, positive);
      case 'positive NAAT, told late':
        return toldLate(lab);
      case 'in a report of two': {
        const first = testOf(lab);
        const other = testOf(lab, { ...rapid(), person: first.person, provider: first.provider });
        const second = { ...other, sampledAt: first.sampledAt + 30 * MINUTE_MS };
        return { sendings: [send(lab, usual(lab, first), [say(first), say(second)])] };
      }
      case 'while the engine is killed': {
        const sampledAt = world.killAt - random.between(20, 44) * HOUR_MS;
        return { sendings: [send(lab, world.killAt, [say(testOf(lab, { sampledAt }))])] };
      }
      case 'certificate not asked for':
        return single(lab, {}, { asked: [] });
      case 'positive, not asked for':
        return single(lab, {}, { ...positive, asked: random.chance(0.5) ? [] : ['test'] });
      case 'asked for later':
        return twice(lab, early(), { asked: [] }, { asked: ['test'] }, [HOUR_MS, 20 * HOUR_MS]);
      case 'positive, asked for later':
        return twice(lab, early(), { ...positive, asked: [] }, { ...positive, asked: ['recovery'] });
      case 'asked for in an order before':
      case 'asked for in an order afterwards': {
        const isBefore = kind === 'asked for in an order before';
        const { sendings } = twice(
          lab,
          early(),
          { asked: isBefore ? ['test'] : [] },
          { asked: isBefore ? [] : ['test'] },
        );
        const [first, second] = sendings;
        if (!isBefore) return { sendings: [first, { ...second, holds: 'request' }] };
        return { sendings: [{ ...first, holds: 'request' }, second] };
      }
      case 'unknown device, not asked for':
        return single(lab, rapid(DEVICES.unknown), { asked: [] });
      case 'positive antigen test':
        return single(lab, rapid(), positive);
      case 'inconclusive':
        return single(lab, {}, { outcome: 'inconclusive' });
      case 'preliminary, then final':
        return twice(lab, early(), { status: 'P' }, {}, [HOUR_MS, 20 * HOUR_MS]);
      case 'antibodies':
        return single(lab, { kind: 'antibodies' });
      case 'a code nobody mapped':
        return single(lab, { kind: 'unheard-of' });
      case 'corrected before it was issued':
        return twice(lab, early(), positive, { status: 'C' }, [2 * HOUR_MS, 60 * HOUR_MS]);
      case 'corrected in the outage': {
        const one = testOf(lab, { sampledAt: outageAt - random.between(2, 20) * HOUR_MS });
        const at = within(lab, outageAt + HOUR_MS, outageAt + 9 * HOUR_MS);
        const then = within(lab, at + HOUR_MS, outageEndsAt - HOUR_MS);
        const { outcome, status } = random.pick([
          { outcome: 'inconclusive', status: 'C' },
          { outcome: 'negative', status: 'D' },
          { outcome: 'negative', status: 'C' },
        ] as const);
        if (then > outageEndsAt) throw new Ambiguous('not in the outage');
        return {
          sendings: [send(lab, at, [say(one)]), send(lab, then, [say(one, { outcome, status, asked: ['test'] })])],
        };
      }
      case 'corrected afterwards': {
        const status = 'C' as const;
        const corrected = random.pick([
          { ...positive, status },
          { status },
          { outcome: 'inconclusive', status },
        ] as const);
        return twice(lab, early(), {}, corrected, [2 * HOUR_MS, 60 * HOUR_MS]);
      }
      case 'deleted before it was issued':
        return twice(lab, early(), positive, { ...positive, status: 'D' }, [2 * HOUR_MS, 60 * HOUR_MS]);
      case 'deleted afterwards':
        return twice(lab, early(), {}, { status: 'D' });
      case 'overtaken by its correction': {
        // What was written first comes last.
        const { sendings } = twice(lab, early(), positive, { status: 'C' });
        const [first, second] = sendings;
        return {
          sendings: [
            { ...first, at: second.at },
            { ...second, at: first.at, writtenAt: first.writtenAt + 1_000 },
          ],
        };
      }
      case 'sent again': {
        const { sendings } = twice(lab, early(), {}, {});
        const [first, second] = sendings;
        return { sendings: [first, { ...first, at: second.at, repeats: first }] };
      }
      case 'said again under a new control id':
        return random.chance(0.3) ? twice(lab, early(), positive, positive) : twice(lab, early(), {}, {});
      case 'a control id used twice': {
        const made = single(lab);
        const { controlId, at } = random.pick(planned[lab]);
        if (at >= made.sendings[0]!.at) throw new Ambiguous('nothing came before');
        return { sendings: made.sendings.map((one) => ({ ...one, controlId })) };
      }
      case 'a minor with a guardian':
      case 'a minor without': {
        const person = people.minor(wallOf(world.startAt).year, kind === 'a minor with a guardian');
        return { sendings: toldLate(lab).sendings.map((one) => withPerson(one, person)) };
      }
      case 'samordningsnummer':
        return single(lab, { person: people.coordinated() }, random.chance(0.3) ? positive : {});
      case 'reservnummer':
        return single(lab, { person: people.reserved() });
      case 'foreigner':
        return single(lab, { person: people.foreign(), ...(random.chance(0.3) ? rapid() : {}) });
      case 'protected identity':
        return single(lab, {}, { spoilt: 'protected' });
      case 'two numbers that differ': {
        const person: Person = { ...people.resident(), guardian: people.numberOf('19700101') };
        return single(lab, { person }, { spoilt: 'two-numbers' });
      }
      case 'another birth date':
        return single(lab, {}, { spoilt: 'other-birth-date' });
      case 'unknown device':
        return single(lab, rapid(DEVICES.unknown));
      case 'withdrawn device':
        return single(lab, rapid(DEVICES.withdrawn));
      case 'device not yet on the list':
        return single(lab, rapid(DEVICES.notYet));
      case 'device withdrawn of late':
        return single(lab, rapid(DEVICES.grace));
      case 'older than 72 hours': {
        const one = testOf(lab, { sampledAt: sample(-3, days - 5) });
        return { sendings: [send(lab, tell(lab, one.sampledAt + 74 * HOUR_MS, 20 * HOUR_MS), [say(one)])] };
      }
      case 'older than 72 hours by the outage': {
        const at = within(lab, outageAt + HOUR_MS, outageAt + 8 * HOUR_MS);
        const sampledAt = at - Math.floor((60 + random.next() * 11) * HOUR_MS);
        return { sendings: [send(lab, at, [say(testOf(lab, { sampledAt: minute(sampledAt) }))])] };
      }
      case 'care provider nobody knows':
        return single(lab, { provider: STRANGER });
      case 'care provider not permitted':
        return single('skog', { provider: NOT_PERMITTED.skog ?? STRANGER });
      case 'wrong check digit':
        return single(lab, {}, { spoilt: 'check-digit' });
      case 'no time of the sample':
        return single(lab, {}, { spoilt: 'no-sample-time' });
      case 'sampled after it was sent': {
        const one = testOf(lab);
        const at = tell(lab, one.sampledAt - 5 * HOUR_MS, HOUR_MS);
        if (one.sampledAt - at < HOUR_MS) throw new Ambiguous('not after it was sent');
        return { sendings: [send(lab, at, [say(one, { spoilt: 'sampled-after-sending' })])] };
      }
      case 'an hour that is not, or is twice': {
        const one = testOf(lab, { sampledAt: world.switchAt });
        return {
          sendings: [
            send(lab, tell(lab, world.switchAt + 6 * HOUR_MS, 9 * HOUR_MS), [say(one, { spoilt: 'hour-that-is-not' })]),
          ],
        };
      }
      case 'no result at all':
        return single(lab, {}, { spoilt: 'not-oru' });
      case 'bytes of another character set':
        return single('skog', {}, { spoilt: 'wrong-bytes' });
      case 'self-sampled':
        return single(lab, {}, { mark: 'self-sampled' });
      case 'done abroad':
        return single(lab, {}, { mark: 'done-abroad' });
      case 'done by another provider':
        return single(lab, {}, { mark: 'done-by-another-provider' });
      case 'a second positive test':
      case 'the first positive test told later':
      case 'the first positive test corrected':
        return positives(kind, lab);
      case 'corrected afterwards, released by a person':
      case 'corrected afterwards, cancelled by a person': {
        const { sendings } = twice(lab, { sampledAt: sample(-1, 0) }, {}, { ...positive, status: 'C' });
        const what = kind.endsWith('released by a person') ? 'release' : 'cancel';
        const at = onDay(world.startAt, random.between(days - 3, days - 2), 15, 30);
        return { sendings, acts: [{ at, what, of: sendings[1] }] };
      }
      case 'while the certificate had ended': {
        const at = within(lab, world.certificateEndsAt + HOUR_MS, world.renewalAt - HOUR_MS);
        if (at > world.renewalAt) throw new Ambiguous('not while it had ended');
        const sampledAt = minute(at - random.between(5, 30) * HOUR_MS);
        return { sendings: [send(lab, at, [say(testOf(lab, { provider: SYD, sampledAt }))])] };
      }
    }
  }

  /** Two positive tests of one person; which of them counts is the question. */
  function positives(kind: Kind, lab: Lab): { sendings: Sending[] } {
    const positive = { outcome: 'positive', asked: ['test', 'recovery'] } as const;
    const isLateFirst = kind === 'the first positive test told later' && random.chance(0.5);
    const first = testOf(lab, { sampledAt: isLateFirst ? sample(-10, -7) : sample(-4, 3) });
    const { person, provider } = first;
    const second = testOf(lab, { person, provider, sampledAt: first.sampledAt + random.between(20, 90) * HOUR_MS });
    const begin = Math.max(second.sampledAt + 4 * HOUR_MS, world.startAt);
    const at = [0, 1, 2].map((turn) => tell(lab, begin + turn * 30 * HOUR_MS, 20 * HOUR_MS)) as [
      number,
      number,
      number,
    ];
    const one = (moment: number, test: Test, more: Partial<Said> = {}) =>
      send(lab, moment, [say(test, { ...positive, ...more })]);
    const asked = random.chance(0.5) ? positive.asked : [];
    if (kind === 'a second positive test') return { sendings: [one(at[0], first, { asked }), one(at[1], second)] };
    // The certificate of the second has been issued by then.
    if (isLateFirst)
      return { sendings: [one(at[0], second), one(tell(lab, onDay(second.sampledAt, 11, 6), 3 * DAY_MS), first)] };
    if (kind === 'the first positive test told later') return { sendings: [one(at[0], second), one(at[1], first)] };
    const corrected = one(
      at[2],
      first,
      random.chance(0.5) ? { status: 'D' } : { outcome: 'inconclusive', status: 'C' },
    );
    return { sendings: [one(at[0], first), one(at[1], second), corrected] };
  }
}

const minute = (at: number) => Math.floor(at / MINUTE_MS) * MINUTE_MS;

function withPerson(sending: Sending, person: Person): Sending {
  return { ...sending, says: sending.says.map((said) => ({ ...said, test: { ...said.test, person } })) };
}
