import { afterEach, describe, expect, it } from 'vitest';
import { hashContent, RECEIVED } from '../../src/engine/outcome.ts';
import { type Bench, type BenchOptions, failure, message, SUCCESS, setUpBench } from './bench.ts';

let bench: Bench;
afterEach(() => bench.tearDown());

async function setUp(options?: BenchOptions) {
  bench = await setUpBench(options);
}

describe('the engine', () => {
  it('starts with what it was owed, and opens its sources last', async () => {
    await setUp();
    const bytes = message('M1');
    const { messageId } = await bench.journal.admit({
      channel: 'lab',
      bytes,
      contentHash: hashContent(bytes),
      controlId: 'M1',
      origin: 'test',
      sender: null,
      receivedAt: bench.clock.now(),
      owesAck: false,
      outcome: RECEIVED,
    });
    expect(bench.engine.isReady()).toBe(false);
    await bench.engine.start();
    expect(bench.engine.isReady()).toBe(true);
    await bench.log.seen('delivery-delivered');
    expect(await bench.journal.readMessage(messageId)).toMatchObject({ state: 'mapped' });
    const events = bench.log.events();
    expect(events.indexOf('message-settled')).toBeLessThan(events.indexOf('channel-open'));
    expect(events.indexOf('channel-open')).toBeLessThan(events.indexOf('engine-started'));
    expect(bench.engine.sources()).toEqual([{ channel: 'lab', address: 'test://lab' }]);
  });

  it('stops everything again when a source cannot start', async () => {
    await setUp();
    bench.source.fails = new Error('port in use');
    await expect(bench.engine.start()).rejects.toThrow('port in use');
    expect(bench.engine.isReady()).toBe(false);
    expect(bench.target.stopped).toBe(true);
  });

  it('stops sources first and targets last, and lets what is under way end', async () => {
    await setUp();
    await bench.engine.start();
    let end = (): void => {};
    bench.target.answer = () =>
      new Promise((resolve) => {
        end = () => resolve(SUCCESS);
      });
    await bench.source.give(message('M1'));
    await bench.source.give(message('M2'));
    while (bench.target.sent.length < 2) await bench.clock.advance(0);
    const held = end;
    const stopping = bench.engine.stop();
    expect(bench.engine.isReady()).toBe(false);
    await bench.clock.advance(0);
    expect(bench.source.stopped).toBe(true);
    expect(bench.target.stopped).toBe(false);
    held();
    await bench.log.seen('delivery-delivered');
    await bench.clock.advance(10_000);
    await bench.clock.advance(5_000);
    await stopping;
    expect(bench.target.stopped).toBe(true);
    expect(bench.clock.pending).toBe(0);
  });

  it('aborts attempts after the grace, and whoever starts next sends them again', async () => {
    await setUp({ settings: { graceMs: 2_000 } });
    await bench.engine.start();
    bench.target.answer = (_, signal) =>
      new Promise((resolve) => signal.addEventListener('abort', () => resolve(failure('target-unreachable'))));
    const ack = await bench.source.give(message('M1'));
    while (bench.target.sent.length < 1) await bench.clock.advance(0);
    const stopping = bench.engine.stop();
    await bench.clock.advance(1_999);
    expect(bench.log.events()).not.toContain('delivery-retry');
    await bench.clock.advance(1);
    await stopping;
    expect(await bench.log.seen('delivery-retry')).toMatchObject({ fault: 'stopping' });
    await bench.journal.close();

    bench.target.answer = () => SUCCESS;
    const next = await bench.build();
    await next.engine.start();
    await bench.log.seen('delivery-delivered');
    expect(await next.journal.readDeliveries(ack!.messageId!)).toMatchObject([{ state: 'delivered', attempts: 2 }]);
    await next.engine.stop();
  });

  it('maps with another mapper from one moment to the next', async () => {
    await setUp();
    await bench.engine.start();
    bench.engine.noteMappingProblem('mappings/x.yaml:1:1 no');
    expect(bench.engine.mappingProblem()).toContain('x.yaml');
    bench.engine.useMapper({ ...bench.mapper, version: 'v2' });
    expect(bench.engine.mappingVersion()).toBe('v2');
    expect(bench.engine.mappingProblem()).toBeNull();
    const ack = await bench.source.give(message('M1'));
    expect(await bench.journal.readMessage(ack!.messageId!)).toMatchObject({ mappingVersion: 'v2' });
  });

  it('counts what it did', async () => {
    await setUp();
    await bench.engine.start();
    await bench.source.give(message('M1'));
    await bench.source.give(Buffer.from('nothing'));
    await bench.log.seen('delivery-delivered');
    const { messages, answers, attempts, faults } = bench.engine.counters();
    expect(Object.fromEntries(messages)).toEqual({ 'lab mapped': 1, 'lab refused': 1 });
    expect(Object.fromEntries(answers)).toEqual({ 'lab AA': 1, 'lab AR': 1 });
    expect(Object.fromEntries(attempts)).toEqual({ 'covid nord delivered': 1 });
    expect(Object.fromEntries(faults)).toEqual({ 'not-hl7': 1 });
    const overview = await bench.engine.overview();
    expect(overview.messages).toContainEqual({ channel: 'lab', state: 'mapped', count: 1 });
  });
});
