import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Journal } from '../../src/contracts/journal.ts';
import { admission, claimOne, ended, eventsOf, fault, type Place, retryAt, SLOT, stating } from './kit.ts';

/** What can be read, and how the journal behaves when too much is asked of it, or something bad. */
export function describeReads(makePlace: () => Promise<Place>): void {
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

  it('gives null, or nothing, for what does not exist', async () => {
    expect(await journal.readMessage(1)).toBeNull();
    expect(await journal.readDeliveries(1)).toEqual([]);
    expect(await journal.readHistory(1)).toEqual([]);
    expect(await journal.readOverview(1)).toEqual({
      messages: [],
      deliveries: [],
      owedAcks: [],
      oldestWaitingAt: null,
      oldestHeldAt: null,
    });
  });

  it('keeps what was said of a message', async () => {
    const skipped = [{ reason: 'not-final', at: 'OBX[1]' }];
    const faults = [{ code: 'code-unmapped', at: 'OBX[2]-3', where: 'm.yaml:1:2', detail: 'lab-tests' } as const];
    const warnings = [{ code: 'field-type', at: 'PID-7', where: 'm.yaml:3:4', detail: 'date-time' } as const];
    await journal.admit(admission('a', 5, { state: 'held', skipped, faults, warnings }));
    expect(await journal.readMessage(1)).toEqual({
      id: 1,
      channel: 'lab',
      bytes: new Uint8Array(Buffer.from('a')),
      controlId: 'a',
      origin: 'mllp 127.0.0.1:40000',
      sender: null,
      receivedAt: 5,
      state: 'held',
      mappingVersion: 'v1',
      skipped,
      faults,
      warnings,
      timesSeen: 1,
      isPruned: false,
    });
    expect(await journal.readHistory(1)).toEqual([
      {
        at: 5,
        messageId: 1,
        deliveryId: null,
        event: 'held',
        from: null,
        to: 'held',
        why: 'code-unmapped',
        by: 'engine',
        note: null,
      },
    ]);
  });

  it('lists received messages, oldest first, from an id on', async () => {
    for (const text of ['a', 'b', 'c']) await journal.admit(admission(text, 1, { state: 'received' }));
    await journal.admit(admission('d', 1));
    const idsAfter = async (id: number, limit: number) => (await journal.listReceived(id, limit)).map((one) => one.id);
    expect(await idsAfter(0, 2)).toEqual([1, 2]);
    expect(await idsAfter(2, 10)).toEqual([3]);
    await journal.settle(1, 2, admission('a', 1).outcome);
    expect(await idsAfter(0, 10)).toEqual([2, 3]);
  });

  it('counts messages and deliveries by state, and knows the oldest that waits or is held', async () => {
    await journal.admit(stating('a', 10, ['a', '1', 'd']));
    await journal.admit(stating('b', 20, ['b', '1', 'd']));
    await journal.admit(stating('c', 30, ['c', '1', 'd'], [{ notBefore: 1000, laneKey: 'lane-2' }]));
    await journal.admit(stating('d', 40, ['d', '1', 'd'], [{ held: fault('code-unmapped') }]));
    await journal.admit(admission('e', 50, { state: 'refused' }));
    await journal.admit(admission('f', 60, { state: 'refused' }, 'other'));
    await journal.record(ended(await claimOne(journal, 70), 71));
    expect(await journal.readOverview(80)).toEqual({
      messages: [
        { channel: 'lab', state: 'mapped', count: 4 },
        { channel: 'lab', state: 'refused', count: 1 },
        { channel: 'other', state: 'refused', count: 1 },
      ],
      deliveries: [
        { target: 'register', party: 'p1', state: 'delivered', count: 1 },
        { target: 'register', party: 'p1', state: 'held', count: 1 },
        { target: 'register', party: 'p1', state: 'waiting', count: 2 },
      ],
      owedAcks: [],
      oldestWaitingAt: 20,
      oldestHeldAt: 40,
    });
    // One that is tried again goes on waiting since it came.
    await journal.record(ended(await claimOne(journal, 81), 82, retryAt(5000)));
    expect((await journal.readOverview(90)).oldestWaitingAt).toBe(20);
  });

  it('lets a bad call fail alone, and leaves nothing of it behind', async () => {
    const bad = stating('bad', 1, ['k', '1', 'd'], [{}, { laneKey: null as unknown as string }]);
    const [before, failed, after] = await Promise.allSettled([
      journal.admit(stating('a', 1, ['a', '1', 'd'])),
      journal.admit(bad),
      journal.admit(stating('b', 1, ['b', '1', 'd'])),
    ]);
    expect(before.status).toBe('fulfilled');
    expect(after.status).toBe('fulfilled');
    expect(failed).toMatchObject({ status: 'rejected', reason: { name: 'Fault', code: 'journal-failed' } });
    const { messages, deliveries } = await journal.readOverview(2);
    expect([messages[0]!.count, deliveries[0]!.count]).toEqual([2, 2]);
    const mended = await journal.admit(stating('bad', 2, ['k', '1', 'd']));
    expect(mended).toMatchObject({ repeated: false, deliveries: [{ state: 'waiting' }] });
    expect(await eventsOf(journal, mended.messageId)).toEqual(['mapped', 'queued']);
    const { deliveries: claimed } = await journal.claim([SLOT], 2);
    expect(claimed.map(({ resultKey }) => resultKey)).toEqual(['a']);
  });

  it('refuses what is no plain data and goes on', async () => {
    const odd = { ...admission('a', 1), origin: (() => 'x') as unknown as string };
    await expect(journal.admit(odd)).rejects.toMatchObject({ name: 'Fault', code: 'internal' });
    expect(await journal.admit(admission('a', 1))).toMatchObject({ messageId: 1, repeated: false });
  });

  it('answers busy when too much waits, and has stored nothing of that', async () => {
    await journal.close();
    journal = await place.open({ now: 0, maxQueued: 3 });
    const calls = Array.from({ length: 5 }, (_, i) => journal.admit(admission(`m${i}`, 1)));
    const ends = await Promise.allSettled(calls);
    expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'rejected']);
    expect(ends[3]).toMatchObject({ reason: { name: 'Fault', code: 'journal-busy' } });
    expect((await journal.readOverview(2)).messages).toEqual([{ channel: 'lab', state: 'mapped', count: 3 }]);
    expect(await journal.admit(admission('m4', 2))).toMatchObject({ repeated: false });
  });

  it('commits what was handed over before it closes, and takes nothing afterwards', async () => {
    const calls = Array.from({ length: 20 }, (_, i) => journal.admit(admission(`m${i}`, 1)));
    const closed = journal.close();
    await expect(journal.admit(admission('late', 1))).rejects.toMatchObject({ code: 'stopping' });
    expect((await Promise.all(calls)).length).toBe(20);
    await closed;
    journal = await place.open({ now: 2 });
    expect((await journal.readOverview(2)).messages[0]!.count).toBe(20);
  });
}
