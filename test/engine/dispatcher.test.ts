import { afterEach, describe, expect, it } from 'vitest';
import { Fault, type FaultRecord } from '../../src/contracts/fault.ts';
import type { Journal } from '../../src/contracts/journal.ts';
import type { Verdict } from '../../src/contracts/target.ts';
import {
  type Bench,
  type BenchOptions,
  controlIdOf,
  draft,
  failure,
  mapped,
  message,
  SUCCESS,
  setUpBench,
} from './bench.ts';
import { deferred } from './kit.ts';

let bench: Bench;
afterEach(() => bench.tearDown());

async function start(options?: BenchOptions) {
  bench = await setUpBench(options);
  await bench.engine.start();
}

const stateOf = async (messageId: number) => (await bench.journal.readDeliveries(messageId)).map((one) => one.state);

describe('the dispatcher', () => {
  it('tries again after the wait its attempt number gives, until it is delivered', async () => {
    await start();
    bench.target.answer = ({ attempt }) => (attempt < 3 ? failure('target-failing') : SUCCESS);
    const ack = await bench.source.give(message('M1'));
    await bench.log.seen('delivery-retry');
    await bench.clock.advance(499);
    expect(bench.target.sent).toHaveLength(1);
    await bench.clock.advance(1);
    await bench.log.seen('delivery-retry', 2);
    await bench.clock.advance(1_000);
    await bench.log.seen('delivery-delivered');
    expect(bench.target.sent.map((one) => one.attempt)).toEqual([1, 2, 3]);
    expect(await stateOf(ack!.messageId!)).toEqual(['delivered']);
    expect(bench.engine.counters().attempts).toEqual(
      new Map([
        ['covid nord waiting', 2],
        ['covid nord delivered', 1],
      ]),
    );
  });

  it('waits as long as the receiver asks', async () => {
    await start();
    bench.target.answer = ({ attempt }) => (attempt === 1 ? failure('target-busy', 60_000) : SUCCESS);
    await bench.source.give(message('M1'));
    await bench.log.seen('delivery-retry');
    await bench.clock.advance(59_999);
    expect(bench.target.sent).toHaveLength(1);
    await bench.clock.advance(1);
    await bench.log.seen('delivery-delivered');
  });

  it('holds what the receiver refused, and goes on with the next of the lane', async () => {
    await start();
    bench.mapper.onMap = (bytes) => mapped({ drafts: [draft(controlIdOf(bytes), { laneKey: 'one' })] });
    bench.target.answer = ({ resultKey }) => (resultKey === 'M1' ? failure('target-refused') : SUCCESS);
    const first = await bench.source.give(message('M1'));
    await bench.source.give(message('M2'));
    await bench.log.seen('delivery-delivered');
    expect(await stateOf(first!.messageId!)).toEqual(['held']);
    expect(bench.target.sent.map((one) => one.resultKey)).toEqual(['M1', 'M2']);
  });

  it('sends one at a time in a lane, in order of admission, and lanes side by side', async () => {
    await start({ limits: { concurrency: 8 } });
    const gates = new Map<string, ReturnType<typeof deferred<Verdict>>>();
    bench.target.answer = ({ resultKey }) => {
      const gate = deferred<Verdict>();
      gates.set(resultKey, gate);
      return gate.promise;
    };
    bench.mapper.onMap = (bytes) => {
      const id = controlIdOf(bytes);
      return mapped({ drafts: [draft(id, { laneKey: id.slice(0, 1) })] });
    };
    await Promise.all(['A1', 'A2', 'B1', 'B2'].map((id) => bench.source.give(message(id))));
    await bench.clock.advance(0);
    while (bench.target.sent.length < 2) await bench.clock.advance(0);
    expect(bench.target.sent.map((one) => one.resultKey)).toEqual(['A1', 'B1']);
    gates.get('A1')!.resolve(SUCCESS);
    await bench.log.seen('delivery-delivered');
    while (bench.target.sent.length < 3) await bench.clock.advance(0);
    expect(bench.target.sent[2]?.resultKey).toBe('A2');
    for (const id of ['A2', 'B1']) gates.get(id)!.resolve(SUCCESS);
    while (!gates.has('B2')) await bench.clock.advance(0);
    gates.get('B2')!.resolve(SUCCESS);
    await bench.log.seen('delivery-delivered', 4);
  });

  it('has no more in flight than its target allows for a party', async () => {
    await start({ limits: { concurrency: 2 } });
    let inFlight = 0;
    let most = 0;
    bench.target.answer = async () => {
      inFlight += 1;
      most = Math.max(most, inFlight);
      await new Promise((resolve) => setImmediate(resolve));
      inFlight -= 1;
      return SUCCESS;
    };
    await Promise.all(Array.from({ length: 20 }, (_, index) => bench.source.give(message(`M${index}`))));
    await bench.log.seen('delivery-delivered', 20);
    expect(most).toBe(2);
  });

  it('begins no more attempts in a span than its target allows for a party, and sleeps in between', async () => {
    let claims = 0;
    await start({
      limits: { concurrency: 100, rate: { count: 5, perMs: 1_000 } },
      wrap: (journal) => ({
        ...journal,
        claim(slots, now) {
          claims += 1;
          return journal.claim(slots, now);
        },
      }),
    });
    const startedAt = bench.clock.now();
    const begun: number[] = [];
    bench.target.answer = () => {
      begun.push(bench.clock.now() - startedAt);
      return SUCCESS;
    };
    await Promise.all(Array.from({ length: 17 }, (_, index) => bench.source.give(message(`M${index}`))));
    for (let round = 1; round <= 4; round += 1) {
      await bench.log.seen('delivery-delivered', Math.min(17, 5 * round));
      await bench.clock.advance(0);
      // Nobody asks the journal while nothing may be sent.
      const before = claims;
      await bench.clock.advance(999);
      if (round < 4) expect(claims).toBe(before);
      await bench.clock.advance(1);
    }
    expect(begun).toEqual([
      0, 0, 0, 0, 0, 1_000, 1_000, 1_000, 1_000, 1_000, 2_000, 2_000, 2_000, 2_000, 2_000, 3_000, 3_000,
    ]);
  });

  it('keeps each party to a rate of its own', async () => {
    await start({ limits: { rate: { count: 2, perMs: 1_000 } }, channel: { parties: ['nord', 'syd'] } });
    bench.mapper.onMap = (bytes) => {
      const id = controlIdOf(bytes);
      return mapped({ drafts: [draft(id, { party: id.startsWith('N') ? 'nord' : 'syd' })] });
    };
    await Promise.all(['N1', 'N2', 'N3', 'S1', 'S2', 'S3'].map((id) => bench.source.give(message(id))));
    await bench.log.seen('delivery-delivered', 4);
    expect(bench.target.sent.map((one) => one.party).sort()).toEqual(['nord', 'nord', 'syd', 'syd']);
    await bench.clock.advance(1_000);
    await bench.log.seen('delivery-delivered', 6);
  });

  it('serves channels in turn: a flood on one does not starve another', async () => {
    await start({ second: true, limits: { concurrency: 4 } });
    bench.mapper.onMap = (bytes) => mapped({ drafts: [draft(controlIdOf(bytes))] });
    const gate = deferred<void>();
    bench.target.answer = async () => {
      await gate.promise;
      return SUCCESS;
    };
    await Promise.all(Array.from({ length: 500 }, (_, index) => bench.source.give(message(`F${index}`))));
    await Promise.all(Array.from({ length: 40 }, (_, index) => bench.other.give(message(`O${index}`))));
    gate.resolve();
    await bench.log.seen('delivery-delivered', 540);
    const channels = bench.target.sent.map((one) => one.channel);
    const behind = channels.lastIndexOf('other') + 1;
    // Those that were under way when the second channel came, and then one of each in turn.
    expect(behind).toBeLessThanOrEqual(4 + 2 * 40);
    for (let from = 4; from + 8 <= behind; from += 8) {
      const share = channels.slice(from, from + 8).filter((channel) => channel === 'other').length;
      expect(share).toBeGreaterThanOrEqual(3);
    }
  });

  it('sends what is due later when its time comes, and cancels what comes too late', async () => {
    await start();
    const now = bench.clock.now();
    bench.mapper.onMap = (bytes) =>
      mapped({ drafts: [draft(controlIdOf(bytes), { notBefore: now + 5_000, notAfter: now + 9_000 })] });
    await bench.source.give(message('M1'));
    await bench.clock.advance(4_999);
    expect(bench.target.sent).toEqual([]);
    await bench.clock.advance(1);
    await bench.log.seen('delivery-delivered');

    bench.target.answer = () => failure('target-busy', 60_000);
    bench.mapper.onMap = () => mapped({ drafts: [draft('late', { notAfter: now + 20_000 })] });
    const late = await bench.source.give(message('M2'));
    await bench.log.seen('delivery-retry');
    await bench.clock.advance(60_000);
    await bench.log.seen('deliveries-expired');
    expect(await stateOf(late!.messageId!)).toEqual(['cancelled']);
  });

  it('pauses a party that the receiver does not accept, never burns its queue, and comes back with the new certificate', async () => {
    await start({ limits: { concurrency: 1 } });
    let accepted = false;
    bench.target.answer = () => (accepted ? SUCCESS : failure('target-unauthorized'));
    const acks = await Promise.all(['M1', 'M2', 'M3'].map((id) => bench.source.give(message(id))));
    await bench.log.seen('party-paused');
    await bench.clock.advance(30_000);
    expect(bench.target.sent).toHaveLength(1);
    accepted = true;
    bench.versions.set('nord', 'v2');
    await bench.clock.advance(5_000);
    await bench.log.seen('delivery-delivered', 3);
    expect(bench.log.events().filter((event) => event.startsWith('party-'))).toEqual(['party-paused', 'party-resumed']);
    for (const ack of acks) expect(await stateOf(ack!.messageId!)).toEqual(['delivered']);
    expect(bench.target.sent[1]).toMatchObject({ resultKey: 'M1', attempt: 2 });
  });

  it('probes a paused operation with one delivery while the others pass', async () => {
    await start({ limits: { pauseProbeMs: 60_000, concurrency: 4 } });
    let permitted = false;
    bench.target.answer = ({ operation }) =>
      operation === 'recovery' && !permitted ? failure('target-forbidden') : SUCCESS;
    bench.mapper.onMap = (bytes) => {
      const id = controlIdOf(bytes);
      return mapped({ drafts: [draft(id, { operation: id.startsWith('R') ? 'recovery' : 'test' })] });
    };
    await bench.source.give(message('R1'));
    await bench.log.seen('party-paused');
    await bench.source.give(message('R2'));
    await bench.source.give(message('T1'));
    await bench.log.seen('delivery-delivered');
    expect(bench.target.sent.map((one) => one.resultKey)).toEqual(['R1', 'T1']);
    await bench.clock.advance(60_000);
    await bench.log.seen('delivery-retry', 2);
    expect(bench.target.sent.map((one) => one.resultKey)).toEqual(['R1', 'T1', 'R1']);
    permitted = true;
    await bench.clock.advance(60_000);
    await bench.log.seen('delivery-delivered', 3);
  });

  it('spares a receiver that is down, and finds it again', async () => {
    await start({
      limits: {
        concurrency: 1,
        breakAfterDeliveries: 3,
        breakerProbeMs: 30_000,
        retry: { minMs: 600_000, maxMs: 600_000 },
      },
    });
    let down = true;
    bench.target.answer = () => (down ? failure('target-unreachable') : SUCCESS);
    await Promise.all(Array.from({ length: 10 }, (_, index) => bench.source.give(message(`M${index}`))));
    await bench.log.seen('target-failing');
    expect(bench.target.sent).toHaveLength(3);
    await bench.clock.advance(30_000);
    await bench.log.seen('delivery-retry', 4);
    await bench.clock.advance(29_999);
    expect(bench.target.sent).toHaveLength(4);
    down = false;
    await bench.clock.advance(1);
    await bench.log.seen('delivery-delivered', 6);
    await bench.clock.advance(600_000);
    await bench.log.seen('delivery-delivered', 10);
    expect(bench.log.events().filter((event) => event.startsWith('target-'))).toEqual([
      'target-failing',
      'target-recovered',
    ]);
  });

  it('gives up a delivery that keeps failing while others succeed', async () => {
    await start({ limits: { giveUp: { afterFailures: 2, afterMs: 10_000 }, retry: { minMs: 20_000, maxMs: 20_000 } } });
    bench.target.answer = ({ resultKey }) => (resultKey === 'bad' ? failure('target-failing') : SUCCESS);
    const bad = await bench.source.give(message('bad'));
    await bench.log.seen('delivery-retry');
    for (let round = 1; round < 4; round += 1) {
      await bench.source.give(message(`M${round}`));
      await bench.log.seen('delivery-delivered', round);
      await bench.clock.advance(20_000);
      if (round < 2) await bench.log.seen('delivery-retry', round + 1);
      else break;
    }
    await bench.log.seen('delivery-held');
    expect((await bench.journal.readDeliveries(bad!.messageId!))[0]).toMatchObject({
      state: 'held',
      fault: { code: 'given-up' },
    });
  });

  it('aborts an attempt that takes too long, and repeats it where the operation says so', async () => {
    await start({ limits: { timeoutMs: 1_000 } });
    bench.target.answer = ({ attempt }, signal) =>
      attempt > 1
        ? SUCCESS
        : new Promise((resolve) => signal.addEventListener('abort', () => resolve(failure('internal'))));
    await bench.source.give(message('M1'));
    while (bench.target.sent.length < 1) await bench.clock.advance(0);
    await bench.clock.advance(1_000);
    expect(await bench.log.seen('delivery-retry')).toMatchObject({ fault: 'target-timeout' });
    await bench.clock.advance(1_000);
    await bench.log.seen('delivery-delivered');
  });

  it('holds an attempt of unknown outcome where the operation says so, even if the target does not end', async () => {
    await start({ limits: { timeoutMs: 1_000 }, inDoubt: 'hold' });
    bench.target.answer = () => new Promise(() => {});
    await bench.source.give(message('M1'));
    while (bench.target.sent.length < 1) await bench.clock.advance(0);
    await bench.clock.advance(1_000);
    await bench.clock.advance(5_000);
    expect(await bench.log.seen('delivery-held')).toMatchObject({ fault: 'in-doubt' });
  });

  it('holds a delivery at which the target breaks its promise and throws', async () => {
    await start();
    bench.target.answer = () => {
      throw new RangeError('Anna Andersson');
    };
    await bench.source.give(message('M1'));
    expect(await bench.log.seen('delivery-held')).toMatchObject({ fault: 'internal', detail: 'RangeError' });
    expect(JSON.stringify(bench.log.lines)).not.toContain('Anna');
  });

  it('records the end of an attempt as soon as the journal can take it, and sends nothing again meanwhile', async () => {
    let failures = 2;
    await start({
      wrap: (journal): Journal => ({
        ...journal,
        record: (end) => (failures-- > 0 ? Promise.reject(new Fault('journal-failed')) : journal.record(end)),
      }),
    });
    const ack = await bench.source.give(message('M1'));
    await bench.log.seen('journal-write-failed');
    await bench.clock.advance(1_000);
    await bench.log.seen('journal-write-failed', 2);
    await bench.clock.advance(1_000);
    await bench.log.seen('delivery-delivered');
    expect(bench.target.sent).toHaveLength(1);
    expect(await stateOf(ack!.messageId!)).toEqual(['delivered']);
  });

  it('asks the journal again after it could not be asked', async () => {
    let failures = 1;
    await start({
      wrap: (journal): Journal => ({
        ...journal,
        claim: (...args) => (failures-- > 0 ? Promise.reject(new Error('no')) : journal.claim(...args)),
      }),
    });
    await bench.source.give(message('M1'));
    await bench.clock.advance(1_000);
    await bench.log.seen('delivery-delivered');
  });
});

describe('follow-ups', () => {
  const response = (fault: Fault | null = null): Verdict => ({
    ok: true,
    response: { status: 201, contentType: 'application/json', body: Buffer.from('{}'), fault },
  });

  it('of an answer are recorded with the delivery and sent', async () => {
    await start();
    bench.target.answer = () => response();
    bench.mapper.onResponse = (bytes) => [draft(controlIdOf(bytes), { target: 'files' })];
    const ack = await bench.source.give(message('M1'));
    await bench.log.seen('delivery-delivered', 2);
    expect(bench.files.sent).toHaveLength(1);
    const [first] = await bench.journal.readDeliveries(ack!.messageId!);
    expect(first).toMatchObject({ state: 'delivered', response: { status: 201, fault: null } });
  });

  it('of an answer that is not what was asked for are held, and the delivery is delivered', async () => {
    await start();
    bench.target.answer = () => response(new Fault('answer-unreadable'));
    bench.mapper.onResponse = (bytes) => [draft(controlIdOf(bytes), { target: 'files' })];
    const ack = await bench.source.give(message('M1'));
    await bench.log.seen('delivery-delivered');
    const [first, second] = await bench.journal.readDeliveries(ack!.messageId!);
    expect(first).toMatchObject({ state: 'delivered', response: { fault: { code: 'answer-unreadable' } } });
    expect(second).toMatchObject({ state: 'held', fault: { code: 'answer-unreadable' } });
  });

  it('of which one cannot be made are sent but for that one, which is held with why', async () => {
    await start();
    bench.target.answer = () => response();
    const flaw: FaultRecord = { code: 'code-unmapped', at: null, where: 'm.yaml:3:4', detail: 'table t' };
    bench.mapper.onResponse = () => [
      { ...draft('A', { target: 'files' }), body: Buffer.from('null'), flaw },
      draft('B', { target: 'files' }),
    ];
    const ack = await bench.source.give(message('M1'));
    await bench.log.seen('delivery-delivered', 2);
    expect(bench.log.lines.filter(({ event }) => event === 'follow-up-failed')).toMatchObject([
      { target: 'files', fault: 'code-unmapped', where: 'm.yaml:3:4' },
    ]);
    const [first, unmade, made] = await bench.journal.readDeliveries(ack!.messageId!);
    expect(first).toMatchObject({ state: 'delivered', response: { fault: null } });
    expect(unmade).toMatchObject({ state: 'held', fault: flaw, follows: first?.id });
    expect(made).toMatchObject({ state: 'delivered', follows: first?.id });
  });

  it('that cannot be made never lose the delivery', async () => {
    await start();
    bench.target.answer = () => response();
    bench.mapper.onResponse = () => {
      throw new Error('Anna Andersson');
    };
    const ack = await bench.source.give(message('M1'));
    await bench.log.seen('follow-up-failed');
    await bench.log.seen('delivery-delivered');
    const [first] = await bench.journal.readDeliveries(ack!.messageId!);
    expect(first).toMatchObject({ state: 'delivered', response: { fault: { code: 'internal' } } });
    expect(JSON.stringify(bench.log.lines)).not.toContain('Anna');
  });

  it('that cannot be made of this answer say where the mapping wanted more of it', async () => {
    await start();
    bench.target.answer = () => response();
    bench.mapper.onResponse = () => {
      throw new Fault('answer-unreadable', { where: 'm.yaml:3:4' });
    };
    const ack = await bench.source.give(message('M1'));
    await bench.log.seen('delivery-delivered');
    const [first] = await bench.journal.readDeliveries(ack!.messageId!);
    const fault = { code: 'answer-unreadable', where: 'm.yaml:3:4' };
    expect(first).toMatchObject({ state: 'delivered', response: { fault } });
  });
});
