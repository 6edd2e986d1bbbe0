import { CONVERSIONS, type ConversionName } from './conversion.ts';
import { CONVERSION_FACTS } from './conversion-facts.ts';
import { listed } from './finding.ts';
import { lintCondition } from './lint-condition.ts';
import { ANYTHING, type LintScope, type Made, type PlacedValue } from './lint-scope.ts';
import { lintNeeds, lintSet } from './lint-set.ts';
import { lintSource, type SourceFacts } from './lint-source.ts';
import { checkMade, type Expected, withArticle } from './lint-type.ts';
import { ProblemError } from './problem.ts';
import type { NamedNode, YamlNode } from './yaml-node.ts';

export type Keys = ReadonlyMap<string, NamedNode>;

/**
 * Looks at a rule and everything below it: what it reads, what it makes, whether that can stand where it is put. What
 * keeps a file from being compiled at all is the compiler's to say, and passed over.
 * @param expected what has to stand there; null = nobody knows
 * @param isItem the rule stands in a list, which takes single values and lists alike
 */
export function lintRule(node: YamlNode, expected: Expected | null, scope: LintScope, isItem = false): Made {
  try {
    return lintAny(node, expected, scope, isItem);
  } catch (error) {
    if (error instanceof ProblemError) return ANYTHING;
    throw error;
  }
}

function lintAny(node: YamlNode, expected: Expected | null, scope: LintScope, isItem: boolean): Made {
  if (node.isList) {
    checkCount(true, expected, node, scope, isItem);
    const made = node.items().map((item) => lintRule(item, expected, scope, true));
    return { ...ANYTHING, isList: true, isAlways: made.some(({ isAlways }) => isAlways) };
  }
  if (!node.isMap) {
    checkCount(false, expected, node, scope, isItem);
    return lintLiteral(node, expected, scope);
  }
  const keys = node.entries();
  const when = keys.get('when')?.value;
  const always = when === undefined ? true : lintCondition(when, scope);
  const each = keys.get('each')?.value;
  const cell = each === undefined ? scope.cell : lintSource(each, scope).cell;
  const made = lintSourceOfRule(node, keys, expected, { ...scope, cell });
  const isList = made.isList || each !== undefined;
  checkCount(isList, expected, node, scope, isItem);
  return { ...made, isList, isAlways: made.isAlways && always === true && each === undefined };
}

/** A list where one value belongs, or the other way round. */
function checkCount(
  isList: boolean,
  expected: Expected | null,
  node: YamlNode,
  { findings }: LintScope,
  isItem: boolean,
): void {
  if (expected === null || isItem || isList === expected.isList) return;
  if (isList)
    findings.error(
      node,
      `${expected.path} is one value, this makes a list`,
      'from: takes the first; all: … with join: makes one text',
    );
  else
    findings.error(
      node,
      `${expected.path} is a list, this makes one value`,
      'put it into a list: - { … }, or use all:',
    );
}

function lintLiteral(node: YamlNode, expected: Expected | null, scope: LintScope): Made {
  const value = node.literal();
  const isList = Array.isArray(value);
  const values: PlacedValue[] | null = isList ? null : [{ value, where: node.where }];
  const made: Made = { type: null, isList, isAlways: true, values, isRaw: false };
  if (expected !== null) checkMade(made, expected, node, scope);
  return made;
}

/** The part of a rule that says where its value comes from. */
function lintSourceOfRule(node: YamlNode, keys: Keys, expected: Expected | null, scope: LintScope): Made {
  const get = (key: string) => keys.get(key)?.value;
  const [set, include, first, text, value] = [get('set'), get('include'), get('first'), get('text'), get('value')];
  if (set !== undefined) {
    lintNeeds(keys, set, scope);
    return lintSet(set, expected, scope, set);
  }
  if (include !== undefined) return lintInclude(include, expected, scope);
  if (first !== undefined) return lintFirst(first, expected, scope);
  if (text !== undefined) return lintText(text, expected, scope);
  if (value !== undefined) return lintLiteral(value, expected, scope);
  const reference = get('ref') ?? get('refs');
  if (reference !== undefined) return lintReference(reference, keys, expected, scope);
  const since = get('since');
  if (since !== undefined) return lintSince(since, keys, scope);
  const call = get('call');
  if (call !== undefined) return lintCall(keys, scope);
  return lintFrom(node, keys, expected, scope);
}

/** `first:`: what stands behind a rule that always makes something is never tried. */
function lintFirst(node: YamlNode, expected: Expected | null, scope: LintScope): Made {
  let last: YamlNode | null = null;
  let isAlways = false;
  const made: Made[] = [];
  for (const item of node.items()) {
    if (isAlways) scope.findings.error(item, `This is never tried: the rule at ${last?.where} always makes something`);
    const one = lintRule(item, expected === null ? null : { ...expected, isList: false }, scope, true);
    made.push(one);
    isAlways ||= one.isAlways;
    if (one.isAlways) last ??= item;
  }
  const isAlike = made.every(({ type, isList }) => type === made[0]?.type && isList === made[0]?.isList);
  const values = made.every((one) => one.values !== null) ? made.flatMap((one) => one.values ?? []) : null;
  const isList = made.length > 0 && made.every((one) => one.isList);
  return { type: isAlike ? (made[0]?.type ?? null) : null, isList, isAlways, values, isRaw: false };
}

function lintText(node: YamlNode, expected: Expected | null, scope: LintScope): Made {
  const names = [...node.text().matchAll(/\{([A-Za-z][A-Za-z0-9]*)[^}]*\}/g)].map(([, name = '']) => name);
  for (const name of names) scope.asked.variables.add(name);
  const made: Made = { ...ANYTHING, type: 'string', isAlways: names.length === 0 };
  if (expected !== null) checkMade(made, expected, node, scope);
  return made;
}

function lintCall(keys: Keys, scope: LintScope): Made {
  const of = keys.get('of')?.value;
  for (const source of of === undefined ? [] : of.isList ? of.items() : [of]) lintSource(source, scope);
  const table = keys.get('table')?.value;
  if (table !== undefined) {
    const name = table.text();
    scope.used.tables.add(name);
    scope.used.lookups.push({ table: name, node: table, hasSystem: true });
  }
  return ANYTHING;
}

function lintSince(node: YamlNode, keys: Keys, scope: LintScope): Made {
  const of = keys.get('of')?.value;
  if (of?.isScalar) lintSource(of, scope);
  const values = [...node.entries().values()].map(({ value }) => ({ value: value.literal(), where: value.where }));
  return { ...ANYTHING, values };
}

function lintReference(node: YamlNode, keys: Keys, expected: Expected | null, scope: LintScope): Made {
  const name = node.text();
  scope.asked.entries.add(name);
  const of = keys.get('of')?.value;
  for (const source of of === undefined ? [] : of.isList ? of.items() : [of])
    scope.refer(name, lintSource(source, scope).cell);
  const entry = scope.entries.get(name);
  if (entry?.isForReference && of === undefined)
    scope.findings.error(node, `The entry "${name}" is made for a cell`, 'say which: of: OBR-16');
  const made: Made = { ...ANYTHING, type: 'Reference', isList: keys.has('refs') };
  if (expected !== null) {
    checkMade(made, expected, node, scope);
    const type = entry?.resourceType ?? null;
    if (type !== null && expected.targets !== null && !expected.targets.has(type)) {
      const text = `${expected.path} cannot refer to ${withArticle(type)}`;
      scope.findings.error(node, text, listed(expected.targets));
    }
  }
  return made;
}

function lintFrom(node: YamlNode, keys: Keys, expected: Expected | null, scope: LintScope): Made {
  const [all, from] = [keys.get('all')?.value, keys.get('from')?.value];
  const source = from ?? all ?? node;
  const facts = (all?.isList ? all.items() : [source]).map((one) => lintSource(one, scope));
  const first = facts[0] ?? { made: ANYTHING, cell: null, isWhole: true };
  const unit = keys.get('unit')?.value;
  if (unit?.isScalar) lintSource(unit, scope);
  else if (unit !== undefined) lintRule(unit, null, scope);
  const isJoined = keys.has('join');
  const isAlike = facts.every(({ made }) => made.type === first.made.type);
  let made: Made = isAlike ? first.made : ANYTHING;
  if (keys.has('table')) made = lintLookup(keys, facts, made, expected, scope);
  const as = keys.get('as')?.value;
  const cell = facts.every((one) => one.cell === first.cell) ? first.cell : null;
  if (as !== undefined) made = lintAs(as, expected, made, { ...scope, cell });
  else if (made.type === null && made.values === null && first.made.isRaw && isAlike)
    made = { ...made, type: 'string' };
  if (isJoined) made = { ...ANYTHING, type: 'string' };
  const isList = (all !== undefined && !isJoined) || (made.isList && !isJoined);
  const single: Made = { ...made, isList, isAlways: false };
  if (expected !== null) checkMade(single, expected, keys.get('as')?.value ?? source, scope);
  return single;
}

function lintLookup(
  keys: Keys,
  facts: readonly SourceFacts[],
  found: Made,
  expected: Expected | null,
  scope: LintScope,
): Made {
  const node = keys.get('table')?.value as YamlNode;
  const name = node.text();
  const table = scope.tables.get(name);
  scope.used.tables.add(name);
  scope.used.lookups.push({ table: name, node, hasSystem: facts.some(({ isWhole }) => isWhole) });
  if (table === undefined) return ANYTHING;
  const values: PlacedValue[] = [...table.rows.values()].flatMap((codes) =>
    [...codes.values()].filter(({ value }) => value !== null),
  );
  const fallback = keys.get('default')?.value;
  if (fallback !== undefined) values.push({ value: fallback.literal(), where: fallback.where });
  const isList = found.isList;
  if (keys.get('onMiss')?.value.text() !== 'keep') return { ...ANYTHING, isList, values };
  // What the table has is looked at here, what it misses as what it is.
  if (expected !== null && !keys.has('as')) checkMade({ ...ANYTHING, values }, expected, node, scope);
  return { ...found, isList, values: null };
}

/** `as`: a conversion, `by` the type in another field, or a datatype file. */
function lintAs(node: YamlNode, expected: Expected | null, found: Made, scope: LintScope): Made {
  const name = node.text();
  scope.used.tables.add('coding-systems');
  const by = /^(?:loosely )?by /.exec(name)?.[0];
  if (by !== undefined) {
    lintSource(node.sliced(by.length), scope);
    return { ...ANYTHING, type: 'choice' };
  }
  if (Object.hasOwn(CONVERSIONS, name)) {
    const isText = ['string', 'code', 'upper'].includes(name);
    const isValues = name === 'string' && found.values !== null;
    if (isValues)
      return { ...found, values: found.values.map(({ value, where }) => ({ value: String(value), where })) };
    return { ...ANYTHING, type: CONVERSION_FACTS[name as ConversionName].type, isRaw: isText && found.isRaw };
  }
  scope.used.datatypes.add(name);
  const file = scope.parts.datatypes.get(name);
  if (file === undefined || scope.including.includes(`as ${name}`)) return ANYTHING;
  const keys = file.entries();
  const inner: LintScope = { ...scope, variables: new Map(), including: [...scope.including, `as ${name}`] };
  const one = expected === null ? null : { ...expected, isList: false };
  const rule = keys.get('rule')?.value;
  const set = keys.get('set')?.value;
  if (rule !== undefined) return { ...lintRule(rule, one, inner, true), isRaw: false };
  return set === undefined ? ANYTHING : lintSet(set, one, inner, file);
}

function lintInclude(node: YamlNode, expected: Expected | null, scope: LintScope): Made {
  const name = node.text();
  scope.used.resources.add(name);
  scope.asked.resources.add(name);
  const file = scope.parts.resources.get(name);
  const keys: Keys = file?.entries() ?? new Map();
  const set = keys.get('set')?.value;
  if (file === undefined || set === undefined || scope.including.includes(name)) return ANYTHING;
  lintNeeds(keys, set, scope, scope.overrides.get(name));
  const inner = { ...scope, including: [...scope.including, name] };
  return lintSet(set, expected, inner, file, scope.overrides.get(name));
}
