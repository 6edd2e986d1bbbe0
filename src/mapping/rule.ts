import { Fault } from '../contracts/fault.ts';
import type { Precision } from '../hl7/datetime.ts';
import { HL7_NULL } from '../hl7/message.ts';
import { isValued, locate, type Path, readCells } from '../hl7/path.ts';
import { type Condition, ConditionError, type ConditionReader, compileCondition } from './condition.ts';
import { CONVERSIONS, type ConversionName, type ConversionOptions } from './conversion.ts';
import { FUNCTIONS, type MappingFunction } from './functions.ts';
import { compileLookup, findTable, type LookupKeys } from './lookup.ts';
import { type Problem, ProblemError, suggest } from './problem.ts';
import { Found, foundText, type Scope, textOf } from './scope.ts';
import { compileSource, type ReadVariable, type Source } from './source.ts';
import type { Table } from './table.ts';
import type { YamlNode } from './yaml-node.ts';

/** Gives what a rule makes of one result; null = nothing. @throws Fault */
export type Evaluate = (scope: Scope) => Found | null;

/** What rules may refer to while a file is compiled. */
export interface Surroundings {
  readonly tables: ReadonlyMap<string, Table>;
  readonly resources: ReadonlyMap<string, YamlNode>;
  readonly variables: ReadonlyMap<string, ReadVariable>;
  readonly problems: Problem[];
  /** Names of the includes being compiled, so that none includes itself. */
  readonly including: readonly string[];
}

const SOURCES = ['from', 'all', 'value', 'text', 'set', 'include', 'call'] as const;
const RULE_KEYS = [
  ...SOURCES,
  'of',
  'as',
  'precision',
  'overlap',
  'table',
  'onMiss',
  'default',
  'split',
  'when',
  'required',
  'because',
] as const;

type RuleKeys = ReadonlyMap<(typeof RULE_KEYS)[number], YamlNode>;

const ELEMENT_NAME = /^_?[a-z][A-Za-z0-9]*$|^resourceType$/;

/**
 * Compiles a rule: a plain value stands for itself, a list makes a list of what its rules make, a map is a rule with
 * exactly one of from, all, value, text, set, include and call. What is wrong inside a `set` is noted and the rest goes on.
 * @throws ProblemError
 */
export function compileRule(node: YamlNode, around: Surroundings): Evaluate {
  if (node.isList) return compileList(node, around);
  if (!node.isMap) return compileLiteral(node);
  const keys = node.keys(RULE_KEYS);
  const sources = SOURCES.filter((name) => keys.has(name));
  if (sources.length !== 1) node.fail(`A rule needs exactly one of ${SOURCES.join(', ')}`);
  const make = compileValue(node, keys, around);
  const condition = keys.has('when') ? compileWhen(keys.get('when') as YamlNode, around) : null;
  const isRequired = keys.get('required')?.flag() ?? false;
  if (condition === null && !isRequired) return make.evaluate;
  const where = node.where;
  return (scope) => {
    if (condition !== null && !condition(scope)) return null;
    const found = make.evaluate(scope);
    if (isRequired && isNothing(found)) {
      throw new Fault('field-required', { at: make.source?.locateMissing(scope) ?? null, where });
    }
    return found;
  };
}

/** Compiles `when:`; a condition that fails to evaluate is a fault of the mapping. @throws ProblemError */
export function compileWhen(node: YamlNode, around: Surroundings): (scope: Scope) => boolean {
  let condition: Condition;
  try {
    condition = compileCondition(node.text('a condition'), [...around.variables.keys()]);
  } catch (error) {
    if (error instanceof ConditionError) node.fail(error.message, error.hint, error.offset);
    throw error;
  }
  const where = node.where;
  const ask = (scope: Scope) => condition(readerOf(scope, around.variables));
  return (scope) => {
    const { trail } = scope.run;
    try {
      return trail === null ? ask(scope) : trail.collect(() => ask(scope)).value;
    } catch (error) {
      if (error instanceof Fault) throw error;
      throw new Fault('mapping-incomplete', { where, detail: 'condition' });
    }
  };
}

/** Lets a condition read one result. */
function readerOf(scope: Scope, variables: ReadonlyMap<string, ReadVariable>): ConditionReader {
  const { message, trail } = scope.run;
  const cellsAt = (path: Path) => {
    const cells = readCells(path, scope.group, message);
    if (trail !== null) for (const cell of cells) trail.read(locate(cell));
    return cells;
  };
  return {
    readText(path) {
      const cell = cellsAt(path).find(({ raw }) => isValued(raw, message));
      return cell === undefined || cell.raw === HL7_NULL ? '' : textOf(cell, scope.run).trim();
    },
    readPresence(path) {
      const cells = cellsAt(path);
      if (cells.some(({ raw }) => raw !== HL7_NULL && isValued(raw, message))) return 'valued';
      if (cells.some(({ raw }) => raw === HL7_NULL)) return 'null';
      return cells.length > 0 ? 'empty' : 'absent';
    },
    readVariable: (name) => {
      const found = variables.get(name)?.(scope) ?? null;
      if (found === null) return null;
      return found.cell === null ? found.value : textOf(found.cell, scope.run).trim();
    },
  };
}

/** A list entry of `key:`, `lane:` and the like: a path or $name, or a whole rule. @throws ProblemError */
export function compilePart(node: YamlNode, around: Surroundings): Evaluate {
  if (!node.isScalar) return compileRule(node, around);
  const source = compileSource(node, around.variables);
  return (scope) => source.readFirst(scope);
}

function compileLiteral(node: YamlNode): Evaluate {
  const value = node.literal();
  if (value === null) node.fail('A value is missing here', 'leave the element out, or give it a rule');
  const found = Found.made(value);
  const where = node.where;
  return (scope) => {
    scope.run.trail?.made(where, new Set());
    return found;
  };
}

function compileList(node: YamlNode, around: Surroundings): Evaluate {
  const rules = node.items().map((item) => compileRule(item, around));
  return (scope) => {
    const values: unknown[] = [];
    for (const rule of rules) {
      const make = () => evaluateKeepingFaults(rule, scope);
      const found = scope.run.trail === null ? make() : scope.run.trail.within(`[${values.length}]`, make);
      if (found === null || isNothing(found)) continue;
      // A rule that finds many (all:) puts each of them into the list.
      if (Array.isArray(found.value)) values.push(...found.value);
      else values.push(found.value);
    }
    return values.length === 0 ? null : Found.made(values);
  };
}

interface Made {
  readonly evaluate: Evaluate;
  readonly source: Source | null;
}

function compileValue(node: YamlNode, keys: RuleKeys, around: Surroundings): Made {
  const set = keys.get('set');
  if (set !== undefined) return { evaluate: compileSet(set, around), source: null };
  const include = keys.get('include');
  if (include !== undefined) return { evaluate: compileInclude(include, around), source: null };
  const text = keys.get('text');
  if (text !== undefined) return { evaluate: compileText(text, around), source: null };
  const value = keys.get('value');
  if (value !== undefined) return { evaluate: compileLiteral(value), source: null };
  const call = keys.get('call');
  if (call !== undefined) return compileCall(call, keys, around);
  return compileFrom(node, keys, around);
}

function compileFrom(node: YamlNode, keys: RuleKeys, around: Surroundings): Made {
  const from = keys.get('from') ?? keys.get('all') ?? node;
  const isAll = keys.has('all');
  const sources =
    isAll && from.isList
      ? from.items().map((item) => compileSource(item, around.variables))
      : [compileSource(from, around.variables)];
  const source = sources[0] as Source;
  const convert = compileConversion(node, keys, around);
  const separator = keys.get('split')?.text() ?? null;
  const where = node.where;
  const evaluate: Evaluate = (scope) => {
    if (!isAll) {
      const found = source.readFirst(scope);
      return found === null ? null : convert(found, scope);
    }
    const values: unknown[] = [];
    for (const found of sources.flatMap((one) => one.readAll(scope))) {
      const made = convert(found, scope);
      if (made === null) continue;
      if (separator !== null && typeof made.value === 'string')
        values.push(...made.value.split(separator).filter((part) => part !== ''));
      else values.push(made.value);
    }
    return Found.made(values);
  };
  return { evaluate: withTrail(evaluate, where), source };
}

/** `table` and `as`: what is made of one thing that was found. */
function compileConversion(
  node: YamlNode,
  keys: RuleKeys,
  around: Surroundings,
): (found: Found, scope: Scope) => Found | null {
  const table = keys.has('table') ? compileLookup(node, keys as LookupKeys, around.tables) : null;
  const name = keys.get('as')?.word(Object.keys(CONVERSIONS) as ConversionName[]) ?? null;
  const options: ConversionOptions = {
    precision:
      keys.get('precision')?.word<Precision>(['year', 'month', 'day', 'hour', 'minute', 'second', 'fraction']) ?? null,
    overlap: keys.get('overlap')?.word(['refuse', 'earlier', 'later']) ?? 'refuse',
  };
  const convert = name === null ? null : CONVERSIONS[name];
  const where = node.where;
  return (found, scope) => {
    const looked = table === null ? found : table(found, scope);
    if (looked === null) return null;
    // A plain value that came out of a table, a function or a `let` keeps its type unless `as` says otherwise.
    if (convert === null && looked.cell === null) return looked;
    const value = (convert ?? CONVERSIONS.string)(looked, scope.run, options, where);
    return value === null ? null : Found.made(value, looked);
  };
}

function compileCall(call: YamlNode, keys: RuleKeys, around: Surroundings): Made {
  const name = call.text('a function');
  if (!Object.hasOwn(FUNCTIONS, name)) {
    call.fail(`There is no function "${name}"`, suggest(name, Object.keys(FUNCTIONS)));
  }
  const run = FUNCTIONS[name] as MappingFunction;
  const of = keys.get('of') ?? call.fail('A call needs of: the paths it is called with');
  const sources = (of.isList ? of.items() : [of]).map((item) => compileSource(item, around.variables));
  const table = keys.has('table') ? findTable(keys.get('table') as YamlNode, around.tables) : null;
  const where = call.where;
  const evaluate: Evaluate = (scope) => {
    const found = sources.flatMap((source) => source.readAll(scope));
    const value = run({ found, table, run: scope.run, where });
    return value === null ? null : Found.made(value, found[0] ?? null);
  };
  return { evaluate: withTrail(evaluate, where), source: sources[0] ?? null };
}

function compileText(node: YamlNode, around: Surroundings): Evaluate {
  const text = node.text();
  const pieces = text.split(/(\{[^}]*\})/).map((piece) => {
    const name = /^\{([A-Za-z][A-Za-z0-9.]*)\}$/.exec(piece)?.[1];
    if (name === undefined) return piece;
    const [variable = '', ...members] = name.split('.');
    const read = around.variables.get(variable);
    if (read === undefined) {
      return node.fail(
        `Nothing is called ${variable}`,
        suggest(variable, around.variables.keys()),
        text.indexOf(piece) + 1,
      );
    }
    return { read, members };
  });
  const where = node.where;
  return withTrail((scope) => {
    let value = '';
    for (const piece of pieces) {
      if (typeof piece === 'string') {
        value += piece;
        continue;
      }
      const found = piece.read(scope);
      const member = piece.members.reduce<unknown>(
        (of, key) => (of as Record<string, unknown> | null)?.[key],
        found?.value,
      );
      if (found === null || member === undefined || member === null) return null;
      value += piece.members.length === 0 ? foundText(found, scope.run) : String(member);
    }
    return Found.made(value);
  }, where);
}

function compileInclude(node: YamlNode, around: Surroundings): Evaluate {
  const name = node.text('a resource’s name');
  const resource = around.resources.get(name);
  if (resource === undefined)
    return node.fail(`There is no resource "${name}"`, suggest(name, around.resources.keys()));
  if (around.including.includes(name))
    node.fail(`"${name}" includes itself: ${[...around.including, name].join(' → ')}`);
  const set = resource.keys(['resource', 'summary', 'because', 'set']).get('set');
  return compileSet(set ?? resource.fail('A resource needs set: …'), {
    ...around,
    including: [...around.including, name],
  });
}

/** An object: each key an element, each value a rule. Faults of one element do not keep the others from being checked. */
export function compileSet(node: YamlNode, around: Surroundings): Evaluate {
  const elements: { readonly name: string; readonly evaluate: Evaluate }[] = [];
  for (const [name, { keyNode, value }] of node.entries()) {
    try {
      if (!ELEMENT_NAME.test(name)) keyNode.fail(`"${name}" is not an element’s name`);
      elements.push({ name, evaluate: compileRule(value, around) });
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      around.problems.push(error.problem);
    }
  }
  return (scope) => {
    const made: Record<string, unknown> = {};
    let isEmpty = true;
    for (const { name, evaluate } of elements) {
      const make = () => evaluateKeepingFaults(evaluate, scope);
      const found = scope.run.trail === null ? make() : scope.run.trail.within(name, make);
      if (found === null || isNothing(found)) continue;
      made[name] = found.value;
      isEmpty = false;
    }
    return isEmpty ? null : Found.made(made);
  };
}

/** An empty list is something to a condition ("x" in list), but no element: FHIR has no empty arrays. */
function isNothing(found: Found | null): boolean {
  return found === null || (Array.isArray(found.value) && found.value.length === 0);
}

function evaluateKeepingFaults(evaluate: Evaluate, scope: Scope): Found | null {
  try {
    return evaluate(scope);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    scope.faults.add(error);
    return null;
  }
}

function withTrail(evaluate: Evaluate, where: string): Evaluate {
  return (scope) => {
    const { trail } = scope.run;
    if (trail === null) return evaluate(scope);
    const { value, sources } = trail.collect(() => evaluate(scope));
    if (!isNothing(value)) trail.made(where, sources);
    return value;
  };
}
