import { deriveKey } from '../fhir/identifier.ts';
import type { Pieces } from '../fhir/json-pieces.ts';
import { findGroups, type Group, isGroupName, mayHold } from '../hl7/group.ts';
import { type Cell, type Path, PathError, parsePath, selectSegments } from '../hl7/path.ts';
import { layerEntry } from './entry.ts';
import { keepProblem } from './problem.ts';
import { compilePart, compileRule } from './rule.ts';
import { Found, foundText, type References, type Scope, scopeAtCell, scopeAtGroup } from './scope.ts';
import { compileSet } from './set.ts';
import type { Evaluate, Surroundings } from './surroundings.ts';
import type { Trail } from './trail.ts';
import { compileWhen } from './when.ts';
import type { YamlNode } from './yaml-node.ts';

/** How an entry is written, so that sending it twice does no harm. */
const WRITES = ['update', 'create', 'conditional-update'] as const;

interface EntrySpec {
  readonly name: string;
  /** Groups or segments it is made for once each; null = once; `reference` = only where a rule refers to it. */
  readonly each: string | Path | null | 'reference';
  readonly holds: ((scope: Scope) => boolean) | null;
  readonly body: Evaluate;
  readonly key: readonly Evaluate[];
  /**
   * `update`: PUT under our own derived id · `create`: POST only if nothing has its identifier, else left as it is ·
   * `conditional-update`: PUT by its identifier. The latter two need an identifier with a system; without one it is
   * written under our own id, where it can overwrite nobody's record.
   */
  readonly write: (typeof WRITES)[number];
  /** Where it holds, groups with equal keys speak of one thing, such as a specimen of two orders; else of two. */
  readonly merges: ((scope: Scope) => boolean) | null;
  /** Differs from message to message though the results are the same; a result is not told by it. */
  readonly isVolatile: boolean;
  readonly where: string;
}

interface Instance {
  readonly spec: EntrySpec;
  readonly scope: Scope;
  /** Further groups that speak of it. */
  readonly others: Scope[];
  readonly fullUrl: string;
  readonly id: string;
  /** `undefined` while nobody asked, null = nothing came of it. */
  resource: Record<string, unknown> | null | undefined;
}

/**
 * Compiles `bundle:`, a list of entries, and `head:`, elements of the Bundle itself, to a transaction Bundle: resources
 * under derived ids, references between them, equal ones merged. @throws ProblemError
 * @see FHIR R4 http.html#transaction
 */
export function compileBundle(
  node: YamlNode,
  head: YamlNode | null,
  around: Surroundings,
  secret: Uint8Array,
): Evaluate {
  const makeHead = head === null ? null : compileSet(head, around);
  const specs = node.items().flatMap((item) => keepProblem(around.problems, () => compileEntry(item, around), []));
  const byName = new Map(specs.map((spec) => [spec.name, spec]));
  return (scope) => {
    const run = new BundleRun(byName, secret);
    const outer: Scope = { ...scope, bundle: run, home: scope.home ?? scope };
    for (const spec of specs) run.open(spec, outer);
    const entries = run.makeEntries();
    if (scope.run.trail !== null) run.placeEntries(scope.run.trail);
    if (entries.length === 0) return null;
    const elements = makeHead?.(scope)?.value as object | undefined;
    const body = { resourceType: 'Bundle', ...elements, type: 'transaction', entry: entries.map(({ entry }) => entry) };
    if (elements !== undefined || entries.some(({ isVolatile }) => isVolatile))
      volatile.set(body, new Set(entries.flatMap(({ entry, isVolatile }) => (isVolatile ? [entry] : []))));
    return Found.made(body);
  };
}

/** Of bundles of which some part differs from message to message though the results are the same: those entries. */
const volatile = new WeakMap<object, ReadonlySet<object>>();

/**
 * A body as JSON, and what of it tells one version of its results from another. An entry is written once for both.
 * @param write how: `writeJsonPieces` where there are long texts
 */
export function writeBody(
  body: unknown,
  write: (value: unknown) => Pieces = (value) => [JSON.stringify(value)],
): { readonly text: Pieces; readonly lasting: Pieces } {
  const passing = typeof body === 'object' && body !== null ? volatile.get(body) : undefined;
  if (passing === undefined) {
    const text = write(body);
    return { text, lasting: text };
  }
  const { entry, ...head } = body as { entry: readonly object[] };
  const texts = entry.map(write);
  const lasting = passing.size === 0 ? texts : texts.filter((_, index) => !passing.has(entry[index] as object));
  return {
    text: [`${JSON.stringify(head).slice(0, -1)},"entry":[`, ...withCommas(texts), ']}'],
    lasting: ['[', ...withCommas(lasting), ']'],
  };
}

function withCommas(texts: readonly Pieces[]): Pieces {
  return texts.flatMap((pieces, index) => (index === 0 ? pieces : [',', ...pieces]));
}

/** [] = an overlay leaves it out. */
function compileEntry(node: YamlNode, around: Surroundings): EntrySpec[] {
  const layered = layerEntry(node, around.entryChanges);
  if (layered === null) return [];
  const { keys } = layered;
  const [when, merge] = [keys.get('when'), keys.get('merge')];
  const key = keys.get('key') ?? node.fail('An entry needs key: what tells it from others of its kind');
  const spec: EntrySpec = {
    name: keys.get('entry')?.text() ?? node.fail('An entry needs its name (entry: …)'),
    each: compileEach(keys.get('each') ?? null),
    holds: when === undefined ? null : compileWhen(when, around.variables),
    body: compileRule(layered.body, around),
    key: (key.isList ? key.items() : [key]).map((item) => compilePart(item, around)),
    write: keys.get('write')?.word(WRITES) ?? 'update',
    merges: merge === undefined ? null : compileWhen(merge, around.variables),
    isVolatile: keys.get('volatile')?.flag() ?? false,
    where: node.where,
  };
  return [spec];
}

function compileEach(node: YamlNode | null): EntrySpec['each'] {
  if (node === null) return null;
  const text = node.text('a group, a segment, or reference');
  if (text === 'reference' || isGroupName(text)) return text;
  try {
    return parsePath(text.includes('[') ? text : `${text}[*]`);
  } catch (error) {
    if (error instanceof PathError) node.fail(error.message, null, Math.min(error.offset, text.length));
    throw error;
  }
}

const NOTHING: readonly Instance[] = [];

/** One bundle while it is made. */
class BundleRun implements References {
  readonly #specs: ReadonlyMap<string, EntrySpec>;
  readonly #secret: Uint8Array;
  /** In the order they stand in the bundle. */
  readonly #instances = new Map<string, Instance>();
  /** Entry name → group → instances in that group or below it. */
  readonly #near = new Map<string, Map<Group, Set<Instance>>>();

  constructor(specs: ReadonlyMap<string, EntrySpec>, secret: Uint8Array) {
    this.#specs = specs;
    this.#secret = secret;
  }

  /** Opens the instances of an entry; their resources are made later, when all that they may refer to is open. */
  open(spec: EntrySpec, scope: Scope): void {
    if (spec.each === 'reference') return;
    for (const group of groupsOf(spec.each, scope)) {
      const inner = scopeAtGroup(scope, group);
      if (spec.holds === null || spec.holds(inner)) this.#note(this.#instance(spec, inner), group);
    }
  }

  find(entry: string, scope: Scope): string[] {
    const near = this.#near.get(entry);
    const each = this.#specs.get(entry)?.each;
    for (let group: Group | null = scope.group; near !== undefined && group !== null; group = group.parent) {
      const urls: string[] = [];
      for (const instance of near.get(group) ?? NOTHING)
        if (this.#resourceOf(instance) !== null) urls.push(instance.fullUrl);
      if (urls.length > 0) return urls;
      // An order that has none of its own does not get those of another order.
      if (typeof each === 'string' && mayHold(group.name, each)) break;
    }
    return [];
  }

  make(entry: string, cell: Cell, scope: Scope): string | null {
    const spec = this.#specs.get(entry);
    if (spec === undefined) return null;
    const inner = scopeAtCell(scope, cell);
    if (spec.holds !== null && !spec.holds(inner)) return null;
    const instance = this.#instance(spec, inner);
    return this.#resourceOf(instance) === null ? null : instance.fullUrl;
  }

  makeEntries(): { readonly entry: object; readonly isVolatile: boolean }[] {
    const entries: { entry: object; isVolatile: boolean }[] = [];
    // Resources made for a reference join while the others are made.
    for (const instance of this.#instances.values()) {
      const resource = this.#resourceOf(instance);
      if (resource === null) continue;
      entries.push({ entry: entryOf(instance, resource), isVolatile: instance.spec.isVolatile });
    }
    return entries;
  }

  /** Tells the trail where in the bundle the resources stand. */
  placeEntries(trail: Trail): void {
    const places = new Map<string, string>();
    for (const { resource, fullUrl, spec } of this.#instances.values()) {
      if (resource === null || resource === undefined) continue;
      const element = `entry[${places.size}]`;
      places.set(fullUrl, `${element}.resource`);
      trail.within(element, () => trail.made(spec.where, new Set(), new Set()));
    }
    trail.place(places, new Set([...this.#instances.values()].map(({ fullUrl }) => fullUrl)));
  }

  #instance(spec: EntrySpec, scope: Scope): Instance {
    const parts = spec.key.map((part) => {
      const found = part(scope);
      return found === null ? '' : foundText(found, scope.run);
    });
    const hash = deriveKey(this.#secret, ['entry', spec.name, ...parts]);
    const known = this.#instances.get(hash);
    if (known === undefined) return this.#add(hash, spec, scope);
    // The same actor or place said twice is one resource; two groups with equal keys are two, or one would be lost.
    if (spec.each === 'reference' || known.scope.group === scope.group) return known;
    if (spec.merges?.(scope)) {
      known.others.push(scope);
      return known;
    }
    let ordinal = 2;
    const hashOf = () => deriveKey(this.#secret, ['entry', spec.name, ...parts, `#${ordinal}`]);
    while (this.#instances.has(hashOf())) ordinal += 1;
    return this.#add(hashOf(), spec, scope);
  }

  #add(hash: string, spec: EntrySpec, scope: Scope): Instance {
    const id = hash.slice(0, 32);
    const instance = { spec, scope, others: [], fullUrl: uuidUrl(hash), id, resource: undefined };
    this.#instances.set(hash, instance);
    return instance;
  }

  #note(instance: Instance, at: Group): void {
    let groups = this.#near.get(instance.spec.name);
    if (groups === undefined) {
      groups = new Map();
      this.#near.set(instance.spec.name, groups);
    }
    for (let group: Group | null = at; group !== null; group = group.parent) {
      const list = groups.get(group);
      if (list === undefined) groups.set(group, new Set([instance]));
      else list.add(instance);
    }
  }

  #resourceOf(instance: Instance): Record<string, unknown> | null {
    if (instance.resource !== undefined) return instance.resource;
    // Two resources may refer to each other: while this one is made it counts as there.
    instance.resource = {};
    const { trail } = instance.scope.run;
    let made: Record<string, unknown> | null = null;
    for (const scope of [instance.scope, ...instance.others]) {
      const make = () => instance.spec.body(scope);
      const found = trail === null ? make() : trail.at(instance.fullUrl, make);
      const resource = found === null ? null : (found.value as Record<string, unknown>);
      made = made === null || resource === null ? (made ?? resource) : mergeInto(made, resource);
    }
    instance.resource = made;
    return made;
  }
}

/** What is said again of the same thing: lists are joined, and of a single element the first statement holds. */
function mergeInto(first: Record<string, unknown>, again: Record<string, unknown>): Record<string, unknown> {
  const merged = { ...first };
  for (const [name, value] of Object.entries(again)) {
    const known = merged[name];
    if (known === undefined) merged[name] = value;
    else if (Array.isArray(known) && Array.isArray(value)) {
      const said = new Set(known.map((item) => JSON.stringify(item)));
      merged[name] = [...known, ...value.filter((item) => !said.has(JSON.stringify(item)))];
    }
  }
  return merged;
}

function groupsOf(each: string | Path | null, scope: Scope): readonly Group[] {
  if (each === null) return [scope.group];
  if (typeof each === 'string') return findGroups(scope.group, each);
  // A segment is a group of its own, so that its name means itself within it.
  return selectSegments(each, scope.group, scope.run.message).map((segment) => ({
    name: segment.name,
    parent: scope.group,
    segments: [segment],
    children: [],
    known: new Map(),
  }));
}

function entryOf({ spec, fullUrl, id }: Instance, resource: Record<string, unknown>): object {
  const type = String(resource.resourceType);
  const search = spec.write === 'update' ? null : identifierSearch(resource);
  if (search !== null && spec.write === 'create') {
    return { fullUrl, resource, request: { method: 'POST', url: type, ifNoneExist: search } };
  }
  if (search !== null) return { fullUrl, resource, request: { method: 'PUT', url: `${type}?${search}` } };
  return {
    fullUrl,
    // Its type and id come first, whatever the order of its rules.
    resource: { resourceType: type, id, ...resource },
    request: { method: 'PUT', url: `${type}/${id}` },
  };
}

/** `identifier=system%7Cvalue` of the first identifier that names its system; a value alone could be anybody's. */
function identifierSearch(resource: Record<string, unknown>): string | null {
  const identifiers = Array.isArray(resource.identifier) ? resource.identifier : [];
  for (const { system, value } of identifiers as { system?: unknown; value?: unknown }[]) {
    if (typeof system !== 'string' || typeof value !== 'string') continue;
    return `identifier=${encodeURIComponent(`${system}|${value}`)}`;
  }
  return null;
}

/** UUID version 8 out of the first 128 bits. @see RFC 9562 §5.8 */
function uuidUrl(hash: string): string {
  const variant = ((Number.parseInt(hash.charAt(16), 16) & 3) | 8).toString(16);
  const parts = [
    hash.slice(0, 8),
    hash.slice(8, 12),
    `8${hash.slice(13, 16)}`,
    variant + hash.slice(17, 20),
    hash.slice(20, 32),
  ];
  return `urn:uuid:${parts.join('-')}`;
}
