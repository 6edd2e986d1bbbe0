import { Fault } from '../contracts/fault.ts';
import { exactNumber } from '../fhir/json.ts';
import {
  type DateTime,
  findOffset,
  formatDate,
  formatDateTime,
  isAtLeast,
  type Precision,
  parseDateTime,
  toInstant,
  writeDateTime,
} from '../hl7/datetime.ts';
import { readPart } from '../hl7/path.ts';
import { type Found, foundText, type Run } from './scope.ts';
import type { Table } from './table.ts';
import { readEncapsulated, readPointer } from './values/attachment.ts';
import { partReader, readCodeableConcept, systemUri } from './values/coded.ts';
import { readContactPoint } from './values/contact-point.ts';
import { readAuthority, readEndpoint, readEntityAuthority } from './values/identifier-system.ts';
import { makeQuantity, readNumber } from './values/quantity.ts';
import { readReferenceRange } from './values/reference-range.ts';

/** Options a rule may give beside `as`. */
export interface ConversionOptions {
  /** The least precise time that will do. */
  readonly precision: Precision | null;
  /** What a local time means that the clock change skips or repeats. */
  readonly overlap: 'refuse' | 'earlier' | 'later';
  /** Names of coding systems → URIs. */
  readonly systems: Table | null;
  /** What `unit:` found, for quantities. */
  readonly unit: Found | null;
  /** Takes a number with a comparator before it for a quantity. */
  readonly isLoose: boolean;
}

/** With an offset: without one nobody knows when it was. */
const ISO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)$/;

/** @throws Fault where the value does not fit; the fault bears the location */
type Convert = (found: Found, run: Run, options: ConversionOptions, where: string) => unknown;

/**
 * What stands behind `as:`. Each takes what was found and gives a JSON value, or null where nothing is left of it.
 * Numbers keep their digits (`1.50` leaves as `1.50`) and times their precision.
 */
export const CONVERSIONS = {
  /** The whole text, unescaped; outer spaces go. */
  string: (found, run) => foundText(found, run).trim() || null,
  /** As `string`, in capitals. */
  upper: (found, run) => foundText(found, run).trim().toUpperCase() || null,
  /** The first component, with single blanks. */
  code: (found, run) => firstPart(found, run).replace(/\s+/g, ' ') || null,
  /** FHIR date: year, year and month, or the day. */
  date: (found, run, options, where) => formatDate(readDateTime(found, run, options, where)),
  /** FHIR dateTime with offset. */
  dateTime: (found, run, options, where) => {
    const value = readDateTime(found, run, options, where);
    return formatDateTime(value, offsetOf(value, found, run, options, where));
  },
  /** UTC in a form that sorts: `2021-11-24T09:15:00.000Z`. */
  instant: (found, run, options, where) => {
    const value = readDateTime(found, run, options, where);
    return new Date(toInstant(value, offsetOf(value, found, run, options, where))).toISOString();
  },
  /** HL7's form of a FHIR date, dateTime or instant, in the mapping's zone: `20211124101500+0100`. */
  hl7DateTime: (found, run, _options, where) => {
    const text = firstPart(found, run);
    if (/^\d{4}(?:-\d\d){0,2}$/.test(text) && parseDateTime(text.replaceAll('-', '')) !== null)
      return text.replaceAll('-', '');
    const at = ISO_TIME.test(text) ? Date.parse(text) : Number.NaN;
    if (Number.isNaN(at)) throw new Fault('field-type', { at: found.at, where, detail: 'FHIR date or dateTime' });
    return writeDateTime(at, run.zone);
  },
  /** A number with all its digits. */
  decimal: (found, run, _options, where) => {
    const digits = readNumber(firstPart(found, run));
    if (digits === null) throw new Fault('value-unmapped', { at: found.at, where, detail: 'number' });
    return exactNumber(digits);
  },
  /** As `decimal`; what is no number is nothing. */
  looseDecimal: (found, run) => {
    const digits = readNumber(firstPart(found, run));
    return digits === null ? null : exactNumber(digits);
  },
  integer: (found, run, _options, where) => {
    const text = firstPart(found, run);
    if (!/^[+-]?\d{1,15}$/.test(text)) throw new Fault('field-type', { at: found.at, where, detail: 'integer' });
    return Number(text);
  },
  /** Table 0136: Y and N. */
  boolean: (found, run, _options, where) => {
    const text = firstPart(found, run).toUpperCase();
    if (text !== 'Y' && text !== 'N') throw new Fault('field-type', { at: found.at, where, detail: 'Y or N' });
    return text === 'Y';
  },
  /** Codings and text of CE, CWE, CNE, IS, ID. */
  CodeableConcept: (found, run, options) => readCodeableConcept(found, run, options.systems),
  /** The first coding alone. */
  Coding: (found, run, options) => readCodeableConcept(found, run, options.systems)?.coding?.[0] ?? null,
  /** URI of a coding system named as in table 0396; nothing where it is local or unknown. */
  codingSystem: (found, run, options) => systemUri(firstPart(found, run), options.systems),
  /** Number with `unit:`; nothing where it is no number. */
  Quantity: (found, run, options) => makeQuantity(firstPart(found, run), options, run, null),
  /** XTN, TN. */
  ContactPoint: (found, run) => readContactPoint(found, run, null),
  /** XTN, TN of a field that means home, or work, where XTN.2 says nothing else. */
  HomeContactPoint: (found, run) => readContactPoint(found, run, 'home'),
  WorkContactPoint: (found, run) => readContactPoint(found, run, 'work'),
  /** XTN, TN of an organization, which FHIR grants no home. */
  OrganizationContactPoint: (found, run) => {
    const contact = readContactPoint(found, run, 'work');
    return contact?.use === 'home' ? { ...contact, use: 'work' } : contact;
  },
  /** Text of a reference range, with its limits where it reads as two numbers; `unit:` for them. */
  ReferenceRange: (found, run, options) => readReferenceRange(found, run, options),
  /** URI of an authority at component level (CX.4, XCN.9, XON.6). */
  IdentifierSystem: (found, run, options) => readAuthority(found, run, options.systems),
  /** URI of the authority of a whole EI. */
  EntityIdentifierSystem: (found, run, options) => readEntityAuthority(found, run, options.systems),
  /** URI of an application given as HD with a type of its universal id (ISO, UUID, DNS, URI); else nothing. */
  EndpointUri: (found, run) => readEndpoint(found, run),
  /** As `dateTime` where there is a time to the minute, since FHIR's instant needs one; else nothing. */
  looseInstant: (found, run, _options, where) => {
    const text = keepOrWarn(found, run, where, convertDateTime(found, run));
    return text?.includes('T') ? text : null;
  },
  /** ED; data that are none are nothing, with a warning, and of damaged ones what can be read is kept, with a warning. */
  Attachment: (found, run, _options, where) => {
    const document = readEncapsulated(found, run);
    if (document === null || document.isDamaged) {
      run.warnings.push(new Fault('value-unmapped', { at: found.at, where, detail: 'document' }).record);
    }
    return document?.attachment ?? null;
  },
  /** RP; a pointer that is no URL is nothing, with a warning. */
  PointedAttachment: (found, run, _options, where) => {
    const document = readPointer(found, run);
    if (document === null) {
      run.warnings.push(new Fault('value-unmapped', { at: found.at, where, detail: 'document' }).record);
    }
    return document?.attachment ?? null;
  },
  /** As `dateTime`; what is none, or a time the clock change skips, is nothing, with a warning. */
  looseDateTime: (found, run, _options, where) => keepOrWarn(found, run, where, convertDateTime(found, run)),
  /** As `date`; what is none is nothing, with a warning. */
  looseDate: (found, run, _options, where) => {
    const value = parseDateTime(firstPart(found, run));
    return keepOrWarn(found, run, where, value === null ? null : formatDate(value));
  },
} as const satisfies Record<string, Convert>;

export type ConversionName = keyof typeof CONVERSIONS;

function firstPart(found: Found, run: Run): string {
  if (found.cell === null) return foundText(found, run).trim();
  if (found.cell.component !== null) return foundText(found, run).trim();
  return foundText(found.part(readPart(found.cell.raw, 1, null, run.message)), run).trim();
}

function readDateTime(found: Found, run: Run, options: ConversionOptions, where: string): DateTime {
  const value = parseDateTime(firstPart(found, run));
  if (value === null) throw new Fault('field-type', { at: found.at, where, detail: 'date-time' });
  if (options.precision !== null && !isAtLeast(value.precision, options.precision)) {
    throw new Fault('field-type', { at: found.at, where, detail: `date-time to the ${options.precision}` });
  }
  return value;
}

/** Minutes east of UTC; 0 where the value bears its own offset or is only a date. */
function offsetOf(value: DateTime, found: Found, run: Run, options: ConversionOptions, where: string): number {
  if (value.offsetMinutes !== null) return value.offsetMinutes;
  const offset = findOffset(value, run.zone);
  if (offset.kind === 'one') return offset.offsetMinutes;
  const isDate = !isAtLeast(value.precision, 'minute');
  if (options.overlap === 'refuse' && !isDate) {
    throw new Fault(offset.kind === 'gap' ? 'time-zone-gap' : 'time-zone-overlap', {
      at: found.at,
      where,
      detail: run.zone,
    });
  }
  return options.overlap === 'later' ? offset.later : offset.earlier;
}

/** The last text that was converted: the results of a sample bear the same time. */
let last: { readonly text: string; readonly zone: string; readonly made: string | null } | null = null;

/** FHIR dateTime, or null where the text is no date-time. A local time the clock repeats is taken as the earlier one. */
export function convertDateTime(found: Found, run: Run): string | null {
  const text = partReader(found, run)(1);
  if (last === null || last.text !== text || last.zone !== run.zone)
    last = { text, zone: run.zone, made: makeDateTime(text, run.zone) };
  return last.made;
}

function makeDateTime(text: string, zone: string): string | null {
  const value = parseDateTime(text);
  if (value === null) return null;
  if (value.offsetMinutes !== null) return formatDateTime(value, value.offsetMinutes);
  const offset = findOffset(value, zone);
  return formatDateTime(value, offset.kind === 'one' ? offset.offsetMinutes : offset.earlier);
}

function keepOrWarn(found: Found, run: Run, where: string, value: string | null): string | null {
  if (value === null) run.warnings.push(new Fault('field-type', { at: found.at, where, detail: 'date-time' }).record);
  return value;
}
