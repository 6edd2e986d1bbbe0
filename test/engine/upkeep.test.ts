import { afterEach, describe, expect, it } from 'vitest';
import type { AlarmReport } from '../../src/contracts/alarm.ts';
import { Fault } from '../../src/contracts/fault.ts';
import { ALARM_SETTINGS, WATCH_EVERY_MS } from '../../src/engine/watch.ts';
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

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const unmapped = { code: 'code-unmapped', at: null, where: null, detail: null } as const;

let bench: Bench;
afterEach(() => bench.tearDown());

const told: AlarmReport[] = [];
async function setUp(options: BenchOptions = {}) {
  told.length = 0;
  bench = await setUpBench({ alarmReceiver: { tell: async (report) => told.push(report) > 0 }, ...options });
}
const alarmLines = () =>
  bench.log.lines
    .filter(({ event }) => event.startsWith('alarm-'))
    .map(({ event, alarm, count }) => [event.slice(6), alarm, count].filter((one) => one !== undefined).join(' '));
const names = () => bench.engine.alarms().map(({ name }) => name);
/** So many looks of the watch. */
async function watch(looks = 2) {
  for (let i = 0; i < looks; i++) {
    await bench.clock.advance(WATCH_EVERY_MS);
    // The journal answers from another thread.
    await bench.engine.overview();
    await bench.clock.advance(0);
  }
}
async function until(holds: () => boolean) {
  for (let i = 0; i < 400 && !holds(); i++) await watch(1);
  expect(holds()).toBe(true);
}

describe('alarms of a running engine', () => {
  it('do not flood: 10 000 held messages are one alarm, and its end is another line', async () => {
    await setUp();
    bench.mapper.onMap = () => mapped({ faults: [unmapped] });
    await bench.engine.start();
    for (let i = 0; i < 20; i++) {
      const burst = Array.from({ length: 500 }, (_, n) => bench.source.give(message(`M${i}-${n}`)));
      await Promise.all(burst);
      await watch(1);
    }
    await until(() => alarmLines().length > 0);
    await watch(8);
    expect(alarmLines().filter((line) => line.startsWith('raised'))).toHaveLength(1);
    expect(told.flatMap(({ raised }) => raised)).toMatchObject([
      { name: 'messages-held', subject: { channel: 'lab' } },
    ]);
    expect(bench.engine.alarms()).toMatchObject([{ name: 'messages-held', fields: { count: 10_000 } }]);
    for (let first = 1; first <= 10_000; first += 1_000) {
      const things = Array.from({ length: 1_000 }, (_, n) => ({ message: first + n }));
      await bench.engine.operations.cancel(things, { by: 'anna', note: null });
      await watch(1);
    }
    await until(() => alarmLines().length === 2);
    expect(alarmLines().map((line) => line.split(' ')[0])).toEqual(['raised', 'cleared']);
    expect(names()).toEqual([]);
  }, 120_000);

  it('tell of a receiver that fails, and that it works again', async () => {
    await setUp({ limits: { breakAfterDeliveries: 2 } });
    bench.target.answer = () => failure('target-unreachable');
    await bench.engine.start();
    for (const id of ['M1', 'M2', 'M3']) await bench.source.give(message(id));
    await until(() => names().includes('target-failing'));
    expect(bench.engine.alarms()[0]).toMatchObject({
      name: 'target-failing',
      severity: 'critical',
      subject: { target: 'covid', party: 'nord' },
      fields: { detail: 'target-unreachable' },
    });
    bench.target.answer = () => SUCCESS;
    await until(() => alarmLines().includes('cleared target-failing'));
    expect(alarmLines().filter((line) => line.startsWith('raised target-failing'))).toHaveLength(1);
  }, 60_000);

  it('tell of a party that is not accepted, and of its certificate at 60, 30 and 7 days and at its end', async () => {
    let validTo = 0;
    await setUp({ validTo: () => validTo });
    validTo = bench.clock.now() + 100 * DAY_MS;
    bench.target.answer = () => failure('target-unauthorized');
    await bench.engine.start();
    await bench.source.give(message('M1'));
    await until(() => names().includes('party-paused'));
    const seen: string[] = [];
    for (const days of [61, 60, 45, 30, 20, 7, 3, 0]) {
      validTo = bench.clock.now() + days * DAY_MS + (days > 0 ? HOUR_MS : 0);
      await watch(6);
      for (const { raised } of told.splice(0)) {
        for (const { name, fields } of raised)
          if (name.startsWith('certificate')) seen.push(`${name} ${fields.daysLeft ?? ''}`);
      }
    }
    expect(seen.map((one) => one.trim())).toEqual([
      'certificate-ending 60',
      'certificate-ending 30',
      'certificate-ending 7',
      'certificate-ended',
    ]);
  }, 60_000);

  it('tell of a certificate that cannot be used', async () => {
    let fault: Fault | null = new Fault('party-stopped');
    await setUp({ partyFault: () => fault });
    await bench.engine.start();
    await until(() => names().includes('party-stopped'));
    expect(bench.engine.alarms()).toMatchObject([{ severity: 'critical', subject: { party: 'nord' } }]);
    fault = null;
    await until(() => names().length === 0);
  }, 60_000);

  it('tell of deliveries that are held, and that nobody has to decide any more', async () => {
    await setUp();
    bench.target.answer = () => failure('target-refused');
    await bench.engine.start();
    const ack = await bench.source.give(message('M1'));
    await until(() => names().includes('deliveries-held'));
    expect(bench.engine.alarms()).toMatchObject([
      { subject: { target: 'covid', party: 'nord' }, fields: { count: 1 } },
    ]);
    await bench.engine.operations.cancel([{ message: ack!.messageId! }], { by: 'anna', note: null });
    await until(() => names().length === 0);
    await until(() => alarmLines().length === 2);
    expect(alarmLines()).toEqual(['raised deliveries-held 1', 'cleared deliveries-held 1']);
  }, 60_000);

  it('tell of a queue that grows and of a delivery that is due for too long', async () => {
    const queue = { floor: 5, windowMs: 4 * WATCH_EVERY_MS };
    await setUp({
      limits: { concurrency: 1 },
      upkeep: { alarms: { ...ALARM_SETTINGS, queue, oldestWaitingMs: 5 * MINUTE_MS } },
    });
    const ends: (() => void)[] = [];
    bench.target.answer = () => new Promise((resolve) => ends.push(() => resolve(SUCCESS)));
    bench.mapper.onMap = (bytes) => mapped({ drafts: [draft(controlIdOf(bytes))] });
    await bench.engine.start();
    for (let i = 0; i < 4; i++) await bench.source.give(message(`M${i}`));
    await watch(9);
    expect(names()).toEqual([]);
    for (let i = 4; i < 20; i++) {
      await bench.source.give(message(`M${i}`));
      await watch(1);
    }
    await until(() => names().includes('queue-growing'));
    await until(() => names().includes('waiting-too-long'));
    expect(alarmLines().filter((line) => line.includes('queue-growing'))).toHaveLength(1);
    bench.target.answer = () => SUCCESS;
    for (const end of ends) end();
  }, 60_000);

  it('tell of mapping files and configurations with mistakes, of a full disk, and of what somebody paused', async () => {
    let free = 1_000_000;
    await setUp({ free: () => free });
    await bench.engine.start();
    bench.engine.noteMappingProblem('mappings/x.yaml:1:1 no');
    bench.engine.noteConfigurationProblem('sluss.yaml:3:1 no');
    free = 10;
    await bench.engine.operations.pause({ target: 'covid', party: null, operation: null }, { by: 'anna', note: null });
    await until(() => names().length === 4);
    expect([...names()].sort()).toEqual([
      'configuration-reload-failed',
      'disk-reserve',
      'mapping-reload-failed',
      'paused',
    ]);
    bench.engine.useMapper(bench.mapper);
    bench.engine.noteConfigurationProblem(null);
    free = 1_000_000;
    await bench.engine.operations.resume({ target: 'covid', party: null, operation: null }, { by: 'anna', note: null });
    await until(() => names().length === 0);
  }, 60_000);

  it('tell of a journal that cannot be written, and raise it even so', async () => {
    let isBroken = false;
    await setUp({
      wrap: (journal) => ({
        ...journal,
        admit: (admission) => (isBroken ? Promise.reject(new Fault('journal-failed')) : journal.admit(admission)),
        saveAlarms: (...args) => (isBroken ? Promise.reject(new Fault('journal-failed')) : journal.saveAlarms(...args)),
      }),
    });
    await bench.engine.start();
    isBroken = true;
    await bench.source.give(message('M1'));
    await until(() => names().includes('journal-failing'));
    isBroken = false;
    await bench.source.give(message('M2'));
    await until(() => names().length === 0);
  }, 60_000);

  it('tell of acknowledgements that nothing takes, and of their end', async () => {
    await setUp({ upkeep: { alarms: { ...ALARM_SETTINGS, ackOwedMs: 5 * MINUTE_MS } } });
    await bench.journal.admit({
      channel: 'lab',
      bytes: message('M1'),
      contentHash: 'ab'.repeat(32),
      controlId: 'M1',
      origin: 'mllp 10.0.0.1:5',
      sender: null,
      receivedAt: bench.clock.now(),
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
    await until(() => names().includes('acks-unpayable'));
    expect(bench.engine.alarms()[0]).toMatchObject({ subject: { channel: 'lab' }, fields: { count: 1 } });
  }, 60_000);

  it('are not made of a clock that is set forward or back by an hour', async () => {
    await setUp({ upkeep: { alarms: { ...ALARM_SETTINGS, oldestWaitingMs: 30 * MINUTE_MS } } });
    await bench.engine.start();
    let end = () => {};
    bench.target.answer = () =>
      new Promise((resolve) => {
        end = () => resolve(SUCCESS);
      });
    for (const [n, jump] of [HOUR_MS, -HOUR_MS].entries()) {
      await bench.source.give(message(`M${jump}`));
      while (bench.target.sent.length <= n) await bench.clock.advance(0);
      bench.clock.jump(jump);
      // Seen once as if it had waited for an hour.
      await watch(1);
      end();
      await bench.log.seen('delivery-delivered', n + 1);
      await watch(6);
    }
    expect(alarmLines()).toEqual([]);
  }, 60_000);
});

describe('what is no message', () => {
  const junk = (n: number) => Buffer.from(`GET /${n} HTTP/1.1`);

  it('is kept up to a quota of its address, counted beyond it, answered all the same, and is one alarm a day', async () => {
    await setUp({ upkeep: { junk: { perAddressBytes: 2_000, totalBytes: 1_000_000 } } });
    await bench.engine.start();
    const answers = [];
    for (let i = 0; i < 50; i++)
      answers.push(await bench.source.give(junk(i), { origin: `mllp 10.0.0.9:${4000 + i}` }));
    const kept = answers.filter((ack) => ack!.messageId !== null);
    expect(kept.length).toBeGreaterThan(2);
    expect(kept.length).toBeLessThan(6);
    expect(new Set(answers.map((ack) => `${ack!.code} ${ack!.isFinal} ${ack!.bytes.length > 50}`))).toEqual(
      new Set(['AR true true']),
    );
    expect(bench.engine.counters().unkept.get('lab')).toBe(50 - kept.length);
    // Somebody else is kept, and a message of the same address is taken.
    expect((await bench.source.give(junk(99), { origin: 'mllp 10.0.0.10:5' }))!.messageId).not.toBeNull();
    expect((await bench.source.give(message('M1'), { origin: 'mllp 10.0.0.9:5' }))!.code).toBe('AA');
    await watch(4);
    expect(alarmLines()).toEqual(['raised junk-quota']);
    expect(bench.engine.alarms()).toMatchObject([{ subject: { address: '10.0.0.9' } }]);
    await bench.clock.advance(DAY_MS);
    expect((await bench.source.give(junk(100), { origin: 'mllp 10.0.0.9:7' }))!.messageId).not.toBeNull();
    await until(() => names().length === 0);
  }, 60_000);

  it('has a quota for all addresses together, too', async () => {
    await setUp({ upkeep: { junk: { perAddressBytes: 2_000, totalBytes: 3_000 } } });
    await bench.engine.start();
    let kept = 0;
    for (let i = 0; i < 30; i++) {
      const ack = await bench.source.give(junk(i), { origin: `mllp 10.0.${i}.9:5` });
      if (ack!.messageId !== null) kept += 1;
    }
    expect(kept).toBeLessThan(8);
  }, 60_000);
});
