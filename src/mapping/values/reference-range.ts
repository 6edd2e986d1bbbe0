import type { ConversionOptions } from '../conversion.ts';
import { type Found, foundText, type Run } from '../scope.ts';
import { makeQuantity, type Quantity, readNumber } from './quantity.ts';

export interface ReferenceRange {
  low?: Quantity;
  high?: Quantity;
  text: string;
}

/**
 * Reference range of OBX-7: always its text, and the limits where it reads `3.5 - 5.0`, `<5`, `>10`. Limits whose
 * comparison leaves them out (`<5`) are in the text only, because FHIR's limits are inclusive.
 * @see HL7 v2-to-FHIR, OBX-7
 */
export function readReferenceRange(found: Found, run: Run, options: ConversionOptions): ReferenceRange | null {
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
