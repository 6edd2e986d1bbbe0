import { readBundleScope } from './bundle-rules.ts';
import {
  type Inspection,
  isObject,
  type JsonObject,
  MAX_ISSUES,
  objectsOf,
  type ResourceScope,
  report,
} from './inspection.ts';
import { rightPlacesOf } from './lasting-value.ts';
import { type ElementShape, resourceShapeOf, type Shape, shapeOf } from './r4-shape.ts';
import { checkContained, checkLinks, checkReference, followFragment, readContained } from './reference-rules.ts';
import type { ResourceIssue } from './resource-issue.ts';

// Why a walk along a table of our own, and not ajv over FHIR's JSON schema. Measured (Node 24, two cores): these types'
// schema compiled at first use costs 200 to 330 ms and 60 MB; compiled beforehand it is 850 kB of code, which loads in 14 ms
// and 7 MB (with 150 ms more where types are stripped at load). An Observation then takes 1.4 µs, and nothing is said yet
// about a missing status, two values, `[]`, references or invariants, while exact numbers are refused: a walk like this
// would have to follow. The table is 35 kB; it and the rules load in 7 ms and 6 MB, an Observation takes 3 to 4 µs with
// everything, and issues bear FHIR's paths and names. That nothing passes here which the schema refuses is tried with
// ajv in test/fhir/second-opinion.test.ts.

/** Steps from the root; beyond it, a resource is a mistake or a cycle. */
const MAX_STEPS = 160;

const NO_SCOPE: ResourceScope = { type: '', contained: new Map(), current: null };

/**
 * Says what makes a resource invalid FHIR R4; an empty list means it is valid. Looks at elements, cardinalities, data
 * types and their forms, required value sets, references and invariants, in the resource, in what it contains, and in
 * the entries of a bundle. Of extensions it looks at the form, not at what their definition demands; profiles and
 * codes of other value sets it does not know. Never throws; changes nothing; lists at most 100 issues.
 *
 * Takes the values as they are before JSON.stringify: numbers may be JavaScript's or exact (`exactNumber`), a property
 * that is undefined counts as left out. For a body that is JSON already, hand in what JSON.parse gives.
 *
 * @see HL7 FHIR 4.0.1, http://hl7.org/fhir/R4/validation.html
 */
export function checkResource(resource: unknown): ResourceIssue[] {
  const inspection: Inspection = { issues: [], steps: [], references: 0, bundle: null, scope: NO_SCOPE };
  walkResource(inspection, resource, false);
  return inspection.issues;
}

function walkResource(inspection: Inspection, value: unknown, isContained: boolean): void {
  if (!isObject(value)) {
    report(inspection, value === null ? 'empty' : 'json-type', 'resource');
    return;
  }
  const shape = resourceShapeOf(value.resourceType);
  if (shape === null) {
    report(inspection, 'resource-type');
    return;
  }
  const { scope, bundle } = inspection;
  if (isContained) {
    scope.current = (typeof value.id === 'string' ? scope.contained.get(value.id) : null) ?? null;
    checkContained(inspection, value);
    walkObject(inspection, value, shape, false);
    scope.current = null;
    return;
  }
  inspection.scope = { type: shape.name, contained: readContained(inspection, value), current: null };
  if (shape.name === 'Bundle') inspection.bundle = readBundleScope(value);
  walkObject(inspection, value, shape, false);
  if (value.contained !== undefined) checkLinks(inspection, value);
  inspection.scope = scope;
  inspection.bundle = bundle;
}

/** `isOfValue`: it holds id and extensions of a primitive that has a value, and can do with the id alone. */
function walkObject(inspection: Inspection, value: JsonObject, shape: Shape, isOfValue: boolean): void {
  const { steps } = inspection;
  if (inspection.issues.length >= MAX_ISSUES) return;
  if (steps.length > MAX_STEPS) {
    report(inspection, 'too-deep');
    return;
  }
  let children = 0;
  let choicesSeen = 0;
  for (const key of Object.keys(value)) {
    const item = value[key];
    if (item === undefined) continue;
    const element = shape.elements.get(key);
    if (element === undefined) {
      if (key !== 'resourceType' || !shape.isResource) report(inspection, 'unknown-element', null, presentable(key));
      continue;
    }
    if (key !== 'id') children++;
    steps.push(key);
    const { choice } = element;
    // A value and its own extensions are one choice.
    if (choice !== null && (element.companionOf === null || value[element.companionOf] === undefined)) {
      if (choicesSeen & (1 << choice.index)) report(inspection, 'choice', choice.name);
      choicesSeen |= 1 << choice.index;
    }
    walkElement(inspection, item, element, key, value);
    steps.pop();
  }
  if (children === 0 && !shape.isResource && !(isOfValue && value.id !== undefined)) report(inspection, 'ele-1');
  for (const { name, anyOf } of shape.required) {
    if (!hasAny(value, anyOf)) report(inspection, 'required', null, name);
  }
  for (const invariant of shape.invariants) invariant(inspection, value);
}

function hasAny(value: JsonObject, names: readonly string[]): boolean {
  for (const name of names) if (value[name] !== undefined) return true;
  return false;
}

function walkElement(
  inspection: Inspection,
  item: unknown,
  element: ElementShape,
  key: string,
  parent: JsonObject,
): void {
  if (!element.isList) {
    if (element.companionOf === null) walkItem(inspection, item, element);
    else walkCompanion(inspection, item, parent[element.companionOf] !== undefined);
    return;
  }
  if (!Array.isArray(item)) {
    report(inspection, item === null ? 'empty' : 'json-type', 'a list is needed');
    return;
  }
  if (item.length === 0) report(inspection, 'empty');
  const other = element.format === null && element.companionOf === null ? undefined : parent[otherHalf(key)];
  if (element.companionOf !== null && Array.isArray(other) && other.length !== item.length) {
    report(inspection, 'companion');
  }
  for (let index = 0; index < item.length; index++) {
    inspection.steps.push(index);
    const hasOther = Array.isArray(other) && other[index] !== null && other[index] !== undefined;
    if (item[index] === null && hasOther) {
      // The place of a value that has extensions only, or of extensions that a value does not have.
    } else if (element.companionOf === null) {
      walkItem(inspection, item[index], element);
    } else {
      walkCompanion(inspection, item[index], hasOther);
    }
    inspection.steps.pop();
  }
}

function otherHalf(key: string): string {
  return key.startsWith('_') ? key.slice(1) : `_${key}`;
}

function walkCompanion(inspection: Inspection, item: unknown, hasValue: boolean): void {
  if (isObject(item)) walkObject(inspection, item, shapeOf('Element'), hasValue);
  else report(inspection, item === null ? 'empty' : 'json-type', 'Element');
}

function walkItem(inspection: Inspection, item: unknown, element: ElementShape): void {
  if (item === null || item === undefined || item === '') {
    report(inspection, 'empty');
    return;
  }
  if (element.format !== null) {
    const found = element.format(item);
    if (found !== 'fits') report(inspection, found, element.type);
    else if (element.codes !== null && !element.codes.set.has(item as string)) {
      report(inspection, 'value-set', element.codes.name);
    } else if (element.type === 'canonical' && (item as string).startsWith('#')) {
      followFragment(inspection, (item as string).slice(1));
    }
    return;
  }
  if (element.type === 'Resource') {
    walkResource(inspection, item, element.isList);
    return;
  }
  if (!isObject(item)) {
    report(inspection, 'json-type', element.type);
    return;
  }
  const rightPlaces = rightPlacesOf(item);
  if (rightPlaces === null) walkComplex(inspection, item, element);
  else if (!rightPlaces.has(element)) {
    const { references, issues } = inspection;
    const found = issues.length;
    walkComplex(inspection, item, element);
    const isRight = issues.length === found && found < MAX_ISSUES;
    if (isRight && inspection.references === references) rightPlaces.add(element);
  }
}

function walkComplex(inspection: Inspection, item: JsonObject, element: ElementShape): void {
  walkObject(inspection, item, shapeOf(element.type), false);
  if (element.type === 'Reference') checkReference(inspection, item, element.targets);
  if (element.codes !== null && !hasCodeOf(item, element.codes.set)) {
    report(inspection, 'value-set', element.codes.name);
  }
}

function hasCodeOf({ coding }: JsonObject, codes: ReadonlySet<string>): boolean {
  return objectsOf(coding).some(
    ([, { system, code }]) => typeof system === 'string' && typeof code === 'string' && codes.has(`${system}|${code}`),
  );
}

/** A name that FHIR could have given; whatever else stands there might be a person's. */
function presentable(key: string): string {
  return /^_?[a-z][A-Za-z0-9]{0,63}$/.test(key) ? key : '?';
}
