import { Fault } from '../contracts/fault.ts';
import type { Precision } from '../hl7/datetime.ts';
import { PathError, parsePath } from '../hl7/path.ts';
import { CONVERSIONS, type ConversionName, type ConversionOptions } from './conversion.ts';
import { suggest } from './problem.ts';
import { compilePart, compileRule, type RuleKeys } from './rule.ts';
import { type Found, foundText, type Scope, scopeAtCell } from './scope.ts';
import { compileSource } from './source.ts';
import type { Surroundings } from './surroundings.ts';
import { convertByType } from './values/value-type.ts';
import type { YamlNode } from './yaml-node.ts';

type ConvertFound = (found: Found, scope: Scope) => unknown;

const PRECISIONS: readonly Precision[] = ['year', 'month', 'day', 'hour', 'minute', 'second', 'fraction'];

/**
 * Compiles `as:`: a conversion of the engine, a datatype file, or `by OBX-2`, the conversion that another field's value
 * names (its result has a type, for elements such as `value[x]`). With `loosely by OBX-2`, a number with a comparator
 * before it (NM `<7`) is a quantity with that comparator instead of a text.
 * @throws ProblemError
 */
export function compileAs(node: YamlNode, keys: RuleKeys, around: Surroundings): ConvertFound {
  const name = node.text('a conversion');
  const options: ConversionOptions = {
    precision: keys.get('precision')?.word(PRECISIONS) ?? null,
    overlap: keys.get('overlap')?.word(['refuse', 'earlier', 'later']) ?? 'refuse',
    systems: around.tables.get('coding-systems') ?? null,
    unit: null,
    isLoose: name.startsWith('loosely '),
  };
  const unit = keys.get('unit');
  const readUnit = unit === undefined ? null : compilePart(unit, around);
  const optionsOf = (scope: Scope) => (readUnit === null ? options : { ...options, unit: readUnit(scope) });
  const where = node.where;
  const by = /^(?:loosely )?by /.exec(name)?.[0];
  if (by !== undefined) {
    const readType = compileTypePath(node, by.length, name);
    return (found, scope) => convertByType(readType(scope), found, scope.run, optionsOf(scope), where);
  }
  if (Object.hasOwn(CONVERSIONS, name)) {
    const convert = CONVERSIONS[name as ConversionName];
    return (found, scope) => convert(found, scope.run, optionsOf(scope), where);
  }
  return compileDatatype(node, name, around);
}

function compileTypePath(node: YamlNode, start: number, name: string): (scope: Scope) => string {
  try {
    if (parsePath(name.slice(start).trim()).field === null) node.fail('by needs a field, such as by OBX-2');
  } catch (error) {
    if (error instanceof PathError) node.fail(error.message, null, start + error.offset);
    throw error;
  }
  const source = compileSource(node.sliced(start), new Map());
  return (scope) => {
    const found = source.readFirst(scope);
    return found === null ? '' : foundText(found, scope.run).trim();
  };
}

/** A file of `mappings/datatypes/`: its rules read the cell at hand by relative paths, and nothing else. */
function compileDatatype(node: YamlNode, name: string, around: Surroundings): ConvertFound {
  const known = [...Object.keys(CONVERSIONS), ...around.datatypes.keys()];
  const file = around.datatypes.get(name) ?? node.fail(`There is no conversion "${name}"`, suggest(name, known));
  const path = `as ${name}`;
  if (around.including.includes(path)) {
    node.fail(`"${name}" is made of itself: ${[...around.including, path].join(' → ')}`);
  }
  const keys = file.keys(['datatype', 'summary', 'because', 'rule', 'set']);
  const rule = keys.get('rule') ?? keys.get('set') ?? file.fail('A datatype needs set: … or rule: …');
  const evaluate = compileRule(keys.has('rule') ? rule : file.only('set'), {
    ...around,
    variables: new Map(),
    including: [...around.including, path],
  });
  const where = node.where;
  return (found, scope) => {
    if (found.cell === null) throw new Fault('mapping-incomplete', { where, detail: `${name} is made from a field` });
    return evaluate(scopeAtCell(scope, found.cell))?.value ?? null;
  };
}
