import { afterEach, describe, expect, it } from 'vitest';
import { RETENTION_SETTINGS } from '../../src/engine/retention.ts';
import { type Bench, type BenchOptions, message, setUpBench } from './bench.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

let bench: Bench;
afterEach(() => bench.tearDown());
async function setUp(options: BenchOptions = {}) {
  bench = await setUpBench(options);
}

/** Until a pass that begins by then has ended: the journal writes in another thread, and answers in order. */
async function pass() {
  await bench.clock.advance(HOUR_MS);
  for (let i = 0; i < 30; i++) {
    await bench.journal.payAck({ messageId: 0, at: 0, code: 'AA', by: 'waived' });
    await bench.clock.advance(1_000);
  }
}
/** Passes until something is so. */
async function until(holds: () => Promise<boolean>) {
  for (let i = 0; i < 10 && !(await holds()); i++) await pass();
  expect(await holds()).toBe(true);
}
const isPruned = async (id: number) => (await bench.journal.readMessage(id))!.isPruned;

describe('retention of a running engine', () => {
  it('takes the bytes of what is old enough, and who sends it again gets the answer it had', async () => {
    await setUp();
    await bench.engine.start();
    const first = await bench.source.give(message('M1'));
    await bench.log.seen('delivery-delivered');
    await bench.clock.advance(89 * DAY_MS);
    const young = await bench.source.give(message('M2'));
    await bench.log.seen('delivery-delivered', 2);
    await pass();
    expect(await isPruned(first!.messageId!)).toBe(false);
    await bench.clock.advance(DAY_MS);
    await until(() => isPruned(first!.messageId!));
    expect(await isPruned(young!.messageId!)).toBe(false);
    expect(await bench.log.seen('messages-pruned')).toMatchObject({ count: 1 });
    const again = await bench.source.give(message('M1'));
    expect([again!.code, again!.messageId]).toEqual(['AA', first!.messageId]);
    expect(bench.target.sent).toHaveLength(2);
    await bench.clock.advance(320 * DAY_MS);
    await until(async () => (await bench.journal.readMessage(first!.messageId!)) === null);
  }, 60_000);

  it('gives up acknowledgements that nothing takes, with one alarm', async () => {
    await setUp();
    await bench.journal.admit({
      channel: 'lab',
      bytes: message('M1'),
      contentHash: 'ab'.repeat(32),
      controlId: 'M1',
      origin: 'mllp 10.0.0.1:5',
      sender: null,
      receivedAt: bench.clock.now() - RETENTION_SETTINGS.owedAckMs - DAY_MS,
      owesAck: true,
      outcome: {
        state: 'skipped',
        mappingVersion: null,
        statements: [],
        drafts: [],
        skipped: [],
        faults: [],
        provides: [],
        warnings: [],
      },
    });
    await bench.engine.start();
    await pass();
    expect(bench.engine.alarms().map(({ name }) => name)).toContain('acks-dropped');
    expect((await bench.journal.readHistory(1)).at(-1)).toMatchObject({ event: 'ack-dropped' });
    expect((await bench.engine.overview()).owedAcks).toEqual([]);
  }, 60_000);

  it('takes nothing sooner than a clock that is set forward by an hour makes it, and goes on when it is set back', async () => {
    await setUp();
    await bench.engine.start();
    const { messageId } = (await bench.source.give(message('M1')))!;
    await bench.log.seen('delivery-delivered');
    await bench.clock.advance(90 * DAY_MS - 6 * HOUR_MS);
    bench.clock.jump(HOUR_MS);
    for (let i = 0; i < 3; i++) await pass();
    expect(await isPruned(messageId!)).toBe(false);
    bench.clock.jump(-HOUR_MS);
    await until(() => isPruned(messageId!));
  }, 60_000);
});
