import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Journal, OutcomeDraft } from '../../src/contracts/journal.ts';
import { claimKeys, claimOne, deliverOne, ended, eventsOf, type Place, retryAt, statesOf, stating } from './kit.ts';

const PERSON = { by: 'anna', note: null, at: 90 };

/** Rows O1 to O10 of docs/results.md, and R27. */
export function describeOnce(makePlace: () => Promise<Place>): void {
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

  /** A result of one person, of a time; no other counts for 100 after it. Not due before 1000 unless said otherwise. */
  const give = async (key: string, at: number, more: Partial<OutcomeDraft> = {}) => {
    const once = { key: 'person', at, until: at + 100 };
    const draft = { laneKey: key, notBefore: 1000, once, onCorrection: 'hold', ...more } as const;
    return await journal.admit(stating(`${key} ${at}`, 1, [key, '1', `d${at}`], [draft]));
  };
  /** A newer version of the same result that asks for nothing. */
  const withdraw = (key: string) => journal.admit(stating(`${key} withdrawn`, 5, [key, '2', 'withdrawn'], []));

  describe('of several results, one delivery', () => {
    it('O1: the first is queued, and so is one of another person', async () => {
      await give('a', 10);
      const other = { once: { key: 'another person', at: 20, until: 120 } };
      await give('b', 20, other);
      expect([await statesOf(journal, 1), await statesOf(journal, 2)]).toEqual([['waiting'], ['waiting']]);
    });

    it('O2: a later one within its time is not the first, whatever became of the first', async () => {
      await give('a', 10, { notBefore: null });
      const second = await give('b', 109);
      expect(second.deliveries).toEqual([{ id: 2, state: 'cancelled' }]);
      expect(await eventsOf(journal, 2)).toEqual(['mapped', 'queued', 'not-first delivery 1']);
      await deliverOne(journal, 6);
      await give('c', 50);
      expect(await statesOf(journal, 3)).toEqual(['cancelled']);
      expect(await claimKeys(journal, 2000)).toEqual([]);
      // Stated again it is linked, and still not the first.
      await journal.admit(
        stating('b again', 7, ['b', '1', 'd109'], [{ once: { key: 'person', at: 109, until: 209 } }]),
      );
      expect(await statesOf(journal, 4)).toEqual([]);
    });

    it('O3: one after its time counts itself, also where one between them did not', async () => {
      await give('a', 10);
      await give('b', 60);
      await give('c', 110);
      expect([await statesOf(journal, 2), await statesOf(journal, 3)]).toEqual([['cancelled'], ['waiting']]);
    });

    it('O4: an earlier one that comes later takes the place', async () => {
      await give('b', 60);
      await give('a', 10);
      expect([await statesOf(journal, 1), await statesOf(journal, 2)]).toEqual([['cancelled'], ['waiting']]);
      expect(await eventsOf(journal, 1)).toEqual(['mapped', 'queued', 'not-first delivery 2']);
      expect(await claimKeys(journal, 1000)).toEqual(['a']);
    });

    it('O5: an earlier one than was delivered is held', async () => {
      await give('b', 60, { notBefore: null });
      await deliverOne(journal, 6);
      await give('a', 10);
      expect(await statesOf(journal, 2)).toEqual(['held later-delivered']);
    });

    it('O6: an earlier one than is in flight, or may have arrived, is held', async () => {
      await give('b', 60, { notBefore: null });
      const inFlight = await claimOne(journal, 6);
      await give('a', 10);
      expect(await statesOf(journal, 2)).toEqual(['held later-delivered']);
      await journal.record(ended(inFlight, 7, retryAt(5000, 'target-timeout')));
      await give('c', 5);
      expect(await statesOf(journal, 3)).toEqual(['held later-delivered']);
    });

    it('O7: the later one counts again when the first is withdrawn, and goes in its own time', async () => {
      await give('a', 10);
      await give('b', 60, { notBefore: 1060 });
      await give('c', 70, { notBefore: 1070 });
      await withdraw('a');
      expect(await statesOf(journal, 1)).toEqual(['cancelled']);
      expect(await eventsOf(journal, 2)).toEqual(['mapped', 'queued', 'not-first delivery 1', 'counts-again']);
      expect(await statesOf(journal, 3)).toEqual(['cancelled']);
      expect((await journal.claim([], 1000)).nextDueAt).toBe(1060);
      expect(await claimKeys(journal, 1060)).toEqual(['b']);
    });

    it('O7: … when a correction moves the first behind it', async () => {
      await give('a', 10);
      await give('b', 60);
      const once = { key: 'person', at: 80, until: 180 };
      await journal.admit(stating('a moved', 5, ['a', '2', 'moved'], [{ laneKey: 'a', notBefore: 1000, once }]));
      expect([await statesOf(journal, 2), await statesOf(journal, 3)]).toEqual([['waiting'], ['cancelled']]);
    });

    it('O7: … when the first was in flight, did not arrive, and had been withdrawn', async () => {
      await give('a', 10, { notBefore: null });
      await give('b', 60);
      const inFlight = await claimOne(journal, 6);
      await withdraw('a');
      expect(await statesOf(journal, 2)).toEqual(['cancelled']);
      await journal.record(ended(inFlight, 7, retryAt(50)));
      expect([await statesOf(journal, 1), await statesOf(journal, 2)]).toEqual([
        ['cancelled target-busy'],
        ['waiting'],
      ]);
    });

    it('O7: … but not when it had been delivered', async () => {
      await give('a', 10, { notBefore: null });
      await deliverOne(journal, 6);
      await give('b', 60);
      await withdraw('a');
      expect(await statesOf(journal, 2)).toEqual(['cancelled']);
      expect(await journal.readMessage(3)).toMatchObject({ state: 'held' });
    });

    it('O8: what expired, or a person cancelled, still was the first', async () => {
      await give('a', 10, { notAfter: 0 });
      expect(await statesOf(journal, 1)).toEqual(['cancelled']);
      await give('b', 60);
      expect(await statesOf(journal, 2)).toEqual(['cancelled']);
      await give('c', 200);
      await journal.cancel(3, PERSON);
      await give('d', 210);
      expect(await statesOf(journal, 4)).toEqual(['cancelled']);
    });

    it('O9: a person who looked at what was issued may release it', async () => {
      await give('b', 60, { notBefore: null });
      await deliverOne(journal, 6);
      await give('a', 10, { notBefore: null });
      expect(await journal.release(2, PERSON)).toEqual({ result: 'released' });
      await give('c', 20);
      expect(await statesOf(journal, 2)).toEqual(['waiting later-delivered']);
      expect(await claimKeys(journal, 91)).toEqual(['a']);
    });
  });

  describe('O10: what is not to be sent', () => {
    const unasked = { waived: 'not-requested', body: new Uint8Array(0), notBefore: null } as const;

    it('counts all the same, until its result says otherwise or asks for it', async () => {
      await give('a', 10, unasked);
      expect(await eventsOf(journal, 1)).toEqual(['mapped', 'waived not-requested']);
      await give('b', 60);
      expect([await statesOf(journal, 1), await statesOf(journal, 2)]).toEqual([['cancelled'], ['cancelled']]);
      const once = { key: 'person', at: 10, until: 110 };
      await journal.admit(stating('a asked', 5, ['a', '1', 'asked'], [{ laneKey: 'a', notBefore: 1000, once }]));
      expect([await statesOf(journal, 2), await statesOf(journal, 3)]).toEqual([['cancelled'], ['waiting']]);
      await withdraw('a');
      expect(await statesOf(journal, 2)).toEqual(['waiting']);
    });

    it('does not hide that what was issued is no longer asked for', async () => {
      await give('a', 10, { notBefore: null });
      await deliverOne(journal, 6);
      const once = { key: 'person', at: 10, until: 110 };
      await journal.admit(stating('a unasked', 7, ['a', '2', 'unasked'], [{ ...unasked, once, onCorrection: 'hold' }]));
      expect(await journal.readMessage(2)).toMatchObject({ state: 'held', faults: [{ code: 'already-delivered' }] });
    });
  });

  describe('R27: what comes too late', () => {
    it('is cancelled when it is admitted', async () => {
      const late = await journal.admit(stating('a', 10, ['a', '1', 'd'], [{ notAfter: 10 }]));
      expect(late.deliveries).toEqual([{ id: 1, state: 'cancelled' }]);
      expect(await eventsOf(journal, 1)).toEqual(['mapped', 'expired']);
      expect(await journal.claim([], 11)).toMatchObject({ expired: [], nextDueAt: null });
      await journal.admit(stating('b', 10, ['b', '1', 'd'], [{ notAfter: 11 }]));
      expect(await statesOf(journal, 2)).toEqual(['waiting']);
    });

    it('is held all the same where it corrects what was issued', async () => {
      const hold = { onCorrection: 'hold', notAfter: 10 } as const;
      await journal.admit(stating('a', 1, ['a', '1', 'd'], [hold]));
      const inFlight = await claimOne(journal, 2);
      await journal.admit(stating('b', 20, ['a', '2', 'e'], [hold]));
      expect(await statesOf(journal, 2)).toEqual(['waiting']);
      await journal.record(ended(inFlight, 21));
      expect(await statesOf(journal, 2)).toEqual(['held already-delivered']);
      await journal.admit(stating('c', 30, ['a', '3', 'f'], [hold]));
      expect(await statesOf(journal, 3)).toEqual(['held already-delivered']);
    });
  });
}
