import { describe, expect, it } from 'vitest';
import { parseExactJson } from '../../src/fhir/exact-json.ts';
import { isExactNumber } from '../../src/fhir/json.ts';

describe('exact JSON', () => {
  it.each(['1.50', '1e3', '-0', '0.0', '12345678901234567890.10'])('gives %s back digit by digit', (digits) => {
    const text = `{"a":[${digits}],"b":"1.50","c":null,"d":true}`;
    expect(JSON.stringify(parseExactJson(text))).toBe(text);
  });

  it('tells its numbers from everything else', () => {
    const { number, text, map } = parseExactJson('{"number":1.0,"text":"1.0","map":{"rawJSON":"1"}}') as Record<
      string,
      unknown
    >;
    expect([number, text, map].map(isExactNumber)).toEqual([true, false, false]);
  });

  it('makes nothing of keys that JavaScript knows', () => {
    const value = parseExactJson('{"__proto__":{"a":1},"constructor":2}') as Record<string, unknown>;
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(JSON.stringify(value)).toBe('{"__proto__":{"a":1},"constructor":2}');
  });
});
