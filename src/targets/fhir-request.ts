import { Fault } from '../contracts/fault.ts';
import { parseExactJson } from '../fhir/exact-json.ts';

/** A request to a FHIR server that can be repeated without making anything twice. */
export interface FhirRequest {
  readonly method: 'POST' | 'PUT';
  /** Below the base URL; '' = the base itself. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON as it leaves; numbers have the digits they were mapped with. */
  readonly body: string;
  /** Types of the resources in it. */
  readonly types: ReadonlySet<string>;
  /** Entries of a transaction; null = a single resource. */
  readonly entries: number | null;
}

type Json = Record<string, unknown>;

const TYPE = /^[A-Z][A-Za-z]{1,63}$/;
const ID = /^[A-Za-z0-9\-.]{1,64}$/;
/** Their identifiers are persons' own. */
const PERSONS: ReadonlySet<string> = new Set(['Patient', 'Person', 'RelatedPerson']);

/**
 * Reads the body of a `transaction`: a Bundle whose entries are PUT by id, PUT by search, or POST with ifNoneExist. Two
 * entries for the same are refused, because servers treat them in different ways and some make two of them.
 * @throws Fault `mapping-incomplete` that says which entry, never what is in it
 * @see FHIR R4 http.html#transaction
 */
export function readTransaction(bytes: Uint8Array): FhirRequest {
  const text = decode(bytes);
  const bundle = parse(text, JSON.parse);
  if (bundle.resourceType !== 'Bundle' || bundle.type !== 'transaction') {
    throw incomplete('the body is no Bundle of type transaction');
  }
  const { entry } = bundle;
  if (!Array.isArray(entry) || entry.length === 0) throw incomplete('the Bundle has no entries');
  const seen = new Map<string, number>();
  const fullUrls = new Set<string>();
  const types = new Set<string>();
  entry.forEach((one: unknown, index) => {
    const { type, keys, fullUrl } = readEntry(one, index);
    types.add(type);
    for (const key of keys) {
      const other = seen.get(key);
      if (other !== undefined) throw incomplete(`entry[${index}] is for the same as entry[${other}]`);
      seen.set(key, index);
    }
    if (fullUrl !== null) fullUrls.add(fullUrl);
  });
  entry.forEach((one: Json, index) => {
    if (!hasDanglingPlaceholder(one.resource as Json, fullUrls)) return;
    throw incomplete(`entry[${index}].resource refers to an entry that is not there`);
  });
  return { method: 'POST', path: '', headers: {}, body: text, types, entries: entry.length };
}

function readEntry(value: unknown, index: number): { type: string; keys: string[]; fullUrl: string | null } {
  const at = `entry[${index}]`;
  const entry = isObject(value) ? value : {};
  const request = isObject(entry.request) ? entry.request : {};
  const { url, method, ifNoneExist } = request;
  const { type, id, criteria } = readUrl(url, `${at}.request.url`);
  checkResource(entry.resource, type, `${at}.resource`);
  const { fullUrl = null } = entry;
  if (fullUrl !== null && typeof fullUrl !== 'string') throw incomplete(`${at}.fullUrl is no text`);
  const own = fullUrl === null ? [] : [`fullUrl ${fullUrl}`];
  if (method === 'PUT') {
    if (id === null && criteria === null) throw incomplete(`${at}.request: PUT needs an id or a search`);
    if (id !== null && (entry.resource as Json).id !== id) throw incomplete(`${at}.resource.id is not that of its url`);
    return { type, fullUrl, keys: [...own, `PUT ${String(url)}`] };
  }
  if (method !== 'POST') throw incomplete(`${at}.request.method is neither PUT nor POST`);
  if (id !== null || criteria !== null) throw incomplete(`${at}.request: POST goes to a resource type`);
  if (!isCriteria(ifNoneExist)) throw incomplete(`${at}.request: POST without ifNoneExist could make it twice`);
  return { type, fullUrl, keys: [...own, `PUT ${type}?${ifNoneExist.replace(/^\?/, '')}`] };
}

/**
 * Reads the body of a `resource`: `{ method, url, ifNoneExist?, ifMatch?, resource }`.
 * @throws Fault `mapping-incomplete` that says which element, never what is in it
 */
export function readSingle(bytes: Uint8Array): FhirRequest {
  const order = parse(decode(bytes), parseExactJson);
  const extra = Object.keys(order).some(
    (key) => !['method', 'url', 'ifNoneExist', 'ifMatch', 'resource'].includes(key),
  );
  if (extra) throw incomplete('the body takes method, url, ifNoneExist, ifMatch and resource, and nothing else');
  const { method, url, ifNoneExist = null, ifMatch = null } = order;
  const { type, id, criteria } = readUrl(url, 'url');
  checkResource(order.resource, type, 'resource');
  const request = { path: String(url), body: JSON.stringify(order.resource), types: new Set([type]), entries: null };
  if (method === 'POST') {
    if (id !== null || criteria !== null) throw incomplete('POST goes to a resource type');
    if (!isCriteria(ifNoneExist)) throw incomplete('POST without ifNoneExist could make it twice');
    if (ifMatch !== null) throw incomplete('ifMatch goes with PUT');
    return { ...request, method, headers: { 'if-none-exist': toHeader(ifNoneExist, 'ifNoneExist') } };
  }
  if (method !== 'PUT') throw incomplete('method is neither PUT nor POST');
  if (ifNoneExist !== null) throw incomplete('ifNoneExist goes with POST');
  if (id === null && criteria === null) throw incomplete('PUT needs an id or a search');
  if (id !== null && (order.resource as Json).id !== id) throw incomplete('resource.id is not that of its url');
  // URLs are written down by every proxy on the way.
  if (criteria !== null && (PERSONS.has(type) || /(^|&)(patient|subject)\b/.test(criteria))) {
    throw incomplete('a search for a person does not belong in a URL: use a transaction');
  }
  if (ifMatch === null) return { ...request, method, headers: {} };
  if (typeof ifMatch !== 'string' || ifMatch === '') throw incomplete('ifMatch is no text');
  return { ...request, method, headers: { 'if-match': toHeader(ifMatch, 'ifMatch') } };
}

function readUrl(url: unknown, at: string): { type: string; id: string | null; criteria: string | null } {
  const [path = '', criteria = null] = typeof url === 'string' ? url.split(/\?(.*)/s) : [];
  const [type = '', id = null, more] = path.split('/');
  const isUrl =
    TYPE.test(type) &&
    more === undefined &&
    (id === null || (ID.test(id) && criteria === null)) &&
    !/\s/.test(String(url));
  if (!isUrl) throw incomplete(`${at} is neither Type, Type/id nor Type?search`);
  if (criteria !== null && !isCriteria(criteria)) throw incomplete(`${at} has an empty search`);
  return { type, id, criteria };
}

/** At least one parameter, and none without a value: an empty one is left out by some servers, and then matches all. */
function isCriteria(text: unknown): text is string {
  if (typeof text !== 'string') return false;
  const pairs = [...new URLSearchParams(text.replace(/^[A-Za-z]*\?/, ''))];
  return pairs.length > 0 && pairs.every(([name, value]) => name !== '' && /[^|]/.test(value));
}

function checkResource(resource: unknown, type: string, at: string): void {
  if (!isObject(resource)) throw incomplete(`${at} is missing`);
  if (resource.resourceType !== type) throw incomplete(`${at}.resourceType is not that of its url`);
}

/** In loops, for it visits every element of what leaves. */
function hasDanglingPlaceholder(value: object, fullUrls: ReadonlySet<string>): boolean {
  if (Array.isArray(value)) {
    for (const one of value) if (isContainer(one) && hasDanglingPlaceholder(one, fullUrls)) return true;
    return false;
  }
  for (const name in value) {
    const one = (value as Json)[name];
    if (isContainer(one)) {
      if (hasDanglingPlaceholder(one, fullUrls)) return true;
    } else if (name === 'reference' && typeof one === 'string') {
      if (/^urn:(uuid|oid):/.test(one) && !fullUrls.has(one)) return true;
    }
  }
  return false;
}

/** What is not ASCII has to be written with percent signs. */
function toHeader(text: string, at: string): string {
  if (/^[\x21-\x7e]+$/.test(text)) return text;
  throw incomplete(`${at} holds what a header cannot: percent signs are needed`);
}

/** Made once: that costs more than reading a small body with it. */
const UTF8 = new TextDecoder('utf-8', { fatal: true });

function decode(bytes: Uint8Array): string {
  try {
    return UTF8.decode(bytes);
  } catch {
    throw incomplete('the body is not UTF-8');
  }
}

function parse(text: string, parser: (text: string) => unknown): Json {
  let value: unknown = null;
  try {
    value = parser(text);
  } catch {
    // Falls through to the one answer there is: an error of the parser quotes what it read.
  }
  if (!isObject(value)) throw incomplete('the body is no JSON object');
  return value;
}

const incomplete = (detail: string): Fault => new Fault('mapping-incomplete', { detail });
const isContainer = (value: unknown): value is object => typeof value === 'object' && value !== null;
const isObject = (value: unknown): value is Json => isContainer(value) && !Array.isArray(value);
