import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseExactly } from '../../bench/agreement/bundle-view.ts';
import { FAULTS } from '../../src/contracts/fault.ts';
import { checkResource } from '../../src/fhir/check-resource.ts';
import { listLost } from './conservation.ts';
import { type Bundle, bundlesOf, type Json, mapMessage, mapperOf } from './kit.ts';
import { type Lines, variation, WRITINGS } from './variation.ts';

/** The same ones each time; another seed looks elsewhere. */
const RUNS = { numRuns: 200, seed: 20240501 };
const mapper = mapperOf('oru-r01');
/** With every digit of its numbers. */
const exactly = ({ body }: { body: Uint8Array }) => parseExactly(Buffer.from(body).toString());
const encode = (text: string) => new TextEncoder().encode(text);
const bodiesOf = (text: string) =>
  mapMessage(mapper, encode(text)).drafts.map(({ body }) => Buffer.from(body).toString());

describe('a message nobody has seen', () => {
  it('becomes valid resources that lack nothing and hold no number it does not state, or is refused', () => {
    fc.assert(
      fc.property(variation, (lines) => {
        const bytes = encode(lines.join('\r'));
        const mapped = mapMessage(mapper, bytes);
        for (const { code } of mapped.faults) expect(FAULTS[code].blame, code).toBe('message');
        if (mapped.drafts.length === 0) expect(mapped.faults).not.toEqual([]);
        const bundles = bundlesOf(mapped);
        for (const bundle of bundles) {
          expect(checkResource(bundle)).toEqual([]);
          expect(numbersOf(bundle).filter((number) => !isStated(number, lines))).toEqual([]);
        }
        const lost = mapped.faults.length > 0 ? [] : listLost(bytes, mapped.drafts.map(exactly), mapped.warnings);
        expect(lost).toEqual([]);
      }),
      RUNS,
    );
  });

  it('gives the same bundle again, and however it is written', () => {
    fc.assert(
      fc.property(variation, fc.constantFrom(...Object.keys(WRITINGS)), (lines, writing) => {
        const text = lines.join('\r');
        const made = bodiesOf(text);
        expect(bodiesOf(text)).toEqual(made);
        expect(bodiesOf((WRITINGS[writing] as (text: string) => string)(text)), writing).toEqual(made);
      }),
      RUNS,
    );
  });
});

/** The numbers that observations state as their values. */
function numbersOf({ entry }: Bundle): string[] {
  const observations = entry.map(({ resource }) => resource).filter((one) => one.resourceType === 'Observation');
  const values = observations.flatMap((one) => [one, ...((one.component as Json[] | undefined) ?? [])]);
  return values.flatMap(({ valueQuantity, valueRange, valueRatio }) =>
    [valueQuantity, ...Object.values(valueRange ?? {}), ...Object.values(valueRatio ?? {})].flatMap((quantity) =>
      typeof (quantity as Json | undefined)?.value === 'number' ? [String((quantity as Json).value)] : [],
    ),
  );
}

/** True where a whole part of some OBX-5 is that number, and nothing beside it. */
function isStated(number: string, lines: Lines): boolean {
  const parts = lines
    .filter((line) => line.startsWith('OBX'))
    .flatMap((line) => (line.split('|')[5] ?? '').split(/[~^&]/));
  return parts.some((part) => /^\s*[+-]?(?:\d+\.?\d*|\.\d+)\s*$/.test(part) && Number(part) === Number(number));
}
