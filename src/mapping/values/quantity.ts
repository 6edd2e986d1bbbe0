import { exactNumber } from '../../fhir/json.ts';
import type { ConversionOptions } from '../conversion.ts';
import type { Found, Run } from '../scope.ts';
import { partReader, systemUri } from './coded.ts';
import { isPlain, rememberBySystems } from './remembered.ts';

const UCUM = 'http://unitsofmeasure.org';

/** What the sender wrote, beside what became of it. @see v2-to-FHIR, datatype maps SN[Quantity], SN[Ratio] */
export const ORIGINAL_TEXT = 'http://hl7.org/fhir/StructureDefinition/originalText';

export interface Quantity {
  value?: object;
  comparator?: string;
  unit?: string;
  system?: string;
  code?: string;
}

type Unit = Pick<Quantity, 'unit' | 'system' | 'code'>;

/** Quantity of a number as it was written, with its unit; null where the text is no number. All digits are kept. */
export function makeQuantity(
  number: string,
  options: ConversionOptions,
  run: Run,
  comparator: string | null,
): Quantity | null {
  const digits = readNumber(number);
  if (digits === null) return null;
  return {
    value: exactNumber(digits),
    ...(comparator === null ? {} : { comparator }),
    ...readUnit(options, run),
  };
}

/**
 * The JSON form of an NM: no plus sign, no leading zeros, no bare point; the digits that count stay. Null where the
 * text is no number.
 * @see HL7 v2.5.1 §2.A.47
 */
export function readNumber(text: string): string | null {
  const parts = /^([+-]?)(\d*)(?:\.(\d*))?$/.exec(text.trim());
  if (parts === null) return null;
  const [, sign, whole = '', fraction = ''] = parts;
  if (whole === '' && fraction === '') return null;
  return `${sign === '-' ? '-' : ''}${whole.replace(/^0+(?=\d)/, '') || '0'}${fraction === '' ? '' : `.${fraction}`}`;
}

/**
 * Unit of CE or CWE: `code` and `system` only where the unit is coded in UCUM, else its text, so that nobody takes a
 * local abbreviation for a UCUM code.
 * @see HL7 v2-to-FHIR, OBX-6
 */
function readUnit(options: ConversionOptions, run: Run): Unit {
  if (options.unit === null) return {};
  const said = saidUnit(options);
  if (said !== null) return said;
  const { unit } = options;
  const isRemembered = unit.cell !== null && unit.cell.component === null && isPlain(unit.cell.raw, run);
  if (!isRemembered) return makeUnit(unit, options, run);
  return unitsOf(options.systems).recall(unit.cell.raw, (raw) => makeUnit(unit.part(raw), options, run));
}

const unitsOf = rememberBySystems<Unit>();

function makeUnit(found: Found, options: ConversionOptions, run: Run): Unit {
  const part = partReader(found, run);
  for (const [code, text, system] of [
    [part(1), part(2), part(3)],
    [part(4), part(5), part(6)],
  ] as const) {
    if (code !== '' && systemUri(system, options.systems) === UCUM) {
      return { unit: text || code, system: UCUM, code };
    }
  }
  const unit = textOfUnit(part);
  return unit === '' ? {} : { unit };
}

/** What a rule of the mapping makes of the unit: `unit`, `system`, `code`; null = it is what stands in the message. */
function saidUnit({ unit }: ConversionOptions): Unit | null {
  if (typeof unit?.value !== 'object' || unit.value === null) return null;
  const said = unit.value as { unit?: unknown; system?: unknown; code?: unknown };
  const text = (name: 'unit' | 'system' | 'code') => (said[name] === undefined ? {} : { [name]: String(said[name]) });
  // A system without a code says nothing.
  return { ...text('unit'), ...(said.code === undefined ? {} : { ...text('system'), ...text('code') }) };
}

/** The unit as people write it; '' where there is none. */
export function unitText(options: ConversionOptions, run: Run): string {
  if (options.unit === null) return '';
  const said = saidUnit(options);
  if (said !== null) return said.unit ?? said.code ?? '';
  return textOfUnit(partReader(options.unit, run));
}

function textOfUnit(part: (component: number) => string): string {
  return part(2) || part(1) || part(9) || part(5) || part(4);
}

/** A number with a comparator before it (`<7`, `>= 100`); null where the text is none such. */
export function readCompared(text: string): { readonly comparator: string; readonly number: string } | null {
  const [, comparator = '', number = ''] = /^(<=|>=|<|>)\s*(\S+)$/.exec(text.trim()) ?? [];
  return readNumber(number) === null ? null : { comparator, number };
}
