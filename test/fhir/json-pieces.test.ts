import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { exactNumber } from '../../src/fhir/json.ts';
import { encodePieces, LONG_CHARACTERS, writeJsonPieces } from '../../src/fhir/json-pieces.ts';

const DOCUMENT = 'SluS'.repeat(LONG_CHARACTERS / 4);

describe('JSON in pieces', () => {
  it('is what JSON.stringify writes, and its bytes are the same', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(
        DOCUMENT,
        `${DOCUMENT}"`,
        `${DOCUMENT}\n`,
        `${DOCUMENT}😀å\u0085`,
        `${DOCUMENT}\ud800`,
        '\ud800',
        '"\ud800"',
      ),
    );
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof({ depthSize: 'small' }, text, fc.integer(), fc.boolean(), tie('list'), tie('object')),
      list: fc.array(tie('value'), { maxLength: 3 }),
      object: fc.dictionary(text, tie('value'), { maxKeys: 3 }),
    }));
    fc.assert(
      fc.property(value, (any) => {
        const pieces = writeJsonPieces(any);
        expect(pieces.join('') === JSON.stringify(any)).toBe(true);
        expect(encodePieces(pieces).equals(Buffer.from(JSON.stringify(any)))).toBe(true);
      }),
    );
  });

  it('has long texts as pieces by themselves, and keeps the digits of numbers', () => {
    const value = {
      decimal: exactNumber('1.50'),
      documents: [{ data: DOCUMENT }, { data: `${DOCUMENT}AAAA` }],
      left: undefined,
    };
    const pieces = writeJsonPieces(value);
    expect(pieces.filter((piece) => piece.length >= LONG_CHARACTERS)).toEqual([DOCUMENT, `${DOCUMENT}AAAA`]);
    expect(pieces[0]).toBe('{"decimal":1.50,"documents":[{"data":"');
  });
});
