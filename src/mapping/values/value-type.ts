import { Fault } from '../../contracts/fault.ts';
import { isCertainlyAfter } from '../../fhir/fhir-time.ts';
import { parseDateTime } from '../../hl7/datetime.ts';
import { HL7_NULL } from '../../hl7/message.ts';
import { partOfCell } from '../../hl7/path.ts';
import { Choice } from '../choice.ts';
import { type ConversionOptions, convertDateTime } from '../conversion.ts';
import { Found, foundText, type Run } from '../scope.ts';
import { readEncapsulated, readPointer } from './attachment.ts';
import { partReader, readCodeableConcept } from './coded.ts';
import { makeQuantity, ORIGINAL_TEXT, readCompared, unitText } from './quantity.ts';
import { readSampledData } from './sampled-data.ts';
import { readStructuredNumeric } from './structured-numeric.ts';

type Warn = (detail: string, at?: string | null) => void;

/** `elsewhere`: the value is right, but FHIR has its place in another element. */
type ReadValue = (found: Found, run: Run, options: ConversionOptions, warn: Warn) => Choice | null | 'elsewhere';

const string: ReadValue = (found, run) => choice('string', foundText(found, run).trim() || null);
const coded: ReadValue = (found, run, options) => {
  const concept = readCodeableConcept(found, run, options.systems);
  return choice('CodeableConcept', concept);
};
const dateTime: ReadValue = (found, run, _options, warn) => {
  if (parseDateTime(partReader(found, run)(1))?.precision === 'hour') warn('hour without minutes');
  return choice('dateTime', convertDateTime(found, run));
};
/** A composite that FHIR has no value for: its components in the order they stand, as a person would read them. */
const readable: ReadValue = (found, run) => choice('string', componentsOf(found, run).join(' ') || null);

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
  NM: readNumeric,
  SN: readStructuredNumeric,
  CQ: (found, run, options, warn) => {
    const { cell } = found;
    const unit = cell === null ? null : partOfCell(cell, 2, null, run.message);
    const ownUnit = unit === null || unit.raw === '' ? options.unit : Found.inCell(unit);
    const said = [ownUnit, options.unit].map((one) => unitText({ ...options, unit: one }, run));
    if (options.unit !== null && said[0] !== said[1]) warn('unit beside CQ', options.unit.at);
    const quantity = makeQuantity(partReader(found, run)(1), { ...options, unit: ownUnit }, run, null);
    return choice('Quantity', quantity);
  },
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
  VR: (found, run) => choice('string', componentsOf(found, run).join('-') || null),
  DT: dateTime,
  TS: dateTime,
  DTM: dateTime,
  TM: (found, run) => choice('time', readTime(foundText(found, run).trim())),
  DR: (found, run, _options, warn) => {
    const part = partReader(found, run);
    const start = convertDateTime(found.part(part(1)), run);
    const end = part(2) === '' ? null : convertDateTime(found.part(part(2)), run);
    if ((start === null && part(1) !== '') || (end === null && part(2) !== '')) return null;
    if (start !== null && end !== null && isCertainlyAfter(start, end)) return null;
    if ([part(1), part(2)].some((time) => parseDateTime(time)?.precision === 'hour')) warn('hour without minutes');
    return start === null && end === null
      ? null
      : new Choice('Period', { ...(start === null ? {} : { start }), ...(end === null ? {} : { end }) });
  },
  NA: (found, run, options, warn) => {
    const data = readSampledData(found, run, options);
    if (data !== null || found.cell === null) return choice('SampledData', data);
    // The array is the whole field, and so is what did not fit.
    const { segment, field } = found.cell;
    const rows = segment.repetitions(field).map((raw) => foundText(found.part(raw), run).trim());
    warn('not NA');
    return choice('string', rows.filter((row) => row !== '' && row !== HL7_NULL).join('~') || null);
  },
  // Documents stand in the report, and R4 has no valueAttachment.
  ED: (found, run) => (readEncapsulated(found, run) === null ? null : 'elsewhere'),
  RP: (found, run) => (readPointer(found, run) === null ? null : 'elsewhere'),
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
 * with a warning: never a wrong number, never nothing. A text keeps its unit in an extension beside it, which reads
 * `1,0 mmol/L`; a unit of what has none (a code, a time) is told.
 */
export function convertByType(
  type: string,
  found: Found,
  run: Run,
  options: ConversionOptions,
  where: string,
): Choice | null {
  const warn = (detail: string, at = found.at) =>
    run.warnings.push(new Fault('value-unmapped', { at, where, detail }).record);
  // Some senders write the type as a coded value (`CWE^^HL70125`).
  const name = Object.hasOwn(VALUE_TYPES, type) ? type : (type.split(/\W/, 1)[0]?.toUpperCase() ?? '');
  const read = Object.hasOwn(VALUE_TYPES, name) ? VALUE_TYPES[name] : undefined;
  if (read === undefined) {
    if (name !== '') warn(`type ${/^[A-Z]{2,3}$/.test(name) ? name : 'unknown'}`);
    return withUnit(keepText(found, run), options, run);
  }
  const made = hasTooMuch(name, found, run) ? null : read(found, run, options, warn);
  if (made === null) {
    const text = keepText(found, run);
    if (text !== null) warn(`not ${name}`);
    return withUnit(text, options, run);
  }
  if (options.unit !== null && !(made !== 'elsewhere' && HOLDS_UNIT.has(made.type))) {
    // Of SN the unit stands in the text, where the guide has it.
    if (made === 'elsewhere' || made.type !== 'string') warn(`unit of ${name}`, options.unit.at);
    else if (name !== 'SN') return withUnit(made, options, run);
  }
  return made === 'elsewhere' ? null : made;
}

/** How many components a type has that is read by its first ones. */
const COMPONENTS: Readonly<Record<string, number>> = { NR: 2, DR: 2, CQ: 2, SN: 4, DT: 1, DTM: 1, TS: 1 };

/** True of a value that says more than its type has, such as `1^-^5` under NR: what is read would be half of it. */
function hasTooMuch(name: string, { cell }: Found, { message }: Run): boolean {
  const most = COMPONENTS[name];
  const { component } = message.delimiters;
  if (most === undefined || cell === null || !cell.raw.includes(component)) return false;
  const [first = '', ...others] = cell.raw.split(component).slice(most);
  // The second of TS is a letter that says how precise the time is.
  return (name === 'TS' ? first.length > 1 : first !== '') || others.some((part) => part !== '');
}

const HOLDS_UNIT: ReadonlySet<string> = new Set(['Quantity', 'Range', 'Ratio', 'SampledData']);

/** To write the unit into the text would change what the sender wrote. */
function withUnit(text: Choice | null, options: ConversionOptions, run: Run): Choice | null {
  const unit = unitText(options, run);
  if (text === null || unit === '') return text;
  const extension = [{ url: ORIGINAL_TEXT, valueString: `${text.value} ${unit}` }];
  return new Choice(text.type, text.value, { extension });
}

function keepText(found: Found, run: Run): Choice | null {
  return choice('string', foundText(found, run).trim() || null);
}

function choice(type: string, value: unknown): Choice | null {
  return value === null ? null : new Choice(type, value);
}

/** Components that say something, in their order. */
function componentsOf(found: Found, run: Run): string[] {
  const part = partReader(found, run);
  const { component } = run.message.delimiters;
  const count = found.cell?.raw.includes(component) ? found.cell.raw.split(component).length : 1;
  return Array.from({ length: count }, (_, index) => part(index + 1)).filter((text) => text !== '');
}

/** A number and nothing beside it. With `isLoose`, one with a comparator is a quantity too, with a warning. */
function readNumeric(found: Found, run: Run, options: ConversionOptions, warn: Warn): Choice | null {
  const [first = '', ...others] = componentsOf(found, run);
  if (others.length > 0) return null;
  const compared = options.isLoose ? readCompared(first) : null;
  if (compared === null) return choice('Quantity', makeQuantity(first, options, run, null));
  warn('not NM');
  return choice('Quantity', makeQuantity(compared.number, options, run, compared.comparator));
}

/** FHIR time of TM; minutes are needed, seconds filled with zero as FHIR wants them. It has no place for an offset. */
function readTime(text: string): string | null {
  const parts = /^([01]\d|2[0-3])([0-5]\d)(?:([0-5]\d)(\.\d{1,4})?)?$/.exec(text);
  return parts === null ? null : `${parts[1]}:${parts[2]}:${parts[3] ?? '00'}${parts[4] ?? ''}`;
}
