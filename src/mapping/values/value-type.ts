import { Fault } from '../../contracts/fault.ts';
import { Choice } from '../choice.ts';
import { type ConversionOptions, convertDateTime } from '../conversion.ts';
import { type Found, foundText, type Run } from '../scope.ts';
import { readEncapsulated, readPointer } from './attachment.ts';
import { partReader, readCodeableConcept } from './coded.ts';
import { makeQuantity } from './quantity.ts';
import { readStructuredNumeric } from './structured-numeric.ts';

type ReadValue = (found: Found, run: Run, options: ConversionOptions) => Choice | null;

const string: ReadValue = (found, run) => choice('string', foundText(found, run).trim() || null);
const coded: ReadValue = (found, run, options) => {
  const concept = readCodeableConcept(found, run, options.systems);
  return choice('CodeableConcept', concept);
};
const dateTime: ReadValue = (found, run, options) => choice('dateTime', convertDateTime(found, run, options));
/** A composite that FHIR has no value for: its components in the order they stand, as a person would read them. */
const readable: ReadValue = (found, run) => {
  const part = partReader(found, run);
  const texts = Array.from({ length: 14 }, (_, index) => part(index + 1)).filter((text) => text !== '');
  return choice('string', texts.join(' ') || null);
};

/**
 * What a value of each HL7 type becomes in `value[x]`. A type that gives null did not fit: its text is kept and a
 * warning noted.
 * @see HL7 v2-to-FHIR, segment map OBX[Observation]; table 0125 (value types)
 */
const VALUE_TYPES: Readonly<Record<string, ReadValue>> = {
  ST: string,
  TX: string,
  FT: string,
  GTS: string,
  SI: string,
  IS: coded,
  ID: coded,
  CE: coded,
  CWE: coded,
  CNE: coded,
  CF: coded,
  NM: (found, run, options) => choice('Quantity', makeQuantity(partReader(found, run)(1), options, run, null)),
  SN: readStructuredNumeric,
  CQ: (found, run, options) => choice('Quantity', makeQuantity(partReader(found, run)(1), options, run, null)),
  MO: readable,
  CP: readable,
  NR: (found, run, options) => {
    const part = partReader(found, run);
    const [low, high] = [makeQuantity(part(1), options, run, null), makeQuantity(part(2), options, run, null)];
    if ((low === null && part(1) !== '') || (high === null && part(2) !== '')) return null;
    if (low === null && high === null) return null;
    if (low !== null && high !== null && Number(part(1)) > Number(part(2))) return null;
    return new Choice('Range', { ...(low === null ? {} : { low }), ...(high === null ? {} : { high }) });
  },
  DT: dateTime,
  TS: dateTime,
  DTM: dateTime,
  TM: (found, run) => choice('time', readTime(foundText(found, run).trim())),
  DR: (found, run, options) => {
    const part = partReader(found, run);
    const start = convertDateTime(found.part(part(1)), run, options);
    const end = part(2) === '' ? null : convertDateTime(found.part(part(2)), run, options);
    return start === null && end === null
      ? null
      : new Choice('Period', { ...(start === null ? {} : { start }), ...(end === null ? {} : { end }) });
  },
  NA: (found, run) => choice('string', foundText(found, run).trim() || null),
  ED: (found, run) => choice('Attachment', readEncapsulated(found, run)),
  RP: (found, run) => choice('Attachment', readPointer(found, run)),
  XPN: readable,
  PN: readable,
  XAD: readable,
  AD: readable,
  XCN: readable,
  CN: readable,
  PPN: readable,
  XON: readable,
  XTN: readable,
  TN: string,
  CX: readable,
  CK: readable,
  EI: readable,
  HD: readable,
};

/**
 * Converts a value by its HL7 type. What does not fit (`NM` = `1,0`, a type nobody knows) is kept as the exact text,
 * with a warning: never a wrong number, never nothing.
 */
export function convertByType(
  type: string,
  found: Found,
  run: Run,
  options: ConversionOptions,
  where: string,
): Choice | null {
  const warn = (detail: string) =>
    run.warnings.push(new Fault('value-unmapped', { at: found.at, where, detail }).record);
  // Some senders write the type as a coded value (`CWE^^HL70125`).
  const name = type.split(/\W/, 1)[0]?.toUpperCase() ?? '';
  const read = VALUE_TYPES[name];
  if (read === undefined) {
    if (name !== '') warn(`type ${/^[A-Z]{2,3}$/.test(name) ? name : 'unknown'}`);
    return string(found, run, options);
  }
  const made = read(found, run, options);
  if (made !== null) return made;
  const text = string(found, run, options);
  if (text !== null) warn(`not ${name}`);
  return text;
}

function choice(type: string, value: unknown): Choice | null {
  return value === null ? null : new Choice(type, value);
}

/** FHIR time of TM; minutes are needed, seconds filled with zero as FHIR wants them. */
function readTime(text: string): string | null {
  const parts = /^([01]\d|2[0-3])([0-5]\d)(?:([0-5]\d)(\.\d{1,4})?)?(?:[+-]\d{4})?$/.exec(text);
  return parts === null ? null : `${parts[1]}:${parts[2]}:${parts[3] ?? '00'}${parts[4] ?? ''}`;
}
