import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AckPayment, Journal } from '../../src/contracts/journal.ts';
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
  statesOf,
  stating,
} from './kit.ts';

/** Acknowledgements that are owed beside the immediate answer, and what decides when they are due. */
export function describeOwedAcks(makePlace: () => Promise<Place>): void {
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

  const owing = (text: string, at: number, channel = 'lab') => ({ ...admission(text, at, {}, channel), owesAck: true });
  const paid = (messageId: number, by: AckPayment['by'] = 'written'): AckPayment => ({
    messageId,
    at: 9,
    code: 'AA',
    by,
  });
  const openOf = async (messageId: number) => (await journal.readStandings([messageId]))[0]?.open;

  describe('an owed acknowledgement', () => {
    it('is on disk with its message, and stays so until it is paid', async () => {
      const { messageId, owesAck } = await journal.admit(owing('a', 5));
      expect(owesAck).toBe(true);
      expect((await journal.admit(admission('b', 6))).owesAck).toBe(false);
      await journal.close();
      journal = await place.open({ now: 7 });
      expect(await journal.listOwedAcks(0, 10)).toEqual([{ messageId, channel: 'lab', owedAt: 5 }]);
      expect((await journal.readOverview(8)).owedAcks).toEqual([{ channel: 'lab', count: 1, oldestAt: 5 }]);
      await journal.payAck(paid(messageId));
      expect(await journal.listOwedAcks(0, 10)).toEqual([]);
      expect((await journal.readOverview(8)).owedAcks).toEqual([]);
      expect(await eventsOf(journal, messageId)).toEqual(['mapped', 'ack-owed', 'ack-written AA']);
    });

    it('is paid once', async () => {
      const { messageId } = await journal.admit(owing('a', 5));
      await journal.payAck(paid(messageId, 'waived'));
      await journal.payAck(paid(messageId));
      await journal.payAck(paid(messageId, draft('ack')));
      expect(await eventsOf(journal, messageId)).toEqual(['mapped', 'ack-owed', 'ack-waived AA']);
      expect(await journal.readDeliveries(messageId)).toEqual([]);
    });

    it('is owed anew, or still, to one who sends the message again', async () => {
      const { messageId } = await journal.admit(owing('a', 5));
      expect(await journal.admit(owing('a', 6))).toMatchObject({ repeated: true, owesAck: true });
      expect(await journal.listOwedAcks(0, 10)).toEqual([{ messageId, channel: 'lab', owedAt: 6 }]);
      await journal.payAck(paid(messageId));
      expect((await journal.admit(admission('a', 7))).owesAck).toBe(false);
      expect((await journal.admit(owing('a', 8))).owesAck).toBe(true);
      const events = (await eventsOf(journal, messageId)).filter((event) => event.startsWith('ack'));
      expect(events).toEqual(['ack-owed', 'ack-written AA', 'ack-owed']);
    });

    it('becomes a delivery in the transaction that pays it', async () => {
      const { messageId } = await journal.admit(owing('a', 5));
      await journal.payAck(paid(messageId, draft('ack', { operation: 'acknowledgement' })));
      expect(await journal.listOwedAcks(0, 10)).toEqual([]);
      expect(await journal.readDeliveries(messageId)).toMatchObject([
        { operation: 'acknowledgement', channel: 'lab', state: 'waiting' },
      ]);
      expect(await eventsOf(journal, messageId)).toEqual(['mapped', 'ack-owed', 'queued', 'ack-returned AA']);
      expect(await claimKeys(journal, 10)).toEqual(['ack']);
    });

    it('is listed page by page, and counted by channel', async () => {
      for (const text of ['a', 'b', 'c']) await journal.admit(owing(text, 1));
      await journal.admit(owing('d', 1, 'other'));
      expect((await journal.listOwedAcks(1, 2)).map(({ messageId }) => messageId)).toEqual([2, 3]);
      expect((await journal.readOverview(2)).owedAcks).toEqual([
        { channel: 'lab', count: 3, oldestAt: 1 },
        { channel: 'other', count: 1, oldestAt: 1 },
      ]);
    });
  });

  describe('a message stands', () => {
    it('with what of it waits, until that is delivered, held or cancelled', async () => {
      const drafts = [{ notBefore: 50 }, { laneKey: 'other', operation: 'tell' }];
      const { messageId } = await journal.admit(stating('a', 1, ['k', '1', 'd'], drafts));
      expect(await openOf(messageId)).toEqual([
        { id: 1, messageId, notBefore: 50 },
        { id: 2, messageId, notBefore: null },
      ]);
      const sent = await claimOne(journal, 2);
      expect(await openOf(messageId)).toHaveLength(2);
      await journal.record(ended(sent, 3, retryAt(4)));
      expect(await openOf(messageId)).toHaveLength(2);
      const held = ended(await claimOne(journal, 5), 6, { outcome: { state: 'held', fault: fault('target-refused') } });
      await journal.record(held);
      expect(await openOf(messageId)).toEqual([{ id: 1, messageId, notBefore: 50 }]);
      await journal.admit(stating('b', 7, ['k', '2', 'e'], []));
      expect(await openOf(messageId)).toEqual([]);
    });

    it('with its state and faults; one that is not there is left out', async () => {
      await journal.admit(admission('a', 1, { state: 'refused', faults: [fault('field-required')] }));
      expect(await journal.readStandings([7, 1])).toEqual([
        { messageId: 1, state: 'refused', faults: [fault('field-required')], open: [] },
      ]);
    });

    it('with the delivery of another message that says the same, and with what follows from that', async () => {
      const first = await journal.admit(stating('a', 1, ['k', '1', 'd']));
      const second = await journal.admit(stating('b', 2, ['k', '1', 'd']));
      expect(await statesOf(journal, second.messageId)).toEqual([]);
      expect(await openOf(second.messageId)).toEqual([{ id: 1, messageId: first.messageId, notBefore: null }]);
      const followUps = [{ ...draft('k', { operation: 'file', laneKey: 'files' }) }];
      await journal.record(ended(await claimOne(journal, 3), 4, { followUps }));
      expect(await openOf(second.messageId)).toEqual([{ id: 2, messageId: first.messageId, notBefore: null }]);
      await deliverOne(journal, 5);
      expect(await openOf(second.messageId)).toEqual([]);
      expect(await openOf(first.messageId)).toEqual([]);
    });

    it('with what is in flight and says again what it says', async () => {
      const first = await journal.admit(stating('a', 1, ['k', '1', 'd']));
      const sent = await claimOne(journal, 2);
      await journal.admit(stating('b', 3, ['k', '2', 'e']));
      const third = await journal.admit(stating('c', 4, ['k', '3', 'd']));
      expect(await openOf(third.messageId)).toEqual([{ id: 1, messageId: first.messageId, notBefore: null }]);
      await journal.record(ended(sent, 5));
      expect(await openOf(third.messageId)).toEqual([]);
    });

    it('without the deliveries that are acknowledgements of it', async () => {
      const { messageId } = await journal.admit(owing('a', 5));
      await journal.payAck(paid(messageId, draft('ack')));
      expect(await statesOf(journal, messageId)).toEqual(['waiting']);
      expect(await openOf(messageId)).toEqual([]);
    });
  });
}
