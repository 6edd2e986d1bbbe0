import { type Json, Refused, refuse, show } from './outcome.ts';
import { parseCriteria, search } from './search.ts';
import type { Store, Version } from './store.ts';
import { TYPES, validate } from './validate.ts';

/** One write as it is asked for, by HTTP or by an entry of a bundle. */
export interface Asked {
  readonly method: 'POST' | 'PUT' | 'DELETE';
  /** `Observation`, `Observation/1` or `Observation?identifier=…`. */
  readonly url: string;
  /** null where the method has none. */
  readonly resource: Json | null;
  readonly ifNoneExist: string | null;
  readonly ifMatch: string | null;
  readonly ifNoneMatch: string | null;
  /** FHIRPath of the resource. */
  readonly at: string;
}

/** What a write will do, and to which resource; decided before anything is written. */
export interface Planned {
  readonly asked: Asked;
  readonly type: string;
  readonly id: string;
  /** `none` = it is there already. */
  readonly action: 'create' | 'update' | 'delete' | 'none';
}

export interface Done {
  readonly status: number;
  readonly type: string;
  readonly id: string;
  readonly version: Version | null;
  /** False where nothing new was stored. */
  readonly changed: boolean;
}

export type Authorize = (type: string, access: 'read' | 'write') => void;

const ID = /^[A-Za-z0-9\-.]{1,64}$/;

/** Takes a URL below the base apart. @throws Refused 404 — no such resource type */
export function readUrl(url: string): { type: string; steps: string[]; query: string | null } {
  const mark = url.indexOf('?');
  const path = (mark < 0 ? url : url.slice(0, mark)).replace(/^\/|\/$/g, '');
  const [type = '', ...steps] = path.split('/');
  if (!Object.hasOwn(TYPES, type)) throw refuse(404, 'not-supported', `Unknown resource type "${type}"`);
  return { type, steps, query: mark < 0 ? null : url.slice(mark + 1) };
}

/**
 * Decides what a write does by the state the store is in.
 * @throws Refused 400, 404, 405 — it cannot be asked like this · 412 — its criteria match several resources
 * @see FHIR R4 http.html, create, conditional create, update as create, conditional update, conditional delete
 */
export function planWrite(asked: Asked, store: Store, authorize: Authorize): Planned {
  const { type, steps, query } = readUrl(asked.url);
  authorize(type, 'write');
  if (asked.method !== 'DELETE') checkType(asked, type);
  if (asked.method === 'POST') {
    if (steps.length > 0 || query !== null) throw refuse(405, 'not-supported', 'POST goes to a resource type');
    const found = asked.ifNoneExist === null ? null : findOne(store, type, asked.ifNoneExist);
    if (found !== null) return { asked, type, id: found, action: 'none' };
    return { asked, type, id: store.makeId(), action: 'create' };
  }
  if (steps.length > 1 || (steps.length === 1 && query !== null)) {
    throw refuse(405, 'not-supported', `${asked.method} does not go to "${asked.url}"`);
  }
  if (asked.method === 'DELETE') {
    const id = steps[0] ?? findOne(store, type, query ?? '');
    return { asked, type, id: id ?? '', action: id === null ? 'none' : 'delete' };
  }
  const stated = asked.resource?.id === undefined ? null : show(asked.resource.id);
  const [named] = steps;
  if (named !== undefined) {
    if (!ID.test(named)) throw refuse(400, 'value', `Invalid resource id "${named}"`);
    if (stated === null) throw refuse(400, 'required', 'Can not update a resource without id', `${asked.at}.id`);
    if (stated !== named) {
      throw refuse(400, 'invalid', `Resource id "${stated}" is not that of the URL "${named}"`, `${asked.at}.id`);
    }
    return { asked, type, id: named, action: 'update' };
  }
  const found = findOne(store, type, query ?? '');
  if (found !== null && stated !== null && stated !== found) {
    throw refuse(400, 'invalid', `Resource id "${stated}" is not that of the match "${found}"`, `${asked.at}.id`);
  }
  return { asked, type, id: found ?? stated ?? store.makeId(), action: 'update' };
}

/** Resources that meet a write's criteria by now; null = it has none. */
export function countMatches({ asked, type }: Planned, store: Store): number | null {
  const query = asked.ifNoneExist ?? readUrl(asked.url).query;
  return query === null ? null : search(store, type, criteriaOf(query)).length;
}

/**
 * Writes what was planned. Content that is already there makes no new version.
 * @throws Refused 412 — If-Match or If-None-Match does not hold · 422 — the resource breaks a rule
 */
export function performWrite(planned: Planned, resource: Json | null, store: Store): Done {
  const { asked, type, id, action } = planned;
  const before = id === '' ? null : store.current(type, id);
  const none = (status: number): Done => ({ status, type, id, version: before, changed: false });
  if (action === 'none') return none(asked.method === 'DELETE' ? 204 : 200);
  if (asked.ifMatch !== null && asked.ifMatch.replace(/^W\//, '') !== `"${before?.versionId ?? 0}"`) {
    throw refuse(412, 'conflict', `If-Match ${asked.ifMatch} is not the version of ${type}/${id}`);
  }
  const lives = (before?.resource ?? null) !== null;
  if (action === 'delete') {
    return lives ? { status: 204, type, id, version: store.remove(type, id), changed: true } : none(204);
  }
  if (asked.ifNoneMatch === '*' && lives) throw refuse(412, 'conflict', `${type}/${id} exists`);
  const content = resource ?? {};
  const issues = validate(content, asked.at);
  if (issues.length > 0) throw new Refused(422, issues);
  if (lives && contentOf(before?.resource ?? {}) === contentOf(content)) return none(200);
  return { status: lives ? 200 : 201, type, id, version: store.write(type, id, content), changed: true };
}

function checkType({ resource, at }: Asked, type: string): void {
  const stated = resource?.resourceType;
  if (stated === type) return;
  if (stated === undefined) throw refuse(400, 'structure', 'The resource has no resourceType', at);
  throw refuse(400, 'invalid', `Resource type "${show(stated)}" is not that of the URL "${type}"`, at);
}

function findOne(store: Store, type: string, query: string): string | null {
  const found = search(store, type, criteriaOf(query));
  if (found.length > 1) {
    throw refuse(412, 'multiple-matches', `The search "${type}?${query}" matched ${found.length} resources`);
  }
  return found[0] === undefined ? null : String(found[0].id);
}

/** The type in front, which some write, is taken off. */
function criteriaOf(query: string) {
  const criteria = parseCriteria(query.replace(/^[A-Za-z]*\?/, ''));
  if (criteria.length === 0) throw refuse(412, 'invalid', 'A conditional request needs criteria');
  return criteria;
}

/** What a version says, without what the server itself put there. */
function contentOf(resource: Json): string {
  const { id: _id, meta, ...rest } = resource;
  const { versionId: _version, lastUpdated: _updated, ...own } = (meta ?? {}) as Json;
  return JSON.stringify([own, rest], (_key, value: unknown) => value);
}
