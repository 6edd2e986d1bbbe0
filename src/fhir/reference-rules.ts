import { type ContainedResource, type Inspection, isObject, type JsonObject, objectsOf, report } from './inspection.ts';
import { RESOURCE_TYPES } from './r4-shape.ts';

const ID = /^[A-Za-z0-9\-.]{1,64}$/;
const ID_AND_VERSION = /^[A-Za-z0-9\-.]{1,64}(?:\/_history\/[A-Za-z0-9\-.]{1,64})?$/;
const ABSOLUTE = /^[A-Za-z][A-Za-z0-9+.-]*:\S+$/;
const DEFINITIONS = 'http://hl7.org/fhir/StructureDefinition/';
const NOTHING_CONTAINED: ReadonlyMap<string, ContainedResource> = new Map();

/** A Reference: its form, whether what it names is there, and whether it is of a type allowed at this place. */
export function checkReference(inspection: Inspection, value: JsonObject, targets: ReadonlySet<string> | null): void {
  inspection.references += 1;
  const stated = typeof value.type === 'string' ? value.type.replace(DEFINITIONS, '') : null;
  const found = typeof value.reference === 'string' ? readTarget(inspection, value.reference) : null;
  if (stated !== null && found !== null && stated !== found) report(inspection, 'reference-type', found, 'type');
  const type = found ?? stated;
  if (type !== null && targets !== null && !targets.has(type) && RESOURCE_TYPES.has(type)) {
    report(inspection, 'reference-target', `${type} is not one of ${[...targets].join(', ')}`);
  }
}

/** The type of what a reference names; null = it does not say. Reports a form that FHIR does not have. */
function readTarget(inspection: Inspection, literal: string): string | null {
  if (literal.startsWith('#')) return followFragment(inspection, literal.slice(1));
  const slash = literal.indexOf('/');
  const question = literal.indexOf('?');
  const nameEnds = slash < 0 || (question >= 0 && question < slash) ? question : slash;
  const name = literal.slice(0, Math.max(nameEnds, 0));
  if (RESOURCE_TYPES.has(name)) {
    const rest = literal.slice(nameEnds + 1);
    if (nameEnds === slash ? !ID_AND_VERSION.test(rest) : rest === '' || /\s/.test(rest)) {
      report(inspection, 'reference-format', null, 'reference');
    } else if (nameEnds === question && inspection.bundle !== null && inspection.bundle.type !== 'transaction') {
      report(inspection, 'reference-conditional', null, 'reference');
    }
    return name;
  }
  if (!ABSOLUTE.test(literal)) {
    report(inspection, 'reference-format', null, 'reference');
    return null;
  }
  const entry = inspection.bundle?.typesByFullUrl.get(literal);
  if (entry !== undefined) return entry;
  if (literal.startsWith('urn:uuid:') || literal.startsWith('urn:oid:')) {
    if (inspection.bundle !== null) report(inspection, 'reference-unresolved', null, 'reference');
    return null;
  }
  const [, type = ''] = /\/([A-Z][A-Za-z]+)\/[A-Za-z0-9\-.]{1,64}(?:\/_history\/[^/]+)?$/.exec(literal) ?? [];
  return RESOURCE_TYPES.has(type) ? type : null;
}

/** `#id` in a reference or a canonical: marks what it names as referred to; reports ref-1 where there is nothing. */
export function followFragment(inspection: Inspection, id: string): string | null {
  inspection.references += 1;
  const { scope } = inspection;
  if (id === '') {
    if (scope.current === null) {
      report(inspection, 'ref-1');
      return null;
    }
    scope.current.isLinked = true;
    return scope.type;
  }
  const contained = scope.contained.get(id);
  if (contained === undefined) {
    report(inspection, 'ref-1');
    return null;
  }
  if (contained !== scope.current) contained.isLinked = true;
  return contained.type;
}

/** What a resource contains, by id. Reports ids that are missing or not its own. */
export function readContained(inspection: Inspection, resource: JsonObject): ReadonlyMap<string, ContainedResource> {
  if (resource.contained === undefined) return NOTHING_CONTAINED;
  const contained = new Map<string, ContainedResource>();
  for (const [index, inner] of objectsOf(resource.contained)) {
    const { id, resourceType } = inner;
    const isUsable = typeof id === 'string' && ID.test(id) && !contained.has(id);
    if (!isUsable) report(inspection, 'contained-id', null, 'contained', index, 'id');
    else contained.set(id, { type: typeof resourceType === 'string' ? resourceType : '', isLinked: false });
  }
  return contained;
}

/** dom-2, dom-4, dom-5: what a contained resource cannot have. */
export function checkContained(inspection: Inspection, inner: JsonObject): void {
  if (inner.contained !== undefined) report(inspection, 'dom-2', null, 'contained');
  if (!isObject(inner.meta)) return;
  for (const name of ['versionId', 'lastUpdated']) {
    if (inner.meta[name] !== undefined) report(inspection, 'dom-4', null, 'meta', name);
  }
  if (inner.meta.security !== undefined) report(inspection, 'dom-5', null, 'meta', 'security');
}

/** dom-3: nothing is contained that stands alone. Comes last: only then every reference has been seen. */
export function checkLinks(inspection: Inspection, resource: JsonObject): void {
  for (const [index, inner] of objectsOf(resource.contained)) {
    const known = typeof inner.id === 'string' ? inspection.scope.contained.get(inner.id) : undefined;
    if (known !== undefined && !known.isLinked) report(inspection, 'dom-3', null, 'contained', index);
  }
}
