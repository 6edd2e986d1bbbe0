import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Journal } from '../../src/contracts/journal.ts';
import type { Delivery } from '../../src/contracts/target.ts';
import {
  admission,
  claimKeys,
  claimOne,
  deliverOne,
  draft,
  ended,
  eventsOf,
  fault,
  type Place,
  retryAt,
  SLOT,
  statesOf,
  stating,
} from './kit.ts';

/** Lanes, claims, the end of attempts, and recovery. */
export function describeLanes(makePlace: () => Promise<Place>): void {
  let place: Place;
  let journal: Journal;
  let count = 0;
  beforeEach(async () => {
    place = await makePlace();
    journal = await place.open({ now: 0 });
    count = 0;
  });
  afterEach(async () => {
    await journal.close();
    await place.remove();
  });

  /** Admits one delivery named `key`. */
  const queue = (key: string, at: number, more: Parameters<typeof draft>[1] = {}, channel = 'lab') =>
    journal.admit({ ...stating(`${key} ${++count}`, at, [key, '1', 'd'], [more]), channel });

  describe('a lane', () => {
    it('has one delivery in flight, and they go in the order of admission', async () => {
      for (const key of ['a', 'b', 'c']) await queue(key, 1);
      const first = await claimOne(journal, 2);
      expect(first).toEqual({
        id: 1,
        attempt: 1,
        messageId: 1,
        channel: 'lab',
        resultKey: 'a',
        target: 'register',
        operation: 'issue',
        party: 'p1',
        laneKey: 'lane-1',
        body: new Uint8Array(Buffer.from('{"result":"a"}')),
        admittedAt: 1,
      });
      expect(await claimKeys(journal, 3)).toEqual([]);
      await journal.record(ended(first, 4));
      expect((await deliverOne(journal, 5)).resultKey).toBe('b');
      expect((await deliverOne(journal, 6)).resultKey).toBe('c');
    });

    it('is one of target, party and key: others run beside it', async () => {
      await queue('a', 1);
      await queue('b', 1, { laneKey: 'lane-2' });
      await queue('c', 1, { party: 'p2' });
      await queue('d', 1, { target: 'archive' });
      const slots = [SLOT, { ...SLOT, party: 'p2' }, { ...SLOT, target: 'archive' }];
      const { deliveries } = await journal.claim(slots, 2);
      expect(deliveries.map(({ resultKey }) => resultKey)).toEqual(['a', 'b', 'c', 'd']);
    });

    it('is held by a delivery that has to be tried again, until its time comes', async () => {
      await queue('a', 1);
      await queue('b', 1);
      await journal.record(ended(await claimOne(journal, 2), 3, retryAt(50)));
      expect(await journal.claim([SLOT], 49)).toEqual({ deliveries: [], expired: [], nextDueAt: 50 });
      expect(await claimOne(journal, 50)).toMatchObject({ resultKey: 'a', attempt: 2 });
    });

    it('is held by an attempted delivery even against one with an earlier place', async () => {
      await queue('a', 10);
      await journal.record(ended(await claimOne(journal, 11), 12, retryAt(50)));
      await queue('earlier', 5);
      expect(await claimKeys(journal, 20)).toEqual([]);
      expect((await deliverOne(journal, 50)).resultKey).toBe('a');
      expect((await deliverOne(journal, 51)).resultKey).toBe('earlier');
    });

    it('is not held by a delivery whose time has not come, which joins in when it has', async () => {
      await queue('later', 1, { notBefore: 50 });
      await queue('a', 2);
      await queue('b', 60);
      expect((await deliverOne(journal, 3)).resultKey).toBe('a');
      expect((await journal.claim([], 4)).nextDueAt).toBe(50);
      expect(await claimKeys(journal, 49)).toEqual([]);
      expect((await deliverOne(journal, 61)).resultKey).toBe('later');
      expect((await deliverOne(journal, 62)).resultKey).toBe('b');
    });

    it('is not held by what is held, delivered or cancelled', async () => {
      await queue('held', 1, { held: fault('code-unmapped') });
      await queue('a', 1, { onCorrection: 'hold' });
      await queue('b', 1);
      await deliverOne(journal, 2);
      expect((await claimOne(journal, 3)).resultKey).toBe('b');
    });

    it('goes on with the next when its head is cancelled', async () => {
      await queue('a', 1);
      await queue('b', 1);
      await journal.admit(stating('newer', 2, ['a', '2', 'e'], []));
      expect(await claimKeys(journal, 3)).toEqual(['b']);
    });
  });

  describe('a claim', () => {
    it('takes at most as many as are free, oldest first', async () => {
      for (const [key, at] of [
        ['c', 3],
        ['a', 1],
        ['b', 2],
      ] as const)
        await queue(key, at, { laneKey: key });
      expect(await claimKeys(journal, 4, { free: 2 })).toEqual(['a', 'b']);
      expect(await claimKeys(journal, 4, { free: 0 })).toEqual([]);
      expect(await claimKeys(journal, 4)).toEqual(['c']);
    });

    it('takes channels in turn, also over several claims', async () => {
      for (const key of ['a1', 'a2', 'a3', 'a4']) await queue(key, 1, { laneKey: key }, 'a');
      for (const key of ['b1', 'b2']) await queue(key, 2, { laneKey: key }, 'b');
      await queue('c1', 3, { laneKey: 'c1' }, 'c');
      expect(await claimKeys(journal, 4, { free: 4 })).toEqual(['a1', 'b1', 'c1', 'a2']);
      expect(await claimKeys(journal, 4, { free: 1 })).toEqual(['b2']);
      expect(await claimKeys(journal, 4, { free: 1 })).toEqual(['a3']);
    });

    it('leaves out operations that are not wanted: they hold their own lanes and no others', async () => {
      await queue('a', 1, { operation: 'paused' });
      await queue('behind', 1);
      await queue('b', 1, { laneKey: 'lane-2' });
      expect(await claimKeys(journal, 2, { without: ['paused'] })).toEqual(['b']);
      expect(await claimKeys(journal, 2)).toEqual(['a']);
    });

    it('cancels what expired and takes the next of the lane, at once', async () => {
      await queue('a', 1, { notAfter: 10 });
      await queue('b', 1, { notAfter: 11 });
      await queue('c', 1, { notAfter: 12 });
      const { deliveries, expired } = await journal.claim([{ ...SLOT, free: 1 }], 11);
      expect({ expired, keys: deliveries.map(({ resultKey }) => resultKey) }).toEqual({
        expired: [1, 2].map((id) => ({ id, target: 'register', party: 'p1' })),
        keys: ['c'],
      });
      expect(await statesOf(journal, 1)).toEqual(['cancelled']);
      expect(await eventsOf(journal, 2)).toEqual(['mapped', 'queued', 'expired']);
    });

    it('does not let a delivery that waits to be tried again outlive its time', async () => {
      await queue('a', 1, { notAfter: 20 });
      await queue('b', 1);
      await journal.record(ended(await claimOne(journal, 2), 3, retryAt(1000)));
      expect((await journal.claim([SLOT], 4)).nextDueAt).toBe(20);
      expect(await journal.claim([SLOT], 20)).toMatchObject({ expired: [{ id: 1 }], deliveries: [{ resultKey: 'b' }] });
    });

    it('holds what expired and may have arrived, and takes the next of the lane', async () => {
      await queue('a', 1, { notAfter: 20 });
      await queue('b', 1);
      await journal.record(ended(await claimOne(journal, 2), 3, retryAt(4, 'target-timeout')));
      await journal.record(ended(await claimOne(journal, 5), 6, retryAt(1000)));
      const { deliveries, expired } = await journal.claim([SLOT], 20);
      expect([expired, deliveries.map(({ resultKey }) => resultKey)]).toEqual([[], ['b']]);
      expect(await statesOf(journal, 1)).toEqual(['held in-doubt']);
      expect((await eventsOf(journal, 1)).at(-1)).toBe('held in-doubt');
    });

    it('A4: … and was cut off by the end of the process; what is released past its time expires', async () => {
      await queue('a', 1, { notAfter: 20, inDoubt: 'repeat' });
      await claimOne(journal, 2);
      await journal.close();
      journal = await place.open({ now: 30 });
      expect((await journal.claim([SLOT], 30)).expired).toEqual([]);
      expect(await statesOf(journal, 1)).toEqual(['held in-doubt']);
      // It did not arrive, says a person; but its time is over.
      expect(await journal.release(1, { by: 'anna', note: null, at: 31 })).toEqual({ result: 'released' });
      expect((await eventsOf(journal, 1)).slice(-2)).toEqual(['released', 'expired']);
      expect(await claimKeys(journal, 32)).toEqual([]);
    });

    it('records the attempt before anybody sees the delivery', async () => {
      await queue('a', 1);
      await claimOne(journal, 2);
      expect(await journal.readDeliveries(1)).toMatchObject([{ inFlight: true, attempts: 1, state: 'waiting' }]);
      expect(await eventsOf(journal, 1)).toEqual(['mapped', 'queued', 'attempt attempt 1']);
    });
  });

  describe('the end of an attempt', () => {
    it('keeps the answer, large or small, and the follow-ups', async () => {
      await queue('a', 1);
      const answer = { status: 201, contentType: 'application/json', body: Buffer.alloc(50_000, 'pdf '), fault: null };
      const followUps = [
        draft('a', { operation: 'file', laneKey: 'lane-2' }),
        draft('a', { operation: 'reply', held: fault('answer-unreadable') }),
      ];
      const first = await claimOne(journal, 2);
      expect(await journal.record(ended(first, 3, { response: answer, followUps }))).toEqual({ state: 'delivered' });
      const [delivered, file, reply] = await journal.readDeliveries(1);
      expect(delivered).toMatchObject({ state: 'delivered', inFlight: false, nextAt: null, fault: null });
      expect({ ...delivered!.response, body: Buffer.from(delivered!.response!.body) }).toEqual(answer);
      expect(file).toMatchObject({ state: 'waiting', operation: 'file', messageId: 1, channel: 'lab', admittedAt: 3 });
      expect(reply).toMatchObject({ state: 'held', fault: fault('answer-unreadable') });
      expect((await claimOne(journal, 4)).operation).toBe('file');
    });

    it('keeps the last fault and says when it is tried again', async () => {
      await queue('a', 1);
      const answer = { status: 503, contentType: null, body: new Uint8Array(0), fault: fault('target-failing') };
      await journal.record(
        ended(await claimOne(journal, 2), 3, { ...retryAt(50, 'target-failing'), response: answer }),
      );
      expect(await journal.readDeliveries(1)).toMatchObject([
        {
          state: 'waiting',
          inFlight: false,
          attempts: 1,
          nextAt: 50,
          fault: fault('target-failing'),
          response: answer,
        },
      ]);
      expect(await eventsOf(journal, 1)).toEqual(['mapped', 'queued', 'attempt attempt 1', 'retry target-failing']);
    });

    it('holds where the engine says so, and the lane goes on', async () => {
      await queue('a', 1);
      await queue('b', 1);
      const held = { outcome: { state: 'held', fault: fault('target-refused') } } as const;
      expect(await journal.record(ended(await claimOne(journal, 2), 3, held))).toEqual({ state: 'held' });
      expect(await statesOf(journal, 1)).toEqual(['held target-refused']);
      expect((await claimOne(journal, 4)).resultKey).toBe('b');
    });

    it('changes nothing when it is not of the current attempt', async () => {
      await queue('a', 1);
      const first = await claimOne(journal, 2);
      await journal.record(ended(first, 3, retryAt(4)));
      const second = await claimOne(journal, 5);
      expect(second.attempt).toBe(2);
      expect(await journal.record(ended(first, 6))).toEqual({ state: 'fenced' });
      expect(await journal.readDeliveries(1)).toMatchObject([{ state: 'waiting', inFlight: true, attempts: 2 }]);
      expect(await journal.record(ended(second, 7))).toEqual({ state: 'delivered' });
      expect(await journal.record(ended(second, 8, retryAt(9)))).toEqual({ state: 'fenced' });
      expect(await journal.record({ ...ended(second, 8), deliveryId: 99 })).toEqual({ state: 'fenced' });
      expect(await statesOf(journal, 1)).toEqual(['delivered']);
    });
  });

  describe('a journal that is opened again', () => {
    it('repeats what was in flight where the operation permits it, and holds it where not', async () => {
      await queue('a', 1, { laneKey: 'a' });
      await queue('b', 1, { laneKey: 'b', inDoubt: 'hold' });
      await queue('behind a', 1, { laneKey: 'a' });
      await queue('behind b', 1, { laneKey: 'b' });
      const [first] = (await journal.claim([SLOT], 2)).deliveries;
      await journal.close();
      journal = await place.open({ now: 100 });
      expect(await statesOf(journal, 1)).toEqual(['waiting in-doubt']);
      expect(await statesOf(journal, 2)).toEqual(['held in-doubt']);
      expect(await eventsOf(journal, 1)).toEqual(['mapped', 'queued', 'attempt attempt 1', 'retry in-doubt']);
      expect(await journal.record(ended(first!, 101))).toEqual({ state: 'fenced' });
      const { deliveries } = await journal.claim([SLOT], 102);
      expect(deliveries).toMatchObject([{ resultKey: 'a', attempt: 2 }, { resultKey: 'behind b' }]);
    });

    it('has everything it had, byte for byte', async () => {
      const bytes = Uint8Array.from({ length: 300_000 }, (_, i) => i % 251);
      const pool = Buffer.alloc(bytes.length + 20, 7);
      pool.set(bytes, 10);
      const sent = {
        ...admission('a', 1),
        bytes: pool.subarray(10, 10 + bytes.length),
        sender: 'CN=lab',
        controlId: null,
      };
      await journal.admit(sent);
      expect(pool.subarray(10, 10 + bytes.length)).toEqual(Buffer.from(bytes));
      await journal.close();
      journal = await place.open({ now: 2 });
      const stored = await journal.readMessage(1);
      expect(Buffer.from(stored!.bytes).equals(bytes)).toBe(true);
      expect(stored).toMatchObject({ channel: 'lab', controlId: null, sender: 'CN=lab', receivedAt: 1, timesSeen: 1 });
    });
  });

  describe('many lanes', () => {
    it('never have two in flight, and keep their order, whatever happens', async () => {
      // One journal for all runs; each run has a party, and so lanes, of its own.
      let runs = 0;
      const run = fc.asyncProperty(fc.array(stepArbitrary, { maxLength: 40 }), (steps) =>
        runSteps(journal, `p${++runs}`, steps),
      );
      await fc.assert(run, { numRuns: 300 });
    });
  });
}

type Step =
  | {
      readonly kind: 'admit';
      readonly lane: number;
      readonly wait: number;
      readonly early: number;
      readonly lasts: number;
    }
  | { readonly kind: 'claim'; readonly free: number }
  | {
      readonly kind: 'record';
      readonly which: number;
      readonly end: 'delivered' | 'held' | 'waiting';
      readonly wait: number;
    };

const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('admit' as const),
    lane: fc.nat(1),
    wait: fc.constantFrom(0, 0, 0, 3, 10),
    early: fc.constantFrom(0, 0, 9),
    lasts: fc.constantFrom(1000, 1000, 1000, 5),
  }),
  fc.record({ kind: fc.constant('claim' as const), free: fc.integer({ min: 1, max: 4 }) }),
  fc.record({
    kind: fc.constant('record' as const),
    which: fc.nat(5),
    end: fc.constantFrom('delivered' as const, 'delivered' as const, 'held' as const, 'waiting' as const),
    wait: fc.nat(6),
  }),
);

interface ModelDelivery {
  readonly id: number;
  readonly lane: string;
  place: number;
  nextAt: number;
  readonly notAfter: number | null;
  attempts: number;
  inFlight: Delivery | null;
}

/** Runs the steps on the journal and on a list, one tick a step, and compares what can be claimed. */
async function runSteps(journal: Journal, party: string, steps: readonly Step[]): Promise<void> {
  let waiting: ModelDelivery[] = [];
  const laneOf = (lane: string) =>
    waiting.filter((one) => one.lane === lane).sort((a, b) => a.place - b.place || a.id - b.id);
  const slots = [{ ...SLOT, party, free: 0 }];

  for (const [index, step] of steps.entries()) {
    const now = 10 + index;
    if (step.kind === 'admit') {
      const lane = `lane-${step.lane}`;
      const at = now - step.early;
      const notBefore = step.wait === 0 ? null : now + step.wait;
      const notAfter = step.lasts === 1000 ? null : now + step.lasts;
      const more = { party, laneKey: lane, notBefore, notAfter };
      const { deliveries } = await journal.admit(
        stating(`${party} ${index}`, at, [`${party} ${index}`, '1', 'd'], [more]),
      );
      const nextAt = Math.max(at, notBefore ?? at);
      const head = laneOf(lane)[0];
      const place = head !== undefined && head.attempts > 0 ? Math.max(nextAt, head.place) : nextAt;
      waiting.push({ id: deliveries[0]!.id, lane, place, nextAt, notAfter, attempts: 0, inFlight: null });
    } else if (step.kind === 'claim') {
      slots[0] = { ...SLOT, party, free: step.free };
      const { deliveries, expired: gone } = await journal.claim(slots, now);
      const expired = gone.map(({ id }) => id);
      const heads: ModelDelivery[] = [];
      for (const lane of new Set(waiting.map((one) => one.lane))) {
        const head = laneOf(lane).find((one) => !expired.includes(one.id));
        if (head !== undefined && head.inFlight === null && head.nextAt <= now) heads.push(head);
      }
      const shortened = new Set<string>();
      for (const id of expired) {
        const gone = waiting.find((one) => one.id === id)!;
        expect(gone.inFlight).toBeNull();
        expect(gone.notAfter).toBeLessThanOrEqual(now);
        expect(laneOf(gone.lane)[0]).toBe(gone);
        waiting = waiting.filter((one) => one !== gone);
        shortened.add(gone.lane);
      }
      heads.sort((a, b) => a.place - b.place || a.id - b.id);
      const claimed = deliveries.map(({ id }) => id);
      const due = heads.map(({ id }) => id);
      if (expired.length === 0) expect(claimed).toEqual(due.slice(0, step.free));
      else {
        // What stood behind a head that expired comes after the others, however early its place.
        expect(claimed).toHaveLength(Math.min(step.free, due.length));
        expect(new Set(claimed).size).toBe(claimed.length);
        expect(due).toEqual(expect.arrayContaining(claimed));
        const untouched = heads.filter(({ lane }) => !shortened.has(lane)).map(({ id }) => id);
        const inOrder = claimed.filter((id) => untouched.includes(id));
        expect(inOrder).toEqual(untouched.slice(0, inOrder.length));
      }
      for (const delivery of deliveries) {
        const head = heads.find(({ id }) => id === delivery.id)!;
        if (head.notAfter !== null) expect(head.notAfter).toBeGreaterThan(now);
        expect(delivery.attempt).toBe(++head.attempts);
        head.inFlight = delivery;
      }
    } else {
      const inFlight = waiting.filter((one) => one.inFlight !== null);
      const one = inFlight[step.which % Math.max(1, inFlight.length)];
      if (one === undefined) continue;
      const outcome =
        step.end === 'delivered'
          ? ({ state: 'delivered' } as const)
          : step.end === 'held'
            ? ({ state: 'held', fault: fault('target-refused') } as const)
            : ({ state: 'waiting', nextAt: now + step.wait, fault: fault('target-busy') } as const);
      expect(await journal.record(ended(one.inFlight!, now, { outcome }))).toEqual({ state: step.end });
      one.inFlight = null;
      if (step.end === 'waiting') one.nextAt = now + step.wait;
      else waiting = waiting.filter((other) => other !== one);
    }
  }
}
