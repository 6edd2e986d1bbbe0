import { Fault } from '../contracts/fault.ts';
import { isCertainlyAfter } from '../fhir/fhir-time.ts';
import { compileAddition, isAddition, type Override } from './addition.ts';
import { Choice } from './choice.ts';
import { compileCall, compileFrom, isNothing, type Made, withTrail } from './from.ts';
import { isConstant, keepConstant } from './constant.ts';
import { ProblemError, suggest } from './problem.ts';
import { compileReference, compileReferences } from './reference.ts';
import { Found, type Scope, scopeAtCell } from './scope.ts';
import { compileSource } from './source.ts';
import type { Evaluate, Surroundings } from './surroundings.ts';
import { compileText } from './text.ts';
import type { Trail } from './trail.ts';
import { compileWhen } from './when.ts';
import type { YamlNode } from './yaml-node.ts';

const SOURCES = ['from', 'all', 'value', 'text', 'set', 'include', 'call', 'ref', 'refs', 'first'] as const;
const RULE_KEYS = [
  ...SOURCES,
  'of',
  'each',
  'as',
  'unit',
  'precision',
  'overlap',
  'table',
  'onMiss',
  'default',
  'split',
  'join',
  'when',
  'required',
  'needs',
  'because',
] as const;

export type RuleKeys = ReadonlyMap<(typeof RULE_KEYS)[number], YamlNode>;

const ELEMENT_NAME = /^_?[a-z][A-Za-z0-9]*(\[x\])?$/;

/**
 * Compiles a rule: a plain value stands for itself, a list makes a list of what its rules make, a map is a rule with
 * exactly one of from, all, value, text, set, include, call, ref, refs and first. What is wrong inside a `set` is noted and the rest goes on.
 * @throws ProblemError
 */
export function compileRule(node: YamlNode, around: Surroundings): Evaluate {
  if (!node.isMap && !node.isList) return compileLiteral(node);
  const made = compileKeys(node, around);
  return isConstant(node) ? keepConstant(made) : made;
}

function compileKeys(node: YamlNode, around: Surroundings): Evaluate {
  if (node.isList) return compileList(node, around);
  const keys = node.keys(RULE_KEYS);
  const sources = SOURCES.filter((name) => keys.has(name));
  const [source] = sources;
  if (source === undefined || sources.length > 1) return node.fail(`A rule needs exactly one of ${SOURCES.join(', ')}`);
  checkCompany(source, keys);
  const made = compileValue(node, keys, around);
  const each = keys.get('each');
  const make = each === undefined ? made : compileEach(each, made.evaluate, around);
  const when = keys.get('when');
  const condition = when === undefined ? null : compileWhen(when, around.variables);
  const isRequired = keys.get('required')?.flag() ?? false;
  const locateMissing = (scope: Scope) => make.source?.locateMissing(scope) ?? null;
  if (condition === null && !isRequired) return Object.assign(make.evaluate, { locateMissing });
  const where = node.where;
  const evaluate: Evaluate = (scope) => {
    if (condition !== null && !condition(scope)) return null;
    const found = make.evaluate(scope);
    if (isRequired && isNothing(found)) throw new Fault('field-required', { at: locateMissing(scope), where });
    return found;
  };
  return Object.assign(evaluate, { locateMissing });
}

const CONVERTING = ['as', 'unit', 'precision', 'overlap', 'table', 'onMiss', 'default'];

/** What may stand beside each kind of rule, besides `each`, `when`, `required` and `because`. */
const COMPANY: Readonly<Record<(typeof SOURCES)[number], readonly string[]>> = {
  from: CONVERTING,
  all: [...CONVERTING, 'split', 'join'],
  first: [],
  value: [],
  text: [],
  set: ['needs'],
  include: [],
  call: ['of', 'table'],
  ref: ['of'],
  refs: ['of'],
};

/** A key that would do nothing where it stands is a misunderstanding. @throws ProblemError */
function checkCompany(source: (typeof SOURCES)[number], keys: RuleKeys): void {
  const anywhere = [source, 'each', 'when', 'required', 'because'];
  for (const [key, value] of keys) {
    if (!anywhere.includes(key) && !COMPANY[source].includes(key)) value.fail(`${key}: does nothing beside ${source}:`);
    const needed = { precision: 'as', overlap: 'as', unit: 'as', onMiss: 'table', default: 'table' } as const;
    const other = Object.hasOwn(needed, key) ? needed[key as keyof typeof needed] : null;
    if (other !== null && !keys.has(other)) value.fail(`${key}: does nothing without ${other}:`);
  }
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
    scope.run.trail?.made(where, new Set(), new Set());
    return found;
  };
}

function compileList(node: YamlNode, around: Surroundings): Evaluate {
  const places = node.items().map((item) => item.where);
  const rules = node.items().map((item) => compileRule(item, around));
  return (scope) => {
    const { trail } = scope.run;
    const values: unknown[] = [];
    for (const [index, rule] of rules.entries()) {
      trail?.ruled(`[${values.length}]`, places[index] ?? node.where);
      const found = trail === null ? tryTo(rule, scope) : tryWithin(trail, `[${values.length}]`, rule, scope);
      if (found === null || isNothing(found)) continue;
      // A rule that finds many (all:) puts each of them into the list.
      if (Array.isArray(found.value)) values.push(...found.value);
      else values.push(found.value);
    }
    return values.length === 0 ? null : Found.made(values);
  };
}

/** `each: PID-3[*]`: the rule once for every cell, which relative paths in it start at; what they make is a list. */
function compileEach(node: YamlNode, evaluate: Evaluate, around: Surroundings): Made {
  const source = compileSource(node, around.variables);
  return {
    source,
    evaluate: (scope) => {
      const { trail } = scope.run;
      const values: unknown[] = [];
      for (const { cell } of source.readAll(scope)) {
        const inner = scopeAtCell(scope, cell);
        const found = trail === null ? tryTo(evaluate, inner) : tryWithin(trail, `[${values.length}]`, evaluate, inner);
        if (found !== null && !isNothing(found)) values.push(found.value);
      }
      return Found.made(values);
    },
  };
}

function compileValue(node: YamlNode, keys: RuleKeys, around: Surroundings): Made {
  const set = keys.get('set');
  if (set !== undefined) {
    return { evaluate: compileSet(set, around, new Map(), compileNeeds(keys.get('needs'))), source: null };
  }
  const include = keys.get('include');
  if (include !== undefined) return { evaluate: compileInclude(include, around), source: null };
  const first = keys.get('first');
  if (first !== undefined) return { evaluate: compileFirst(first, around), source: null };
  const text = keys.get('text');
  if (text !== undefined) return { evaluate: withTrail(compileText(text, around.variables), text.where), source: null };
  const value = keys.get('value');
  if (value !== undefined) return { evaluate: compileLiteral(value), source: null };
  const ref = keys.get('ref');
  if (ref !== undefined) return compileReference(ref, keys, around);
  const refs = keys.get('refs');
  if (refs !== undefined) return compileReferences(refs, keys, around);
  const call = keys.get('call');
  if (call !== undefined) return compileCall(call, keys, around);
  return compileFrom(node, keys, around);
}

/** `first:` several rules for one element: the first that makes something. */
function compileFirst(node: YamlNode, around: Surroundings): Evaluate {
  const rules = node.items().map((item) => compileRule(item, around));
  return (scope) => {
    for (const rule of rules) {
      const found = rule(scope);
      if (!isNothing(found)) return found;
    }
    return null;
  };
}

function compileInclude(node: YamlNode, around: Surroundings): Evaluate {
  const name = node.text('a resource’s name');
  const resource =
    around.resources.get(name) ?? node.fail(`There is no resource "${name}"`, suggest(name, around.resources.keys()));
  if (around.including.includes(name)) {
    node.fail(`"${name}" includes itself: ${[...around.including, name].join(' → ')}`);
  }
  const keys = resource.keys(['resource', 'summary', 'because', 'needs', 'set']);
  const set = keys.get('set');
  return compileSet(
    set ?? resource.fail('A resource needs set: …'),
    { ...around, including: [...around.including, name] },
    around.overrides.get(name),
    compileNeeds(keys.get('needs')),
  );
}

/** `needs: [name, identifier]`: without at least one of these elements the object is nothing. */
function compileNeeds(node: YamlNode | undefined): readonly string[] {
  return node?.items().map((item) => item.text('an element’s name')) ?? [];
}

interface Element {
  readonly name: string;
  readonly evaluate: Evaluate;
  readonly isLiteral: boolean;
  /** `file:line:col` of its rule, which may stand in an overlay. */
  readonly where: string;
}

/**
 * An object: each key an element, each value a rule. Where its rules find nothing it is nothing, whatever literals
 * stand beside them; an object of literals alone is always made. Faults of one element do not keep the others from
 * being checked.
 * @param overrides rules that replace or add elements; an empty one leaves its element out
 * @param needs elements of which it has at least one, or is nothing; [] = it has no such needs
 */
export function compileSet(
  node: YamlNode,
  around: Surroundings,
  overrides: ReadonlyMap<string, Override> = new Map(),
  needs: readonly string[] = [],
): Evaluate {
  const own = node.entries();
  const entries = new Map(own);
  for (const [name, entry] of overrides) {
    const { keyNode, value } = entry;
    if (value.isNull && !entries.has(name))
      around.problems.push(keyNode.problem(`There is no "${name}" to leave out`, suggest(name, entries.keys())));
    entries.set(name, entry);
  }
  const elements: Element[] = [];
  for (const [name, { keyNode, value }] of entries) {
    const where = value.where;
    if (value.isNull && overrides.has(name)) {
      elements.push({ name, evaluate: () => null, isLiteral: true, where });
      continue;
    }
    try {
      if (!ELEMENT_NAME.test(name)) keyNode.fail(`"${name}" is not an element’s name`);
      const override = overrides.get(name);
      const evaluate =
        override !== undefined && isAddition(value)
          ? compileAddition(override, own.get(name) ?? null, own.keys(), (inner) => compileRule(inner, around))
          : compileRule(value, around);
      elements.push({ name, evaluate, isLiteral: isLiteral(value), where });
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      around.problems.push(error.problem);
    }
  }
  const hasRules = elements.some(({ isLiteral }) => !isLiteral);
  const where = (entries.get('end')?.value ?? node).where;
  return (scope) => {
    const { trail } = scope.run;
    const made: Record<string, unknown> = {};
    let isEmpty = hasRules;
    for (const { name, evaluate, isLiteral, where } of elements) {
      trail?.ruled(name, where);
      const found = trail === null ? tryTo(evaluate, scope) : tryWithin(trail, name, evaluate, scope);
      if (found === null || isNothing(found)) continue;
      if (trail !== null && found.value instanceof Choice) trail.rename(name, found.value.nameOf(name));
      setElement(made, name, found.value);
      if (!isLiteral) isEmpty = false;
    }
    if (typeof made.start === 'string' && typeof made.end === 'string') dropEarlierEnd(made, scope, where);
    const isLacking = needs.length > 0 && !needs.some((name) => Object.hasOwn(made, name));
    return isEmpty || isLacking ? null : Found.made(made);
  };
}

/** A period that ends before it starts is one whose end nobody can believe. */
function dropEarlierEnd(period: Record<string, unknown>, scope: Scope, where: string): void {
  if (!isCertainlyAfter(String(period.start), String(period.end))) return;
  delete period.end;
  scope.run.warnings.push(new Fault('field-type', { where, detail: 'end before start' }).record);
}

/** True of a rule that says the same whatever the message holds. */
function isLiteral(node: YamlNode): boolean {
  if (node.isScalar) return true;
  if (node.isList) return node.items().every(isLiteral);
  if (!node.isMap) return false;
  const entries = node.entries();
  if (entries.has('when')) return false;
  const set = entries.get('set')?.value;
  if (set?.isMap) return [...set.entries().values()].every(({ value }) => isLiteral(value));
  return entries.has('value');
}

function setElement(made: Record<string, unknown>, name: string, value: unknown): void {
  if (!(value instanceof Choice)) {
    made[name] = value;
    return;
  }
  made[value.nameOf(name)] = value.value;
  if (value.beside !== null) made[`_${value.nameOf(name)}`] = value.beside;
}

/** Keeps a fault, and goes on. */
function tryTo(evaluate: Evaluate, scope: Scope): Found | null {
  try {
    return evaluate(scope);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    scope.faults.add(error);
    return null;
  }
}

/** The same, below the element that is being made. */
function tryWithin(trail: Trail, step: string, evaluate: Evaluate, scope: Scope): Found | null {
  return trail.within(step, () => tryTo(evaluate, scope));
}
