import { Fault } from '../contracts/fault.ts';
import { partOfCell, readPart } from '../hl7/path.ts';
import { suggest } from './problem.ts';
import { Found, foundText, type Scope, textOf } from './scope.ts';
import type { LookupKey, Row, Table } from './table.ts';
import { isPlain, Remembered } from './values/remembered.ts';
import type { YamlNode } from './yaml-node.ts';

/** @throws ProblemError */
export function findTable(node: YamlNode, tables: ReadonlyMap<string, Table>): Table {
  const name = node.text('a table’s name');
  return tables.get(name) ?? node.fail(`There is no table "${name}"`, suggest(name, tables.keys()));
}

/** The keys of a rule that belong to its table. */
export type LookupKeys = ReadonlyMap<'table' | 'onMiss' | 'default', YamlNode>;

/** Compiles `table:` with its `onMiss:`; a miss is never silent. @throws ProblemError */
export function compileLookup(
  node: YamlNode,
  keys: LookupKeys,
  tables: ReadonlyMap<string, Table>,
): (found: Found, scope: Scope) => Found | null {
  const table = findTable(keys.get('table') ?? node, tables);
  const hasDefault = keys.has('default');
  const onMiss =
    keys.get('onMiss')?.word(['keep', 'hold', 'refuse', 'default', 'nothing']) ?? (hasDefault ? 'default' : null);
  if (onMiss === null)
    node.fail('A table needs onMiss: keep, hold, refuse, default or nothing', 'a miss is never silent');
  if ((onMiss === 'default') !== hasDefault) node.fail('onMiss: default and default: … belong together');
  const fallback = keys.get('default')?.literal() ?? null;
  const where = node.where;
  const remembered = new Remembered<Row | null>();
  const findRow = (found: Found, scope: Scope): Row | null => {
    const { cell } = found;
    const find = () => table.find(lookupKeys(found, scope));
    if (cell === null || cell.component === null || !isPlain(cell.raw, scope.run)) return find();
    // A component is asked for by what is in it, too; a sub-component has nothing in it.
    return remembered.recall(cell.subcomponent === null ? cell.raw : `&${cell.raw}`, find);
  };
  return (found, scope) => {
    const { trail } = scope.run;
    const row = findRow(found, scope);
    if (row !== null) {
      trail?.lookedUp(row.where);
      if (row.value === null) return null;
      return Found.made(row.value, found);
    }
    if (trail !== null && found.at !== null) trail.missed(table.name, found.at);
    switch (onMiss) {
      case 'keep':
        return found;
      case 'default':
        return Found.made(fallback, found);
      case 'nothing':
        return null;
      case 'hold':
        throw new Fault('code-unmapped', { at: found.at, where, detail: `table ${table.name}` });
      case 'refuse':
        throw new Fault('code-refused', { at: found.at, where, detail: `table ${table.name}` });
    }
  };
}

/** A whole field is asked for by its codings (CWE.1/3, CWE.4/6, CWE.10/12), anything else by its text. */
function lookupKeys(found: Found, scope: Scope): LookupKey[] {
  const { cell } = found;
  if (cell === null) return [{ code: foundText(found, scope.run).trim(), system: '' }];
  if (cell.component !== null) {
    // A component with sub-components (an authority) is asked for whole, by its universal id and by its namespace.
    const whole = { code: foundText(found, scope.run).trim(), system: '' };
    if (cell.subcomponent !== null) return [whole];
    const parts = [2, 1]
      .map((number) => partOfCell(cell, number, null, scope.run.message).raw)
      .filter((raw) => raw !== '');
    return [whole, ...parts.map((raw) => ({ code: textOf({ ...cell, raw }, scope.run).trim(), system: '' }))];
  }
  const part = (component: number) => {
    const raw = readPart(cell.raw, component, null, scope.run.message);
    return raw === '' ? '' : textOf({ ...cell, raw }, scope.run).trim();
  };
  return [
    { code: part(1), system: part(3) },
    { code: part(4), system: part(6) },
    { code: part(10), system: part(12) },
  ];
}
