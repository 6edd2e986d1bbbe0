import { isExactNumber } from '../../fhir/json.ts';
import { type Issue, isObject, type Json, show } from './outcome.ts';

interface Rules {
  readonly required: readonly string[];
  /** Values of the element `status`; null = not checked. */
  readonly statuses: readonly string[] | null;
  /** Elements that come in several types, of which one may be there. */
  readonly choices: readonly string[];
  /** Elements that must be a list. */
  readonly lists: readonly string[];
}

const rules = (
  required: readonly string[],
  statuses: readonly string[] | null = null,
  choices: readonly string[] = [],
  lists: readonly string[] = [],
): Rules => ({ required, statuses, choices, lists: ['identifier', 'extension', 'contained', 'note', ...lists] });

const RESULT = ['registered', 'partial', 'preliminary', 'final', 'amended', 'corrected', 'appended', 'cancelled'];
const REQUEST = ['draft', 'active', 'on-hold', 'revoked', 'completed', 'entered-in-error', 'unknown'];
const ENCOUNTER = ['planned', 'arrived', 'triaged', 'in-progress', 'onleave', 'finished', 'cancelled'];

/** The resource types this server takes, and what it asks of them. @see FHIR R4 (4.0.1), the resources' own pages */
export const TYPES: Readonly<Record<string, Rules>> = {
  Bundle: rules(['type']),
  Patient: rules([], null, ['deceased', 'multipleBirth'], ['name', 'telecom', 'address', 'contact']),
  Observation: rules(
    ['status', 'code'],
    [...RESULT.filter((one) => one !== 'partial' && one !== 'appended'), 'entered-in-error', 'unknown'],
    ['value', 'effective'],
    ['category', 'performer', 'interpretation', 'referenceRange', 'component', 'basedOn', 'hasMember', 'derivedFrom'],
  ),
  DiagnosticReport: rules(
    ['status', 'code'],
    [...RESULT, 'entered-in-error', 'unknown'],
    ['effective'],
    ['category', 'result', 'specimen', 'basedOn', 'performer', 'resultsInterpreter', 'presentedForm'],
  ),
  ServiceRequest: rules(['status', 'intent', 'subject'], REQUEST, ['quantity', 'occurrence', 'asNeeded']),
  Specimen: rules([], ['available', 'unavailable', 'unsatisfactory', 'entered-in-error'], [], ['parent', 'request']),
  Encounter: rules(['status', 'class'], [...ENCOUNTER, 'entered-in-error', 'unknown']),
  Practitioner: rules([], null, [], ['name', 'telecom', 'address', 'qualification']),
  PractitionerRole: rules([], null, [], ['code', 'specialty', 'location', 'telecom']),
  Organization: rules([], null, [], ['type', 'telecom', 'address', 'contact']),
  Location: rules([], ['active', 'suspended', 'inactive'], [], ['type', 'telecom']),
  Device: rules([], ['active', 'inactive', 'entered-in-error', 'unknown'], [], ['deviceName']),
  RelatedPerson: rules(['patient'], null, [], ['relationship', 'name', 'telecom', 'address']),
  MessageHeader: rules(['source'], null, ['event'], ['destination', 'focus']),
  Provenance: rules(['target', 'recorded', 'agent'], null, ['occurred'], ['target', 'agent', 'entity']),
  DocumentReference: rules(['status', 'content'], ['current', 'superseded', 'entered-in-error'], [], ['content']),
  Account: rules(['status'], ['active', 'inactive', 'entered-in-error', 'on-hold', 'unknown']),
  Coverage: rules(['status', 'beneficiary', 'payor'], ['active', 'cancelled', 'draft', 'entered-in-error']),
};

const ONE_OF: Readonly<Record<string, string>> = { MessageHeader: 'event' };

const DATE = /^\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?$/;
const TIME = 'T([01]\\d|2[0-3]):[0-5]\\d:([0-5]\\d|60)(\\.\\d+)?(Z|[+-]((0\\d|1[0-3]):[0-5]\\d|14:00))';
const DATE_TIME = new RegExp(`^\\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\\d|3[01])(${TIME})?)?)?$`);
const INSTANT = new RegExp(`^\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])${TIME}$`);
/** Elements that are dates, date-times or instants in whatever type they stand. */
const FORMATS: Readonly<Record<string, readonly [name: string, form: RegExp]>> = {
  birthDate: ['date', DATE],
  issued: ['instant', INSTANT],
  recorded: ['instant', INSTANT],
  lastUpdated: ['instant', INSTANT],
  effectiveInstant: ['instant', INSTANT],
  ...Object.fromEntries(
    ['effectiveDateTime', 'valueDateTime', 'collectedDateTime', 'occurredDateTime', 'occurrenceDateTime'].map(
      (name) => [name, ['dateTime', DATE_TIME] as const],
    ),
  ),
  ...Object.fromEntries(
    ['deceasedDateTime', 'authoredOn', 'receivedTime', 'start', 'end'].map((name) => [name, ['dateTime', DATE_TIME]]),
  ),
};
const ID = /^[A-Za-z0-9\-.]{1,64}$/;

/**
 * Holds a resource against what FHIR R4 asks of the types this server takes: required elements, statuses, one value of a
 * choice, formats of dates, no nulls and no empty elements. What it does not know it lets through.
 * @param at FHIRPath of the resource, such as `Observation` or `Bundle.entry[2].resource`.
 * @returns every rule it breaks; empty = none.
 */
export function validate(resource: Json, at: string): Issue[] {
  const issues: Issue[] = [];
  const fail = (code: string, expression: string, diagnostics: string) =>
    void issues.push({ severity: 'error', code, diagnostics, expression });
  const type = show(resource.resourceType);
  const rule = TYPES[type];
  if (rule === undefined) {
    fail('not-supported', at, `Unknown resource type "${type}"`);
    return issues;
  }
  if (resource.id !== undefined && !(typeof resource.id === 'string' && ID.test(resource.id))) {
    fail('value', `${at}.id`, `Invalid resource id "${show(resource.id)}"`);
  }
  for (const name of rule.required) {
    if (resource[name] === undefined)
      fail('required', `${at}.${name}`, `${type}.${name}: minimum required = 1, found 0`);
  }
  const oneOf = ONE_OF[type];
  if (oneOf !== undefined && choicesIn(resource, oneOf).length === 0) {
    fail('required', `${at}.${oneOf}[x]`, `${type}.${oneOf}[x]: minimum required = 1, found 0`);
  }
  const { status } = resource;
  if (status !== undefined && rule.statuses !== null && !rule.statuses.includes(show(status))) {
    fail('code-invalid', `${at}.status`, `Unknown ${type}Status code "${show(status)}"`);
  }
  for (const name of rule.choices) {
    const found = choicesIn(resource, name);
    if (found.length > 1) fail('structure', `${at}.${name}[x]`, `Only one of ${found.join(', ')} may be given`);
  }
  for (const name of rule.lists) {
    if (resource[name] !== undefined && !Array.isArray(resource[name])) {
      fail('structure', `${at}.${name}`, `${type}.${name} must be an array`);
    }
  }
  walk(resource, at, fail);
  return issues;
}

function choicesIn(resource: Json, name: string): string[] {
  return Object.keys(resource).filter((key) => key.startsWith(name) && /^[A-Z]/.test(key.slice(name.length)));
}

type Fail = (code: string, expression: string, diagnostics: string) => void;

function walk(value: unknown, at: string, fail: Fail): void {
  if (Array.isArray(value)) {
    if (value.length === 0) fail('structure', at, 'An array must not be empty');
    // Of a primitive's extensions, null holds the place of a value that has none.
    const name = at.slice(at.lastIndexOf('.') + 1);
    value.forEach((one, index) => {
      if (one === null && !name.startsWith('_')) fail('structure', `${at}[${index}]`, 'null is not allowed');
      else if (one !== null) walk(one, `${at}[${index}]`, fail);
    });
    return;
  }
  if (!isObject(value) || isExactNumber(value)) return;
  const entries = Object.entries(value);
  if (entries.length === 0) fail('structure', at, 'An object must have content');
  for (const [name, one] of entries) {
    const path = `${at}.${name}`;
    if (one === null) fail('structure', path, 'null is not allowed');
    else if (one === '') fail('value', path, 'A string must not be empty');
    else {
      checkValue(name, one, path, fail);
      walk(one, path, fail);
    }
  }
}

function checkValue(name: string, value: unknown, path: string, fail: Fail): void {
  const format = Object.hasOwn(FORMATS, name) ? FORMATS[name] : undefined;
  if (format !== undefined && !(typeof value === 'string' && format[1].test(value) && isRealDate(value))) {
    fail('value', path, `Invalid ${format[0]} "${show(value)}"`);
  }
  const isQuantity = name === 'valueQuantity' || name === 'low' || name === 'high';
  if (isQuantity && isObject(value) && value.value !== undefined && !isExactNumber(value.value)) {
    fail('value', `${path}.value`, `Invalid decimal "${show(value.value)}"`);
  }
  if (name === 'reference' && typeof value !== 'string') fail('value', path, 'A reference must be a string');
  if (name === 'valueBoolean' && typeof value !== 'boolean') fail('value', path, `Invalid boolean "${show(value)}"`);
  const isText = name === 'valueString' || name === 'family' || name === 'display' || name === 'unit';
  if (isText && typeof value !== 'string') fail('value', path, `Invalid string "${show(value)}"`);
}

/** False for the 30th of February. */
function isRealDate(text: string): boolean {
  const [, year, month, day] = /^(\d{4})-(\d{2})-(\d{2})/.exec(text) ?? [];
  if (day === undefined) return true;
  return new Date(Date.UTC(Number(year), Number(month) - 1, Number(day))).getUTCDate() === Number(day);
}
