import { FAULTS } from '../contracts/fault.ts';
import { RESOURCE_TYPES } from '../fhir/r4-shape.ts';
import { suggest } from './problem.ts';
import type { YamlNode } from './yaml-node.ts';

/** `expect:` of a case, read. What is not named in it is expected to be empty, but for warnings. */
export interface Expectation {
  readonly node: YamlNode;
  readonly deliver: ExpectedList<ExpectedDelivery>;
  readonly skipped: ExpectedList<ExpectedWord>;
  readonly faults: ExpectedList<ExpectedWord>;
  /** null = nothing is said of them. */
  readonly warnings: ExpectedList<ExpectedWord> | null;
  /** It can only hold where the care providers are configured. */
  readonly speaksOfParties: boolean;
}

export interface ExpectedList<Item> {
  /** Where it stands; `expect:` itself where it is not named. */
  readonly node: YamlNode;
  readonly items: readonly Item[];
}

export interface ExpectedDelivery {
  readonly to: YamlNode;
  readonly party: YamlNode | null;
  readonly body: YamlNode | null;
  readonly resources: readonly YamlNode[];
  readonly without: readonly YamlNode[];
}

/** A reason or a code, and what else is said of it: `at`, `detail`. */
export interface ExpectedWord {
  readonly word: YamlNode;
  readonly more: ReadonlyMap<'at' | 'detail', YamlNode>;
}

/** @throws ProblemError where it says what nothing could be compared with */
export function readExpectation(node: YamlNode): Expectation {
  const keys = node.keys(['deliver', 'skipped', 'faults', 'warnings']);
  const list = <Item>(of: YamlNode | undefined, read: (item: YamlNode) => Item): ExpectedList<Item> => ({
    node: of ?? node,
    items: of?.items().map(read) ?? [],
  });
  const warnings = keys.get('warnings');
  const deliver = list(keys.get('deliver'), readDelivery);
  const faults = list(keys.get('faults'), (item) => readWord(item, 'code'));
  return {
    node,
    deliver,
    skipped: list(keys.get('skipped'), (item) => readWord(item, 'reason')),
    faults,
    warnings: warnings === undefined ? null : list(warnings, (item) => readWord(item, 'code')),
    speaksOfParties:
      deliver.items.some(({ party }) => party !== null) ||
      faults.items.some(({ word }) => word.text().startsWith('party-')),
  };
}

function readDelivery(node: YamlNode): ExpectedDelivery {
  if (!node.isMap) return { to: node, party: null, body: null, resources: [], without: [] };
  const keys = node.keys(['to', 'party', 'body', 'resources', 'without']);
  const isType = (of: YamlNode) => {
    const type = of.text('a resource type');
    if (!RESOURCE_TYPES.has(type)) of.fail(`FHIR R4 has no resource "${type}"`, suggest(type, RESOURCE_TYPES));
    return of;
  };
  const resources = keys.get('resources')?.items() ?? [];
  for (const one of resources)
    isType(one.entries().get('resourceType')?.value ?? one.fail('A resource is told by its resourceType: …'));
  return {
    to: keys.get('to') ?? node.fail('to: target/operation is needed'),
    party: keys.get('party') ?? null,
    body: keys.get('body') ?? null,
    resources,
    without: keys.get('without')?.items().map(isType) ?? [],
  };
}

function readWord(node: YamlNode, key: 'code' | 'reason'): ExpectedWord {
  const keys = node.isMap
    ? node.keys(key === 'code' ? (['code', 'at', 'detail'] as const) : (['reason', 'at'] as const))
    : null;
  const word = keys === null ? node : (keys.get(key as never) ?? node.fail(`${key}: … is needed`));
  if (key === 'code') word.word(Object.keys(FAULTS));
  const more = new Map<'at' | 'detail', YamlNode>();
  for (const name of ['at', 'detail'] as const) {
    const said = (keys as ReadonlyMap<string, YamlNode> | null)?.get(name);
    if (said !== undefined) more.set(name, said);
  }
  return { word, more };
}
