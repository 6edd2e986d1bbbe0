import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deriveIdentifier, deriveKey } from '../../src/fhir/identifier.ts';

const secret = (text: string) => new TextEncoder().encode(text);
const SECRET = secret('s');

describe('deriveKey', () => {
  it('is always the same for equal parts under one secret, whichever bytes hold it', () => {
    expect(deriveKey(SECRET, ['a', 'b'])).toMatch(/^[0-9a-f]{64}$/);
    expect(deriveKey(secret('s'), ['a', 'b'])).toBe(deriveKey(SECRET, ['a', 'b']));
  });

  it('tells where one part ends and the next begins', () => {
    const keys = [['ab', ''], ['a', 'b'], ['', 'ab'], ['ab'], ['a', 'b', ''], ['a","b']].map((parts) =>
      deriveKey(SECRET, parts),
    );
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('is the HMAC-SHA-256 of the parts as JSON, short or long, whatever the length of the secret', () => {
    for (const character of ['a', 'å', '€', '😀', '\u0000', '\ud800', '"'])
      for (const length of [0, 1, 166, 167, 331, 332, 9997, 19994, 19995, 19996, 30000])
        for (const secretBytes of [0, 1, 63, 64, 65, 100]) {
          const bytes = new Uint8Array(secretBytes).fill(7);
          const parts = ['', character.repeat(length)];
          const hmac = createHmac('sha256', bytes).update(JSON.stringify(parts)).digest('hex');
          expect(deriveKey(bytes, parts), `${character} ${length} ${secretBytes}`).toBe(hmac);
        }
  });

  it('is the same for a part in pieces, wherever it is cut and whatever stands where a slice of it ends', () => {
    for (const character of ['a', '€', '😀', '\u0000', '\ud800', '"'])
      for (const length of [0, 1, 16_383, 32_767, 32_768, 65_536, 70_001]) {
        const text = `x${character.repeat(length)}y`;
        const parts = ['digest', text, ''];
        const hmac = createHmac('sha256', SECRET).update(JSON.stringify(parts)).digest('hex');
        const middle = text.length >> 1;
        const isWithin = character === '😀' && middle % 2 === 0;
        const cut = middle - (isWithin ? 1 : 0);
        expect(deriveKey(SECRET, ['digest', [text.slice(0, cut), '', text.slice(cut)], []]), character).toBe(hmac);
      }
  });

  it('differs by secret', () => {
    expect(deriveKey(secret('t'), ['a'])).not.toBe(deriveKey(SECRET, ['a']));
  });
});

describe('deriveIdentifier', () => {
  it('is 25 capitals and digits for any parts, and differs where they differ', () => {
    const parts = fc.array(fc.string());
    fc.assert(
      fc.property(parts, parts, (one, other) => {
        const identifier = deriveIdentifier(SECRET, one);
        expect(identifier).toMatch(/^[0-9A-Z]{25}$/);
        expect(identifier === deriveIdentifier(SECRET, other)).toBe(JSON.stringify(one) === JSON.stringify(other));
      }),
    );
  });

  it('does not change from one version of this program to the next', () => {
    expect(deriveIdentifier(SECRET, ['identifier', 'x'])).toBe('HN5JMHD45S7TPN5VRBGQY8D42');
  });
});
