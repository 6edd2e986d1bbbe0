import type { NamedNode, YamlNode } from './yaml-node.ts';

/** Keys of an entry of `bundle:`, but for its name. */
export const ENTRY_KEYS = ['each', 'when', 'include', 'set', 'key', 'write', 'merge', 'volatile', 'because'] as const;

type EntryKey = 'entry' | (typeof ENTRY_KEYS)[number];

/** What overlays say otherwise of the entry of a name, the farthest first; null = it is left out. */
export interface EntryChange {
  readonly keyNode: YamlNode;
  readonly layers: readonly YamlNode[] | null;
}

export type EntryChanges = ReadonlyMap<string, EntryChange>;

/** An entry of a bundle with what overlays say otherwise of it. */
export interface LayeredEntry {
  readonly keys: ReadonlyMap<EntryKey, YamlNode>;
  /** A map of its `set` or its `include` alone, as a rule. */
  readonly body: YamlNode;
}

/** Adds what one overlay says of entries under `entries:`. @throws ProblemError */
export function addEntryChanges(changes: Map<string, EntryChange>, entries: ReadonlyMap<string, NamedNode>): void {
  for (const [name, { keyNode, value }] of entries) {
    if (value.isNull) changes.set(name, { keyNode, layers: null });
    else {
      const keys = value.keys(ENTRY_KEYS);
      if (keys.has('include') && keys.has('set')) value.fail('An entry has either include or set');
      changes.set(name, { keyNode, layers: [...(changes.get(name)?.layers ?? []), value] });
    }
  }
}

/** Reads an entry; null = an overlay leaves it out. @throws ProblemError */
export function layerEntry(node: YamlNode, changes: EntryChanges): LayeredEntry | null {
  const own = node.keys(['entry', ...ENTRY_KEYS]);
  const name = own.get('entry')?.text();
  const change = name === undefined ? undefined : changes.get(name);
  if (change?.layers === null) return null;
  const keys = new Map<EntryKey, YamlNode>(own);
  let body = node.only(own.has('set') ? 'set' : 'include');
  for (const layer of change?.layers ?? []) {
    for (const [key, value] of layer.keys(ENTRY_KEYS)) {
      keys.set(key, value);
      if (key === 'set' || key === 'include') body = layer.only(key);
    }
  }
  return { keys, body };
}
