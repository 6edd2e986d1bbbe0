import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StoredAlarm } from '../../src/contracts/alarm.ts';
import type { Journal, PruneBite, Pruned } from '../../src/contracts/journal.ts';
import {
  admission,
  claimOne,
  deliverOne,
  draft,
  ended,
  eventsOf,
  fault,
  type Place,
  retryAt,
  statesOf,
  stating,
} from './kit.ts';

const NEVER = { held: null, refused: null, skipped: null, delivered: null, cancelled: null } as const;
const ALL = (before: number) => ({ ...NEVER, refused: before, skipped: before, delivered: before, cancelled: before });

/** What goes, what stays, and what is still known of what went. */
export function describeRetention(makePlace: () => Promise<Place>): void {
  let place: Place;
  let journal: Journal;
  beforeEach(async () => {
    place = await makePlace();
    journal = await place.open({ now: 0 });
  });
  afterEach(async () => {
    await journal.close();
    await place.remove();
  });

  /** Walks to the end in small bites. */
  async function walk(bite: PruneBite): Promise<{ count: number; bytes: number; bites: number }> {
    const sum = { count: 0, bytes: 0, bites: 0 };
    for (let next: number | null = 0; next !== null; ) {
      const one: Pruned = await journal.prune('after' in bite ? { ...bite, after: next } : bite);
      sum.count += one.count;
      sum.bytes += one.bytes;
      sum.bites += 1;
      next = one.next;
    }
    return sum;
  }
  const pruneBytes = (before: Partial<Record<keyof typeof NEVER, number | null>>, limit = 2) =>
    walk({ walk: 'bytes', at: 900, after: 0, limit, maxBytes: 1e6, before: { ...NEVER, ...before } });
  const forget = (before: number, limit = 2) => walk({ walk: 'rows', at: 901, after: 0, limit, before });
  const forgetResults = () => walk({ walk: 'results', at: 902, after: 0, limit: 2 });
  const add = async (...args: Parameters<typeof admission>) => (await journal.admit(admission(...args))).messageId;
  const isThere = async (id: number) => (await journal.readMessage(id)) !== null;

  describe('the bytes of what ended', () => {
    it('go by outcome and age, and everything else that is known stays', async () => {
      const delivered = (await journal.admit(stating('a', 1, ['k', '1', 'd']))).messageId;
      await deliverOne(journal, 2);
      const skipped = await add('b', 1, { state: 'skipped', skipped: [{ reason: 'not-final', at: null }] });
      const refused = await add('c', 1, { state: 'refused', faults: [fault('not-hl7')] });
      expect(await pruneBytes({ refused: 100 })).toMatchObject({ count: 1, bytes: 1 });
      expect((await journal.readMessage(refused))!.isPruned).toBe(true);
      expect((await journal.readMessage(skipped))!.isPruned).toBe(false);
      expect(await pruneBytes(ALL(100))).toMatchObject({ count: 2 });
      expect(await journal.readMessage(delivered)).toMatchObject({
        isPruned: true,
        state: 'mapped',
        controlId: 'a',
        origin: '',
        mappingVersion: 'v1',
      });
      expect((await journal.readMessage(delivered))!.bytes).toHaveLength(0);
      const [delivery] = await journal.readDeliveries(delivered);
      expect(delivery).toMatchObject({ state: 'delivered', resultKey: 'k', response: null });
      expect(delivery!.body).toHaveLength(0);
      expect((await eventsOf(journal, delivered)).at(-1)).toBe('pruned delivered');
      expect((await journal.readMessage(skipped))!.skipped).toEqual([{ reason: 'not-final', at: null }]);
      expect(await pruneBytes(ALL(1000))).toMatchObject({ count: 0 });
      expect((await journal.readOverview(1000)).messages.map(({ count }) => count)).toEqual([1, 1, 1]);
    });

    it('stay until the age is reached, counted from the end and not from the arrival', async () => {
      const id = (await journal.admit(stating('a', 1, ['k', '1', 'd']))).messageId;
      await deliverOne(journal, 500);
      expect(await pruneBytes(ALL(500))).toMatchObject({ count: 0 });
      expect(await pruneBytes(ALL(501))).toMatchObject({ count: 1 });
      expect((await journal.readMessage(id))!.isPruned).toBe(true);
    });

    it('stay while anything waits, is held, is in flight, or an acknowledgement is owed', async () => {
      const ids = [
        (await journal.admit(stating('waits', 1, ['w', '1', 'd'], [{ laneKey: 'w', notBefore: 5000 }]))).messageId,
        (await journal.admit(stating('flies', 1, ['f', '1', 'd'], [{ laneKey: 'f' }]))).messageId,
        (await journal.admit(stating('held', 1, ['h', '1', 'd'], [{ laneKey: 'h', held: fault('code-unmapped') }])))
          .messageId,
        await add('held too', 1, { state: 'held', faults: [fault('code-unmapped')] }),
        await add('received', 1, { state: 'received', mappingVersion: null }),
        (await journal.admit({ ...admission('owed', 1), owesAck: true })).messageId,
      ];
      const flying = await claimOne(journal, 2);
      expect(await pruneBytes(ALL(800))).toMatchObject({ count: 0 });
      for (const id of ids) expect((await journal.readMessage(id))!.isPruned).toBe(false);
      await journal.record(ended(flying, 3, retryAt(4000)));
      expect(await pruneBytes(ALL(800))).toMatchObject({ count: 0 });
    });

    it('of what was held for a person go only where a configuration says so, and what waited for him ends', async () => {
      const message = await add('m', 1, { state: 'held', faults: [fault('code-unmapped')] });
      const delivery = (await journal.admit(stating('d', 1, ['h', '1', 'd'], [{ held: fault('code-unmapped') }])))
        .messageId;
      expect(await pruneBytes({ ...ALL(800), held: 1 })).toMatchObject({ count: 0 });
      expect(await pruneBytes({ held: 2 })).toMatchObject({ count: 2 });
      expect(await eventsOf(journal, message)).toEqual(['held code-unmapped', 'expired', 'pruned held']);
      expect((await journal.readMessage(message))!.state).toBe('skipped');
      expect(await statesOf(journal, delivery)).toEqual(['cancelled code-unmapped']);
      expect((await journal.readOverview(900)).oldestHeldAt).toBeNull();
    });

    it('go in bites, of rows and of bytes', async () => {
      for (let i = 0; i < 7; i++) await add(`${i} ${'x'.repeat(1000)}`, 1, { state: 'skipped' });
      const bite = { walk: 'bytes', at: 9, after: 0, limit: 5, maxBytes: 2500, before: ALL(2) } as const;
      const first = await journal.prune(bite);
      expect(first).toMatchObject({ count: 3, next: 3 });
      expect(first.bytes).toBe(3006);
      expect(await journal.prune({ ...bite, after: 3, maxBytes: 1e6 })).toMatchObject({ count: 4, next: null });
    });

    it('are not looked for among what is too young', async () => {
      for (let i = 0; i < 20; i++) await add(`${i}`, i === 0 ? 1 : 500, { state: 'skipped' });
      expect(await pruneBytes(ALL(100), 4)).toEqual({ count: 1, bytes: 1, bites: 2 });
    });
  });

  describe('a message that comes again after its bytes went', () => {
    it('is the same message with the answer it earned, and nothing is sent twice', async () => {
      const sent = stating('a', 1, ['k', '1', 'd']);
      const { messageId } = await journal.admit(sent);
      await deliverOne(journal, 2);
      await pruneBytes(ALL(100));
      expect(await journal.admit({ ...sent, receivedAt: 950 })).toMatchObject({
        messageId,
        repeated: true,
        state: 'mapped',
        deliveries: [{ state: 'delivered' }],
      });
      const restated = await journal.admit(stating('another message', 960, ['k', '1', 'd']));
      expect(restated).toMatchObject({ repeated: false, state: 'mapped', deliveries: [] });
      const corrected = await journal.admit(stating('c', 970, ['k', '2', 'd2'], [{ onCorrection: 'hold' }]));
      expect(corrected.deliveries).toMatchObject([{ state: 'waiting' }]);
      expect((await journal.readMessage(messageId))!.isPruned).toBe(true);
    });

    it('still knows that a certificate was issued', async () => {
      await journal.admit(stating('a', 1, ['k', '1', 'd'], [{ onCorrection: 'hold' }]));
      await deliverOne(journal, 2);
      await pruneBytes(ALL(100));
      const corrected = await journal.admit(stating('b', 950, ['k', '2', 'd2'], [{ onCorrection: 'hold' }]));
      expect(await statesOf(journal, corrected.messageId)).toEqual(['held already-delivered']);
    });

    it('has its bytes back where it gets another outcome, or is owed an acknowledgement', async () => {
      const refused = admission('a', 1, { state: 'refused', faults: [fault('code-refused')] });
      const { messageId } = await journal.admit(refused);
      await pruneBytes(ALL(100));
      const again = { ...stating('a', 950, ['k', '1', 'd'], [{}], { mappingVersion: 'v2' }) };
      expect(await journal.admit(again)).toMatchObject({ messageId, state: 'mapped', repeated: true });
      const message = await journal.readMessage(messageId);
      expect([message!.isPruned, Buffer.from(message!.bytes).toString()]).toEqual([false, 'a']);
      expect(await eventsOf(journal, messageId)).toEqual(
        expect.arrayContaining(['pruned refused', 'resent', 'restored', 'remapped-mapped']),
      );
      const other = await add('b', 1, { state: 'skipped' });
      await pruneBytes(ALL(100));
      await journal.admit({ ...admission('b', 960, { state: 'skipped' }), owesAck: true });
      expect((await journal.readMessage(other))!.isPruned).toBe(false);
    });
  });

  describe('what is remembered of it', () => {
    it('goes last, with its history and its results, and is not counted any more', async () => {
      const first = (await journal.admit(stating('a', 1, ['k', '1', 'd']))).messageId;
      await deliverOne(journal, 2);
      const second = await add('b', 300, { state: 'skipped' });
      expect(await forget(100)).toMatchObject({ count: 0 });
      await pruneBytes(ALL(100));
      expect(await forget(2)).toMatchObject({ count: 0 });
      // The newest delivery and message stay, so that their numbers are not given again.
      expect(await forget(100)).toMatchObject({ count: 0 });
      await journal.admit(stating('c', 300, ['other', '1', 'd']));
      expect(await forget(100)).toMatchObject({ count: 1 });
      expect(await isThere(first)).toBe(false);
      expect(await journal.readHistory(first)).toEqual([]);
      expect(await isThere(second)).toBe(true);
      expect(await forgetResults()).toMatchObject({ count: 1 });
      const { messages, deliveries } = await journal.readOverview(900);
      expect(messages.map(({ state, count }) => [state, count])).toEqual([
        ['mapped', 1],
        ['skipped', 1],
      ]);
      expect(deliveries).toMatchObject([{ state: 'waiting', count: 1 }]);
      expect(await journal.admit(stating('a', 910, ['k', '1', 'd']))).toMatchObject({ repeated: false });
    });

    it('stays for as long as something younger says the same', async () => {
      const first = (await journal.admit(stating('a', 1, ['k', '1', 'd']))).messageId;
      await deliverOne(journal, 2);
      const restated = (await journal.admit(stating('b', 300, ['k', '1', 'd']))).messageId;
      const older = (await journal.admit(stating('c', 300, ['k', '0', 'd']))).messageId;
      await journal.admit(stating('last', 990, ['other', '1', 'd']));
      await pruneBytes(ALL(400));
      expect(await forget(100)).toMatchObject({ count: 0 });
      expect(await isThere(first)).toBe(true);
      expect(await journal.admit(stating('d', 950, ['k', '1', 'd']))).toMatchObject({ deliveries: [] });
      // Both that rest on it are old by now, too: they go first, and it follows in the next pass.
      expect(await forget(400)).toMatchObject({ count: 2 });
      expect(await forgetResults()).toMatchObject({ count: 0 });
      for (const id of [restated, older]) expect(await isThere(id)).toBe(false);
      expect(await isThere(first)).toBe(true);
    });

    it('does not keep itself: a late older version and what overtook it go one after the other', async () => {
      await journal.admit(stating('newer', 1, ['k', '2', 'd']));
      await deliverOne(journal, 2);
      await journal.admit(stating('older', 3, ['k', '1', 'd']));
      await journal.admit(stating('oldest', 4, ['k', '0', 'x']));
      await journal.admit(stating('last', 990, ['other', '1', 'd']));
      await pruneBytes(ALL(100));
      const passes = [await forget(100), await forget(100), await forget(100)];
      expect(passes.reduce((sum, { count }) => sum + count, 0)).toBe(3);
      expect(await forgetResults()).toMatchObject({ count: 1 });
    });
  });

  describe('acknowledgements that nobody takes', () => {
    it('are given up after a while, and the history says so', async () => {
      const [mine, young, other] = await Promise.all([
        journal.admit({ ...admission('a', 1), owesAck: true }),
        journal.admit({ ...admission('b', 500), owesAck: true }),
        journal.admit({ ...admission('c', 1, {}, 'with-return'), owesAck: true }),
      ]);
      const bite = { walk: 'acks', at: 900, limit: 10, channels: ['lab'], before: 500 } as const;
      expect(await journal.prune(bite)).toEqual({
        count: 1,
        bytes: 0,
        next: null,
        channels: [{ channel: 'lab', count: 1 }],
      });
      expect((await eventsOf(journal, mine.messageId)).at(-1)).toBe('ack-dropped');
      const owed = await journal.listOwedAcks(0, 10);
      expect(owed.map(({ messageId }) => messageId)).toEqual([young.messageId, other.messageId]);
      expect(await pruneBytes(ALL(400))).toMatchObject({ count: 1 });
    });
  });

  describe('arrivals', () => {
    const HOUR = 3_600_000;
    it('are known by channel and hour, what came again among them, and outlive the messages', async () => {
      const at = 100 * HOUR;
      await add('a', at + 10);
      await add('b', at + 30);
      await add('a', at + 100);
      await add('c', at + HOUR + 5);
      await add('x', at + 50, {}, 'other');
      const lab = { channel: 'lab', hourAt: at, count: 3, firstAt: at + 10, lastAt: at + 100, longestGapMs: 70 };
      const next = { channel: 'lab', hourAt: at + HOUR, count: 1, firstAt: at + HOUR + 5, lastAt: at + HOUR + 5 };
      expect(await journal.readArrivals(at + 200)).toMatchObject([lab, next, { channel: 'other', count: 1 }]);
      expect(await journal.readArrivals(at + HOUR)).toMatchObject([next]);
      await journal.close();
      journal = await place.open({ now: at + HOUR + 9 });
      await add('d', at + HOUR + 25);
      const [, second] = await journal.readArrivals(at);
      expect(second).toMatchObject({ count: 2, longestGapMs: 20, lastAt: at + HOUR + 25 });
      await walk({ walk: 'arrivals', at: 0, limit: 1, before: at + HOUR });
      expect(await journal.readArrivals(0)).toMatchObject([{ hourAt: at + HOUR }]);
    });
  });

  describe('alarms', () => {
    it('are kept under their keys until they are gone', async () => {
      const subject = { channel: 'lab', target: null, party: null, operation: null, address: null };
      const alarm: StoredAlarm = {
        key: 'a',
        name: 'feed-quiet',
        subject,
        severity: 'warning',
        since: 5,
        fields: { count: 1 },
        step: 0,
        toldStep: null,
        clearedAt: null,
      };
      await journal.saveAlarms([alarm, { ...alarm, key: 'b' }], []);
      await journal.saveAlarms([{ ...alarm, toldStep: 0 }], ['b', 'c']);
      await journal.close();
      journal = await place.open({ now: 7 });
      expect(await journal.readAlarms()).toEqual([{ ...alarm, toldStep: 0 }]);
    });
  });

  it('does not take the body of an acknowledgement that is still to be returned', async () => {
    const { messageId } = await journal.admit({ ...admission('a', 1), owesAck: true });
    await journal.payAck({ messageId, at: 2, code: 'AA', by: draft('ack', { notBefore: 5000 }) });
    expect(await pruneBytes(ALL(800))).toMatchObject({ count: 0 });
  });
}
