import type { ConversionOptions } from '../conversion.ts';
import { type Found, type Run, textOf } from '../scope.ts';
import { makeQuantity, readNumber } from './quantity.ts';

interface SampledData {
  origin: object;
  _period: object;
  dimensions: number;
  data: string;
}

/**
 * SampledData of NA: each repetition of the field is one time point, its components the values there; a field that does
 * not repeat is one value at each time point. FHIR separates by blanks what the guide joins with `^`. HL7 says nothing
 * of the time between points, so the period is said to be unknown. Null where a value is no number, or rows differ.
 * @see HL7 v2.5.1 §2.A.46; v2-to-FHIR, datatype map NA[SampledData]
 */
export function readSampledData(found: Found, run: Run, options: ConversionOptions): SampledData | null {
  const { cell } = found;
  if (cell === null) return null;
  const { component } = run.message.delimiters;
  const rows = cell.segment
    .repetitions(cell.field)
    .map((raw) => raw.split(component).map((part) => readNumber(textOf({ ...cell, raw: part }, run))));
  const [first = []] = rows;
  if (rows.some((row) => row.length !== first.length || row.includes(null))) return null;
  const origin = makeQuantity('0', options, run, null);
  if (origin === null) return null;
  return {
    origin,
    _period: {
      extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/data-absent-reason', valueCode: 'unknown' }],
    },
    dimensions: rows.length === 1 ? 1 : first.length,
    data: rows.flat().join(' '),
  };
}
