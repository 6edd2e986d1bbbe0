import { describe, expect, it } from 'vitest';
import type { FaultCode, FaultRecord } from '../../src/contracts/fault.ts';
import type { Draft, Mapped } from '../../src/contracts/mapper.ts';
import { mappedToOutcome } from '../../src/engine/outcome.ts';

const draft: Draft = {
  resultKey: 'r1',
  target: 'covidbevis',
  operation: 'test-certificate',
  party: 'nord',
  laneKey: 'l1',
  body: new Uint8Array([1]),
  notBefore: null,
  notAfter: null,
  once: null,
  waived: null,
  needs: null,
  flaw: null,
};
const statement = { resultKey: 'r1', rank: '1', digest: 'd' };
const fault = (code: FaultCode): FaultRecord => ({ code, at: null, where: null, detail: null });
const mapped = (some: Partial<Mapped>): Mapped => ({
  statements: [],
  drafts: [],
  skipped: [],
  faults: [],
  provides: [],
  warnings: [],
  ...some,
});
const findOperation = (target: string, operation: string) =>
  target === 'covidbevis' && operation === 'test-certificate'
    ? { summary: '', inDoubt: 'repeat' as const, onCorrection: 'hold' as const }
    : null;
const decide = (some: Partial<Mapped>) => mappedToOutcome(mapped(some), 'v1', ['nord'], findOperation);

describe('the outcome of a message', () => {
  it('is refused without drafts and statements as soon as one fault is the message’s own', () => {
    const outcome = decide({
      drafts: [draft],
      statements: [statement],
      faults: [fault('code-unmapped'), fault('field-required')],
    });
    expect(outcome).toMatchObject({ state: 'refused', drafts: [], statements: [], mappingVersion: 'v1' });
    expect(outcome.faults).toHaveLength(2);
  });

  it('is held for any other fault, and the good drafts go on', () => {
    const outcome = decide({ drafts: [draft], faults: [fault('code-unmapped')] });
    expect(outcome.state).toBe('held');
    expect(outcome.drafts).toEqual([{ ...draft, inDoubt: 'repeat', onCorrection: 'hold', held: null }]);
  });

  it('is mapped for drafts, and for statements alone', () => {
    expect(decide({ drafts: [draft], statements: [statement], skipped: [{ reason: 'x', at: null }] }).state).toBe(
      'mapped',
    );
    expect(decide({ statements: [statement] }).state).toBe('mapped');
  });

  it('is skipped with its reasons where every result was left out, though they are stated', () => {
    const outcome = decide({ statements: [statement], skipped: [{ reason: 'not-final', at: 'OBX[1]' }] });
    expect(outcome).toMatchObject({ state: 'skipped', skipped: [{ reason: 'not-final' }], statements: [statement] });
  });

  it('is skipped for want of results where there is nothing at all', () => {
    expect(decide({})).toMatchObject({ state: 'skipped', skipped: [{ reason: 'no-results', at: null }] });
  });

  it('is held where a draft names a party that the channel does not list', () => {
    const outcome = decide({ drafts: [draft, { ...draft, party: 'syd' }] });
    expect(outcome.state).toBe('held');
    expect(outcome.drafts.map((one) => one.held?.code ?? null)).toEqual([null, 'party-not-permitted']);
  });

  it('is held where a draft names an operation that its target does not have', () => {
    const outcome = decide({ drafts: [{ ...draft, operation: 'nothing' }] });
    expect(outcome).toMatchObject({ state: 'held', faults: [{ code: 'mapping-incomplete' }] });
    expect(outcome.drafts[0]).toMatchObject({ inDoubt: 'hold', held: { code: 'mapping-incomplete' } });
  });
});
