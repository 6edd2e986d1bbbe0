import type { YamlNode } from './yaml-node.ts';

/** What a table is asked with: a coded value's alternatives in the order they stand, or a plain text. */
export interface LookupKey {
  readonly code: string;
  /** '' = none stated. */
  readonly system: string;
}

/**
 * A lookup table as it stands in `mappings/tables/`. Rows are grouped by coding system; the group `'*'` holds for any
 * system, also for none. `fold: true` compares without regard to case and outer spaces.
 */
export interface Table {
  readonly name: string;
  /** Result of the first key that has a row, and that row's place; null = no row. */
  find(keys: readonly LookupKey[]): { readonly value: unknown; readonly where: string } | null;
  readonly size: number;
}

const ANY = '*';

/** @throws ProblemError */
export function compileTable(root: YamlNode): Table {
  const keys = root.keys(['table', 'summary', 'because', 'fold', 'systems', 'rows']);
  const name = keys.get('table')?.text('the table’s name') ?? root.fail('A table needs its name (table: …)');
  const isFolded = keys.get('fold')?.flag() ?? false;
  const fold = (text: string) => (isFolded ? text.trim().toLowerCase() : text);
  const aliases = readAliases(keys.get('systems') ?? null, fold);
  const rows = new Map<string, Map<string, { value: unknown; where: string }>>();
  const rowsNode = keys.get('rows') ?? root.fail('A table needs rows');
  let size = 0;
  for (const [system, { value: group }] of rowsNode.entries()) {
    const codes = new Map<string, { value: unknown; where: string }>();
    for (const [code, { keyNode, value }] of group.entries()) {
      if (codes.has(fold(code))) keyNode.fail(`"${code}" has a row already in this system`);
      codes.set(fold(code), { value: value.literal(), where: keyNode.where });
      size += 1;
    }
    rows.set(fold(system), codes);
  }
  const findIn = (system: string, code: string) => rows.get(system)?.get(code) ?? null;
  return {
    name,
    size,
    find(candidates) {
      for (const candidate of candidates) {
        const code = fold(candidate.code);
        if (code === '') continue;
        const system = fold(candidate.system);
        const found = findIn(aliases.get(system) ?? system, code) ?? findIn(ANY, code);
        if (found !== null) return found;
      }
      return null;
    },
  };
}

/** `systems: { LN: [LOINC, http://loinc.org] }`: other names senders use for a system. */
function readAliases(node: YamlNode | null, fold: (text: string) => string): Map<string, string> {
  const aliases = new Map<string, string>();
  if (node === null) return aliases;
  for (const [system, { value }] of node.entries()) {
    for (const alias of value.items()) aliases.set(fold(alias.text()), fold(system));
  }
  return aliases;
}
