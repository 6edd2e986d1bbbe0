import {
  type Asked,
  type Authorize,
  countMatches,
  type Done,
  type Planned,
  performWrite,
  planWrite,
} from './interaction.ts';
import { isObject, type Json, makeOutcome, Refused, refuse, show, statusLine } from './outcome.ts';
import { type Answered, read } from './read.ts';
import { type ReferenceRules, replaceLinks, resolveReferences } from './references.ts';
import type { Store } from './store.ts';

export interface BundleDesk {
  readonly store: Store;
  readonly baseUrl: string;
  /** Whether what is referred to must exist. */
  readonly mustExist: boolean;
  readonly authorize: Authorize;
  /** Whether written resources are part of the answer. */
  readonly returning: 'minimal' | 'representation' | 'OperationOutcome';
}

/** What became of one entry; null where it was a read, or failed. */
export interface Processed {
  readonly answer: Json;
  readonly written: readonly { readonly position: number; readonly done: Done }[];
}

interface Entry {
  readonly position: number;
  readonly fullUrl: string | null;
  readonly method: string;
  readonly asked: Asked;
}

/** In this order, whatever the order in the bundle. */
const ORDER = ['DELETE', 'POST', 'PUT', 'GET'];

/**
 * Processes a transaction or a batch: a transaction as a whole or not at all.
 * @throws Refused — the bundle is malformed, or any entry of a transaction fails
 * @see FHIR R4 http.html#trules
 */
export function processBundle(bundle: Json, desk: BundleDesk): Processed {
  if (bundle.resourceType !== 'Bundle') throw refuse(400, 'invalid', 'Only a Bundle can be posted here', 'Bundle');
  if (bundle.type !== 'transaction' && bundle.type !== 'batch') {
    throw refuse(422, 'value', `Unable to process a bundle of type "${show(bundle.type)}"`, 'Bundle.type');
  }
  const entries = readEntries(bundle.entry);
  if (bundle.type === 'batch') return processBatch(entries, desk);
  const answers = desk.store.atomically(() => processTransaction(entries, desk));
  return assemble('transaction-response', answers, desk);
}

function readEntries(list: unknown): Entry[] {
  if (list === undefined) return [];
  if (!Array.isArray(list)) throw refuse(400, 'structure', 'Bundle.entry must be an array', 'Bundle.entry');
  return list.map((one: unknown, position) => {
    const at = `Bundle.entry[${position}]`;
    const request = isObject(one) && isObject(one.request) ? one.request : null;
    if (!isObject(one) || request === null) throw refuse(400, 'required', 'An entry needs a request', `${at}.request`);
    const method = show(request.method);
    if (!ORDER.includes(method)) throw refuse(400, 'value', `Unsupported method "${method}"`, `${at}.request.method`);
    if (typeof request.url !== 'string') throw refuse(400, 'required', 'An entry needs a URL', `${at}.request.url`);
    const needsResource = method === 'POST' || method === 'PUT';
    if (needsResource && !isObject(one.resource)) {
      throw refuse(400, 'required', `${method} needs a resource`, `${at}.resource`);
    }
    const text = (value: unknown): string | null => (typeof value === 'string' ? value : null);
    const asked: Asked = {
      method: method as Asked['method'],
      url: request.url,
      resource: isObject(one.resource) ? one.resource : null,
      ifNoneExist: text(request.ifNoneExist),
      ifMatch: text(request.ifMatch),
      ifNoneMatch: text(request.ifNoneMatch),
      at: `${at}.resource`,
    };
    return { position, fullUrl: text(one.fullUrl), method, asked };
  });
}

/** By position: what was written, or what was read. */
type Answers = Map<number, { readonly done: Done } | { readonly read: Answered } | { readonly failed: Refused }>;

function processTransaction(entries: readonly Entry[], desk: BundleDesk): Answers {
  const { store, authorize } = desk;
  const answers: Answers = new Map();
  const of = (method: string) => entries.filter((entry) => entry.method === method);
  const planned: { entry: Entry; plan: Planned }[] = [];
  const plan = (entry: Entry) => {
    const made = within(entry, () => planWrite(entry.asked, store, authorize));
    planned.push({ entry, plan: made });
    return made;
  };

  const links = new Map<string, string>();
  for (const { fullUrl, position } of entries) {
    if (fullUrl === null) continue;
    const at = `Bundle.entry[${position}].fullUrl`;
    if (links.has(fullUrl)) throw refuse(400, 'duplicate', `Two entries have the fullUrl "${fullUrl}"`, at);
    links.set(fullUrl, '');
  }
  for (const entry of of('DELETE')) {
    const made = plan(entry);
    answers.set(entry.position, { done: within(entry, () => performWrite(made, null, store)) });
  }
  const writes = [...of('POST'), ...of('PUT')].map((entry) => ({ entry, plan: plan(entry) }));
  for (const { entry, plan: made } of writes) {
    if (entry.fullUrl !== null) links.set(entry.fullUrl, `${made.type}/${made.id}`);
  }
  checkOverlap(planned);
  for (const [fullUrl, target] of links) if (target === '') links.delete(fullUrl);
  for (const { entry, plan: made } of writes) {
    const linked = replaceLinks(entry.asked.resource, links) as Json;
    answers.set(entry.position, { done: within(entry, () => performWrite(made, linked, store)) });
  }
  for (const entry of of('GET')) {
    answers.set(entry.position, { read: within(entry, () => read(entry.asked.url, desk)) });
  }
  settleReferences(writes, answers, desk);
  for (const { entry, plan: made } of writes) {
    // What was absent when the criteria were looked at may by now have been made by another entry.
    if ((countMatches(made, store) ?? 0) > 1) {
      const at = `Bundle.entry[${entry.position}].request`;
      throw refuse(400, 'duplicate', 'The transaction would make several resources match one search', at);
    }
  }
  return answers;
}

/** Two writes of one resource make a transaction ambiguous. */
function checkOverlap(planned: readonly { entry: Entry; plan: Planned }[]): void {
  const seen = new Set<string>();
  for (const { entry, plan } of planned) {
    if (plan.action === 'none') continue;
    const identity = `${plan.type}/${plan.id}`;
    if (seen.has(identity)) {
      throw refuse(400, 'duplicate', `The transaction writes ${identity} twice`, `Bundle.entry[${entry.position}]`);
    }
    seen.add(identity);
  }
}

/** Conditional references may find what the transaction itself has written, so they come last. */
function settleReferences(
  writes: readonly { entry: Entry; plan: Planned }[],
  answers: Answers,
  desk: BundleDesk,
): void {
  const { store, baseUrl, mustExist } = desk;
  const rules: ReferenceRules = { baseUrl, mustExist, conditional: true };
  for (const { entry, plan } of writes) {
    const answer = answers.get(entry.position);
    if (answer === undefined || !('done' in answer) || !answer.done.changed) continue;
    const resource = store.current(plan.type, plan.id)?.resource ?? null;
    if (resource === null) continue;
    const links = resolveReferences(resource, entry.asked.at, store, rules);
    if (links.size === 0) continue;
    const settled = replaceLinks(resource, links) as Json;
    store.amend(plan.type, plan.id, settled);
    answers.set(entry.position, { done: { ...answer.done, version: store.current(plan.type, plan.id) } });
  }
}

/** Every entry for itself; references between entries are not resolved. */
function processBatch(entries: readonly Entry[], desk: BundleDesk): Processed {
  const answers: Answers = new Map();
  for (const method of ORDER) {
    for (const entry of entries.filter((one) => one.method === method)) {
      try {
        if (method === 'GET') answers.set(entry.position, { read: read(entry.asked.url, desk) });
        else answers.set(entry.position, { done: writeAlone(entry.asked, desk) });
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        answers.set(entry.position, { failed: error });
      }
    }
  }
  return assemble('batch-response', answers, desk);
}

/** One write that is not part of a transaction. @throws Refused */
export function writeAlone(asked: Asked, desk: BundleDesk): Done {
  const { store, baseUrl, mustExist, authorize } = desk;
  return store.atomically(() => {
    const done = performWrite(planWrite(asked, store, authorize), asked.resource, store);
    if (done.changed && asked.resource !== null) {
      resolveReferences(asked.resource, asked.at, store, { baseUrl, mustExist, conditional: false });
    }
    return done;
  });
}

function assemble(type: string, answers: Answers, desk: BundleDesk): Processed {
  const written: { position: number; done: Done }[] = [];
  const entry: Json[] = [];
  for (const [position, answer] of [...answers].sort(([a], [b]) => a - b)) {
    if ('done' in answer) written.push({ position, done: answer.done });
    entry.push(describe(answer, desk));
  }
  return { answer: { resourceType: 'Bundle', type, ...(entry.length === 0 ? {} : { entry }) }, written };
}

function describe(answer: Answers extends Map<number, infer One> ? One : never, desk: BundleDesk): Json {
  if ('failed' in answer) {
    return { response: { status: statusLine(answer.failed.status), outcome: makeOutcome(answer.failed.issues) } };
  }
  if ('read' in answer) return { resource: answer.read.resource, response: { status: statusLine(answer.read.status) } };
  const { status, type, id, version } = answer.done;
  if (version === null || version.resource === null) return { response: { status: statusLine(status) } };
  return {
    ...(desk.returning === 'representation'
      ? { fullUrl: `${desk.baseUrl}/${type}/${id}`, resource: version.resource }
      : {}),
    response: {
      status: statusLine(status),
      location: `${type}/${id}/_history/${version.versionId}`,
      etag: `W/"${version.versionId}"`,
      lastModified: new Date(version.lastModified).toISOString(),
    },
  };
}

/** Says which entry a refusal is of. */
function within<Made>(entry: Entry, work: () => Made): Made {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    const at = `Bundle.entry[${entry.position}]`;
    const issues = error.issues.map((issue) => ({ ...issue, expression: issue.expression ?? at }));
    // In a transaction, what is not there is the caller's mistake and not a missing page.
    const status = error.status === 404 || error.status === 405 || error.status === 410 ? 400 : error.status;
    throw new Refused(status, issues, error.headers);
  }
}
