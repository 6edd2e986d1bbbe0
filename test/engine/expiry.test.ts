import { afterEach, describe, expect, it } from 'vitest';
import { createExpiry } from '../../src/engine/expiry.ts';
import { type Bench, draft, failure, mapped, message, setUpBench } from './bench.ts';
import { createManualClock } from './kit.ts';

let bench: Bench;
afterEach(async () => {
  await bench.tearDown();
});

describe('deliveries whose time ended while they waited', () => {
  it('is one alarm for all of an outage, cleared an hour after the last', async () => {
    bench = await setUpBench();
    await bench.engine.start();
    const now = bench.clock.now();
    bench.target.answer = () => failure('target-busy', 60_000);
    bench.mapper.onMap = () => mapped({ drafts: [draft('first', { laneKey: 'a', notAfter: now + 20_000 })] });
    await bench.source.give(message('M1'));
    bench.mapper.onMap = () => mapped({ drafts: [draft('second', { laneKey: 'b', notAfter: now + 90_000 })] });
    await bench.source.give(message('M2'));
    await bench.log.seen('delivery-retry', 2);
    await bench.clock.advance(60_000);
    await bench.log.seen('deliveries-expired');
    const alarms = () => bench.engine.alarms().filter(({ name }) => name === 'deliveries-expired');
    expect(alarms()).toMatchObject([{ subject: { target: 'covid', party: 'nord' }, fields: { count: 1 } }]);
    await bench.clock.advance(60_000);
    await bench.log.seen('deliveries-expired', 2);
    expect(alarms()).toMatchObject([{ fields: { count: 2 } }]);
    await bench.clock.advance(3_600_000);
    await bench.clock.advance(300_000);
    expect(alarms()).toEqual([]);
  });

  it('is one alarm for as long as they cannot be sent, however far apart they expire', async () => {
    bench = await setUpBench();
    const clock = createManualClock();
    const told: string[] = [];
    let isHeldUp = true;
    const bell = {
      raise: (name: string) => void told.push(`raised ${name}`),
      clear: (name: string) => void told.push(`cleared ${name}`),
    };
    const expiry = createExpiry(bell, clock, () => isHeldUp);
    const one = { id: 1, target: 'covid', party: 'nord' };
    expiry.note([one]);
    await clock.advance(5 * 3_600_000);
    expiry.note([{ ...one, id: 2 }]);
    expect(told).toEqual(['raised deliveries-expired', 'raised deliveries-expired']);
    await clock.advance(2 * 3_600_000);
    isHeldUp = false;
    expect(told).not.toContain('cleared deliveries-expired');
    await clock.advance(3_600_000);
    expect(told.at(-1)).toBe('cleared deliveries-expired');
    expect(clock.pending).toBe(0);
  });

  it('is held for a person where an attempt may have arrived, and no such alarm', async () => {
    bench = await setUpBench();
    await bench.engine.start();
    const now = bench.clock.now();
    bench.target.answer = () => failure('target-timeout', 60_000);
    bench.mapper.onMap = () => mapped({ drafts: [draft('first', { notAfter: now + 20_000 })] });
    const first = await bench.source.give(message('M1'));
    await bench.log.seen('delivery-retry');
    await bench.clock.advance(20_000);
    bench.mapper.onMap = () => mapped({ drafts: [draft('second', { target: 'files', laneKey: 'b' })] });
    await bench.source.give(message('M2'));
    await bench.log.seen('delivery-delivered');
    expect(await bench.journal.readDeliveries(first!.messageId!)).toMatchObject([
      { state: 'held', fault: { code: 'in-doubt' } },
    ]);
    expect(bench.engine.alarms().filter(({ name }) => name === 'deliveries-expired')).toEqual([]);
  });

  it('is none for what comes too late', async () => {
    bench = await setUpBench();
    await bench.engine.start();
    const now = bench.clock.now();
    bench.mapper.onMap = () => mapped({ drafts: [draft('late', { notAfter: now - 1 })] });
    const late = await bench.source.give(message('M1'));
    expect(await bench.journal.readDeliveries(late!.messageId!)).toMatchObject([{ state: 'cancelled' }]);
    await bench.clock.advance(15_000);
    expect(bench.engine.alarms()).toEqual([]);
  });
});
