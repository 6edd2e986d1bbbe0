import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Journal, Outcome } from '../../src/contracts/journal.ts';
import { type Act, ANY_MESSAGE, type MessageQuery } from '../../src/contracts/operations.ts';
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

const HOLD = { onCorrection: 'hold' } as const;
const HELD = { held: fault('code-unmapped') } as const;
const act = (at: number, more: Partial<Act> = {}): Act => ({ at, by: 'alva', note: null, ...more });

/** What people do, by the numbers of docs/results.md, and what they look for. */
export function describeOperatorActs(makePlace: () => Promise<Place>): void {
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
  /** Maps a message again, to what a fresh one that states this would be. */
  const replay = (
    id: number,
    at: number,
    statement: Parameters<typeof stating>[2],
    drafts: Parameters<typeof stating>[3] = [{}],
    more: Partial<Outcome> = {},
  ) => journal.replay(id, stating('', at, statement, drafts, more).outcome, act(at));

  describe('an operator’s act', () => {
    it('A1: lets a held delivery go, and says in the history who did it and why', async () => {
      await journal.admit(stating('a', 1, ['k', '1', 'd'], [HELD]));
      expect(await journal.release(1, act(2, { note: 'the code is right' }))).toEqual({ result: 'released' });
      expect((await journal.readHistory(1)).at(-1)).toMatchObject({
        at: 2,
        deliveryId: 1,
        event: 'released',
        from: 'held',
        to: 'waiting',
        by: 'alva',
        note: 'the code is right',
      });
      expect(await claimKeys(journal, 3)).toEqual(['k']);
      // The engine goes on in its own name.
      expect((await journal.readHistory(1)).at(-1)).toMatchObject({ event: 'attempt', by: 'engine', note: null });
    });

    it('A1: lets it go in its old place of the lane, but not before a head that was attempted', async () => {
      await journal.admit(stating('a', 1, ['a', '1', 'd'], [HELD]));
      await journal.admit(stating('b', 2, ['b', '1', 'd']));
      await journal.admit(stating('c', 3, ['c', '1', 'd']));
      await journal.release(1, act(4));
      expect(await claimKeys(journal, 5)).toEqual(['a']);
      await journal.admit(stating('e', 6, ['e', '1', 'd'], [{ ...HELD, laneKey: 'lane-2' }]));
      await journal.admit(stating('f', 7, ['f', '1', 'd'], [{ laneKey: 'lane-2' }]));
      const first = await claimOne(journal, 8);
      await journal.release(4, act(9));
      expect(await claimKeys(journal, 10)).toEqual([]);
      await journal.record(ended(first, 11));
      expect(await claimKeys(journal, 12)).toEqual(['e']);
    });

    it('A1: a body that is given with it takes the place of its own, and only of what is held', async () => {
      await journal.admit(stating('a', 1, ['k', '1', 'd'], [HELD]));
      const made = Buffer.from('{"made":"later"}');
      expect(await journal.release(1, act(2), made)).toEqual({ result: 'released' });
      expect(await journal.release(1, act(3), Buffer.from('"too late"'))).toEqual({ result: 'not-held' });
      expect(Buffer.from((await journal.readDelivery(1))?.body ?? []).toString()).toBe('{"made":"later"}');
      expect(Buffer.from((await claimOne(journal, 3)).body).toString()).toBe('{"made":"later"}');
    });

    it('A2: cancels a held delivery as stale where a newer version of its result is known, and says which', async () => {
      // A file made of the answer to a version that was overtaken while it was under way.
      await journal.admit(stating('a', 1, ['k', '1', 'd']));
      const first = await claimOne(journal, 2);
      await journal.admit(stating('b', 3, ['k', '2', 'e']));
      await journal.record(ended(first, 4, { followUps: [draft('k', { target: 'files', ...HELD })] }));
      const [, file] = await journal.readDeliveries(1);
      expect(file).toMatchObject({ state: 'held', follows: 1 });
      expect(await journal.release(file!.id, act(5))).toEqual({ result: 'stale', overtakenBy: 2 });
      expect((await journal.readDelivery(file!.id))!.state).toBe('cancelled');
      expect((await eventsOf(journal, 1)).at(-1)).toBe('stale message 2');
      // It does not come back by a restatement either.
      expect(await journal.release(file!.id, act(6))).toEqual({ result: 'not-held' });
    });

    it('A3: lets a held version go once the attempt with the earlier one has ended', async () => {
      await journal.admit(stating('a', 1, ['k', '1', 'd']));
      const first = await claimOne(journal, 2);
      await journal.admit(stating('b', 3, ['k', '2', 'e'], [{ ...HELD, laneKey: 'lane-2' }]));
      expect(await journal.release(2, act(4))).toEqual({ result: 'released' });
      expect(await claimKeys(journal, 5)).toEqual([]);
      await journal.record(ended(first, 6));
      expect((await claimOne(journal, 7)).messageId).toBe(2);
    });

    it('A4: lets a correction go that was held because its result had been delivered', async () => {
      await journal.admit(stating('a', 1, ['k', '1', 'd'], [HOLD]));
      await deliverOne(journal, 2);
      await journal.admit(stating('b', 3, ['k', '2', 'e'], [HOLD]));
      expect(await journal.release(2, act(4))).toEqual({ result: 'released' });
      expect((await deliverOne(journal, 5)).messageId).toBe(2);
    });

    it('A5: does nothing to what is not held, or not there', async () => {
      await journal.admit(stating('a', 1, ['k', '1', 'd']));
      expect(await journal.release(1, act(2))).toEqual({ result: 'not-held' });
      expect(await journal.release(9, act(2))).toEqual({ result: 'not-found' });
      expect(await eventsOf(journal, 1)).toEqual(['mapped', 'queued']);
    });

    it('A6: cancels what waits or is held, and its lane goes on', async () => {
      await journal.admit(stating('a', 1, ['a', '1', 'd']));
      await journal.admit(stating('b', 2, ['b', '1', 'd'], [HELD]));
      await journal.admit(stating('c', 3, ['c', '1', 'd']));
      expect(await journal.cancel(1, act(4, { note: 'wrong patient' }))).toEqual({ result: 'cancelled' });
      expect(await journal.cancel(2, act(4))).toEqual({ result: 'cancelled' });
      expect((await journal.readHistory(1)).at(-1)).toMatchObject({
        event: 'cancelled',
        by: 'alva',
        note: 'wrong patient',
      });
      expect(await claimKeys(journal, 5)).toEqual(['c']);
      expect(await journal.cancel(1, act(6))).toEqual({ result: 'ended' });
      // It was told not to: the same result stated again does not bring it back.
      expect((await journal.admit(stating('d', 7, ['a', '1', 'd']))).deliveries).toEqual([]);
    });

    it('A7: does not cancel what is in flight', async () => {
      await journal.admit(stating('a', 1, ['k', '1', 'd']));
      const delivery = await claimOne(journal, 2);
      expect(await journal.cancel(1, act(3))).toEqual({ result: 'in-flight' });
      await journal.record(ended(delivery, 4, retryAt(100)));
      expect(await journal.cancel(1, act(5))).toEqual({ result: 'cancelled' });
      expect(await claimKeys(journal, 200)).toEqual([]);
    });

    it('A8: settles a held message for good', async () => {
      await journal.admit(admission('a', 1, { state: 'held', faults: [fault('code-unmapped')] }));
      expect(await journal.dismiss(1, act(2, { note: 'a test message' }))).toBe(true);
      expect(await journal.readMessage(1)).toMatchObject({
        state: 'skipped',
        skipped: [{ reason: 'cancelled', at: null }],
        faults: [fault('code-unmapped')],
      });
      expect((await journal.readHistory(1)).at(-1)).toMatchObject({
        event: 'cancelled',
        to: 'skipped',
        note: 'a test message',
      });
      expect((await journal.readOverview(3)).messages).toEqual([{ channel: 'lab', state: 'skipped', count: 1 }]);
      expect(await journal.dismiss(1, act(4))).toBe(false);
      const again = await journal.admit(admission('a', 5, { mappingVersion: 'v2' }));
      expect(again).toMatchObject({ repeated: true, state: 'skipped' });
    });
  });

  describe('a replay', () => {
    it('P1: gives a held message the outcome the mappings now give it', async () => {
      await journal.admit(
        stating('a', 1, ['k', '1', 'd'], [], { state: 'held', faults: [fault('code-unmapped')], statements: [] }),
      );
      const done = await journal.replay(
        1,
        stating('', 2, ['k', '1', 'd'], [{}], { mappingVersion: 'v2' }).outcome,
        act(2, { note: 'row added' }),
      );
      expect(done).toMatchObject({ state: 'mapped', faults: [], deliveries: [{ id: 1, state: 'waiting' }] });
      expect(await journal.readMessage(1)).toMatchObject({ state: 'mapped', mappingVersion: 'v2', faults: [] });
      expect(await journal.readHistory(1)).toMatchObject([
        { event: 'held', by: 'engine', note: null },
        { event: 'replayed-mapped', from: 'held', to: 'mapped', by: 'alva', note: 'row added' },
        { event: 'queued', by: 'alva', note: null },
      ]);
    });

    it('P2: does not send again what was delivered, or is on its way', async () => {
      await journal.admit(stating('a', 1, ['k', '1', 'd']));
      const delivery = await claimOne(journal, 2);
      expect((await replay(1, 3, ['k', '1', 'd'])).deliveries).toEqual([]);
      await journal.record(ended(delivery, 4));
      expect((await replay(1, 5, ['k', '1', 'd'])).deliveries).toEqual([]);
      expect(await claimKeys(journal, 6)).toEqual([]);
      expect(await statesOf(journal, 1)).toEqual(['delivered']);
    });

    it('P3: puts what it makes in the place of what waits or is held and never arrived', async () => {
      const both = (digest: string) =>
        ['k', 'm'].map((resultKey) => ({ resultKey, rank: '1', digest: `${digest} of ${resultKey}` }));
      const drafts = [draft('k'), draft('m', { laneKey: 'lane-2' })];
      await journal.admit(admission('a', 1, { statements: both('d'), drafts }));
      await journal.record(
        ended((await journal.claim([{ ...SLOT, free: 1 }], 2)).deliveries[0]!, 2, {
          outcome: { state: 'held', fault: fault('target-refused') },
        }),
      );
      const { outcome } = admission('', 3, { statements: both('e'), drafts, mappingVersion: 'v2' });
      expect((await journal.replay(1, outcome, act(3))).deliveries).toHaveLength(2);
      expect(await statesOf(journal, 1)).toEqual(['cancelled target-refused', 'cancelled', 'waiting', 'waiting']);
      // The same once more: nothing piles up.
      await journal.replay(1, outcome, act(4));
      expect((await claimKeys(journal, 5)).sort()).toEqual(['k', 'm']);
    });

    it('P4: leaves what may have arrived to a person', async () => {
      await journal.admit(stating('a', 1, ['k', '1', 'd'], [HOLD]));
      await journal.record(
        ended(await claimOne(journal, 2), 3, { outcome: { state: 'held', fault: fault('in-doubt') } }),
      );
      expect((await replay(1, 4, ['k', '1', 'd'], [HOLD])).deliveries).toEqual([]);
      expect(await statesOf(journal, 1)).toEqual(['held in-doubt']);
    });

    it('P5: sends a changed mapping’s version of a delivered result by update, and holds it where the operation says hold', async () => {
      for (const [index, onCorrection] of (['update', 'hold'] as const).entries()) {
        const key = `k${index}`;
        await journal.admit(stating(key, 1, [key, '1', 'd'], [{ onCorrection }]));
        await deliverOne(journal, 2);
        await replay(index + 1, 3, [key, '1', 'e'], [{ onCorrection }]);
        if (onCorrection === 'update') expect((await deliverOne(journal, 4)).resultKey).toBe(key);
      }
      expect(await statesOf(journal, 2)).toEqual(['delivered', 'held already-delivered']);
    });

    it('P6: cancels as stale what another message has overtaken, and says which', async () => {
      await journal.admit(stating('a', 1, ['k', '1', 'd']));
      await deliverOne(journal, 2);
      await journal.admit(stating('b', 3, ['k', '2', 'e']));
      await deliverOne(journal, 4);
      expect((await replay(1, 5, ['k', '1', 'f'])).deliveries).toEqual([{ id: 3, state: 'cancelled' }]);
      expect((await eventsOf(journal, 1)).slice(-3)).toEqual([
        'replayed-mapped',
        'overtaken message 2',
        'stale message 2',
      ]);
      expect(await claimKeys(journal, 6)).toEqual([]);
    });

    it('P6: names the message that only restated the result later, too', async () => {
      await journal.admit(stating('a', 1, ['k', '1', 'd']));
      await journal.admit(stating('b', 2, ['k', '2', 'd']));
      await replay(1, 3, ['k', '1', 'e']);
      expect((await eventsOf(journal, 1)).at(-1)).toBe('stale message 2');
    });

    it('P7: sends what a person had cancelled, or what had expired: now a person asks for it', async () => {
      await journal.admit(stating('a', 1, ['k', '1', 'd']));
      await journal.cancel(1, act(2));
      expect((await replay(1, 3, ['k', '1', 'd'])).deliveries).toEqual([{ id: 2, state: 'waiting' }]);
      expect((await deliverOne(journal, 4)).id).toBe(2);
    });

    it('P8: a mapped message that the mappings now hold is held', async () => {
      await journal.admit(stating('a', 1, ['k', '1', 'd']));
      await replay(1, 2, ['k', '1', 'd'], [], { state: 'held', statements: [], faults: [fault('code-unmapped')] });
      expect(await journal.readMessage(1)).toMatchObject({ state: 'held', faults: [fault('code-unmapped')] });
      expect(await statesOf(journal, 1)).toEqual(['cancelled']);
    });

    it('P9: a draft whose result is not stated is not sent twice either', async () => {
      const { outcome } = admission('', 1, { drafts: [draft('k')] });
      await journal.admit({ ...admission('a', 1), outcome });
      await deliverOne(journal, 2);
      expect((await journal.replay(1, outcome, act(3))).deliveries).toEqual([]);
    });

    it('is refused where there is no such message, or it has no outcome yet', async () => {
      await journal.admit(admission('a', 1, { state: 'received' }));
      for (const id of [1, 2]) {
        await expect(journal.replay(id, admission('', 2).outcome, act(2))).rejects.toMatchObject({ code: 'internal' });
      }
    });
  });

  describe('a pause', () => {
    it('lasts over a restart, until it is resumed; both are told', async () => {
      const scope = { target: 'register', party: 'p1', operation: null };
      expect(await journal.pause(scope, act(1, { note: 'they said so' }))).toBe(true);
      expect(await journal.pause(scope, act(2))).toBe(false);
      expect(await journal.pause({ target: null, party: 'p2', operation: null }, act(3))).toBe(true);
      await journal.close();
      journal = await place.open({ now: 4 });
      expect(await journal.listPauses()).toEqual([
        { ...scope, since: 1, by: 'alva', note: 'they said so' },
        { target: null, party: 'p2', operation: null, since: 3, by: 'alva', note: null },
      ]);
      expect(await journal.resume({ ...scope, party: null }, act(5))).toBe(false);
      expect(await journal.resume(scope, act(6, { by: 'bo' }))).toBe(true);
      expect(await journal.listPauses()).toHaveLength(1);
      expect((await journal.listActs(2)).map(({ event, target, by }) => [event, target, by])).toEqual([
        ['resumed', 'register', 'bo'],
        ['paused', null, 'alva'],
      ]);
    });
  });

  describe('a search', () => {
    const ids = async (query: Partial<MessageQuery>, limit = 100) => {
      const { messages } = await journal.findMessages({ ...ANY_MESSAGE, ...query }, { after: null, limit });
      return messages.map(({ id }) => id);
    };

    it('gives a page of messages, newest first, with what became of them and nothing of what they say', async () => {
      await journal.admit(stating('a', 10, ['a', '1', 'd'], [{}, { operation: 'report', ...HELD }]));
      await journal.admit(admission('b', 20, { state: 'refused', faults: [fault('field-type')] }, 'other'));
      await journal.admit(stating('a', 30, ['a', '1', 'd']));
      const { messages, next } = await journal.findMessages(ANY_MESSAGE, { after: null, limit: 10 });
      const rest = { timesSeen: 1, bytes: 1 };
      expect({ messages, next }).toEqual({
        messages: [
          {
            ...rest,
            id: 2,
            channel: 'other',
            controlId: 'b',
            receivedAt: 20,
            state: 'refused',
            fault: 'field-type',
            lacks: null,
            deliveries: {},
          },
          {
            ...rest,
            id: 1,
            timesSeen: 2,
            channel: 'lab',
            controlId: 'a',
            receivedAt: 10,
            state: 'mapped',
            fault: 'code-unmapped',
            lacks: null,
            deliveries: { held: 1, waiting: 1 },
          },
        ],
        next: null,
      });
    });

    it('finds by everything that is asked for, alone and together', async () => {
      await journal.admit(stating('a', 10, ['a', '1', 'd']));
      await journal.admit(stating('b', 20, ['b', '1', 'd'], [{ party: 'p2' }]));
      await journal.admit(stating('c', 30, ['c', '1', 'd'], [{ target: 'files', ...HELD }]));
      await journal.admit(admission('e', 40, { state: 'held', faults: [fault('code-unmapped')] }, 'other'));
      await journal.admit({ ...admission('f', 50, {}, 'other'), controlId: 'a' });
      await journal.admit(stating('g', 60, ['b', '2', 'e'], [{ party: 'p2' }]));
      await deliverOne(journal, 70);
      expect(await ids({})).toEqual([6, 5, 4, 3, 2, 1]);
      expect(await ids({ channel: 'other' })).toEqual([5, 4]);
      expect(await ids({ state: 'held' })).toEqual([4]);
      expect(await ids({ state: 'mapped' })).toEqual([6, 5, 3, 2, 1]);
      expect(await ids({ deliveryState: 'held' })).toEqual([3]);
      expect(await ids({ deliveryState: 'cancelled' })).toEqual([2]);
      expect(await ids({ deliveryState: 'delivered' })).toEqual([1]);
      expect(await ids({ deliveryState: 'waiting', party: 'p2' })).toEqual([6]);
      expect(await ids({ target: 'register' })).toEqual([6, 2, 1]);
      expect(await ids({ party: 'p2' })).toEqual([6, 2]);
      expect(await ids({ party: 'p1', target: 'files' })).toEqual([3]);
      expect(await ids({ party: 'nobody' })).toEqual([]);
      expect(await ids({ controlId: 'a' })).toEqual([5, 1]);
      expect(await ids({ controlId: 'a', channel: 'lab' })).toEqual([1]);
      expect(await ids({ from: 20, to: 50 })).toEqual([4, 3, 2]);
      expect(await ids({ from: 20, channel: 'lab', state: 'mapped' })).toEqual([6, 3, 2]);
      expect(await ids({ text: 'e' })).toEqual([4]);
      expect(await ids({ text: 'E' })).toEqual([]);
    });

    it('finds a text in the character sets that laboratories write', async () => {
      const charsets = ['latin1', 'utf8', 'utf16le'] as const;
      for (const [index, charset] of charsets.entries()) {
        const bytes = Buffer.from(`PID|Åsa ${index}`, charset);
        await journal.admit({ ...admission(`${index}`, index), bytes });
      }
      expect(await ids({ text: 'Åsa' })).toEqual([3, 2, 1]);
    });

    it('goes on page by page, over messages of one moment, too', async () => {
      for (let at = 0; at < 12; at++) await journal.admit(stating(`m${at}`, at - (at % 3), [`k${at}`, '1', 'd']));
      for (const query of [
        {},
        { channel: 'lab' },
        { from: 0 },
        { party: 'p1' },
        { deliveryState: 'waiting' as const },
      ]) {
        const seen: number[] = [];
        let after = null;
        for (let page = 0; page < 10; page++) {
          const found = await journal.findMessages({ ...ANY_MESSAGE, ...query }, { after, limit: 5 });
          seen.push(...found.messages.map(({ id }) => id));
          after = found.next;
          if (after === null) break;
        }
        expect(seen).toEqual([12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
      }
    });
  });
}
