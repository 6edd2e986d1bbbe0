import { Choice } from '../choice.ts';
import type { ConversionOptions } from '../conversion.ts';
import type { Found, Run } from '../scope.ts';
import { partReader } from './coded.ts';
import { makeQuantity, ORIGINAL_TEXT, readNumber, unitText } from './quantity.ts';

export const COMPARATORS: readonly string[] = ['<', '<=', '>=', '>'];

/**
 * SN: `<^100` is a quantity with a comparator, `^1^-^5` a range, `^1^:^128` a ratio; the latter two bear the original
 * text beside. What FHIR has no form for (`^2^+`, `<>^5`) is the text with its unit, as the guide writes it. `=` says
 * nothing and goes. Null where nothing is there.
 * @param warn told where the text is kept, or a comparator left out, because SN does not allow what came
 * @see HL7 v2.5.1 §2.A.71; v2-to-FHIR datatype maps SN[Quantity], SN[Range], SN[Ratio]
 */
export function readStructuredNumeric(
  found: Found,
  run: Run,
  options: ConversionOptions,
  warn: (detail: string) => void,
): Choice | null {
  const part = partReader(found, run);
  const [comparator, first, separator, second] = [part(1), part(2), part(3), part(4)];
  const written = [comparator, first, separator, second].filter((one) => one !== '').join(' ');
  if (written === '') return null;
  const asText = () => new Choice('string', [written, unitText(options, run)].filter((one) => one !== '').join(' '));
  const sign = comparator === '' || comparator === '=' ? null : comparator;
  const isKnown = sign === null || COMPARATORS.includes(sign);
  const [low, high] = [first, second].map((number) => (readNumber(number) === null ? null : number));
  const kind = kindOf(separator, second);
  const fits = kind === 'ratio' || isKnown || sign === '<>';
  const needsTwo = kind === 'range' || kind === 'ratio';
  if (low == null || (needsTwo && high == null) || kind === 'other' || !fits) {
    warn('not SN');
    return asText();
  }
  const quantityOf = (number: string, with_: string | null) => makeQuantity(number, options, run, with_);
  const extension = [{ url: ORIGINAL_TEXT, valueString: written }];
  if (sign === '<>' || kind === 'plus') return asText();
  if (kind === 'quantity') return new Choice('Quantity', quantityOf(low, sign));
  if (kind === 'range') {
    if (sign !== null || Number(low) > Number(high)) return asText();
    return new Choice('Range', { extension, low: quantityOf(low, null), high: quantityOf(second, null) });
  }
  if (!isKnown) warn('comparator of SN');
  const numerator = quantityOf(low, isKnown ? sign : null);
  return new Choice('Ratio', { extension, numerator, denominator: quantityOf(second, null) });
}

function kindOf(separator: string, second: string): 'quantity' | 'range' | 'ratio' | 'plus' | 'other' {
  if (separator === '-') return 'range';
  if (separator === ':' || separator === '/') return 'ratio';
  if (separator === '+') return 'plus';
  return separator === '' && second === '' ? 'quantity' : 'other';
}
