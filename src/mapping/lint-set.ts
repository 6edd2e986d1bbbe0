import { RESOURCE_TYPES, resourceShapeOf, type Shape } from '../fhir/r4-shape.ts';
import { isAddition, type Override, readAddition } from './addition.ts';
import { type Keys, lintRule } from './lint-rule.ts';
import { ANYTHING, type LintScope, type Made } from './lint-scope.ts';
import { type Expected, expectElement, knownShape, withArticle } from './lint-type.ts';
import { keepProblem, suggest } from './problem.ts';
import type { NamedNode, YamlNode } from './yaml-node.ts';

/**
 * Looks at the elements of a `set`.
 * @param owner where it is said that a required element is missing; null = somebody else sets them
 */
export function lintSet(
  node: YamlNode,
  expected: Expected | null,
  scope: LintScope,
  owner: YamlNode | null,
  overrides: ReadonlyMap<string, Override> = new Map(),
): Made {
  const own = node.entries();
  const entries = new Map(own);
  const removed = new Map<string, YamlNode>();
  for (const [name, entry] of overrides) {
    if (entry.value.isNull) removed.set(name, entry.keyNode);
    if (entry.value.isNull) entries.delete(name);
    else entries.set(name, entry);
  }
  const shape = shapeOfSet(node, entries, expected, scope);
  let isAlways = entries.size > 0;
  const untested: { name: string; keyNode: YamlNode }[] = [];
  for (const [name, { keyNode, value }] of entries) {
    if (name === 'resourceType') continue;
    const element = shape === null ? null : expectElement(shape, name, keyNode, scope);
    const override = overrides.get(name);
    const made =
      override !== undefined && isAddition(value)
        ? lintAddition(override, own.get(name) ?? null, element, scope)
        : lintRule(value, element, scope);
    isAlways &&= made.isAlways;
    if (!(value.isMap && value.entries().has('when'))) untested.push({ name, keyNode });
  }
  if (shape !== null) {
    checkChoices(shape, untested, scope);
    if (owner !== null) checkRequired(shape, entries, removed, owner, scope);
  }
  const type = shape?.name ?? null;
  return { type, isList: false, isAlways, values: null, isRaw: false };
}

/** What is added, and what it is added to: each has to fit where it comes to stand. */
function lintAddition(
  { value, under }: Override,
  base: NamedNode | null,
  expected: Expected | null,
  scope: LintScope,
): Made {
  const ways = keepProblem([], () => [...readAddition(value).values()], []);
  for (const added of ways) lintAdded(added, expected, scope);
  if (under !== null && isAddition(under.value)) return lintAddition(under, base, expected, scope);
  const inherited = under?.value ?? base?.value ?? null;
  return inherited === null || inherited.isNull ? ANYTHING : lintRule(inherited, expected, scope);
}

function lintAdded(node: YamlNode, expected: Expected | null, scope: LintScope): void {
  // Of `value[x]` only the message says which type it has.
  const place = expected?.type === 'choice' ? null : expected;
  if (node.isList) {
    lintRule(node, place, scope);
    return;
  }
  const shape = place === null || place.format !== null ? null : knownShape(place.type);
  for (const [name, { keyNode, value }] of node.entries())
    lintAdded(value, shape === null ? null : expectElement(shape, name, keyNode, scope), scope);
}

/** `needs:` names elements; one that is not set can never be there. */
export function lintNeeds(
  keys: Keys,
  set: YamlNode,
  { findings }: LintScope,
  overrides: ReadonlyMap<string, NamedNode> = new Map(),
): void {
  const known = [...set.entries().keys(), ...overrides.keys()];
  for (const item of keys.get('needs')?.value.items() ?? []) {
    const name = item.text();
    if (!known.includes(name)) findings.error(item, `Nothing sets "${name}", which is needed`, suggest(name, known));
  }
}

function shapeOfSet(node: YamlNode, entries: Keys, expected: Expected | null, { findings }: LintScope): Shape | null {
  const typeNode = entries.get('resourceType')?.value;
  if (typeNode !== undefined) {
    if (!typeNode.isScalar) return null;
    const type = typeNode.text();
    if (!RESOURCE_TYPES.has(type))
      findings.error(typeNode, `FHIR R4 has no resource "${type}"`, suggest(type, RESOURCE_TYPES));
    if (expected !== null && expected.type !== 'Resource')
      findings.error(typeNode, `${expected.path} is ${withArticle(expected.type)}, not a resource`);
    return resourceShapeOf(type);
  }
  if (expected === null) return null;
  if (expected.type === 'Resource') findings.error(node, `${expected.path} needs resourceType: …`);
  else if (expected.type === 'choice')
    findings.error(node, `${expected.path} does not know which type this has`, 'name it, such as valueQuantity');
  else if (expected.format !== null)
    findings.error(node, `${expected.path} is ${withArticle(expected.type)}: it has no elements`);
  else return knownShape(expected.type);
  return null;
}

/** Of `value[x]` a resource has one at most. */
function checkChoices(
  shape: Shape,
  untested: readonly { name: string; keyNode: YamlNode }[],
  { findings }: LintScope,
): void {
  const made = new Map<string, string>();
  for (const { name, keyNode } of untested) {
    const choice = shape.elements.get(name)?.choice?.name ?? (name.endsWith('[x]') ? name : null);
    if (choice === null || name.startsWith('_')) continue;
    const other = made.get(choice);
    if (other !== undefined)
      findings.error(
        keyNode,
        `${other} and ${name} may both be made, ${shape.name} has one ${choice}`,
        'give them when: …',
      );
    made.set(choice, name);
  }
}

function checkRequired(
  shape: Shape,
  entries: Keys,
  removed: ReadonlyMap<string, YamlNode>,
  owner: YamlNode,
  { findings }: LintScope,
): void {
  for (const { name, anyOf } of shape.required) {
    if (entries.has(name) || anyOf.some((one) => entries.has(one))) continue;
    const at = anyOf.map((one) => removed.get(one)).find((one) => one !== undefined) ?? owner;
    findings.error(at, `${shape.name} needs ${name}, and nothing sets it`);
  }
}
