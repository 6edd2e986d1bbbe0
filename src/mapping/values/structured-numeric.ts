import { Choice } from '../choice.ts';
import type { ConversionOptions } from '../conversion.ts';
import type { Found, Run } from '../scope.ts';
import { partReader } from './coded.ts';
import { makeQuantity } from './quantity.ts';

const COMPARATORS = ['<', '<=', '>=', '>'];

/**
 * SN: `<^100` is a quantity with a comparator, `^1^-^5` a range, `^1^:^128` a ratio, `^2^+` and all that FHIR has no
 * form for (such as `<>`) the text as it reads. `=` says nothing and goes. Null where nothing is there.
 * @see HL7 v2.5.1 §2.A.71; v2-to-FHIR datatype maps SN[Quantity], SN[Range], SN[Ratio]
 */
export function readStructuredNumeric(found: Found, run: Run, options: ConversionOptions): Choice | null {
  const part = partReader(found, run);
  const [comparator, first, separator, second] = [part(1), part(2), part(3), part(4)];
  const asText = () => {
    const text = [comparator, first, separator, second].join('');
    return text === '' ? null : new Choice('string', text);
  };
  const quantityOf = (number: string, sign: string | null) => makeQuantity(number, options, run, sign);
  const sign = comparator === '' || comparator === '=' ? null : comparator;
  if (sign !== null && !COMPARATORS.includes(sign)) return asText();
  const low = quantityOf(first, separator === '' ? sign : null);
  if (low === null) return asText();
  if (separator === '' && second === '') return new Choice('Quantity', low);
  const high = quantityOf(second, null);
  if (high === null || sign !== null) return asText();
  if (separator === '-') return Number(first) <= Number(second) ? new Choice('Range', { low, high }) : asText();
  if (separator === ':' || separator === '/') return new Choice('Ratio', { numerator: low, denominator: high });
  return asText();
}
