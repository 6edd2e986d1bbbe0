import { describe, expect, it } from 'vitest';
import { FAULTS, Fault, type FaultCode } from '../../src/contracts/fault.ts';
import type { Verdict } from '../../src/contracts/target.ts';
import { judge } from '../../src/engine/verdict.ts';

const failed = (code: FaultCode, retryAfterMs: number | null = null): Verdict => ({
  ok: false,
  fault: new Fault(code),
  retryAfterMs,
  response: null,
});
const precedents = { now: 1_000, nextAt: (after: number | null) => 1_000 + (after ?? 50), isHopeless: () => false };
const repeat = { inDoubt: 'repeat' } as const;
const hold = { inDoubt: 'hold' } as const;

describe('the judge', () => {
  it('gives every fault of the table a state: blame decides', () => {
    for (const code of Object.keys(FAULTS) as FaultCode[]) {
      const { outcome } = judge(failed(code), repeat, precedents);
      const { blame, pauses } = FAULTS[code];
      const doubtful = code === 'in-doubt' || code === 'stopping';
      expect(outcome.state, code).toBe(blame === 'world' || pauses !== null || doubtful ? 'waiting' : 'held');
    }
  });

  it('delivers what the receiver took', () => {
    expect(judge({ ok: true, response: null }, hold, precedents)).toEqual({
      outcome: { state: 'delivered' },
      standing: 'alive',
    });
  });

  it('waits as long as the receiver asks', () => {
    expect(judge(failed('target-busy', 700), repeat, precedents).outcome).toMatchObject({ nextAt: 1_700 });
  });

  it('holds an attempt of unknown outcome where the operation says so, and repeats it where it says that', () => {
    expect(judge(failed('target-timeout'), hold, precedents).outcome).toMatchObject({
      state: 'held',
      fault: { code: 'in-doubt' },
    });
    expect(judge(failed('target-timeout'), repeat, precedents).outcome.state).toBe('waiting');
    expect(judge(failed('stopping'), hold, precedents).outcome.state).toBe('held');
    expect(judge(failed('stopping'), repeat, precedents).outcome).toMatchObject({ nextAt: 1_000 });
  });

  it('never burns a delivery that failed because its party is paused', () => {
    const hopeless = { ...precedents, isHopeless: () => true };
    expect(judge(failed('target-unauthorized'), hold, hopeless)).toMatchObject({
      outcome: { state: 'waiting', nextAt: 1_000 },
      standing: 'party-paused',
    });
    expect(judge(failed('target-forbidden'), hold, hopeless).standing).toBe('operation-paused');
    expect(judge(failed('party-stopped'), hold, hopeless).standing).toBe('party-paused');
  });

  it('holds what keeps failing while others succeed', () => {
    const hopeless = { ...precedents, isHopeless: () => true };
    expect(judge(failed('target-failing'), repeat, hopeless).outcome).toMatchObject({
      state: 'held',
      fault: { code: 'given-up' },
    });
  });

  it('takes a refusal of the content for a sign of life', () => {
    expect(judge(failed('target-refused'), repeat, precedents).standing).toBe('alive');
    expect(judge(failed('internal'), repeat, precedents).standing).toBe('unknown');
  });
});
