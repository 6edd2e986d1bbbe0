import { describe, expect, it } from 'vitest';
import type { AttemptParts } from '../../src/engine/attempt.ts';
import { createDispatcher } from '../../src/engine/dispatcher.ts';
import { createGates } from '../../src/engine/gates.ts';
import { TARGET_LIMITS } from '../../src/engine/settings.ts';
import { createManualClock, createRecordedLog } from './kit.ts';

describe('a wake', () => {
  /** A journal that only counts how often it is asked. */
  function createCounted() {
    let asked = 0;
    const clock = createManualClock();
    const log = createRecordedLog();
    const place = { name: 't', target: { operations: {}, send: unused, stop: unused }, limits: TARGET_LIMITS };
    const gates = createGates({
      targets: [place],
      parties: ['nord'],
      credentialsVersion: () => null,
      pauses: { of: () => [] },
      log,
    });
    const claim = async () => {
      asked += 1;
      return { deliveries: [], expired: [], nextDueAt: null };
    };
    const attempts = {} as AttemptParts;
    const dispatcher = createDispatcher({
      journal: { claim },
      targets: new Map(),
      gates,
      expiry: { note() {} },
      attempts,
      clock,
      log,
    });
    return { dispatcher, asked: () => asked };
  }
  const unused = () => Promise.reject(new Error('unused'));

  it('is never lost, in whatever moment of a round it comes', async () => {
    for (let ticks = 0; ticks < 20; ticks += 1) {
      const { dispatcher, asked } = createCounted();
      dispatcher.start();
      for (let tick = 0; tick < ticks; tick += 1) await null;
      const before = asked();
      dispatcher.wake();
      await new Promise((resolve) => setImmediate(resolve));
      expect(asked(), `after ${ticks} ticks`).toBeGreaterThan(before);
      await dispatcher.stop();
    }
  });
});
