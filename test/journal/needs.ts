import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Journal, Outcome, OutcomeDraft } from '../../src/contracts/journal.ts';
import { ANY_MESSAGE } from '../../src/contracts/operations.ts';
import {
  admission,
  claimKeys,
  claimOne,
  deliverOne,
  draft,
  ended,
  eventsOf,
  fault,
  outcome,
  type Place,
  retryAt,
  statesOf,
  stating,
} from './kit.ts';

const NEEDS = { key: 'request', reason: 'not-requested' };
const PERSON = { by: 'anna', note: null, at: 90 };
const LEFT_OUT = { state: 'skipped', skipped: [{ reason: 'not-requested', at: 'OBX[1]' }] } as const;

/** Rows N1 to N14 of docs/results.md. */
export function describeNeeds(makePlace: () => Promise<Place>): void {
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

  /** A result that nobody asked for, as far as this message goes. */
  const give = async (text: string, at: number, more: Partial<OutcomeDraft> = {}, of: Partial<Outcome> = LEFT_OUT) =>
    await journal.admit(stating(text, at, ['a', '1', 'd'], [{ needs: NEEDS, onCorrection: 'hold', ...more }], of));
  /** A message that says nothing but that somebody asks. */
  const ask = async (text: string, at: number, ...keys: readonly string[]) =>
    await journal.admit(admission(text, at, { provides: keys.length === 0 ? [NEEDS.key] : keys }));
  const stateOf = async (messageId: number) => (await journal.readMessage(messageId))?.state;
  const needsOf = async (messageId: number) => (await journal.readDeliveries(messageId)).map(({ needs }) => needs);
  const lacksOf = async () =>
    (await journal.findMessages(ANY_MESSAGE, { after: null, limit: 9 })).messages.map(({ lacks }) => lacks);

  describe('what needs something', () => {
    it('N1: does not go while nothing provides it, and says what it lacks', async () => {
      const { deliveries, state } = await give('result', 1);
      expect([deliveries, state]).toEqual([[{ id: 1, state: 'cancelled' }], 'skipped']);
      expect(await eventsOf(journal, 1)).toEqual(['skipped not-requested', 'lacking not-requested']);
      expect(await needsOf(1)).toEqual([{ reason: 'not-requested', providedBy: null, providedAt: null }]);
      expect(await lacksOf()).toEqual(['not-requested']);
      expect(await claimKeys(journal, 2)).toEqual([]);
      await ask('another request', 3, 'another');
      expect(await claimKeys(journal, 4)).toEqual([]);
    });

    it('N2: goes at once where its own message provides it', async () => {
      await give('result', 1, {}, { provides: [NEEDS.key] });
      expect(await eventsOf(journal, 1)).toEqual(['mapped', 'queued']);
      expect(await needsOf(1)).toEqual([{ reason: 'not-requested', providedBy: 1, providedAt: 1 }]);
      expect(await claimKeys(journal, 2)).toEqual(['a']);
    });

    it('N3: goes as it came when a later message provides it; what was left out is mapped from then on', async () => {
      await give('result', 1, { notBefore: 50 });
      const asked = await ask('request', 7);
      expect(asked).toMatchObject({ state: 'mapped', deliveries: [] });
      expect(await stateOf(1)).toBe('mapped');
      expect(await statesOf(journal, 1)).toEqual(['waiting']);
      expect((await eventsOf(journal, 1)).slice(2)).toEqual(['provided message 2', 'provided message 2']);
      expect(await eventsOf(journal, 2)).toEqual(['mapped', 'provides delivery 1']);
      expect(await needsOf(1)).toEqual([{ reason: 'not-requested', providedBy: 2, providedAt: 7 }]);
      expect(await lacksOf()).toEqual([null, null]);
      expect((await journal.claim([], 8)).nextDueAt).toBe(50);
      const { body } = await claimOne(journal, 50);
      expect(Buffer.from(body).toString()).toBe('{"result":"a"}');
    });

    it('N3: … each of several for itself, where they need different things', async () => {
      const one = (key: string) => draft('a', { needs: { key, reason: key }, body: Buffer.from(`"${key}"`) });
      await journal.admit(stating('result', 1, ['a', '1', 'd'], [one('first'), one('second')], LEFT_OUT));
      await ask('first', 2, 'first');
      expect(Buffer.from((await deliverOne(journal, 3)).body).toString()).toBe('"first"');
      await ask('second', 4, 'second');
      expect(Buffer.from((await deliverOne(journal, 5)).body).toString()).toBe('"second"');
    });

    it('N4: goes when an earlier message had provided it, over a restart', async () => {
      await ask('request', 1);
      await journal.close();
      journal = await place.open({ now: 2 });
      const { state } = await give('result', 3);
      expect(state).toBe('mapped');
      expect(await eventsOf(journal, 2)).toEqual(['skipped not-requested', 'queued message 1', 'provided message 1']);
      expect(await needsOf(2)).toEqual([{ reason: 'not-requested', providedBy: 1, providedAt: 1 }]);
      expect(await claimKeys(journal, 4)).toEqual(['a']);
    });

    it('N5: is provided once, however often it is asked for', async () => {
      await give('result', 1);
      await ask('request', 2);
      await ask('request', 3);
      await ask('request again', 4);
      await deliverOne(journal, 5);
      await ask('request again and again', 6);
      await give('result again', 7);
      await give('result asked again', 8, {}, { provides: [NEEDS.key] });
      expect(await claimKeys(journal, 9)).toEqual([]);
      expect(await needsOf(1)).toEqual([{ reason: 'not-requested', providedBy: 2, providedAt: 2 }]);
      expect(await journal.readDeliveries(5)).toEqual([]);
      await journal.admit(stating('another result', 10, ['b', '1', 'd'], [{ needs: NEEDS }], LEFT_OUT));
      expect(await needsOf(7)).toEqual([{ reason: 'not-requested', providedBy: 2, providedAt: 2 }]);
    });

    it('N6: the same result said again with what it lacks lets the stored one go', async () => {
      await give('result', 1);
      await give('result again', 2);
      expect(await eventsOf(journal, 2)).toEqual(['skipped not-requested', 'linked message 1']);
      await give('result asked', 3, {}, { provides: [NEEDS.key] });
      expect(await eventsOf(journal, 3)).toEqual(['mapped', 'linked message 1', 'provides delivery 1']);
      expect(await claimKeys(journal, 4)).toEqual(['a']);
    });

    it('N6: … and that needs something else, or nothing, is not bound to what the stored one lacks', async () => {
      await give('result', 1);
      await give('result of another order', 2, { needs: { key: 'another', reason: 'not-requested' } });
      expect(await statesOf(journal, 2)).toEqual(['cancelled']);
      await ask('request', 3);
      expect(await claimKeys(journal, 4)).toEqual([]);
      await give('result of nobody’s order', 5, { needs: null }, {});
      await ask('another request', 6, 'another');
      expect(await claimKeys(journal, 7)).toEqual(['a']);
      expect((await eventsOf(journal, 1)).at(-1)).toBe('superseded message 2');
      expect((await eventsOf(journal, 2)).at(-1)).toBe('superseded message 4');
    });

    it('N7: is superseded by a newer version, which then is what is asked for', async () => {
      await give('result', 1);
      await journal.admit(stating('corrected', 2, ['a', '2', 'e'], [{ needs: NEEDS, body: Buffer.from('2') }]));
      expect((await eventsOf(journal, 1)).at(-1)).toBe('superseded message 2');
      await ask('request', 3);
      const { body } = await claimOne(journal, 4);
      expect(Buffer.from(body).toString()).toBe('2');
      expect(await claimKeys(journal, 5)).toEqual([]);
    });

    it('N7: … and never goes once the result is withdrawn, whatever is asked before or after', async () => {
      await give('result', 1);
      await journal.admit(stating('withdrawn', 2, ['a', '2', 'e'], []));
      await ask('request', 3);
      await give('result late', 4);
      expect(await eventsOf(journal, 4)).toContain('stale message 2');
      expect(await claimKeys(journal, 5)).toEqual([]);
    });

    it('N8: a correction goes unasked where the result was asked for', async () => {
      await give('result', 1);
      await ask('request', 2);
      await journal.admit(stating('corrected', 3, ['a', '2', 'e'], [{ needs: NEEDS, body: Buffer.from('2') }]));
      expect(await needsOf(3)).toEqual([{ reason: 'not-requested', providedBy: 2, providedAt: 2 }]);
      expect(Buffer.from((await claimOne(journal, 4)).body).toString()).toBe('2');
    });

    it('N9: expires where it is asked for too late, and not before', async () => {
      await give('result', 1, { notAfter: 10 });
      expect((await journal.claim([], 11)).expired).toEqual([]);
      await ask('request', 12);
      expect((await eventsOf(journal, 1)).at(-1)).toBe('expired message 2');
      expect(await eventsOf(journal, 2)).toEqual(['mapped', 'provides delivery 1']);
      expect([await stateOf(1), await statesOf(journal, 1)]).toEqual(['skipped', ['cancelled']]);
      expect(await lacksOf()).toEqual([null, null]);
      expect(await claimKeys(journal, 13)).toEqual([]);
      // What came too late itself lacks what it needs all the same.
      await journal.admit(
        stating('late', 14, ['b', '1', 'd'], [{ needs: { ...NEEDS, key: 'another' }, notAfter: 10 }], LEFT_OUT),
      );
      expect((await eventsOf(journal, 3)).at(-1)).toBe('lacking not-requested');
    });

    it('N10: is held where it would be held if it came now', async () => {
      await give('result', 1, { held: fault('mapping-incomplete') });
      expect((await journal.readOverview(2)).oldestHeldAt).toBeNull();
      await ask('request', 3);
      expect(await statesOf(journal, 1)).toEqual(['held mapping-incomplete']);
      expect(await stateOf(1)).toBe('mapped');
    });

    it('N10: … as an earlier version was issued meanwhile', async () => {
      const other = { needs: null, operation: 'issue', onCorrection: 'hold' } as const;
      await journal.admit(stating('issued', 1, ['a', '0', 'c'], [other]));
      const inFlight = await claimOne(journal, 2);
      await give('result', 3);
      await journal.record(ended(inFlight, 4));
      expect(await journal.readMessage(2)).toMatchObject({ state: 'held', faults: [{ code: 'already-delivered' }] });
      await ask('request', 5);
      expect(await statesOf(journal, 2)).toEqual(['held already-delivered']);
      expect(await claimKeys(journal, 6)).toEqual([]);
    });

    it('N10: … and waits for an attempt with an earlier version', async () => {
      await journal.admit(stating('first', 1, ['a', '0', 'c'], [{ onCorrection: 'hold' }]));
      const inFlight = await claimOne(journal, 2);
      await give('result', 3, { laneKey: 'lane-2' });
      await ask('request', 4);
      expect(await claimKeys(journal, 5)).toEqual([]);
      await journal.record(ended(inFlight, 6, retryAt(50)));
      expect(await claimKeys(journal, 7)).toEqual(['a']);
    });

    it('N11: counts among several of which only the first does, whether it is asked for or not', async () => {
      const first = { once: { key: 'person', at: 10, until: 110 } };
      const second = { once: { key: 'person', at: 60, until: 160 }, needs: { key: 'second', reason: 'not-requested' } };
      await give('first', 1, first);
      await journal.admit(stating('second', 2, ['b', '1', 'd'], [second], { provides: ['second'] }));
      expect((await eventsOf(journal, 2)).at(-1)).toBe('not-first delivery 1');
      await ask('request', 3);
      expect(await claimKeys(journal, 4)).toEqual(['a']);
    });

    it('N11: … and is not first when it is provided, if another is', async () => {
      const needs = { key: 'second', reason: 'not-requested' };
      await journal.admit(
        stating('second', 1, ['b', '1', 'd'], [{ once: { key: 'person', at: 60, until: 160 }, needs }], LEFT_OUT),
      );
      await give('first', 2, { once: { key: 'person', at: 10, until: 110 } }, { provides: [NEEDS.key] });
      await ask('request', 3, 'second');
      expect((await eventsOf(journal, 1)).slice(-2)).toEqual(['provided message 3', 'not-first delivery 2']);
      expect(await claimKeys(journal, 4)).toEqual(['a']);
    });

    it('N12: a replay makes nothing twice, and takes back what its message provided', async () => {
      await give('result', 1);
      const needing = stating('result', 1, ['a', '1', 'd'], [{ needs: NEEDS }], LEFT_OUT).outcome;
      await journal.replay(1, needing, PERSON);
      expect(await statesOf(journal, 1)).toEqual(['cancelled', 'cancelled']);
      await ask('request of somebody else', 2, 'another');
      await journal.replay(2, outcome({ provides: [NEEDS.key] }), PERSON);
      expect(await claimKeys(journal, 91)).toEqual(['a']);
      await journal.replay(2, outcome({ provides: ['another'] }), PERSON);
      await journal.admit(stating('b', 92, ['b', '1', 'd'], [{ needs: NEEDS, laneKey: 'b' }], LEFT_OUT));
      expect(await claimKeys(journal, 93)).toEqual([]);
    });

    it('N12: … nor does a message that came again under another mapping leave what it provided before', async () => {
      await journal.admit(admission('request', 1, { state: 'held', provides: [NEEDS.key], mappingVersion: 'v1' }));
      await journal.admit(admission('request', 2, { provides: ['another'], mappingVersion: 'v2' }));
      await give('result', 3);
      expect(await statesOf(journal, 2)).toEqual(['cancelled']);
    });

    it('N12: a refused message provides nothing', async () => {
      await give('result', 1);
      await journal.admit(admission('request', 2, { state: 'refused', provides: [NEEDS.key] }));
      expect(await claimKeys(journal, 3)).toEqual([]);
      await give('result', 4);
      expect(await claimKeys(journal, 5)).toEqual([]);
    });

    it('N13: is given up for good by a person, whoever asks and whatever says the same again', async () => {
      await give('result', 1);
      expect(await journal.cancel(1, PERSON)).toEqual({ result: 'cancelled' });
      expect((await journal.readHistory(1)).at(-1)).toMatchObject({ event: 'cancelled', to: 'cancelled', by: 'anna' });
      expect([await lacksOf(), await stateOf(1)]).toEqual([[null], 'skipped']);
      expect((await journal.readOverview(91)).deliveries).toMatchObject([{ state: 'cancelled', count: 1 }]);
      expect(await journal.cancel(1, PERSON)).toEqual({ result: 'ended' });
      await ask('request', 92);
      await give('result again', 93);
      await give('result asked', 94, {}, { provides: [NEEDS.key] });
      await give('result of another order', 95, { needs: { key: 'another', reason: 'not-requested' } });
      await ask('another request', 96, 'another');
      expect(await claimKeys(journal, 97)).toEqual([]);
      expect((await journal.readOverview(98)).deliveries).toMatchObject([{ state: 'cancelled', count: 1 }]);
    });

    it('N13: … but a newer version is another, and so is what a person asks for by a replay', async () => {
      await give('result', 1);
      await journal.cancel(1, PERSON);
      await journal.admit(stating('corrected', 91, ['a', '2', 'e'], [{ needs: NEEDS, body: Buffer.from('2') }]));
      expect(await claimKeys(journal, 92)).toEqual([]);
      await journal.cancel(2, PERSON);
      await ask('request', 93);
      expect(await claimKeys(journal, 94)).toEqual([]);
      const again = stating('', 95, ['a', '2', 'e'], [{ needs: NEEDS, body: Buffer.from('2') }]).outcome;
      await journal.replay(2, again, PERSON);
      expect(Buffer.from((await claimOne(journal, 96)).body).toString()).toBe('2');
    });

    it('N14: lacks it again from when a person takes back what a message provided', async () => {
      await ask('request', 1);
      await give('result', 2);
      expect(await journal.cancel(1, PERSON)).toEqual({ result: 'cancelled' });
      expect(await journal.dismiss(1, { ...PERSON, note: 'she does not want one' })).toBe(true);
      expect(await stateOf(1)).toBe('mapped');
      expect((await journal.readHistory(1)).at(-1)).toMatchObject({
        ...{ event: 'taken-back', from: null, to: null, by: 'anna', note: 'she does not want one' },
      });
      expect(await journal.dismiss(1, PERSON)).toBe(false);
      // The same bytes again are no other request.
      await ask('request', 91);
      await journal.admit(stating('corrected', 92, ['a', '2', 'e'], [{ needs: NEEDS }], LEFT_OUT));
      expect(await claimKeys(journal, 93)).toEqual([]);
      await ask('a new request', 94);
      expect(await claimKeys(journal, 95)).toEqual(['a']);
    });

    it('N14: … and goes where another message provided it too', async () => {
      await ask('request', 1);
      await ask('request too', 2);
      await journal.dismiss(1, PERSON);
      await give('result', 91);
      expect(await needsOf(3)).toEqual([{ reason: 'not-requested', providedBy: 2, providedAt: 2 }]);
    });
  });

  describe('what lacks something', () => {
    const MONTH = 1_000;
    const bytes = (at: number) =>
      journal.prune({
        walk: 'bytes',
        after: 0,
        at,
        limit: 99,
        maxBytes: 1_000_000,
        before: { held: null, refused: at, skipped: at, delivered: at, cancelled: at },
      });

    it('keeps its bytes until its time is over, and where it has no end as long as what was left out', async () => {
      await give('with an end', 1, { notAfter: 2 * MONTH });
      await journal.admit(stating('without', 1, ['b', '1', 'd'], [{ needs: NEEDS, laneKey: 'b' }], LEFT_OUT));
      expect((await bytes(MONTH)).count).toBe(1);
      await ask('request', MONTH + 1);
      expect(await claimKeys(journal, MONTH + 2)).toEqual(['a']);
      expect((await eventsOf(journal, 2)).at(-1)).toBe('expired message 3');
      expect((await bytes(2 * MONTH)).count).toBe(1);
    });

    it('is made anew where its result comes again after its bytes went', async () => {
      await give('result', 1);
      await bytes(MONTH);
      await give('result again', MONTH + 1, {}, { provides: [NEEDS.key] });
      expect(await claimKeys(journal, MONTH + 2)).toEqual(['a']);
    });

    it('may be asked for as long as the request is remembered', async () => {
      await ask('request', 1);
      await bytes(MONTH);
      const rows = (at: number) => journal.prune({ walk: 'rows', after: 0, at, limit: 99, before: at });
      await journal.admit(admission('the newest stays', MONTH));
      await journal.admit(stating('a', MONTH, ['a', '1', 'd'], [{ needs: NEEDS }], LEFT_OUT));
      expect(await statesOf(journal, 3)).toEqual(['waiting']);
      expect((await rows(MONTH)).count).toBe(1);
      await journal.admit(stating('b', MONTH, ['b', '1', 'd'], [draft('b', { needs: NEEDS })], LEFT_OUT));
      expect(await statesOf(journal, 4)).toEqual(['cancelled']);
      expect(await needsOf(3)).toEqual([{ reason: 'not-requested', providedBy: 1, providedAt: 1 }]);
    });
  });
}
