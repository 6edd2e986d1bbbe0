import { isObject, type Json, refuse, show } from './outcome.ts';
import { identifiersOf, type Store } from './store.ts';

/** Criteria of a search: name and value as they were written, percent signs decoded. */
export type Criteria = readonly (readonly [name: string, value: string])[];

/** Reference parameters and the elements they look at. */
const REFERENCES: Readonly<Record<string, readonly string[]>> = {
  patient: ['patient', 'subject'],
  subject: ['subject'],
  encounter: ['encounter'],
  'based-on': ['basedOn'],
  specimen: ['specimen'],
  result: ['result'],
  performer: ['performer'],
  organization: ['organization'],
  practitioner: ['practitioner'],
};

/** Parses `identifier=a|b&status=final`, with or without the question mark. */
export function parseCriteria(query: string): Criteria {
  return [...new URLSearchParams(query)];
}

/**
 * Living resources that meet every criterion, in order of creation. Knows `_id`, `identifier`, `code`, `status` and the
 * usual references.
 * @throws Refused 400 — a parameter is unknown, or has no value
 */
export function search(store: Store, type: string, criteria: Criteria): Json[] {
  for (const [name, value] of criteria) {
    const known = ['_id', 'identifier', 'code', 'status'].includes(name) || Object.hasOwn(REFERENCES, name);
    if (!known) throw refuse(400, 'not-supported', `Unknown search parameter "${name}" for resource type "${type}"`);
    if (value === '') throw refuse(400, 'invalid', `Search parameter "${name}" has no value`);
  }
  const candidates = narrow(store, type, criteria);
  return candidates.filter((one) => criteria.every(([name, value]) => meets(one, name, value)));
}

/** An exact identifier or id is looked up, so that conditional writes stay quick in a full store. */
function narrow(store: Store, type: string, criteria: Criteria): Json[] {
  for (const [name, value] of criteria) {
    if (value.includes(',') || value.includes('\\')) continue;
    if (name === '_id') {
      const found = store.current(type, value)?.resource ?? null;
      return found === null ? [] : [found];
    }
    if (name !== 'identifier') continue;
    const bar = value.indexOf('|');
    if (bar < 0) return store.bearing(type, null, value);
    if (bar > 0 && bar < value.length - 1) return store.bearing(type, value.slice(0, bar), value.slice(bar + 1));
  }
  return store.living(type);
}

function meets(resource: Json, name: string, value: string): boolean {
  const alternatives = split(value, ',');
  if (name === '_id') return alternatives.includes(show(resource.id));
  if (name === 'identifier') return alternatives.some((one) => meetsToken(identifiersOf(resource), one));
  if (name === 'status') return alternatives.some((one) => meetsToken([{ system: null, value: resource.status }], one));
  if (name === 'code') {
    const codings = isObject(resource.code) && Array.isArray(resource.code.coding) ? resource.code.coding : [];
    const tokens = codings.filter(isObject).map(({ system, code }) => ({ system: system ?? null, value: code }));
    return alternatives.some((one) => meetsToken(tokens, one));
  }
  const references = (REFERENCES[name] ?? []).flatMap((element) => resource[element] ?? []);
  const targets = references.map((one) => (isObject(one) ? show(one.reference) : ''));
  return alternatives.some((one) => targets.some((to) => to === one || (!one.includes('/') && to.endsWith(`/${one}`))));
}

/** `value`, `system|value`, `|value` (no system) or `system|` (any value). */
function meetsToken(tokens: readonly { system: unknown; value: unknown }[], token: string): boolean {
  const parts = split(token, '|');
  if (parts.length === 1) return tokens.some(({ value }) => value === parts[0]);
  const [system, value] = parts;
  return tokens.some(
    (one) =>
      one.system === (system === '' ? null : system) && (value === '' || value === undefined || one.value === value),
  );
}

/** Splits where the separator is not escaped by a backslash, and takes the backslashes away. */
function split(text: string, separator: string): string[] {
  const parts = [''];
  for (let index = 0; index < text.length; index++) {
    const letter = text[index] ?? '';
    const next = text[index + 1];
    const last = parts.length - 1;
    if (letter === separator) parts.push('');
    else if (letter === '\\' && next !== undefined && ',|$\\'.includes(next)) {
      // What is escaped for the inner separator stays so.
      parts[last] += next === separator || separator === '|' ? next : letter + next;
      index += 1;
    } else parts[last] += letter;
  }
  return parts;
}
