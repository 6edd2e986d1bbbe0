import type { ConversionOptions } from '../conversion.ts';
import { type Found, foundText, type Run } from '../scope.ts';
import { makeQuantity, type Quantity, readNumber } from './quantity.ts';
import { isPlain, rememberBySystems } from './remembered.ts';

export interface ReferenceRange {
  readonly low?: Quantity;
  readonly high?: Quantity;
  readonly text: string;
}

const rangesOf = rememberBySystems<ReferenceRange | null>();

/**
 * Reference range of OBX-7: always its text, and the limits where it reads `3.5 - 5.0`, `<5`, `>10`. Limits whose
 * comparison leaves them out (`<5`) are in the text only, because FHIR's limits are inclusive.
 * @see HL7 v2-to-FHIR, OBX-7
 */
export function readReferenceRange(found: Found, run: Run, options: ConversionOptions): ReferenceRange | null {
  const [cell, unit] = [found.cell, options.unit?.cell ?? null];
  const isWhole = cell?.component === null && (unit === null ? options.unit === null : unit.component === null);
  const key = isWhole ? `${cell.raw}\n${unit?.raw ?? ''}` : '';
  if (!isWhole || !isPlain(key, run)) return makeReferenceRange(found, run, options);
  return rangesOf(options.systems).recall(key, (copy) => {
    const length = cell.raw.length;
    const copied = unit === null ? null : (options.unit?.part(copy.slice(length + 1)) ?? null);
    return makeReferenceRange(found.part(copy.slice(0, length)), run, { ...options, unit: copied });
  });
}

function makeReferenceRange(found: Found, run: Run, options: ConversionOptions): ReferenceRange | null {
  const text = foundText(found, run).trim();
  if (text === '') return null;
  const between = /^([+-]?[\d.]+)\s*(?:-|–|to)\s*([+-]?[\d.]+)$/.exec(text);
  const [low, high] = [between?.[1] ?? '', between?.[2] ?? ''];
  if (readNumber(low) === null || readNumber(high) === null || Number(low) > Number(high)) return { text };
  const [lowQuantity, highQuantity] = [makeQuantity(low, options, run, null), makeQuantity(high, options, run, null)];
  return {
    ...(lowQuantity === null ? {} : { low: lowQuantity }),
    ...(highQuantity === null ? {} : { high: highQuantity }),
    text,
  };
}
