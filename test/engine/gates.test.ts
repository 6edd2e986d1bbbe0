import { describe, expect, it } from 'vitest';
import type { Target } from '../../src/contracts/target.ts';
import { createGates } from '../../src/engine/gates.ts';
import { TARGET_LIMITS } from '../../src/engine/settings.ts';
import { createRecordedLog } from './kit.ts';

const operation = { summary: '', inDoubt: 'repeat', onCorrection: 'update' } as const;
const target: Target = {
  operations: { test: operation, recovery: operation },
  send: () => Promise.reject(new Error('unused')),
  stop: () => Promise.resolve(),
};
const limits = { ...TARGET_LIMITS, concurrency: 3, breakAfterDeliveries: 2, breakerProbeMs: 100, pauseProbeMs: 1_000 };

function build(parties = ['nord']) {
  const log = createRecordedLog();
  const paused = new Map<string, 'all' | string[]>();
  const versions = new Map<string, string | null>(parties.map((party) => [party, 'v1']));
  const gates = createGates({
    targets: [{ name: 't', target, limits }],
    parties,
    credentialsVersion: (party) => versions.get(party) ?? null,
    pauses: { of: (_, party) => paused.get(party) ?? [] },
    log,
  });
  let id = 0;
  const enter = (name = 'test', party = 'nord', deliveryId = ++id, at = 0) => {
    const attempt = { id: deliveryId, target: 't', operation: name, party };
    gates.entered(attempt, at);
    return attempt;
  };
  return { gates, log, versions, paused, enter };
}

describe('the gates', () => {
  it('leave room for as many as may be in flight', () => {
    const { gates, enter } = build();
    enter();
    expect(gates.slots(0)).toEqual({ open: [{ target: 't', party: 'nord', free: 2, without: [] }], probes: [] });
    enter();
    enter();
    expect(gates.slots(0).open).toEqual([]);
  });

  it('leave no room for what a person paused, not even a probe', () => {
    const { gates, paused, enter } = build(['nord', 'syd']);
    paused.set('nord', 'all');
    paused.set('syd', ['test']);
    expect(gates.slots(0).open).toEqual([{ target: 't', party: 'syd', free: 3, without: ['test'] }]);
    paused.delete('nord');
    gates.left(enter('recovery', 'nord'), 'operation-paused', null, 0);
    gates.left(enter('test', 'syd'), 'party-paused', null, 0);
    paused.set('nord', ['recovery']);
    expect(gates.slots(1_000)).toEqual({
      open: [{ target: 't', party: 'nord', free: 3, without: ['recovery'] }],
      probes: [{ target: 't', party: 'syd', free: 1, without: ['test'] }],
    });
    paused.set('syd', 'all');
    expect(gates.slots(1_000).probes).toEqual([]);
  });

  it('close a party with one alarm, let others pass, and probe with one delivery', () => {
    const { gates, log, enter } = build(['nord', 'syd']);
    const first = enter();
    const second = enter();
    gates.left(first, 'party-paused', { code: 'target-unauthorized', at: null, where: null, detail: '401' }, 0);
    gates.left(second, 'party-paused', null, 0);
    expect(log.lines).toEqual([
      {
        level: 'error',
        event: 'party-paused',
        target: 't',
        party: 'nord',
        fault: 'target-unauthorized',
        detail: '401',
      },
    ]);
    expect(gates.slots(999).open.map((slot) => slot.party)).toEqual(['syd']);
    expect(gates.slots(999).probes).toEqual([]);
    expect(gates.nextProbeAt()).toBe(1_000);
    expect(gates.slots(1_000).probes).toEqual([{ target: 't', party: 'nord', free: 1, without: [] }]);

    const probe = enter();
    expect(gates.slots(1_000).probes).toEqual([]);
    gates.left(probe, 'alive', null, 1_000);
    expect(log.events()).toEqual(['party-paused', 'party-resumed']);
    expect(gates.slots(1_000).open.map((slot) => slot.party)).toEqual(['nord', 'syd']);
  });

  it('stay closed when the probe fails, whatever it fails of', () => {
    const { gates, enter } = build();
    gates.left(enter(), 'party-paused', null, 0);
    gates.left(enter(), 'failing', null, 1_000);
    expect(gates.slots(1_999)).toEqual({ open: [], probes: [] });
    gates.left(enter(), 'unknown', null, 2_000);
    expect(gates.slots(2_999)).toEqual({ open: [], probes: [] });
  });

  it('close one operation alone', () => {
    const { gates, log, enter } = build();
    gates.left(enter('recovery'), 'operation-paused', null, 0);
    expect(gates.slots(0).open).toEqual([{ target: 't', party: 'nord', free: 3, without: ['recovery'] }]);
    enter('test');
    expect(gates.slots(1_000)).toEqual({
      open: [{ target: 't', party: 'nord', free: 1, without: ['recovery'] }],
      probes: [{ target: 't', party: 'nord', free: 1, without: ['test'] }],
    });
    const probe = enter('recovery');
    expect(gates.slots(1_000).probes).toEqual([]);
    gates.left(enter('test'), 'alive', null, 1_000);
    expect(log.events()).toEqual(['party-paused']);
    gates.left(probe, 'alive', null, 1_000);
    expect(log.events()).toEqual(['party-paused', 'party-resumed']);
  });

  it('are tried at once, and once, when the party’s certificate was renewed', () => {
    const { gates, versions, enter } = build();
    gates.left(enter(), 'party-paused', null, 0);
    expect(gates.noticeRenewals(10)).toBe(false);
    versions.set('nord', 'v2');
    expect(gates.noticeRenewals(20)).toBe(true);
    expect(gates.slots(20).probes).toHaveLength(1);
    gates.left(enter(), 'party-paused', null, 20);
    expect(gates.noticeRenewals(30)).toBe(false);
  });

  it('break after several different deliveries failed in a row, never after one that fails again and again', () => {
    const { gates, log, enter } = build();
    for (let time = 0; time < 10; time += 1) gates.left(enter('test', 'nord', 7), 'failing', null, time);
    expect(gates.slots(20).open).toHaveLength(1);
    gates.left(enter('test', 'nord', 8), 'failing', null, 20);
    expect(gates.slots(20)).toEqual({ open: [], probes: [] });
    expect(gates.slots(120).probes).toHaveLength(1);
    gates.left(enter(), 'failing', null, 120);
    expect(gates.slots(219)).toEqual({ open: [], probes: [] });
    gates.left(enter(), 'alive', null, 220);
    expect(gates.slots(220).open).toHaveLength(1);
    expect(log.events()).toEqual(['target-failing', 'target-recovered']);
  });

  it('forget failures at a sign of life', () => {
    const { gates, enter } = build();
    gates.left(enter(), 'failing', null, 0);
    gates.left(enter(), 'alive', null, 0);
    gates.left(enter(), 'failing', null, 0);
    expect(gates.slots(0).open).toHaveLength(1);
  });
});

describe('gates that are arranged anew', () => {
  it('keep what they know of a target that is the same, under its new limits', () => {
    const { gates, log, enter } = build(['nord', 'syd']);
    const flying = enter();
    gates.left(enter('test', 'syd'), 'party-paused', null, 0);
    gates.arrange([{ name: 't', target, limits: { ...limits, concurrency: 5 } }], ['nord', 'syd', 'ost']);
    expect(gates.slots(0).open).toEqual([
      { target: 't', party: 'nord', free: 4, without: [] },
      { target: 't', party: 'ost', free: 5, without: [] },
    ]);
    gates.left(flying, 'alive', null, 0);
    expect(gates.slots(0).open[0]?.free).toBe(5);
    expect(log.events()).toEqual(['party-paused']);
  });

  it('forget the pauses and failures of a target that was replaced, not what is still in flight', () => {
    const { gates, enter } = build();
    const flying = enter();
    gates.left(enter(), 'party-paused', null, 0);
    gates.arrange([{ name: 't', target: { ...target }, limits }], ['nord']);
    gates.shut('t');
    expect(gates.slots(0)).toEqual({ open: [], probes: [] });
    gates.left(flying, 'alive', null, 0);
    gates.reopen('t');
    expect(gates.slots(0).open).toEqual([{ target: 't', party: 'nord', free: 3, without: [] }]);
  });

  it('have no room for what is gone', () => {
    const { gates, enter } = build(['nord', 'syd']);
    const flying = enter('test', 'syd');
    gates.arrange([{ name: 't', target, limits }], ['nord']);
    gates.left(flying, 'failing', null, 0);
    expect(gates.slots(0).open.map(({ party }) => party)).toEqual(['nord']);
    gates.arrange([], ['nord']);
    expect(gates.slots(0)).toEqual({ open: [], probes: [] });
  });
});
