import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Fault } from '../../src/contracts/fault.ts';
import type { Operator } from '../../src/contracts/operations.ts';
import type { Channel } from '../../src/engine/settings.ts';
import { type Bench, type BenchOptions, draft, failure, mapped, message, SUCCESS, setUpBench } from './bench.ts';

const ALVA: Operator = { by: 'alva', note: 'because' };

let bench: Bench;
async function setUp(options: BenchOptions = {}) {
  bench = await setUpBench(options);
  await bench.engine.start();
}
afterEach(() => bench.tearDown());

/** A message whose one delivery the receiver refuses. */
async function holdOne(controlId = 'A') {
  bench.target.answer = () => failure('target-refused');
  await bench.source.give(message(controlId));
  await bench.log.seen('delivery-held');
  bench.target.answer = () => SUCCESS;
}

describe('the operations of a running engine', () => {
  beforeEach(() => setUp());

  it('send a released delivery at once', async () => {
    await holdOne();
    expect(await bench.engine.operations.release([{ message: 1 }], ALVA)).toEqual([
      { messageId: 1, deliveryId: 1, result: 'released', overtakenBy: null },
    ]);
    await bench.log.seen('delivery-delivered');
    expect(bench.log.events().filter((event) => event === 'delivery-released')).toHaveLength(1);
    expect(JSON.stringify(bench.log.lines)).not.toContain('because');
  });

  it('do not release what the mapping held, nor for a party that the channel does not list', async () => {
    bench.mapper.onMap = () => mapped({ drafts: [draft('A', { party: 'syd' })] });
    await bench.source.give(message('A'));
    const [end] = await bench.engine.operations.release([{ message: 1 }], ALVA);
    expect(end).toMatchObject({ deliveryId: 1, result: 'replay' });
    expect(bench.target.sent).toEqual([]);
  });

  it('make what could not be made of an answer once the mapping can, and send it', async () => {
    const response = { status: 200, contentType: null, body: Buffer.from('{"issued":1}'), fault: null };
    bench.target.answer = () => ({ ok: true, response });
    const flaw = new Fault('code-unmapped', { where: 'm.yaml:3:4' }).record;
    const made = (of: string) => ({ ...draft('A', { target: 'files', body: Buffer.from(of) }), flaw: null });
    bench.mapper.onResponse = () => [made('"first"'), { ...made('null'), flaw }];
    await bench.source.give(message('A'));
    await bench.log.seen('delivery-delivered', 2);
    const { operations } = bench.engine;
    const release = async () => (await operations.release([{ message: 1 }], ALVA)).map(({ result }) => result);
    expect(await release()).toEqual(['unmade']);
    // Of another number of things nobody can tell which one it was.
    bench.mapper.onResponse = () => [made('"first"'), made('"second"'), made('"third"')];
    expect(await release()).toEqual(['unmade']);
    bench.mapper.onResponse = (_, answered) => [made('"first"'), made(`"made at ${answered.at}"`)];
    const history = await bench.journal.readHistory(1);
    const delivered = history.find(({ deliveryId, event }) => deliveryId === 1 && event === 'delivered');
    expect(await release()).toEqual(['released']);
    await bench.log.seen('delivery-delivered', 3);
    expect(bench.files.sent.map(({ body }) => Buffer.from(body).toString())).toEqual([
      '"first"',
      `"made at ${delivered?.at}"`,
    ]);
  });

  it('say of what is not there, or has nothing held, that there was nothing to do', async () => {
    bench.mapper.onMap = () => mapped({ faults: [new Fault('code-unmapped').record] });
    await bench.source.give(message('A'));
    const { operations } = bench.engine;
    const things = [{ message: 1 }, { message: 9 }, { delivery: 9 }];
    const results = (await operations.release(things, ALVA)).map(({ result }) => result);
    expect(results).toEqual(['replay', 'not-found', 'not-found']);
    expect((await operations.cancel([{ message: 1 }], ALVA)).map(({ result }) => result)).toEqual(['cancelled']);
    expect((await operations.cancel([{ message: 1 }], ALVA)).map(({ result }) => result)).toEqual(['ended']);
  });

  it('give up what lacks a request, and take back the request of a message', async () => {
    const needs = { key: 'request', reason: 'not-requested' };
    bench.mapper.onMap = () => mapped({ drafts: [draft('A', { needs })], skipped: [{ reason: 'x', at: null }] });
    await bench.source.give(message('A'));
    bench.mapper.onMap = () => mapped({ provides: ['another'] });
    await bench.source.give(message('B'));
    const { operations } = bench.engine;
    const cancel = async (id: number) =>
      (await operations.cancel([{ message: id }], ALVA)).map(({ deliveryId, result }) => [deliveryId, result]);
    expect(await cancel(1)).toEqual([[1, 'cancelled']]);
    expect(await cancel(1)).toEqual([[null, 'ended']]);
    expect(await cancel(2)).toEqual([[null, 'cancelled']]);
    expect(await cancel(2)).toEqual([[null, 'ended']]);
  });

  it('map again with the mappings in force, and leave what is not mended where that is asked for', async () => {
    bench.mapper.onMap = () => mapped({ faults: [new Fault('code-unmapped').record] });
    await bench.source.give(message('A'));
    const { operations } = bench.engine;
    const [left] = await operations.replay([1], ALVA, true);
    expect(left).toMatchObject({ result: 'unchanged', state: 'held', faults: [{ code: 'code-unmapped' }] });
    bench.mapper.version = 'v2';
    bench.mapper.onMap = () => mapped({ drafts: [draft('A')] });
    const [done] = await operations.replay([1], ALVA, true);
    expect(done).toMatchObject({ result: 'replayed', state: 'mapped', deliveries: [{ id: 1, state: 'waiting' }] });
    await bench.log.seen('delivery-delivered');
  });

  it('hold what a replay would refuse, for its sender had a positive answer', async () => {
    await bench.source.give(message('A'));
    await bench.log.seen('delivery-delivered');
    bench.mapper.onMap = () => mapped({ faults: [new Fault('field-required').record] });
    const [done] = await bench.engine.operations.replay([1], ALVA, false);
    expect(done).toMatchObject({ result: 'replayed', state: 'held' });
  });

  it('do not map what was never a message, or not kept whole', async () => {
    await bench.source.give(Buffer.from('nothing of HL7'));
    await bench.source.give(message('A'), { fault: new Fault('frame-too-large') });
    const ends = await bench.engine.operations.replay([1, 2, 3], ALVA, false);
    expect(ends.map(({ result }) => result)).toEqual(['unchanged', 'unchanged', 'not-found']);
  });

  it('send nothing of a paused scope, and go on at once when it is resumed', async () => {
    const { operations } = bench.engine;
    const scope = { target: 'covid', party: null, operation: 'test' };
    expect(await operations.pause(scope, ALVA)).toBe('paused');
    expect(await operations.pause(scope, ALVA)).toBe('already');
    for (const slip of [{ target: 'covdi' }, { party: 'nrd' }, { operation: 'tset' }, { target: null }])
      expect(await operations.pause({ ...scope, ...slip }, ALVA)).toBe('unknown');
    bench.mapper.onMap = () => mapped({ drafts: [draft('A'), draft('B', { operation: 'recovery' })] });
    await bench.source.give(message('A'));
    await bench.log.seen('delivery-delivered');
    expect(bench.target.sent.map(({ operation }) => operation)).toEqual(['recovery']);
    expect(bench.engine.pauses()).toMatchObject([scope]);
    expect(await operations.resume(scope, ALVA)).toBe(true);
    await bench.log.seen('delivery-delivered', 2);
    expect(bench.engine.pauses()).toEqual([]);
    expect(bench.log.events().filter((event) => event === 'paused' || event === 'resumed')).toEqual([
      'paused',
      'resumed',
    ]);
  });
});

describe('a release after the configuration changed', () => {
  it('is not permitted for a party that the channel no longer lists', async () => {
    const options: { channel: Partial<Channel> } = { channel: {} };
    await setUp(options);
    await holdOne();
    await bench.engine.stop();
    await bench.journal.close();
    options.channel = { parties: ['syd'] };
    const { engine } = await bench.build();
    await engine.start();
    const ends = await engine.operations.release([{ message: 1 }], ALVA);
    expect(ends).toMatchObject([{ deliveryId: 1, result: 'not-permitted' }]);
    await engine.stop();
    expect(bench.target.sent).toHaveLength(1);
  });
});
