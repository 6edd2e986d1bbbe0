import type { IncomingMessage } from 'node:http';
import type { Clock } from '../../contracts/clock.ts';
import { parseExactJson } from '../../fhir/exact-json.ts';
import { type BundleDesk, processBundle, writeAlone } from './bundle.ts';
import { makeCapabilityStatement } from './capability.ts';
import { type Authorize, type Done, readUrl } from './interaction.ts';
import { isObject, type Json, Refused, refuse } from './outcome.ts';
import { read } from './read.ts';
import type { Store, Version } from './store.ts';
import { permits } from './token-endpoint.ts';

/** An answer as it goes out; a null body = none. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
}

export interface FhirDesk {
  readonly store: Store;
  readonly clock: Clock;
  readonly baseUrl: string;
  readonly tokenUrl: string | null;
  readonly mustExist: boolean;
  readonly maxBodyBytes: number;
  /** Of the caller's token; null = tokens are not asked for. */
  readonly scopes: readonly string[] | null;
  /** Takes note of a write. */
  enter(position: number | null, done: Done): void;
}

const JSON_TYPES = ['application/fhir+json', 'application/json', 'application/json+fhir'];

/** Answers one HTTP request below `/fhir`. @throws Refused */
export async function answerFhir(request: IncomingMessage, desk: FhirDesk): Promise<HttpAnswer> {
  const { method = 'GET', url = '/' } = request;
  const below = /^\/fhir(?:\/(.*))?$/s.exec(url.startsWith('/fhir?') ? url.replace('/fhir?', '/fhir/?') : url);
  if (below === null) throw refuse(404, 'not-found', 'No such page');
  const rest = below[1] ?? '';
  checkAccept(request, rest);
  if (rest === '' || rest.startsWith('?')) {
    if (method !== 'POST')
      throw new Refused(405, refuse(405, 'not-supported', 'POST a Bundle here').issues, { allow: 'POST' });
    return answerBundle(await readBody(request, desk.maxBodyBytes), request, desk);
  }
  if (/^metadata\/?(\?|$)/.test(rest)) {
    const { baseUrl, tokenUrl, clock } = desk;
    const date = new Date(clock.now()).toISOString();
    return toAnswer(200, makeCapabilityStatement({ baseUrl, tokenUrl, date }));
  }
  if (method === 'GET' || method === 'HEAD') return answerRead(rest, request, desk);
  const { type, steps } = readUrl(rest);
  if (method === 'POST' && steps.length === 1 && steps[0] === '_search') {
    const form = (await readBytes(request, desk.maxBodyBytes)).toString('utf8');
    return toAnswer(200, read(`${type}?${form}`, bundleDesk(request, desk)).resource);
  }
  if (method !== 'POST' && method !== 'PUT' && method !== 'DELETE') {
    const allow = steps.length === 0 ? 'GET, POST, PUT, DELETE' : 'GET, PUT, DELETE';
    throw new Refused(405, refuse(405, 'not-supported', `${method} is not supported`).issues, { allow });
  }
  const resource = method === 'DELETE' ? null : await readBody(request, desk.maxBodyBytes);
  const header = (name: string): string | null => String(request.headers[name] ?? '') || null;
  const asked = {
    method,
    url: decodePath(rest),
    resource,
    ifNoneExist: header('if-none-exist'),
    ifMatch: header('if-match'),
    ifNoneMatch: header('if-none-match'),
    at: type,
  } as const;
  const done = writeAlone(asked, bundleDesk(request, desk));
  desk.enter(null, done);
  return describe(done, request, desk);
}

function bundleDesk(request: IncomingMessage, desk: FhirDesk): BundleDesk {
  const { store, baseUrl, mustExist } = desk;
  return { store, baseUrl, mustExist, authorize: authorizeBy(desk.scopes), returning: readPrefer(request) };
}

function answerBundle(bundle: Json, request: IncomingMessage, desk: FhirDesk): HttpAnswer {
  const { answer, written } = processBundle(bundle, bundleDesk(request, desk));
  for (const { position, done } of written) desk.enter(position, done);
  return toAnswer(200, answer);
}

function answerRead(rest: string, request: IncomingMessage, desk: FhirDesk): HttpAnswer {
  const { resource, version } = read(decodePath(rest), bundleDesk(request, desk));
  if (version === null) return toAnswer(200, resource);
  const headers = versionHeaders(version);
  if (request.headers['if-none-match'] === headers.etag) return { status: 304, headers, body: null };
  return toAnswer(200, resource, headers);
}

function describe({ status, type, id, version }: Done, request: IncomingMessage, desk: FhirDesk): HttpAnswer {
  if (version === null || version.resource === null) return { status, headers: {}, body: null };
  const location = `${desk.baseUrl}/${type}/${id}/_history/${version.versionId}`;
  const headers = { ...versionHeaders(version), location };
  const returning = readPrefer(request);
  if (returning === 'minimal') return { status, headers, body: null };
  if (returning === 'representation') return toAnswer(status, version.resource, headers);
  const issue = [{ severity: 'information', code: 'informational', diagnostics: 'Done' }];
  return toAnswer(status, { resourceType: 'OperationOutcome', issue }, headers);
}

function versionHeaders(version: Version) {
  return {
    etag: `W/"${version.versionId}"`,
    'last-modified': new Date(version.lastModified).toUTCString(),
  };
}

function toAnswer(status: number, resource: Json, headers: Readonly<Record<string, string>> = {}): HttpAnswer {
  const type = { 'content-type': 'application/fhir+json; charset=utf-8' };
  return { status, headers: { ...type, ...headers }, body: JSON.stringify(resource) };
}

function readPrefer(request: IncomingMessage): BundleDesk['returning'] {
  const found = /\breturn=(minimal|representation|OperationOutcome)\b/.exec(String(request.headers.prefer ?? ''))?.[1];
  if (found === 'minimal' || found === 'OperationOutcome') return found;
  // Of a bundle's entries nothing is returned unless it is asked for.
  return found === undefined && /^\/fhir\/?$/.test(request.url ?? '') ? 'minimal' : 'representation';
}

function authorizeBy(scopes: readonly string[] | null): Authorize {
  return (type, access) => {
    if (scopes === null || permits(scopes, type, access)) return;
    throw refuse(403, 'forbidden', `The token does not permit to ${access} ${type}`);
  };
}

function checkAccept(request: IncomingMessage, rest: string): void {
  const format = new URLSearchParams(rest.split('?')[1] ?? '').get('_format');
  const wanted = (format ?? request.headers.accept ?? '*/*').split(',').map((one) => one.split(';')[0]?.trim() ?? '');
  const served = ['*/*', 'application/*', 'json', ...JSON_TYPES];
  if (!wanted.some((one) => served.includes(one))) {
    throw refuse(406, 'not-supported', 'Only application/fhir+json is served');
  }
}

async function readBody(request: IncomingMessage, maxBytes: number): Promise<Json> {
  const [type, charset] = (request.headers['content-type'] ?? '').toLowerCase().split(';');
  if (!JSON_TYPES.includes(type?.trim() ?? '') || (charset !== undefined && !/charset="?utf-8/.test(charset))) {
    throw refuse(415, 'not-supported', 'Content-Type must be application/fhir+json in UTF-8');
  }
  const bytes = await readBytes(request, maxBytes);
  let value: unknown;
  try {
    value = parseExactJson(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (error) {
    throw refuse(400, 'structure', `Failed to parse the body: ${String(error)}`);
  }
  if (!isObject(value)) throw refuse(400, 'structure', 'The body is not a JSON object');
  return value;
}

async function readBytes(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBytes) throw refuse(413, 'too-long', `The body is larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The path's percent signs are undone here, those of the query where it is taken apart. */
function decodePath(rest: string): string {
  const mark = rest.indexOf('?');
  const path = mark < 0 ? rest : rest.slice(0, mark);
  try {
    return decodeURIComponent(path) + (mark < 0 ? '' : rest.slice(mark));
  } catch {
    throw refuse(400, 'invalid', 'The URL cannot be read');
  }
}
