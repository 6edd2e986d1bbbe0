import { Choice } from './choice.ts';
import { isNothing } from './from.ts';
import { suggest } from './problem.ts';
import { Found } from './scope.ts';
import type { Evaluate } from './surroundings.ts';
import type { NamedNode, YamlNode } from './yaml-node.ts';

/** What an overlay says of an element of a resource. */
export interface Override extends NamedNode {
  /** What the mapping it extends says of the same element, where this one only adds to it; null = nothing, or it replaces. */
  readonly under: Override | null;
}

const WAYS = ['prepend', 'append'] as const;

/** True of `prepend:` and `append:`, which add to what is inherited; anything else replaces it. */
export function isAddition(node: YamlNode): boolean {
  return node.isMap && WAYS.some((way) => node.entries().has(way));
}

/** `prepend:` and `append:` as they stand: lists of rules, or maps of elements with such. @throws ProblemError */
export function readAddition(node: YamlNode): ReadonlyMap<(typeof WAYS)[number], YamlNode> {
  const keys = node.keys([...WAYS, 'because']);
  const ways = new Map<(typeof WAYS)[number], YamlNode>();
  for (const way of WAYS) {
    const added = keys.get(way);
    if (added === undefined) continue;
    requireLists(added, way);
    ways.set(way, added);
  }
  return ways;
}

function requireLists(node: YamlNode, way: string): void {
  if (node.isMap) for (const { value } of node.entries().values()) requireLists(value, way);
  else if (!node.isList) node.fail(`${way}: takes a list of rules, or elements that are lists`, `coding: [ … ]`);
}

/**
 * Compiles what an overlay adds to an element: what is inherited is made as it would be, and the lists of both are
 * joined.
 * @param base the resource file's own rule; null = it has none
 * @param compile makes a rule of a node
 * @throws ProblemError
 */
export function compileAddition(
  { keyNode, value, under }: Override,
  base: NamedNode | null,
  known: Iterable<string>,
  compile: (node: YamlNode) => Evaluate,
): Evaluate {
  const inherited = under ?? base;
  if (inherited === null) {
    const name = keyNode.text();
    return keyNode.fail(`There is no "${name}" to add to`, suggest(name, known) ?? 'give it a rule');
  }
  const where = inherited.value.where;
  const ways = readAddition(value);
  const inner = compileInherited(under, base, known, compile);
  const [prepend = null, append = null] = WAYS.map((way) => {
    const added = ways.get(way);
    return added === undefined ? null : { make: compileLists(added, compile), lists: pathsOf(added, '') };
  });
  return (scope) => {
    const { trail } = scope.run;
    const first = prepend?.make(scope) ?? null;
    const since = trail?.count ?? 0;
    const middle = inner?.(scope) ?? null;
    for (const path of prepend?.lists ?? [])
      trail?.moveItems(since, path, lengthAt(first, path), lengthAt(middle, path), where);
    const joined = join(first, middle);
    const sinceLast = trail?.count ?? 0;
    const last = append?.make(scope) ?? null;
    for (const path of append?.lists ?? [])
      trail?.moveItems(sinceLast, path, lengthAt(joined, path), lengthAt(last, path), value.where);
    return join(joined, last);
  };
}

function compileInherited(
  under: Override | null,
  base: NamedNode | null,
  known: Iterable<string>,
  compile: (node: YamlNode) => Evaluate,
): Evaluate | null {
  if (under !== null && isAddition(under.value)) return compileAddition(under, base, known, compile);
  const node = under?.value ?? base?.value ?? null;
  return node === null || node.isNull ? null : compile(node);
}

/** A list of rules, or an object of such. */
function compileLists(node: YamlNode, compile: (node: YamlNode) => Evaluate): Evaluate {
  if (node.isList) return compile(node);
  const parts = [...node.entries()].map(([name, { value }]) => ({ name, make: compileLists(value, compile) }));
  return (scope) => {
    const { trail } = scope.run;
    const made: Record<string, unknown> = {};
    for (const { name, make } of parts) {
      const found = trail === null ? make(scope) : trail.within(name, () => make(scope));
      if (found !== null && !isNothing(found)) made[name] = found.value;
    }
    return Object.keys(made).length === 0 ? null : Found.made(made);
  };
}

/** Where in the element the added lists stand: `''` = it is one itself, `.coding`. */
function pathsOf(node: YamlNode, path: string): string[] {
  if (node.isList) return [path];
  return [...node.entries()].flatMap(([name, { value }]) => pathsOf(value, `${path}.${name}`));
}

function lengthAt(found: Found | null, path: string): number {
  let value = found?.value instanceof Choice ? found.value.value : found?.value;
  for (const name of path.split('.').slice(1)) value = (value as Record<string, unknown> | undefined)?.[name];
  return Array.isArray(value) ? value.length : 0;
}

function join(first: Found | null, last: Found | null): Found | null {
  if (isNothing(first)) return last;
  if (isNothing(last)) return first;
  return Found.made(joinValues(first?.value, last?.value), first);
}

/** Lists are joined, objects element by element; of single values the one that is not an addition's stays alone. */
function joinValues(first: unknown, last: unknown): unknown {
  if (first instanceof Choice) return new Choice(first.type, joinValues(first.value, last), first.beside);
  if (last instanceof Choice) return new Choice(last.type, joinValues(first, last.value), last.beside);
  if (Array.isArray(first) && Array.isArray(last)) return [...first, ...last];
  if (!isObject(first)) return first;
  if (!isObject(last)) return last;
  const joined: Record<string, unknown> = { ...first };
  for (const [name, value] of Object.entries(last))
    joined[name] = Object.hasOwn(joined, name) ? joinValues(joined[name], value) : value;
  return joined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
