import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Journal } from '../../src/contracts/journal.ts';
import {
  admission,
  claimKeys,
  claimOne,
  codesOf,
  deliverOne,
  draft,
  ended,
  eventsOf,
  fault,
  outcome,
  type Place,
  retryAt,
  SLOT,
  statesOf,
  stating,
} from './kit.ts';

const HOLD = { onCorrection: 'hold' } as const;

/** Every row of docs/results.md, by its number. */
export function describeResults(makePlace: () => Promise<Place>): void {
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

  describe('the same message', () => {
    it('M1: bytes that come again get the answer their message has earned by now', async () => {
      const first = await journal.admit(stating('a', 1, ['k', '1', 'd']));
      await deliverOne(journal, 2);
      const again = await journal.admit(stating('a', 3, ['k', '1', 'd']));
      expect(again).toEqual({ ...first, repeated: true, deliveries: [{ id: 1, state: 'delivered' }] });
      expect((await journal.readMessage(first.messageId))!.timesSeen).toBe(2);
      expect(await eventsOf(journal, first.messageId)).toEqual([
        'mapped',
        'queued',
        'attempt attempt 1',
        'delivered',
        'resent',
      ]);
    });

    it('M1: a refused message that comes again under the same mapping version stays refused', async () => {
      const refused = { state: 'refused', faults: [fault('field-required')] } as const;
      await journal.admit(admission('a', 1, refused));
      const again = await journal.admit(admission('a', 2, { ...refused, faults: [] }));
      expect(again).toMatchObject({ repeated: true, state: 'refused', faults: [fault('field-required')] });
      expect(await eventsOf(journal, 1)).toEqual(['refused field-required', 'resent']);
    });

    it('M2: a refused message is mapped again under another mapping version', async () => {
      await journal.admit(admission('a', 1, { state: 'refused', faults: [fault('field-required')] }));
      const again = await journal.admit(stating('a', 2, ['k', '1', 'd'], [{}], { mappingVersion: 'v2' }));
      expect(again).toMatchObject({ messageId: 1, repeated: true, state: 'mapped', faults: [] });
      expect(again.deliveries).toEqual([{ id: 1, state: 'waiting' }]);
      expect(await journal.readMessage(1)).toMatchObject({ state: 'mapped', mappingVersion: 'v2', faults: [] });
      expect(await eventsOf(journal, 1)).toEqual(['refused field-required', 'resent', 'remapped-mapped', 'queued']);
    });

    it('M2: what a held message left held makes way for what the new mapping makes, and nothing is sent twice', async () => {
      const both = { statements: ['k', 'm'].map((resultKey) => ({ resultKey, rank: '1', digest: resultKey })) };
      const held = draft('k', { held: fault('code-unmapped') });
      await journal.admit(
        admission('a', 1, { state: 'held', ...both, drafts: [held, draft('m', { laneKey: 'lane-2' })] }),
      );
      expect(await deliverOne(journal, 2)).toMatchObject({ resultKey: 'm' });
      const drafts = [draft('k'), draft('m', { laneKey: 'lane-2' })];
      await journal.admit(admission('a', 3, { mappingVersion: 'v2', ...both, drafts }));
      expect(await statesOf(journal, 1)).toEqual(['cancelled code-unmapped', 'delivered', 'waiting']);
      expect(await claimKeys(journal, 4)).toEqual(['k']);
    });

    it('M3: a mapped message is not mapped again, whatever the mapping version', async () => {
      await journal.admit(stating('a', 1, ['k', '1', 'd']));
      const again = await journal.admit(stating('a', 2, ['k', '2', 'e'], [{}, {}], { mappingVersion: 'v2' }));
      expect(again).toMatchObject({ state: 'mapped', deliveries: [{ id: 1, state: 'waiting' }] });
      expect((await journal.readMessage(1))!.mappingVersion).toBe('v1');
    });

    it('M4: the same bytes on another channel are another message', async () => {
      await journal.admit(admission('a', 1));
      expect(await journal.admit(admission('a', 2, {}, 'other'))).toMatchObject({ messageId: 2, repeated: false });
    });

    it('M5: other bytes under the same control id are a new message, and flagged', async () => {
      await journal.admit({ ...admission('a', 1), controlId: 'C1' });
      const second = await journal.admit({ ...admission('b', 2), controlId: 'C1' });
      expect(second).toMatchObject({ messageId: 2, repeated: false, controlIdReused: true });
      expect(await eventsOf(journal, 2)).toEqual(['mapped', 'control-id-reused message 1']);
      const elsewhere = await journal.admit({ ...admission('c', 3, {}, 'other'), controlId: 'C1' });
      expect(elsewhere.controlIdReused).toBe(false);
    });

    it('M5: messages without a control id are not each other’s namesakes', async () => {
      await journal.admit({ ...admission('a', 1), controlId: null });
      expect(await journal.admit({ ...admission('b', 2), controlId: null })).toMatchObject({ controlIdReused: false });
    });

    it('M6: nothing that a refused message states is believed', async () => {
      const refused = await journal.admit(
        stating('a', 1, ['k', '9', 'x'], [{}], { state: 'refused', faults: [fault('field-type')] }),
      );
      expect(refused).toMatchObject({ state: 'refused', deliveries: [] });
      await journal.admit(stating('b', 2, ['k', '1', 'd']));
      expect(await claimKeys(journal, 3)).toEqual(['k']);
    });
  });

  describe('the same result', () => {
    it('R1: a result that nobody stated before is queued, and held where its draft says so', async () => {
      const drafts = [{}, { operation: 'report', held: fault('code-unmapped') }];
      const { deliveries } = await journal.admit(stating('a', 1, ['k', '1', 'd'], drafts));
      expect(deliveries.map(({ state }) => state)).toEqual(['waiting', 'held']);
      expect(await statesOf(journal, 1)).toEqual(['waiting', 'held code-unmapped']);
      expect(await eventsOf(journal, 1)).toEqual(['mapped', 'queued', 'held code-unmapped']);
    });

    it('R2: a result that is stated again is linked to what was made of it, and sent once', async () => {
      const restate = (text: string, at: number) => journal.admit(stating(text, at, ['k', '1', 'd']));
      await restate('a', 1);
      expect((await restate('waiting', 2)).deliveries).toEqual([]);
      const delivery = await claimOne(journal, 3);
      expect((await restate('in flight', 4)).deliveries).toEqual([]);
      await journal.record(ended(delivery, 5));
      expect((await restate('delivered', 6)).deliveries).toEqual([]);
      expect(await eventsOf(journal, 2)).toEqual(['mapped', 'linked message 1']);
      expect(await claimKeys(journal, 7)).toEqual([]);
    });

    it('R2: a result whose delivery is held, or expired, is not sent because it is stated again', async () => {
      await journal.admit(stating('a', 1, ['k', '1', 'd'], [{ held: fault('code-unmapped') }]));
      expect((await journal.admit(stating('b', 2, ['k', '1', 'd']))).deliveries).toEqual([]);
      await journal.admit(stating('c', 3, ['m', '1', 'd'], [{ notAfter: 5 }]));
      expect((await journal.claim([SLOT], 6)).expired).toMatchObject([{ id: 2 }]);
      expect((await journal.admit(stating('d', 7, ['m', '1', 'd']))).deliveries).toEqual([]);
    });

    it('R3: a result that was left out is queued when it is stated again with a draft', async () => {
      await journal.admit(
        stating('a', 1, ['k', '1', 'd'], [], { state: 'skipped', skipped: [{ reason: 'x', at: null }] }),
      );
      const later = await journal.admit(stating('b', 2, ['k', '1', 'd']));
      expect(later.deliveries).toEqual([{ id: 1, state: 'waiting' }]);
      const another = await journal.admit(stating('c', 3, ['k', '1', 'd'], [{}, { operation: 'report' }]));
      expect(another.deliveries).toEqual([{ id: 2, state: 'waiting' }]);
      expect(await eventsOf(journal, 3)).toEqual(['mapped', 'linked message 1', 'queued']);
    });

    it('R4: a restated result makes versions between the two ranks old', async () => {
      await journal.admit(stating('a', 1, ['k', '1', 'd']));
      await journal.admit(stating('b', 2, ['k', '5', 'd']));
      const between = await journal.admit(stating('c', 3, ['k', '3', 'e']));
      expect(between.deliveries).toEqual([{ id: 2, state: 'cancelled' }]);
      const lower = await journal.admit(stating('d', 4, ['k', '2', 'd']));
      expect(lower.deliveries).toEqual([]);
      expect((await journal.admit(stating('e', 5, ['k', '4', 'f']))).deliveries).toEqual([
        { id: 3, state: 'cancelled' },
      ]);
    });

    it('R5: a newer version takes the place of one that waits', async () => {
      await journal.admit(stating('a', 1, ['k', '1', 'd']));
      await journal.admit(stating('b', 2, ['k', '2', 'e']));
      expect(await statesOf(journal, 1)).toEqual(['cancelled']);
      expect(await eventsOf(journal, 1)).toEqual(['mapped', 'queued', 'superseded message 2']);
      expect((await claimOne(journal, 3)).messageId).toBe(2);
    });

    it('R5: a newer version takes the place of one that waits to be tried again', async () => {
      await journal.admit(stating('a', 1, ['k', '1', 'd'], [HOLD]));
      await journal.record(ended(await claimOne(journal, 2), 3, retryAt(100)));
      await journal.admit(stating('b', 4, ['k', '2', 'e'], [HOLD]));
      expect(await statesOf(journal, 1)).toEqual(['cancelled target-busy']);
      expect((await claimOne(journal, 5)).messageId).toBe(2);
    });

    it('R6: a newer version takes the place of one that is held', async () => {
      await journal.admit(stating('a', 1, ['k', '1', 'd'], [{ ...HOLD, held: fault('code-unmapped') }]));
      await journal.admit(stating('b', 2, ['k', '2', 'e']));
      expect(await statesOf(journal, 1)).toEqual(['cancelled code-unmapped']);
      expect(await statesOf(journal, 2)).toEqual(['waiting']);
    });

    it('R7: a newer version of a delivered result is sent where the operation says update', async () => {
      await journal.admit(stating('a', 1, ['k', '1', 'd']));
      await deliverOne(journal, 2);
      await journal.admit(stating('b', 3, ['k', '2', 'e']));
      expect((await deliverOne(journal, 4)).messageId).toBe(2);
      expect(await statesOf(journal, 1)).toEqual(['delivered']);
    });

    it.each([['issue'], ['report']])(
      'R8: a newer version of a delivered result is held where the operation says hold (now wanted: %s)',
      async (operation) => {
        await journal.admit(stating('a', 1, ['k', '1', 'd'], [HOLD]));
        await deliverOne(journal, 2);
        const { state, deliveries } = await journal.admit(stating('b', 3, ['k', '2', 'e'], [{ operation }]));
        expect({ state, deliveries }).toEqual({ state: 'mapped', deliveries: [{ id: 2, state: 'held' }] });
        expect(await statesOf(journal, 2)).toEqual(['held already-delivered']);
        expect(await claimKeys(journal, 4)).toEqual([]);
      },
    );

    it('R9: a delivered result that is withdrawn holds the message that withdraws it', async () => {
      await journal.admit(stating('a', 1, ['k', '1', 'd'], [HOLD]));
      await deliverOne(journal, 2);
      const withdrawn = await journal.admit(stating('b', 3, ['k', '2', 'e'], [], { state: 'skipped' }));
      expect(withdrawn).toMatchObject({ state: 'held', deliveries: [] });
      expect(codesOf(withdrawn.faults)).toEqual(['already-delivered']);
      expect(await eventsOf(journal, 2)).toEqual(['skipped', 'held already-delivered']);
      expect(await journal.readMessage(2)).toMatchObject({ state: 'held', faults: [fault('already-delivered')] });
    });

    it('R10: nothing more happens to a withdrawn result where the operation says update', async () => {
      await journal.admit(stating('a', 1, ['k', '1', 'd']));
      await deliverOne(journal, 2);
      expect(await journal.admit(stating('b', 3, ['k', '2', 'e'], [], { state: 'skipped' }))).toMatchObject({
        state: 'skipped',
        faults: [],
      });
    });

    it.each([['lane-1'], ['lane-2']])(
      'R11: a newer version waits for the attempt under way (now in %s)',
      async (laneKey) => {
        await journal.admit(stating('a', 1, ['k', '1', 'd']));
        const first = await claimOne(journal, 2);
        await journal.admit(stating('b', 3, ['k', '2', 'e'], [{ laneKey }]));
        expect(await claimKeys(journal, 4)).toEqual([]);
        expect(await journal.record(ended(first, 5))).toEqual({ state: 'delivered' });
        expect((await claimOne(journal, 6)).messageId).toBe(2);
      },
    );

    it.each([['lane-1'], ['lane-2']])(
      'R12: an overtaken attempt that fails is not tried again (now in %s)',
      async (laneKey) => {
        await journal.admit(stating('a', 1, ['k', '1', 'd'], [HOLD]));
        const first = await claimOne(journal, 2);
        await journal.admit(stating('b', 3, ['k', '2', 'e'], [{ ...HOLD, laneKey }]));
        expect(await journal.record(ended(first, 5, retryAt(6)))).toEqual({ state: 'cancelled' });
        expect(await eventsOf(journal, 1)).toEqual(['mapped', 'queued', 'attempt attempt 1', 'superseded message 2']);
        expect((await claimOne(journal, 7)).messageId).toBe(2);
        expect(await claimKeys(journal, 100)).toEqual([]);
      },
    );

    it('R13: an overtaken attempt that delivers lets the newer version go where the operation says update', async () => {
      await journal.admit(stating('a', 1, ['k', '1', 'd']));
      const first = await claimOne(journal, 2);
      await journal.admit(stating('b', 3, ['k', '2', 'e']));
      await journal.record(ended(first, 4));
      expect((await claimOne(journal, 5)).messageId).toBe(2);
      expect(await statesOf(journal, 1)).toEqual(['delivered']);
    });

    it.each([['lane-1'], ['lane-2']])(
      'R14: an overtaken attempt that delivers holds the newer version where the operation says hold (now in %s)',
      async (laneKey) => {
        await journal.admit(stating('a', 1, ['k', '1', 'd'], [HOLD]));
        const first = await claimOne(journal, 2);
        await journal.admit(stating('b', 3, ['k', '2', 'e'], [{ ...HOLD, laneKey }]));
        await journal.admit(stating('other', 3, ['m', '1', 'd'], [{ laneKey }]));
        await journal.record(ended(first, 4));
        expect(await statesOf(journal, 2)).toEqual(['held already-delivered']);
        expect(await claimKeys(journal, 5)).toEqual(['m']);
      },
    );

    it('R14: an overtaken attempt that delivers holds the message that had no draft, the last of several', async () => {
      await journal.admit(stating('a', 1, ['k', '1', 'd'], [HOLD]));
      const first = await claimOne(journal, 2);
      await journal.admit(stating('b', 3, ['k', '2', 'e'], [HOLD]));
      await journal.admit(stating('c', 4, ['k', '3', 'f'], [], { state: 'skipped' }));
      await journal.record(ended(first, 5));
      expect(await statesOf(journal, 2)).toEqual(['cancelled']);
      expect(await journal.readMessage(2)).toMatchObject({ state: 'mapped' });
      expect(await journal.readMessage(3)).toMatchObject({ state: 'held', faults: [fault('already-delivered')] });
    });

    it('R15: an overtaken attempt that may have arrived holds the newer version where the operation says hold', async () => {
      await journal.admit(stating('a', 1, ['k', '1', 'd'], [HOLD]));
      const first = await claimOne(journal, 2);
      await journal.admit(stating('b', 3, ['k', '2', 'e'], [HOLD]));
      expect(await journal.record(ended(first, 4, retryAt(5, 'target-timeout')))).toEqual({ state: 'cancelled' });
      expect(await statesOf(journal, 2)).toEqual(['held in-doubt']);
    });

    it('R15: an overtaken attempt that a crash cut off holds the newer version, or its message', async () => {
      await journal.admit(stating('a', 1, ['k', '1', 'd'], [HOLD]));
      await journal.admit(stating('b', 1, ['m', '1', 'd'], [{ ...HOLD, laneKey: 'lane-2' }]));
      expect(await claimKeys(journal, 2)).toEqual(['k', 'm']);
      await journal.admit(stating('c', 3, ['k', '2', 'e'], [HOLD]));
      await journal.admit(stating('d', 3, ['m', '2', 'e'], [], { state: 'skipped' }));
      await journal.close();
      journal = await place.open({ now: 4 });
      expect(await statesOf(journal, 1)).toEqual(['cancelled in-doubt']);
      expect(await statesOf(journal, 3)).toEqual(['held in-doubt']);
      expect(await journal.readMessage(4)).toMatchObject({ state: 'held', faults: [fault('in-doubt')] });
      expect(await claimKeys(journal, 5)).toEqual([]);
    });

    it('R16: a newer version is held while an earlier attempt may have arrived', async () => {
      await journal.admit(stating('a', 1, ['k', '1', 'd'], [HOLD]));
      await journal.record(ended(await claimOne(journal, 2), 3, retryAt(50, 'target-timeout')));
      await journal.record(ended(await claimOne(journal, 50), 51, retryAt(100)));
      await journal.admit(stating('b', 60, ['k', '2', 'e'], [HOLD]));
      expect(await statesOf(journal, 1)).toEqual(['cancelled target-busy']);
      expect(await statesOf(journal, 2)).toEqual(['held in-doubt']);
    });

    it('R16: a refusal of the same content ends the doubt', async () => {
      await journal.admit(stating('a', 1, ['k', '1', 'd'], [HOLD]));
      await journal.record(ended(await claimOne(journal, 2), 3, retryAt(50, 'target-timeout')));
      const refused = { outcome: { state: 'held', fault: fault('target-refused') } } as const;
      await journal.record(ended(await claimOne(journal, 50), 51, refused));
      await journal.admit(stating('b', 60, ['k', '2', 'e'], [HOLD]));
      expect(await statesOf(journal, 2)).toEqual(['waiting']);
    });

    it('R17: an older version is cancelled from the start and says which message overtook it', async () => {
      await journal.admit(stating('a', 1, ['k', '2', 'd']));
      expect((await journal.admit(stating('b', 2, ['k', '1', 'e']))).deliveries).toEqual([
        { id: 2, state: 'cancelled' },
      ]);
      expect(await eventsOf(journal, 2)).toEqual(['mapped', 'overtaken message 1', 'stale message 1']);
      expect((await claimOne(journal, 3)).messageId).toBe(1);
    });

    it('R18: of equal ranks the later arrival is newer', async () => {
      await journal.admit(stating('a', 1, ['k', '1', 'd']));
      await journal.admit(stating('b', 2, ['k', '1', 'e']));
      expect((await claimOne(journal, 3)).messageId).toBe(2);
    });

    it('R19: of equal ranks the earlier arrival is older, even if it is settled later', async () => {
      await journal.admit(admission('a', 1, { state: 'received', mappingVersion: null }));
      await journal.admit(stating('b', 2, ['k', '1', 'e']));
      const { outcome: late } = stating('a', 1, ['k', '1', 'd']);
      expect(await journal.settle(1, 3, late)).toMatchObject({ state: 'mapped', deliveries: [{ state: 'cancelled' }] });
      expect((await claimOne(journal, 4)).messageId).toBe(2);
    });

    it.each([['update'], ['hold']] as const)(
      'R20: a result that changed back to what was delivered is not sent again (%s)',
      async (onCorrection) => {
        await journal.admit(stating('a', 1, ['k', '1', 'd'], [{ onCorrection }]));
        await deliverOne(journal, 2);
        await journal.admit(stating('b', 3, ['k', '2', 'e'], [{ onCorrection }]));
        const back = await journal.admit(stating('c', 4, ['k', '3', 'd'], [{ onCorrection }]));
        expect(back.deliveries).toEqual([]);
        expect((await journal.readDeliveries(2))[0]!.state).toBe('cancelled');
        expect(await claimKeys(journal, 5)).toEqual([]);
      },
    );

    it('R20: a result that changed back after the change went out is sent again', async () => {
      await journal.admit(stating('a', 1, ['k', '1', 'd']));
      await deliverOne(journal, 2);
      await journal.admit(stating('b', 3, ['k', '2', 'e']));
      await deliverOne(journal, 4);
      await journal.admit(stating('c', 5, ['k', '3', 'd']));
      expect((await claimOne(journal, 6)).messageId).toBe(3);
    });

    it('R20: a result that changed back while the change was under way goes by what becomes of that', async () => {
      await journal.admit(stating('a', 1, ['k', '1', 'd']));
      await deliverOne(journal, 2);
      await journal.admit(stating('b', 3, ['k', '2', 'e']));
      const change = await claimOne(journal, 4);
      await journal.admit(stating('c', 5, ['k', '3', 'd']));
      expect(await statesOf(journal, 3)).toEqual(['waiting']);
      await journal.record(ended(change, 6, retryAt(7)));
      expect(await statesOf(journal, 3)).toEqual(['cancelled']);
      expect(await claimKeys(journal, 8)).toEqual([]);
    });

    it('R21: a result that changed back to what is in flight goes on with that', async () => {
      await journal.admit(stating('a', 1, ['k', '1', 'd'], [HOLD]));
      const first = await claimOne(journal, 2);
      await journal.admit(stating('b', 3, ['k', '2', 'e'], [HOLD]));
      expect((await journal.admit(stating('c', 4, ['k', '3', 'd'], [HOLD]))).deliveries).toEqual([]);
      expect(await journal.record(ended(first, 5, retryAt(6)))).toEqual({ state: 'waiting' });
      expect(await deliverOne(journal, 7)).toMatchObject({ messageId: 1, attempt: 2 });
      expect(await statesOf(journal, 2)).toEqual(['cancelled']);
    });

    it('R22: of a result stated twice in one message the last statement counts, and both are seen', async () => {
      const twice = ['2', '1'].map((rank) => ({ resultKey: 'k', rank, digest: `digest ${rank}` }));
      const bodies = ['first', 'last'].map((text) => draft('k', { body: Buffer.from(text) }));
      await journal.admit(admission('a', 1, { statements: twice, drafts: bodies }));
      const delivery = await claimOne(journal, 2);
      expect(Buffer.from(delivery.body).toString()).toBe('last');
      expect(await eventsOf(journal, 1)).toEqual([
        'mapped',
        'overtaken message 1',
        'stale message 1',
        'queued',
        'attempt attempt 1',
      ]);
      expect((await journal.admit(stating('b', 3, ['k', '1', 'digest 1']))).deliveries).toEqual([]);
    });

    it('R23: a draft whose result nobody states is queued, each time', async () => {
      await journal.admit(admission('a', 1, { drafts: [draft('k'), draft('k')] }));
      await journal.admit(admission('b', 2, { drafts: [draft('k')] }));
      expect([await deliverOne(journal, 3), await deliverOne(journal, 4), await deliverOne(journal, 5)]).toMatchObject([
        { messageId: 1 },
        { messageId: 1 },
        { messageId: 2 },
      ]);
    });

    it('R24: a newer version takes the place of a follow-up that waits', async () => {
      await journal.admit(stating('a', 1, ['k', '1', 'd']));
      const file = draft('k', { operation: 'file' });
      await journal.record(ended(await claimOne(journal, 2), 3, { followUps: [file] }));
      expect(await statesOf(journal, 1)).toEqual(['delivered', 'waiting']);
      await journal.admit(stating('b', 4, ['k', '2', 'e']));
      expect(await statesOf(journal, 1)).toEqual(['delivered', 'cancelled']);
    });

    it('R25: what was issued stays issued, however many versions come after it', async () => {
      await journal.admit(stating('a', 1, ['k', '1', 'd'], [HOLD]));
      await deliverOne(journal, 2);
      await journal.admit(stating('b', 3, ['k', '2', 'e'], [HOLD]));
      await journal.admit(stating('c', 4, ['k', '3', 'f'], [HOLD]));
      expect(await statesOf(journal, 2)).toEqual(['cancelled already-delivered']);
      expect(await statesOf(journal, 3)).toEqual(['held already-delivered']);
    });

    it('R26: a message held for what it withdraws stays held when it is mapped again', async () => {
      await journal.admit(stating('a', 1, ['k', '1', 'd'], [HOLD]));
      await deliverOne(journal, 2);
      await journal.admit(stating('b', 3, ['k', '2', 'e'], [], { state: 'skipped' }));
      const again = await journal.admit(
        stating('b', 4, ['k', '2', 'e'], [], { state: 'skipped', mappingVersion: 'v2' }),
      );
      expect(again).toMatchObject({ repeated: true, state: 'held', faults: [fault('already-delivered')] });
    });

    it('settles a received message as if it had been admitted so', async () => {
      const received = await journal.admit(admission('a', 1, { state: 'received', mappingVersion: null }));
      expect(received).toMatchObject({ state: 'received', deliveries: [] });
      const { outcome: late } = stating('a', 1, ['k', '1', 'd']);
      expect(await journal.settle(1, 2, late)).toMatchObject({ repeated: false, deliveries: [{ state: 'waiting' }] });
      expect(await eventsOf(journal, 1)).toEqual(['received', 'mapped', 'queued']);
      // Somebody else settles it as well, by other mappings.
      const other = stating('a', 1, ['k', '1', 'e'], [{ body: Buffer.from('other') }], {
        mappingVersion: 'v2',
      }).outcome;
      expect(await journal.settle(1, 3, other)).toMatchObject({ state: 'mapped', deliveries: [{ state: 'waiting' }] });
      expect(await journal.readMessage(1)).toMatchObject({ mappingVersion: 'v1' });
      await expect(journal.settle(99, 3, outcome())).rejects.toMatchObject({ code: 'internal' });
      expect(await eventsOf(journal, 1)).toEqual(['received', 'mapped', 'queued']);
    });
  });
}
