import { describe, expect, it } from 'vitest';
import type { FaultCode, FaultRecord } from '../../src/contracts/fault.ts';
import { acknowledgementId, chooseReply, refuse } from '../../src/engine/reply.ts';

const fault = (code: FaultCode): FaultRecord => ({ code, at: null, where: null, detail: null });

describe('the reply', () => {
  it.each(['mapped', 'skipped', 'held'] as const)('to a %s message is AA without faults', (state) => {
    expect(chooseReply('taken', { state, faults: [fault('code-unmapped')] })).toEqual({ code: 'AA', faults: [] });
  });

  it('to a refused message is AE with the faults that the sender can mend', () => {
    const reply = chooseReply('taken', {
      state: 'refused',
      faults: [fault('code-unmapped'), fault('field-required')],
    });
    expect(reply).toEqual({ code: 'AE', faults: [fault('field-required')] });
  });

  it('to a refused message is AR as soon as one of its faults asks for that', () => {
    const faults = [fault('field-required'), fault('version-unsupported')];
    expect(chooseReply('taken', { state: 'refused', faults }).code).toBe('AR');
  });

  it('to a message that is stored but not mapped asks for the same again', () => {
    expect(chooseReply('taken', { state: 'received', faults: [] }).code).toBe('AR');
  });

  it('without custody is AR', () => {
    expect(refuse([fault('journal-busy')])).toEqual({ code: 'AR', faults: [fault('journal-busy')] });
  });

  it('bears the same control id each time, at most 20 characters, other for another answer', () => {
    const id = acknowledgementId('lab', 'abc', 'AA');
    expect(id).toMatch(/^[0-9A-Z]{20}$/);
    expect(acknowledgementId('lab', 'abc', 'AA')).toBe(id);
    expect(acknowledgementId('lab', 'abc', 'AE')).not.toBe(id);
  });
});
