import { Fault } from '../contracts/fault.ts';
import { isCertainlyAfter } from '../fhir/fhir-time.ts';
import { compileAddition, isAddition, type Override } from './addition.ts';
import { Choice } from './choice.ts';
import { type FieldNeeds, mayMakeSomething, needOfAny } from './field-need.ts';
import { isNothing } from './from.ts';
import { ProblemError, suggest } from './problem.ts';
import { compileRule } from './rule.ts';
import { Found, type Scope } from './scope.ts';
import type { Evaluate, Surroundings } from './surroundings.ts';
import { tryTo, tryWithin } from './try-to.ts';
import type { YamlNode } from './yaml-node.ts';

const ELEMENT_NAME = /^_?[a-z][A-Za-z0-9]*(\[x\])?$/;

export function compileInclude(node: YamlNode, around: Surroundings): Evaluate {
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
export function compileNeeds(node: YamlNode | undefined): readonly string[] {
  return node?.items().map((item) => item.text('an element’s name')) ?? [];
}

interface Element {
  readonly name: string;
  readonly evaluate: Evaluate;
  readonly needs: FieldNeeds;
  readonly isLiteral: boolean;
  /** `file:line:col` of its rule, which may stand in an overlay. */
  readonly where: string;
}

/**
 * An object: each key an element, each value a rule. Where its rules find nothing it is nothing, whatever literals
 * stand beside them; an object of literals alone is always made. Faults of one element do not keep the others from
 * being checked.
 * @param overrides rules that replace or add elements; an empty one leaves its element out
 * @param needed elements of which it has at least one, or is nothing; [] = it has no such needs
 */
export function compileSet(
  node: YamlNode,
  around: Surroundings,
  overrides: ReadonlyMap<string, Override> = new Map(),
  needed: readonly string[] = [],
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
      elements.push({ name, evaluate: () => null, needs: null, isLiteral: true, where });
      continue;
    }
    try {
      if (!ELEMENT_NAME.test(name)) keyNode.fail(`"${name}" is not an element’s name`);
      const override = overrides.get(name);
      const evaluate =
        override !== undefined && isAddition(value)
          ? compileAddition(override, own.get(name) ?? null, own.keys(), (inner) => compileRule(inner, around))
          : compileRule(value, around);
      elements.push({ name, evaluate, needs: evaluate.needs ?? null, isLiteral: isLiteral(value), where });
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      around.problems.push(error.problem);
    }
  }
  const hasRules = elements.some(({ isLiteral }) => !isLiteral);
  const where = (entries.get('end')?.value ?? node).where;
  const evaluate: Evaluate = (scope) => {
    const { trail } = scope.run;
    const made: Record<string, unknown> = {};
    let isEmpty = hasRules;
    for (const { name, evaluate, needs, isLiteral, where } of elements) {
      if (trail === null && !mayMakeSomething(needs, scope)) continue;
      trail?.ruled(name, where);
      const found = trail === null ? tryTo(evaluate, scope) : tryWithin(trail, name, evaluate, scope);
      if (found === null || isNothing(found)) continue;
      if (trail !== null && found.value instanceof Choice) trail.rename(name, found.value.nameOf(name));
      setElement(made, name, found.value);
      if (!isLiteral) isEmpty = false;
    }
    if (typeof made.start === 'string' && typeof made.end === 'string') dropEarlierEnd(made, scope, where);
    const isLacking = needed.length > 0 && !needed.some((name) => Object.hasOwn(made, name));
    return isEmpty || isLacking ? null : Found.made(made);
  };
  const rules = elements.filter(({ isLiteral }) => !isLiteral);
  return Object.assign(evaluate, { needs: hasRules ? needOfAny(rules.map((rule) => rule.needs)) : null });
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
