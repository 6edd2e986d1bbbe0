import { describe, expect, it } from 'vitest';
import { exactNumber, isExactNumber } from '../../src/fhir/json.ts';

describe('exactNumber', () => {
  it.each(['1.50', '-0.0', '0', '12345678901234567890.10', '1e-7'])('leaves as %s', (digits) => {
    expect(JSON.stringify({ value: exactNumber(digits) })).toBe(`{"value":${digits}}`);
  });

  it.each(['', ' 1', '01', '1.', '.5', '+1', 'NaN', 'abc', '1,0'])(
    'refuses %j, which is no number of JSON',
    (digits) => {
      expect(() => exactNumber(digits)).toThrow(SyntaxError);
    },
  );

  it('is known again', () => {
    expect(isExactNumber(exactNumber('1'))).toBe(true);
    for (const other of [1, '1', null, undefined, { rawJSON: '1' }]) expect(isExactNumber(other)).toBe(false);
  });
});
