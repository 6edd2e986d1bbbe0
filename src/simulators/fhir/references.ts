import { isExactNumber } from '../../fhir/json.ts';
import { isObject, type Json, refuse } from './outcome.ts';
import { parseCriteria, search } from './search.ts';
import type { Store } from './store.ts';
import { TYPES } from './validate.ts';

/** A copy in which every text that is one of the map's keys is replaced; numbers keep their digits. */
export function replaceLinks(value: unknown, links: ReadonlyMap<string, string>): unknown {
  if (typeof value === 'string') return links.get(value) ?? value;
  if (Array.isArray(value)) return value.map((one) => replaceLinks(one, links));
  if (!isObject(value) || isExactNumber(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, replaceLinks(one, links)]));
}

export interface ReferenceRules {
  /** Base URL of this server. */
  readonly baseUrl: string;
  /** Whether what is referred to on this server must exist. */
  readonly mustExist: boolean;
  /** Whether `Patient?identifier=…` may stand in a reference: only in a transaction. */
  readonly conditional: boolean;
}

/**
 * Links for the references of a resource that are searches; checks the others.
 * @throws Refused 400 — a placeholder nothing in the bundle bears, or a search where none may stand · 404, 412 — a
 * search that found none, or several · 422 — what is referred to does not exist
 */
export function resolveReferences(
  resource: Json,
  at: string,
  store: Store,
  rules: ReferenceRules,
): Map<string, string> {
  const links = new Map<string, string>();
  for (const { reference, expression } of listReferences(resource, at)) {
    const local = reference.startsWith(`${rules.baseUrl}/`) ? reference.slice(rules.baseUrl.length + 1) : reference;
    if (local.startsWith('#') || /^https?:/.test(local)) continue;
    if (local.startsWith('urn:')) {
      throw refuse(400, 'invalid', `Unable to satisfy placeholder "${local}"`, expression);
    }
    const [path = '', query] = local.split(/\?(.*)/s);
    if (query !== undefined) {
      if (!rules.conditional) {
        throw refuse(400, 'not-supported', `Conditional reference "${local}" outside of a transaction`, expression);
      }
      links.set(reference, resolveSearch(store, path, query, expression));
      continue;
    }
    const [type = '', id = ''] = path.split('/');
    if (!Object.hasOwn(TYPES, type) || id === '') {
      throw refuse(400, 'value', `Invalid reference "${local}"`, expression);
    }
    if (rules.mustExist && (store.current(type, id)?.resource ?? null) === null) {
      throw refuse(422, 'not-found', `Resource ${type}/${id} not found, specified in path ${expression}`, expression);
    }
  }
  return links;
}

function resolveSearch(store: Store, type: string, query: string, expression: string): string {
  if (!Object.hasOwn(TYPES, type)) throw refuse(400, 'value', `Unknown resource type "${type}"`, expression);
  const found = search(store, type, parseCriteria(query));
  if (found.length === 0) throw refuse(404, 'not-found', `No match for "${type}?${query}"`, expression);
  if (found.length > 1) {
    throw refuse(412, 'multiple-matches', `"${type}?${query}" matches ${found.length} resources`, expression);
  }
  return `${type}/${String(found[0]?.id)}`;
}

/** Every Reference.reference of a resource with its place. */
function listReferences(value: unknown, at: string): { reference: string; expression: string }[] {
  if (Array.isArray(value)) return value.flatMap((one, index) => listReferences(one, `${at}[${index}]`));
  if (!isObject(value) || isExactNumber(value)) return [];
  return Object.entries(value).flatMap(([name, one]) =>
    name === 'reference' && typeof one === 'string'
      ? [{ reference: one, expression: `${at}.reference` }]
      : listReferences(one, `${at}.${name}`),
  );
}
