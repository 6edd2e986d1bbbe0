import { isAddition, type Override } from './addition.ts';
import { addEntryChanges, type EntryChange, type EntryChanges } from './entry.ts';
import { keepProblem, type Problem, suggest } from './problem.ts';
import type { MappingSetup } from './setup.ts';
import { compileTable, type Table } from './table.ts';
import type { NamedNode, YamlNode } from './yaml-node.ts';

type LayerSetup = Pick<MappingSetup, 'messages' | 'resources' | 'tables' | 'tableNodes' | 'problems'>;

/** Keys of a mapping file that a mapping which extends it does not inherit: they speak of that file alone. */
const OWN = ['mapping', 'summary', 'because', 'extends', 'tests'];

/** A mapping with all that it inherits put together; every node still knows the file it stands in. */
export interface LayeredMapping<Key extends string> {
  /** The keys of the mapping; where it is silent, those of the one it extends. */
  readonly keys: ReadonlyMap<Key, YamlNode>;
  readonly settings: ReadonlyMap<string, NamedNode>;
  readonly lets: ReadonlyMap<string, NamedNode>;
  /** Elements it sets otherwise than the resource files, by resource and element; an empty value leaves one out, an addition adds to it. */
  readonly overrides: ReadonlyMap<string, ReadonlyMap<string, Override>>;
  /** What it says otherwise of entries of the bundle, by name. */
  readonly entryChanges: EntryChanges;
  readonly tables: ReadonlyMap<string, Table>;
}

/**
 * Reads a message mapping and what it `extends`: settings, lets, elements of resources and rows of tables join by name,
 * anything else the mapping says replaces what it inherits. What is wrong goes into `setup.problems`.
 * @throws ProblemError where there is nothing of the name that it extends: the rest would be consequences of that
 */
export function layerMapping<Key extends string>(
  root: YamlNode,
  known: readonly Key[],
  setup: LayerSetup,
): LayeredMapping<Key> {
  const { problems } = setup;
  const layers = findLayers(root, setup).map((node) => node.keys(known, node === root ? problems : []));
  const keys = new Map<Key, YamlNode>();
  const nodesOf = (key: string) => layers.flatMap((layer) => layer.get(key as Key) ?? []);
  for (const layer of layers) {
    const isOwn = layer === layers.at(-1);
    for (const [key, value] of layer) if (isOwn || !OWN.includes(key)) keys.set(key, value);
  }
  const named = (key: string) => {
    const entries = new Map<string, NamedNode>();
    for (const node of nodesOf(key))
      for (const [name, entry] of keepProblem(problems, () => node.entries(), new Map())) entries.set(name, entry);
    return entries;
  };
  return {
    keys,
    settings: named('settings'),
    lets: named('let'),
    overrides: readOverrides(nodesOf('resources'), setup),
    entryChanges: readEntryChanges(nodesOf('entries'), keys.get('deliver' as Key), problems),
    tables: layerTables(nodesOf('tables'), setup),
  };
}

/** The mapping's file and those it extends, the one that extends nothing first. */
function findLayers(root: YamlNode, setup: Pick<MappingSetup, 'messages' | 'problems'>): YamlNode[] {
  const layers: YamlNode[] = [];
  const names: string[] = [];
  for (let node: YamlNode | null = root; node !== null; ) {
    layers.unshift(node);
    const entries: ReadonlyMap<string, NamedNode> = node.entries();
    const own = entries.get('mapping')?.value;
    names.push(own?.isScalar && !own.isNull ? own.text() : '');
    const next = entries.get('extends')?.value;
    if (next === undefined) break;
    node = findExtended(next, names, setup);
  }
  return layers;
}

function findExtended(node: YamlNode, names: readonly string[], setup: Pick<MappingSetup, 'messages'>): YamlNode {
  const name = node.text('the name of a mapping');
  if (names.includes(name)) node.fail(`"${name}" extends itself: ${[...names, name].join(' → ')}`);
  return setup.messages.get(name) ?? node.fail(`There is no mapping "${name}"`, suggest(name, setup.messages.keys()));
}

function readOverrides(nodes: readonly YamlNode[], setup: LayerSetup): Map<string, Map<string, Override>> {
  const overrides = new Map<string, Map<string, Override>>();
  const read = (name: string, { keyNode, value }: NamedNode) => {
    if (!setup.resources.has(name))
      keyNode.fail(`There is no resource "${name}"`, suggest(name, setup.resources.keys()));
    const set = value.keys(['set', 'because']).get('set') ?? value.fail('Expected set: with the elements that differ');
    const elements = overrides.get(name) ?? new Map<string, Override>();
    for (const [element, entry] of set.entries()) {
      const under = isAddition(entry.value) ? (elements.get(element) ?? null) : null;
      elements.set(element, { ...entry, under });
    }
    overrides.set(name, elements);
  };
  for (const node of nodes)
    for (const [name, entry] of keepProblem(setup.problems, () => node.entries(), new Map<string, NamedNode>()))
      keepProblem(setup.problems, () => read(name, entry), undefined);
  return overrides;
}

function readEntryChanges(
  nodes: readonly YamlNode[],
  deliver: YamlNode | undefined,
  problems: Problem[],
): EntryChanges {
  const changes = new Map<string, EntryChange>();
  for (const node of nodes) keepProblem(problems, () => addEntryChanges(changes, node.entries()), undefined);
  const known = changes.size === 0 ? new Set<string>() : namesOfEntries(deliver);
  for (const [name, { keyNode }] of changes)
    if (!known.has(name)) problems.push(keyNode.problem(`There is no entry "${name}"`, suggest(name, known)));
  return changes;
}

/** Names of the entries of all bundles of a `deliver:`. */
export function namesOfEntries(deliver: YamlNode | undefined): Set<string> {
  const items = deliver?.isList ? deliver.items() : [];
  return new Set(
    items.flatMap((item) => {
      const bundle = item.isMap ? item.entries().get('bundle')?.value : undefined;
      const entries = bundle?.isList ? bundle.items() : [];
      return entries.flatMap((entry) => (entry.isMap ? [entry.entries().get('entry')?.value.text() ?? ''] : []));
    }),
  );
}

/** The tables as this mapping sees them: with rows of its own where it has some. */
function layerTables(nodes: readonly YamlNode[], setup: LayerSetup): ReadonlyMap<string, Table> {
  if (nodes.length === 0) return setup.tables;
  const layers = new Map<string, YamlNode[]>();
  for (const node of nodes)
    for (const [name, { keyNode, value }] of keepProblem(
      setup.problems,
      () => node.entries(),
      new Map<string, NamedNode>(),
    )) {
      const known = setup.tableNodes.keys();
      if (!setup.tableNodes.has(name))
        setup.problems.push(keyNode.problem(`There is no table "${name}"`, suggest(name, known)));
      layers.set(name, [...(layers.get(name) ?? []), value]);
    }
  const tables = new Map(setup.tables);
  for (const [name, more] of layers) {
    const node = setup.tableNodes.get(name);
    const table =
      node === undefined ? null : keepProblem(setup.problems, () => compileTable(node, setup.problems, more), null);
    if (table !== null) tables.set(name, table);
  }
  return tables;
}
