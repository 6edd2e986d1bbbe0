import { describe, expect, it } from 'vitest';
import type { AlarmReport, StoredAlarm } from '../../src/contracts/alarm.ts';
import { type Alarms, createAlarms } from '../../src/engine/alarms.ts';
import { createManualClock, createRecordedLog } from './kit.ts';

const MINUTE_MS = 60_000;
const telling = { gatherMs: MINUTE_MS, clearAfterMs: 2 * MINUTE_MS, tellTimeoutMs: 10_000 };

/** What the journal keeps; it outlives the alarms of one run. */
function createMemory() {
  const kept = new Map<string, StoredAlarm>();
  const memory = {
    kept,
    fails: false,
    readAlarms: async () => [...kept.values()],
    async saveAlarms(alarms: readonly StoredAlarm[], gone: readonly string[]) {
      if (memory.fails) throw new Error('disk full');
      for (const alarm of alarms) kept.set(alarm.key, alarm);
      for (const key of gone) kept.delete(key);
    },
  };
  return memory;
}

function createReceiver() {
  const reports: AlarmReport[] = [];
  const receiver = {
    reports,
    answer: async (_: AbortSignal) => true,
    asked: 0,
    async tell(report: AlarmReport, signal: AbortSignal) {
      receiver.asked += 1;
      const isTaken = await receiver.answer(signal);
      if (isTaken) reports.push(report);
      return isTaken;
    },
    /** `+name subject` for raised and `-name subject` for cleared ones, report by report. */
    told: () =>
      reports.map(({ raised, cleared }) =>
        [
          ...raised.map(({ name, subject }) => `+${name} ${subject.channel ?? subject.party ?? ''}`.trim()),
          ...cleared.map(({ name, subject }) => `-${name} ${subject.channel ?? subject.party ?? ''}`.trim()),
        ].join(', '),
      ),
  };
  return receiver;
}

function setUp() {
  const clock = createManualClock();
  const log = createRecordedLog();
  const memory = createMemory();
  const receiver = createReceiver();
  const start = async (): Promise<Alarms> => {
    const alarms = createAlarms({ journal: memory, receiver, clock, log, telling });
    await alarms.restore();
    return alarms;
  };
  const lines = () =>
    log.lines
      .filter(({ event }) => event.startsWith('alarm-'))
      .map(({ event, alarm, channel, count }) =>
        [event, alarm, channel, count].filter((one) => one !== undefined).join(' '),
      );
  return { clock, log, memory, receiver, start, lines };
}

const lab = { channel: 'lab' };

describe('an alarm', () => {
  it('is told once when it is raised, however often, and once when it is cleared', async () => {
    const { clock, receiver, start, lines } = setUp();
    const alarms = await start();
    for (let i = 0; i < 100; i++) {
      alarms.raise('feed-quiet', lab, { count: i });
      await clock.advance(15_000);
    }
    expect(lines()).toEqual(['alarm-raised feed-quiet lab 0']);
    expect(alarms.list()).toMatchObject([{ name: 'feed-quiet', severity: 'warning', fields: { count: 99 } }]);
    alarms.clear('feed-quiet', lab);
    expect(alarms.list()).toHaveLength(1);
    await clock.advance(10 * MINUTE_MS);
    alarms.clear('feed-quiet', lab);
    await clock.advance(10 * MINUTE_MS);
    expect(lines()).toEqual(['alarm-raised feed-quiet lab 0', 'alarm-cleared feed-quiet lab 99']);
    expect(receiver.told()).toEqual(['+feed-quiet lab', '-feed-quiet lab']);
    expect(alarms.list()).toEqual([]);
    await alarms.stop();
  });

  it('that comes and goes within the time to be cleared is one alarm', async () => {
    const { clock, receiver, start, lines } = setUp();
    const alarms = await start();
    for (let i = 0; i < 50; i++) {
      alarms.raise('target-failing', { target: 'a', party: 'b' });
      await clock.advance(30_000);
      alarms.clear('target-failing', { target: 'a', party: 'b' });
      await clock.advance(90_000);
    }
    expect(lines()).toEqual(['alarm-raised target-failing']);
    expect(receiver.reports).toHaveLength(1);
    await alarms.stop();
  });

  it('is told again when it has become worse', async () => {
    const { clock, receiver, start } = setUp();
    const alarms = await start();
    for (const [daysLeft, step] of [
      [60, 1],
      [59, 1],
      [30, 2],
      [29, 2],
      [7, 3],
    ] as const) {
      alarms.raise('certificate-ending', { party: 'nord' }, { daysLeft }, step);
      await clock.advance(24 * 60 * MINUTE_MS);
    }
    expect(receiver.reports.map(({ raised }) => raised[0]?.fields.daysLeft)).toEqual([60, 30, 7]);
    await alarms.stop();
  });

  it('of many subjects at once is one line and one report, and the rest of a long list is left out', async () => {
    const { clock, receiver, log, start, lines } = setUp();
    const alarms = await start();
    for (let i = 0; i < 10_000; i++) alarms.raise('junk-quota', { address: `10.0.${i >> 8}.${i & 255}` });
    await clock.advance(5_000);
    expect(lines()).toEqual(['alarm-raised junk-quota 200']);
    expect(receiver.reports).toHaveLength(1);
    await clock.advance(10 * MINUTE_MS);
    expect(receiver.reports.map(({ raised }) => raised.length)).toEqual([100, 100]);
    expect(log.events().filter((event) => event === 'alarms-too-many')).toHaveLength(1);
    await alarms.stop();
  });

  it('after another of its kind waits to be told with what else comes by then', async () => {
    const { clock, receiver, start, lines } = setUp();
    const alarms = await start();
    alarms.raise('messages-held', { channel: 'a' });
    await clock.advance(2_000);
    for (let i = 0; i < 20; i++) {
      alarms.raise('messages-held', { channel: `b${i}` });
      await clock.advance(1_000);
    }
    expect(lines()).toHaveLength(1);
    await clock.advance(MINUTE_MS);
    expect(lines()).toEqual(['alarm-raised messages-held a', 'alarm-raised messages-held 20']);
    expect(receiver.reports.map(({ raised }) => raised.length)).toEqual([1, 20]);
    await alarms.stop();
  });
});

describe('a webhook that does not answer', () => {
  it('is asked again ever more rarely, holds nothing up, and is an alarm itself', async () => {
    const { clock, receiver, start, lines } = setUp();
    receiver.answer = async () => false;
    const alarms = await start();
    alarms.raise('feed-quiet', lab);
    await clock.advance(60 * MINUTE_MS);
    expect(receiver.asked).toBeGreaterThan(10);
    expect(receiver.asked).toBeLessThan(25);
    expect(lines()).toEqual(['alarm-raised feed-quiet lab', 'alarm-raised webhook-failing']);
    receiver.answer = async () => true;
    await clock.advance(10 * MINUTE_MS);
    expect(receiver.told()).toEqual(['+feed-quiet lab']);
    expect(lines().at(-1)).toBe('alarm-cleared webhook-failing');
    await alarms.stop();
  });

  it('is cut short after its time', async () => {
    const { clock, receiver, start } = setUp();
    receiver.answer = (signal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve(false)));
    const alarms = await start();
    alarms.raise('feed-quiet', lab);
    await clock.advance(telling.tellTimeoutMs + 2_000);
    receiver.answer = async () => true;
    await clock.advance(MINUTE_MS);
    expect(receiver.told()).toEqual(['+feed-quiet lab']);
    await alarms.stop();
  });

  it('is not told of what was over before it could be', async () => {
    const { clock, memory, receiver, start } = setUp();
    receiver.answer = async () => false;
    const alarms = await start();
    alarms.raise('feed-quiet', lab);
    await clock.advance(MINUTE_MS);
    alarms.clear('feed-quiet', lab);
    await clock.advance(3 * MINUTE_MS);
    receiver.answer = async () => true;
    await clock.advance(20 * MINUTE_MS);
    expect(receiver.told()).toEqual([]);
    expect([...memory.kept.values()].map(({ name }) => name)).toEqual([]);
    await alarms.stop();
  });

  it('that stands still while the engine stops does not keep it from stopping', async () => {
    const { clock, receiver, start } = setUp();
    receiver.answer = (signal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve(false)));
    const alarms = await start();
    alarms.raise('feed-quiet', lab);
    await clock.advance(2_000);
    await alarms.stop();
    expect(clock.pending).toBe(0);
  });
});

describe('a restart', () => {
  it('does not repeat what was told, and clears it once it is over', async () => {
    const { clock, receiver, lines, start } = setUp();
    const first = await start();
    first.raise('feed-quiet', lab);
    await clock.advance(2_000);
    await first.stop();
    const second = await start();
    expect(second.list()).toHaveLength(1);
    second.settle('feed-quiet', [{ subject: lab }]);
    await clock.advance(MINUTE_MS);
    expect([lines(), receiver.told()]).toEqual([['alarm-raised feed-quiet lab'], ['+feed-quiet lab']]);
    second.settle('feed-quiet', []);
    await clock.advance(5 * MINUTE_MS);
    expect(receiver.told()).toEqual(['+feed-quiet lab', '-feed-quiet lab']);
    await second.stop();
  });

  it('tells what was not told yet only if it is true still', async () => {
    const { clock, receiver, start } = setUp();
    receiver.answer = async () => false;
    const first = await start();
    first.raise('feed-quiet', lab);
    first.raise('messages-held', lab);
    await clock.advance(2_000);
    await first.stop();
    receiver.answer = async () => true;
    const second = await start();
    await clock.advance(MINUTE_MS);
    expect(receiver.told()).toEqual([]);
    second.settle('messages-held', [{ subject: lab }]);
    second.settle('feed-quiet', []);
    await clock.advance(10 * MINUTE_MS);
    expect(receiver.told()).toEqual(['+messages-held lab']);
    await second.stop();
  });

  it('loses no end: what was cleared while nobody could be told is told then', async () => {
    const { clock, receiver, start } = setUp();
    const first = await start();
    first.raise('feed-quiet', lab);
    await clock.advance(2_000);
    receiver.answer = async () => false;
    first.clear('feed-quiet', lab);
    await clock.advance(5 * MINUTE_MS);
    await first.stop();
    receiver.answer = async () => true;
    const second = await start();
    expect(second.list().map(({ name }) => name)).not.toContain('feed-quiet');
    await clock.advance(10 * MINUTE_MS);
    expect(second.list()).toEqual([]);
    expect(receiver.told()).toEqual(['+feed-quiet lab', '-feed-quiet lab']);
    await second.stop();
  });

  it('leaves alone what nobody knows about yet', async () => {
    const { clock, receiver, start } = setUp();
    const first = await start();
    first.raise('target-failing', { target: 'a', party: 'nord' });
    await clock.advance(2_000);
    await first.stop();
    const second = await start();
    second.settle('target-failing', [], ({ target }) => target === 'a');
    await clock.advance(60 * MINUTE_MS);
    expect(second.list()).toHaveLength(1);
    expect(receiver.reports).toHaveLength(1);
    await second.stop();
  });

  it('while the journal could not be written has what it wrote before, and it is written as soon as it can be', async () => {
    const { clock, memory, start, log } = setUp();
    memory.fails = true;
    const alarms = await start();
    alarms.raise('journal-failing', {});
    await clock.advance(MINUTE_MS);
    expect(log.events()).toContain('alarms-not-saved');
    expect(alarms.list()).toHaveLength(1);
    memory.fails = false;
    await clock.advance(MINUTE_MS);
    expect(memory.kept.size).toBe(1);
    await alarms.stop();
  });
});
