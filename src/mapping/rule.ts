import { Fault } from '../contracts/fault.ts';
import { isConstant, keepConstant } from './constant.ts';
import { mayMakeSomething, needOfAny } from './field-need.ts';
import { compileCall, compileFrom, isNothing, type Made, withTrail } from './from.ts';
import { compileReference, compileReferences } from './reference.ts';
import { Found, type Scope, scopeAtCell } from './scope.ts';
import { compileInclude, compileNeeds, compileSet } from './set.ts';
import { compileSince } from './since.ts';
import { compileSource } from './source.ts';
import type { Evaluate, Surroundings } from './surroundings.ts';
import { compileText } from './text.ts';
import { tryTo, tryWithin } from './try-to.ts';
import { compileWhen } from './when.ts';
import type { YamlNode } from './yaml-node.ts';

const SOURCES = ['from', 'all', 'value', 'text', 'set', 'include', 'call', 'ref', 'refs', 'first', 'since'] as const;
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

/**
 * Compiles a rule: a plain value stands for itself, a list makes a list of what its rules make, a map is a rule with
 * exactly one of from, all, value, text, set, include, call, ref, refs, first and since. What is wrong inside a `set` is noted and the rest goes on.
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
  const { locateMissing: locateInner } = make.evaluate;
  const locateMissing = (scope: Scope) => make.source?.locateMissing(scope) ?? locateInner?.(scope) ?? null;
  const mayBePassedOver = !isRequired && (condition === null || condition.neverFails);
  const needs = mayBePassedOver ? make.needs : null;
  if (condition === null && !isRequired) return Object.assign(make.evaluate, { locateMissing, needs });
  const where = node.where;
  const evaluate: Evaluate = (scope) => {
    if (condition !== null && !condition(scope)) return null;
    const found = make.evaluate(scope);
    if (isRequired && isNothing(found)) throw new Fault('field-required', { at: locateMissing(scope), where });
    return found;
  };
  return Object.assign(evaluate, { locateMissing, needs });
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
  since: ['of'],
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
  const rules = node.items().map((item) => ({ rule: compileRule(item, around), where: item.where }));
  const evaluate: Evaluate = (scope) => {
    const { trail } = scope.run;
    const values: unknown[] = [];
    for (const { rule, where } of rules) {
      if (trail === null && !mayMakeSomething(rule.needs ?? null, scope)) continue;
      trail?.ruled(`[${values.length}]`, where);
      const found = trail === null ? tryTo(rule, scope) : tryWithin(trail, `[${values.length}]`, rule, scope);
      if (found === null || isNothing(found)) continue;
      // A rule that finds many (all:) puts each of them into the list.
      if (Array.isArray(found.value)) values.push(...found.value);
      else values.push(found.value);
    }
    return values.length === 0 ? null : Found.made(values);
  };
  return Object.assign(evaluate, { needs: needOfAny(rules.map(({ rule }) => rule.needs ?? null)) });
}

/** `each: PID-3[*]`: the rule once for every cell, which relative paths in it start at; what they make is a list. */
function compileEach(node: YamlNode, evaluate: Evaluate, around: Surroundings): Made {
  const source = compileSource(node, around.variables);
  return {
    source,
    needs: source.needs,
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
  const without = (evaluate: Evaluate): Made => ({ evaluate, source: null, needs: evaluate.needs ?? null });
  const set = keys.get('set');
  if (set !== undefined) return without(compileSet(set, around, new Map(), compileNeeds(keys.get('needs'))));
  const include = keys.get('include');
  if (include !== undefined) return without(compileInclude(include, around));
  const first = keys.get('first');
  if (first !== undefined) return without(compileFirst(first, around));
  const text = keys.get('text');
  if (text !== undefined) return without(withTrail(compileText(text, around.variables), text.where));
  const value = keys.get('value');
  if (value !== undefined) return without(compileLiteral(value));
  const since = keys.get('since');
  if (since !== undefined) return without(withTrail(compileSince(since, keys.get('of') ?? null, around), since.where));
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
  const evaluate: Evaluate = (scope) => {
    for (const rule of rules) {
      const found = rule(scope);
      if (!isNothing(found)) return found;
    }
    return null;
  };
  // The first is where it usually stands.
  const locateMissing = (scope: Scope) => rules[0]?.locateMissing?.(scope) ?? null;
  return Object.assign(evaluate, { locateMissing, needs: needOfAny(rules.map(({ needs = null }) => needs)) });
}
