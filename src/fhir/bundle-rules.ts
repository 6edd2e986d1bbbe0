import { type BundleScope, has, type Inspection, isObject, type JsonObject, objectsOf, report } from './inspection.ts';

const CARRIES_REQUESTS: readonly unknown[] = ['transaction', 'batch', 'history'];
const CARRIES_RESPONSES: readonly unknown[] = ['transaction-response', 'batch-response', 'history'];
const ABSOLUTE = /^[A-Za-z][A-Za-z0-9+.-]*:/;

/** What a bundle's entries may refer to. */
export function readBundleScope(bundle: JsonObject): BundleScope {
  const typesByFullUrl = new Map<string, string>();
  for (const [, { fullUrl, resource }] of objectsOf(bundle.entry)) {
    if (typeof fullUrl !== 'string' || !isObject(resource) || typeof resource.resourceType !== 'string') continue;
    typesByFullUrl.set(fullUrl, resource.resourceType);
  }
  return { type: bundle.type, typesByFullUrl };
}

/**
 * A bundle as a whole: bdl-1 to bdl-12, and what the page on transactions demands of requests and fullUrls.
 * @see HL7 FHIR 4.0.1, bundle.html, http.html §3.1.0.11
 */
export function checkBundle(inspection: Inspection, bundle: JsonObject): void {
  const { type } = bundle;
  const entries = objectsOf(bundle.entry);
  if (has(bundle, 'total') && type !== 'searchset' && type !== 'history') report(inspection, 'bdl-1', null, 'total');
  const first = isObject(entries[0]?.[1].resource) ? entries[0][1].resource.resourceType : undefined;
  if (type === 'message' && first !== 'MessageHeader') report(inspection, 'bdl-12', null, 'entry');
  if (type === 'document') checkDocument(inspection, bundle, first);

  const fullUrls = new Set<unknown>();
  const changed = new Set<unknown>();
  for (const [index, entry] of entries) {
    inspection.steps.push('entry', index);
    checkEntry(inspection, entry, type);
    if (typeof entry.fullUrl === 'string' && type !== 'history') {
      const version = isObject(entry.resource) && isObject(entry.resource.meta) ? entry.resource.meta.versionId : '';
      const key = typeof version === 'string' && version !== '' ? `${entry.fullUrl} ${version}` : entry.fullUrl;
      if (fullUrls.has(key)) report(inspection, 'bdl-7', null, 'fullUrl');
      fullUrls.add(key);
    }
    if (type === 'transaction' && isObject(entry.request)) {
      const { method, url } = entry.request;
      if (method === 'PUT' || method === 'DELETE' || method === 'PATCH') {
        if (changed.has(url)) report(inspection, 'request-overlap', null, 'request', 'url');
        changed.add(url);
      }
    }
    inspection.steps.length -= 2;
  }
}

function checkDocument(inspection: Inspection, bundle: JsonObject, first: unknown): void {
  const { identifier } = bundle;
  if (!isObject(identifier) || !has(identifier, 'system') || !has(identifier, 'value')) report(inspection, 'bdl-9');
  if (!has(bundle, 'timestamp')) report(inspection, 'bdl-10');
  if (first !== 'Composition') report(inspection, 'bdl-11', null, 'entry');
}

function checkEntry(inspection: Inspection, entry: JsonObject, type: unknown): void {
  const { request, resource, response, search } = entry;
  if (search !== undefined && type !== 'searchset') report(inspection, 'bdl-2', null, 'search');
  if ((request !== undefined) !== CARRIES_REQUESTS.includes(type)) report(inspection, 'bdl-3', null, 'request');
  if ((response !== undefined) !== CARRIES_RESPONSES.includes(type)) report(inspection, 'bdl-4', null, 'response');
  if (resource === undefined && request === undefined && response === undefined) report(inspection, 'bdl-5');
  checkFullUrl(inspection, entry);
  if (isObject(request)) checkRequest(inspection, request, resource);
}

function checkFullUrl(inspection: Inspection, { fullUrl, resource, request }: JsonObject): void {
  if (typeof fullUrl !== 'string') return;
  if (fullUrl.includes('/_history/')) report(inspection, 'bdl-8', null, 'fullUrl');
  if (!ABSOLUTE.test(fullUrl)) report(inspection, 'fullurl-absolute', null, 'fullUrl');
  if (!fullUrl.startsWith('http') || !isObject(resource)) return;
  if (typeof resource.resourceType !== 'string' || typeof resource.id !== 'string') return;
  // The server gives what is created another id.
  if (isObject(request) && request.method === 'POST') return;
  if (!fullUrl.endsWith(`/${resource.resourceType}/${resource.id}`)) {
    report(inspection, 'fullurl-id', null, 'fullUrl');
  }
}

function checkRequest(inspection: Inspection, request: JsonObject, resource: unknown): void {
  const { method, url, ifNoneExist } = request;
  if (ifNoneExist !== undefined) {
    const isSearchAlone = typeof ifNoneExist !== 'string' || !/^(?:[A-Za-z]+)?\?/.test(ifNoneExist);
    if (method !== 'POST' || !isSearchAlone) report(inspection, 'request-condition', null, 'request', 'ifNoneExist');
  }
  if (method !== 'POST' && method !== 'PUT') return;
  if (!isObject(resource)) {
    report(inspection, 'request-resource', null, 'resource');
    return;
  }
  if (typeof url !== 'string') return;
  if (!fitsRequest(method, url, resource)) report(inspection, 'request-url', null, 'request', 'url');
}

function fitsRequest(method: 'POST' | 'PUT', url: string, resource: JsonObject): boolean {
  const type = typeof resource.resourceType === 'string' ? resource.resourceType : '';
  if (method === 'PUT') {
    return url.startsWith(`${type}?`) || (typeof resource.id === 'string' && url === `${type}/${resource.id}`);
  }
  // An operation takes what it likes.
  return url === type || url.includes('$');
}
