import { keepProblem, type Problem, suggest } from './problem.ts';
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
  /**
   * Result of the first key that has a row, and that row's place; null = no row. The value null is that of a row that
   * gives nothing, where no other key has a row with a value.
   */
  find(keys: readonly LookupKey[]): Row | null;
  /** By system (`*` = any) and code, as they are compared. */
  readonly rows: Rows;
}

export interface Row {
  readonly value: unknown;
  /** `file:line:col` */
  readonly where: string;
}

type Rows = ReadonlyMap<string, ReadonlyMap<string, Row>>;

/** The group of rows that hold for any system. */
export const ANY = '*';

export function emptyTable(name: string): Table {
  return { name, rows: new Map(), find: () => null };
}

/**
 * What is wrong with single rows is noted, and the rest is read.
 * @param overlays maps with rows (and names of systems) of a mapping's own; a row without a value takes one away
 * @throws ProblemError
 */
export function compileTable(root: YamlNode, problems: Problem[], overlays: readonly YamlNode[] = []): Table {
  const keys = root.keys(['table', 'summary', 'because', 'fold', 'systems', 'rows'], problems);
  const name = keys.get('table')?.text('the table’s name') ?? root.fail('A table needs its name (table: …)');
  const isFolded = keys.get('fold')?.flag() ?? false;
  const fold = (text: string) => (isFolded ? text.trim().toLowerCase() : text);
  const rows: OpenRows = new Map();
  readRows(keys.get('rows') ?? root.fail('A table needs rows'), rows, fold, false, problems);
  const aliases = new Map<string, string>();
  const alias = (node: YamlNode | null) =>
    keepProblem(problems, () => readAliases(node, fold, rows, aliases), undefined);
  alias(keys.get('systems') ?? null);
  for (const overlay of overlays) {
    const more = keepProblem(problems, () => overlay.keys(['rows', 'systems', 'because'], problems), new Map());
    const moreRows = more.get('rows');
    if (moreRows !== undefined) keepProblem(problems, () => readRows(moreRows, rows, fold, true, problems), undefined);
    alias(more.get('systems') ?? null);
  }
  const findIn = (system: string, code: string) => rows.get(system)?.get(code) ?? null;
  return {
    name,
    rows,
    find(candidates) {
      let silent: ReturnType<typeof findIn> = null;
      for (const candidate of candidates) {
        const code = fold(candidate.code);
        if (code === '') continue;
        const system = fold(candidate.system);
        const found = findIn(aliases.get(system) ?? system, code) ?? findIn(ANY, code);
        if (found !== null && found.value !== null) return found;
        silent ??= found;
      }
      return silent;
    },
  };
}

type OpenRows = Map<string, Map<string, { value: unknown; where: string }>>;

function readRows(
  node: YamlNode,
  rows: OpenRows,
  fold: (text: string) => string,
  isOverlay: boolean,
  problems: Problem[],
): void {
  for (const [system, { value: group }] of node.entries()) {
    const codes = rows.get(fold(system)) ?? new Map();
    const own = new Set<string>();
    for (const [code, { keyNode, value }] of keepProblem(problems, () => group.entries(), new Map())) {
      const of = value.isNull ? null : keepProblem(problems, () => readValue(value, code), { value: '' });
      if (own.has(fold(code))) problems.push(keyNode.problem(`"${code}" has a row already in this system`));
      own.add(fold(code));
      if (of === null && !isOverlay) problems.push(keyNode.problem(`The row "${code}" has no value`));
      if (of === null && isOverlay && !codes.has(fold(code)))
        problems.push(keyNode.problem(`There is no row "${code}" to take away`, suggest(code, codes.keys())));
      if (of === null) codes.delete(fold(code));
      else codes.set(fold(code), { ...of, where: keyNode.where });
    }
    rows.set(fold(system), codes);
  }
}

/** A value; or `gives: nothing`, of a code that is known and has none, or `gives: keep`, the code itself. */
function readValue(node: YamlNode, code: string): { readonly value: unknown } {
  if (!node.isMap) return { value: node.literal() };
  const gives = node.keys(['gives', 'because']).get('gives') ?? node.fail('A row gives a value', 'or gives: nothing');
  return { value: gives.word(['nothing', 'keep']) === 'keep' ? code : null };
}

/** `systems: { LN: [LOINC, http://loinc.org] }`: other names senders use for a system. */
function readAliases(
  node: YamlNode | null,
  fold: (text: string) => string,
  rows: ReadonlyMap<string, unknown>,
  aliases: Map<string, string>,
): void {
  for (const [system, { keyNode, value }] of node?.entries() ?? []) {
    if (!rows.has(fold(system))) keyNode.fail(`No rows stand under "${system}"`, suggest(system, rows.keys()));
    for (const alias of value.items()) {
      const name = fold(alias.text());
      const other = aliases.get(name);
      if (other !== undefined) alias.fail(`"${alias.text()}" is a name of "${other}" already`);
      if (rows.has(name)) alias.fail(`"${alias.text()}" has rows of its own`);
      aliases.set(name, fold(system));
    }
  }
}
