import { isCertainlyAfter, isDateTime } from './fhir-time.ts';
import { has, hasChoice, type Inspection, type JsonObject, report } from './inspection.ts';
import { toNumber } from './primitive-format.ts';
import type { ResourceRule } from './resource-issue.ts';

/** Rules on one object that its elements' types and cardinalities cannot say. Elements of wrong type are passed over. */
export type Invariant = (inspection: Inspection, value: JsonObject) => void;

const UCUM = 'http://unitsofmeasure.org';
const BARRED_XHTML =
  /<\/?(?:script|form|input|button|iframe|object|embed|base|link|head|body|style|frame)\b|\son\w+\s*=/i;

/**
 * FHIR's invariants of data types, by type; they hold for the types based on it too. Those of metadata types that no
 * result has (DataRequirement, TriggerDefinition, ParameterDefinition …) are left out.
 * @see HL7 FHIR 4.0.1, datatypes.html, metadatatypes.html, narrative.html
 */
export const TYPE_INVARIANTS: ReadonlyMap<string, Invariant> = new Map<string, Invariant>([
  [
    'Age',
    (inspection, value) => {
      const number = toNumber(value.value);
      const isOfUcum = value.system === undefined || value.system === UCUM;
      if ((number !== null && (number <= 0 || !has(value, 'code'))) || !isOfUcum) report(inspection, 'age-1');
    },
  ],
  ['Attachment', needs('att-1', 'data', 'contentType')],
  ['ContactPoint', needs('cpt-2', 'value', 'system')],
  [
    'Count',
    (inspection, value) => {
      const number = toNumber(value.value);
      const isOfUcum = value.system === undefined || value.system === UCUM;
      const isOne = value.code === undefined ? number === null : value.code === '1';
      if (!isOfUcum || !isOne || (number !== null && !Number.isInteger(number))) report(inspection, 'cnt-3');
    },
  ],
  [
    'Distance',
    (inspection, value) => {
      const isOfUcum = value.system === undefined || value.system === UCUM;
      if (!isOfUcum || (has(value, 'value') && !has(value, 'code'))) report(inspection, 'dis-1');
    },
  ],
  [
    'Duration',
    (inspection, value) => {
      if (has(value, 'code') && !(value.system === UCUM && has(value, 'value'))) report(inspection, 'drt-1');
    },
  ],
  [
    'Expression',
    (inspection, value) => {
      if (!has(value, 'expression') && !has(value, 'reference')) report(inspection, 'exp-1');
    },
  ],
  [
    'Extension',
    (inspection, value) => {
      if ((value.extension !== undefined) === hasChoice(value, 'value')) report(inspection, 'ext-1');
    },
  ],
  ['Narrative', checkNarrative],
  [
    'Period',
    (inspection, { start, end }) => {
      if (typeof start !== 'string' || typeof end !== 'string' || !isDateTime(start) || !isDateTime(end)) return;
      if (isCertainlyAfter(start, end)) report(inspection, 'per-1');
    },
  ],
  ['Quantity', needs('qty-3', 'code', 'system')],
  ['Range', checkRange],
  [
    'Ratio',
    (inspection, value) => {
      const hasBoth = value.numerator !== undefined && value.denominator !== undefined;
      const hasNone = value.numerator === undefined && value.denominator === undefined;
      if (!hasBoth && !(hasNone && value.extension !== undefined)) report(inspection, 'rat-1');
    },
  ],
  [
    'SimpleQuantity',
    (inspection, value) => {
      if (has(value, 'comparator')) report(inspection, 'sqty-1', null, 'comparator');
    },
  ],
  ['Timing.repeat', checkRepeat],
]);

/** If one element is there, so is the other. */
function needs(rule: ResourceRule, name: string, other: string): Invariant {
  return (inspection, value) => {
    if (value[name] !== undefined && !has(value, other)) report(inspection, rule);
  };
}

function checkRange(inspection: Inspection, value: JsonObject): void {
  const low = value.low as JsonObject | undefined;
  const high = value.high as JsonObject | undefined;
  const least = toNumber(low?.value);
  const most = toNumber(high?.value);
  if (least === null || most === null || least <= most) return;
  const isOneUnit = low?.code === high?.code && low?.system === high?.system && low?.unit === high?.unit;
  if (isOneUnit) report(inspection, 'rng-2');
}

function checkRepeat(inspection: Inspection, value: JsonObject): void {
  needs('tim-1', 'duration', 'durationUnit')(inspection, value);
  needs('tim-2', 'period', 'periodUnit')(inspection, value);
  if ((toNumber(value.duration) ?? 0) < 0) report(inspection, 'tim-4');
  if ((toNumber(value.period) ?? 0) < 0) report(inspection, 'tim-5');
  needs('tim-6', 'periodMax', 'period')(inspection, value);
  needs('tim-7', 'durationMax', 'duration')(inspection, value);
  needs('tim-8', 'countMax', 'count')(inspection, value);
  const when = Array.isArray(value.when) ? value.when : [];
  const isAtMeal = when.some((code) => code === 'C' || code === 'CM' || code === 'CD' || code === 'CV');
  if (has(value, 'offset') && (!has(value, 'when') || isAtMeal)) report(inspection, 'tim-9');
  if (has(value, 'timeOfDay') && has(value, 'when')) report(inspection, 'tim-10');
}

function checkNarrative(inspection: Inspection, { div }: JsonObject): void {
  if (typeof div !== 'string') return;
  const text = div.trim();
  const opening = text.slice(0, text.indexOf('>') + 1);
  const isDiv = /^<div[\s/>]/.test(opening) && (text.endsWith('</div>') || text === opening);
  if (!isDiv || !opening.includes('"http://www.w3.org/1999/xhtml"') || BARRED_XHTML.test(text)) {
    report(inspection, 'txt-1', null, 'div');
  } else if (!/<img\b/.test(text) && text.replace(/<[^<>]*>/g, '').trim() === '') {
    report(inspection, 'txt-2', null, 'div');
  }
}
