import { isGroupName } from '../hl7/group.ts';
import { PathError, parsePath } from '../hl7/path.ts';
import { type EntryChanges, layerEntry } from './entry.ts';
import { lintCondition } from './lint-condition.ts';
import { lintMessage } from './lint-message.ts';
import { lintRule } from './lint-rule.ts';
import { ANYTHING, type LintEntry, type LintScope, type LintVariable, type Made } from './lint-scope.ts';
import { lintSet } from './lint-set.ts';
import { lintPath, lintSource } from './lint-source.ts';
import { type Expected, knownShape } from './lint-type.ts';
import { MAPPING_KEYS } from './mapping.ts';
import { GIVEN } from './names.ts';
import { type LayeredMapping, layerMapping } from './overlay.ts';
import { keepProblem } from './problem.ts';
import type { NamedNode, YamlNode } from './yaml-node.ts';

type Layered = LayeredMapping<(typeof MAPPING_KEYS)[number]>;
type Around = Pick<LintScope, 'findings' | 'parts' | 'used'>;

/**
 * Looks through one message mapping, with what it extends and includes.
 * @param overrides `with:` of the channels that use it
 */
export function lintMapping(root: YamlNode, overrides: readonly YamlNode[], around: Around): void {
  const layered = layerMapping(root, MAPPING_KEYS, { ...around.parts, problems: [] });
  const pending: { entry: string; cell: string | null }[] = [];
  const seen = new Set<string>();
  const scope: LintScope = {
    ...around,
    tables: layered.tables,
    overrides: layered.overrides,
    entryChanges: layered.entryChanges,
    variables: new Map(),
    entries: readEntries(layered, around),
    asked: { variables: new Set(), entries: new Set(), resources: new Set() },
    refer(entry, cell) {
      const key = `${entry} ${cell}`;
      if (!seen.has(key)) pending.push({ entry, cell });
      seen.add(key);
    },
    cell: null,
    including: [],
  };
  const variables = readVariables(layered, scope);
  const whole: LintScope = { ...scope, variables };
  for (const variable of variables.values()) variable.made();
  for (const node of overrides)
    for (const { value } of keepProblem([], () => node.entries(), new Map<string, NamedNode>()).values())
      lintPart(value, whole);
  lintParts(layered, whole);
  lintComplaints(layered, whole);
  const reasons = lintReasons(layered, whole);
  quietly(() => lintDeliveries(layered.keys.get('deliver'), reasons, whole));
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const entry = scope.entries.get(next.entry);
    if (entry?.isForReference) lintEntry(entry.node, { ...whole, cell: next.cell });
  }
  lintUnasked(root, whole);
}

/** The compiler tells of what cannot be read. */
function quietly(look: () => void): void {
  keepProblem([], look, undefined);
}

function readVariables(layered: Layered, scope: LintScope): Map<string, LintVariable> {
  const variables = new Map<string, LintVariable>();
  const inner: LintScope = { ...scope, variables };
  for (const name of GIVEN) variables.set(name, { keyNode: null as never, isSetting: true, made: () => ANYTHING });
  for (const [entries, isSetting] of [
    [layered.settings, true],
    [layered.lets, false],
  ] as const)
    for (const [name, { keyNode, value }] of entries) {
      let made: Made | null = null;
      variables.set(name, {
        keyNode,
        isSetting,
        made() {
          if (made !== null) return made;
          // One that needs itself is the compiler's to find; here it must only end.
          made = ANYTHING;
          // What uses a name that nobody asks for is used by nobody: still, its rule counts as asking.
          made = lintRule(value, null, inner);
          return made;
        },
      });
    }
  return variables;
}

/** The parts that are made for the engine rather than for a target. */
function lintParts({ keys }: Layered, scope: LintScope): void {
  const party = keys.get('party');
  if (party !== undefined) lintPart(party, scope);
  const lane = keys.get('lane');
  if (lane !== undefined) lintList(lane, scope);
  quietly(() => {
    for (const item of keys.get('provides')?.items() ?? []) {
      const [when, key] = [item.entries().get('when')?.value, item.entries().get('key')?.value];
      if (when !== undefined) lintCondition(when, scope);
      if (key !== undefined) lintList(key, scope);
    }
  });
  quietly(() => {
    for (const [name, { value }] of keys.get('result')?.entries() ?? []) if (name !== 'because') lintList(value, scope);
  });
}

function lintList(node: YamlNode, scope: LintScope): void {
  for (const item of node.isList ? node.items() : [node]) lintPart(item, scope);
}

function lintPart(node: YamlNode, scope: LintScope): void {
  if (node.isScalar) lintSource(node, scope);
  else lintRule(node, null, scope);
}

/** `refuse` and `hold`: all of them are asked. */
function lintComplaints({ keys }: Layered, scope: LintScope): void {
  for (const key of ['refuse', 'hold'] as const)
    quietly(() => {
      for (const item of keys.get(key)?.items() ?? []) {
        const [when, at] = [item.entries().get('when')?.value, item.entries().get('at')?.value];
        if (when !== undefined) lintCondition(when, scope);
        if (at !== undefined) lintPart(at, scope);
      }
    });
}

/** `ignore` and `skip`: gives the conditions under which no delivery is looked at, with their places. */
function lintReasons({ keys }: Layered, scope: LintScope): Map<string, YamlNode> {
  const reasons = new Map<string, YamlNode>();
  let end: YamlNode | null = null;
  for (const key of ['ignore', 'skip'] as const)
    quietly(() => {
      for (const item of keys.get(key)?.items() ?? []) {
        const when = item.entries().get('when')?.value;
        if (when === undefined) continue;
        const text = when.text().trim();
        const other = reasons.get(text);
        if (end !== null) scope.findings.warn(when, `This is never reached: ${end.where} always holds`);
        else if (other !== undefined)
          scope.findings.warn(when, `This is never reached: ${other.where} asks the same before it`);
        if (lintCondition(when, scope) === true) end ??= when;
        if (other === undefined) reasons.set(text, when);
      }
    });
  return reasons;
}

function lintDeliveries(node: YamlNode | undefined, reasons: ReadonlyMap<string, YamlNode>, scope: LintScope): void {
  for (const item of node?.items() ?? []) quietly(() => lintDelivery(item, reasons, scope));
}

function lintDelivery(node: YamlNode, reasons: ReadonlyMap<string, YamlNode>, scope: LintScope): void {
  const keys = node.entries();
  const get = (key: string) => keys.get(key)?.value;
  const when = get('when');
  if (when !== undefined) {
    lintCondition(when, scope);
    const reason = reasons.get(when.text().trim());
    if (reason !== undefined)
      scope.findings.warn(when, `This is never reached: ${reason.where} leaves the result out when it holds`);
  }
  for (const common of [get('once'), get('needs')]) {
    const key = common?.entries().get('key')?.value;
    if (key !== undefined) lintList(key, scope);
  }
  for (const schedule of [get('notBefore'), get('notAfter'), get('once')]) {
    for (const key of ['after', 'days', 'hours']) {
      const part = schedule?.entries().get(key)?.value;
      if (part !== undefined && (key === 'after' || typeof part.literal() !== 'number')) lintPart(part, scope);
    }
  }
  const [body, head, message] = [get('body'), get('head'), get('message')];
  if (body !== undefined) lintRule(body, null, scope);
  if (message !== undefined) lintMessage(message, scope);
  const bundle = knownShape('Bundle');
  if (head !== undefined && bundle !== null) {
    const elements: Expected = {
      path: 'Bundle',
      type: 'Bundle',
      isList: false,
      format: null,
      codes: null,
      targets: null,
    };
    // What a bundle needs, the engine sets.
    lintSet(head, elements, scope, null);
  }
  for (const entry of get('bundle')?.items() ?? [])
    if (!(readEntry(entry, scope.entryChanges, scope)?.isForReference ?? false)) quietly(() => lintEntry(entry, scope));
  lintDeliveries(get('then'), new Map(), scope);
}

function lintEntry(node: YamlNode, scope: LintScope): void {
  const layered = layerEntry(node, scope.entryChanges);
  if (layered === null) return;
  const { keys, body } = layered;
  const each = keys.get('each');
  if (each !== undefined) lintEach(each, scope);
  for (const condition of [keys.get('when'), keys.get('merge')])
    if (condition !== undefined) lintCondition(condition, scope);
  const key = keys.get('key');
  if (key !== undefined) lintList(key, scope);
  const resource: Expected = {
    path: 'The entry',
    type: 'Resource',
    isList: false,
    format: null,
    codes: null,
    targets: null,
  };
  lintRule(body, resource, scope);
}

function lintEach(node: YamlNode, scope: LintScope): void {
  const text = node.text();
  if (text === 'reference' || isGroupName(text)) return;
  try {
    lintPath(parsePath(text), { node, offset: 0, scope });
  } catch (error) {
    if (!(error instanceof PathError)) throw error;
  }
}

function readEntries({ keys, entryChanges }: Layered, around: Around): Map<string, LintEntry> {
  const entries = new Map<string, LintEntry>();
  quietly(() => {
    for (const delivery of keys.get('deliver')?.items() ?? [])
      for (const node of delivery.entries().get('bundle')?.value.items() ?? []) {
        const [name] = [node.entries().get('entry')?.value.text() ?? ''];
        const entry = readEntry(node, entryChanges, around);
        if (entry !== null) entries.set(name, entry);
      }
  });
  return entries;
}

/** null = it cannot be read, or an overlay leaves it out. */
function readEntry(node: YamlNode, changes: EntryChanges, { parts }: Around): LintEntry | null {
  return keepProblem(
    [],
    () => {
      const layered = layerEntry(node, changes);
      if (layered === null) return null;
      const made = layered.body.entries();
      const include = made.get('include')?.value.text();
      const set =
        made.get('set')?.value ??
        (include === undefined ? undefined : parts.resources.get(include)?.entries().get('set')?.value);
      const type = set?.entries().get('resourceType')?.value;
      return {
        node,
        resourceType: type?.isScalar ? type.text() : null,
        isForReference: layered.keys.get('each')?.text() === 'reference',
      };
    },
    null,
  );
}

/** Names that this file gives and nothing of the mapping asks for. */
function lintUnasked(root: YamlNode, scope: LintScope): void {
  const own = (key: string) =>
    keepProblem([], () => root.entries().get(key)?.value.entries() ?? new Map<string, NamedNode>(), new Map());
  for (const [key, kind] of [
    ['settings', 'setting'],
    ['let', 'let'],
  ] as const)
    for (const [name, { keyNode }] of own(key))
      if (!scope.asked.variables.has(name)) scope.findings.warn(keyNode, `Nothing asks for the ${kind} "${name}"`);
  for (const [name, { keyNode }] of own('resources'))
    if (scope.parts.resources.has(name) && !scope.asked.resources.has(name))
      scope.findings.warn(keyNode, `This mapping does not include the resource "${name}"`);
  if (!root.entries().has('deliver')) return;
  for (const [name, { node, isForReference }] of scope.entries)
    if (isForReference && !scope.asked.entries.has(name))
      scope.findings.warn(node, `No rule refers to the entry "${name}", so it is never made`);
}
