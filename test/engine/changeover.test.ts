import { afterEach, describe, expect, it } from 'vitest';
import type { Delivery, Target, Verdict } from '../../src/contracts/target.ts';
import { TARGET_LIMITS } from '../../src/engine/settings.ts';
import { type Bench, type BenchOptions, draft, mapped, message, SUCCESS, setUpBench } from './bench.ts';
import { deferred } from './kit.ts';

let bench: Bench;
afterEach(() => bench.tearDown());

async function start(options?: BenchOptions) {
  bench = await setUpBench(options);
  await bench.engine.start();
}

const settings = { storeFirstBytes: 1_000_000, graceMs: 10_000 };

/** Another target of the same operations, and what it is sent. */
function another(): Target & { readonly sent: Delivery[] } {
  const sent: Delivery[] = [];
  return {
    operations: bench.target.operations,
    sent,
    send(delivery) {
      sent.push(delivery);
      return Promise.resolve(SUCCESS);
    },
    stop: () => Promise.resolve(),
  };
}

function change(covid: Target, channels = [bench.channel]) {
  const targets = [
    { name: 'covid', target: covid, limits: TARGET_LIMITS },
    { name: 'files', target: bench.files, limits: TARGET_LIMITS },
  ];
  return bench.engine.reconfigure({ channels, targets, parties: ['nord', 'syd'], settings, mapper: bench.mapper });
}

describe('a change of targets', () => {
  it('lets the attempts of the old one end before the new one is sent anything, and stops the old one then', async () => {
    await start();
    const slow = deferred<Verdict>();
    bench.target.answer = () => slow.promise;
    await bench.source.give(message('M1'));
    while (bench.target.sent.length < 1) await bench.clock.advance(0);
    const next = another();
    let isDone = false;
    const changing = change(next).then(() => {
      isDone = true;
    });
    // What goes to another target is claimed together with it.
    bench.mapper.onMap = () => mapped({ drafts: [draft('M2'), draft('file', { target: 'files' })] });
    expect((await bench.source.give(message('M2')))?.code).toBe('AA');
    await bench.log.seen('delivery-delivered');
    expect([next.sent.length, bench.target.sent.length, bench.target.stopped, isDone]).toEqual([0, 1, false, false]);
    slow.resolve(SUCCESS);
    await changing;
    await bench.log.seen('delivery-delivered', 3);
    expect(next.sent.map(({ resultKey }) => resultKey)).toEqual(['M2']);
    expect(bench.target.stopped).toBe(true);
  });

  it('does not keep the engine from stopping', async () => {
    await start();
    bench.target.answer = (_, signal) =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () => resolve(SUCCESS), { once: true });
      });
    await bench.source.give(message('M1'));
    while (bench.target.sent.length < 1) await bench.clock.advance(0);
    const changing = change(another());
    const stopping = bench.engine.stop();
    await bench.clock.advance(10_000);
    await Promise.all([changing, stopping]);
    expect(bench.target.stopped).toBe(true);
    expect(await change(another())).toEqual([]);
  });

  it('leaves one that is the same alone', async () => {
    await start();
    await change(bench.target);
    expect(bench.target.stopped).toBe(false);
    await bench.source.give(message('M1'));
    await bench.log.seen('delivery-delivered');
  });
});

describe('a change of channels', () => {
  it('says which source could not be opened, closes what is gone and keeps what is the same', async () => {
    await start();
    bench.other.fails = new Error('port taken');
    const failed = await change(bench.target, [
      bench.channel,
      { ...bench.channel, name: 'other', source: bench.other },
    ]);
    expect(failed).toEqual([{ channel: 'other', error: bench.other.fails }]);
    expect(bench.engine.sources().map(({ channel }) => channel)).toEqual(['lab']);
    expect(bench.source.stopped).toBe(false);
    bench.other.fails = null;
    expect(await change(bench.target, [{ ...bench.channel, name: 'other', source: bench.other }])).toEqual([]);
    expect(bench.source.stopped).toBe(true);
    expect((await bench.other.give(message('M1')))?.code).toBe('AA');
  });

  it('reaches the messages of a source that lives on', async () => {
    await start();
    const limits = { segments: 1, fields: 100, repetitions: 100 };
    await change(bench.target, [{ ...bench.channel, limits }]);
    expect((await bench.source.give(message('M1')))?.code).toBe('AR');
    await change(bench.target, [bench.channel]);
    expect((await bench.source.give(message('M1')))?.code).toBe('AA');
  });
});
