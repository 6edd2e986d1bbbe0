import { Fault } from '../contracts/fault.ts';
import { keepProblem } from './problem.ts';
import { compileRule } from './rule.ts';
import type { Evaluate, Surroundings } from './surroundings.ts';
import { Found, type Scope } from './scope.ts';
import type { MappingSetup } from './setup.ts';
import type { ReadVariable } from './source.ts';
import type { YamlNode } from './yaml-node.ts';

/** Names a rule may use that no `let` makes. */
const GIVEN = ['party', 'identifier', 'response'] as const;

export interface Names {
  readonly around: Surroundings;
  readonly settings: readonly string[];
  /** How many places a scope's memo needs. */
  readonly count: number;
}

/** Makes the variables of `settings` and `let`: each is evaluated when somebody asks, once a result. */
export function compileNames(
  settings: YamlNode | null,
  lets: YamlNode | null,
  setup: MappingSetup,
  entries: ReadonlySet<string>,
): Names {
  const variables = new Map<string, ReadVariable>();
  const around: Surroundings = {
    tables: setup.tables,
    resources: setup.resources,
    datatypes: setup.datatypes,
    entries,
    overrides: new Map(),
    variables,
    problems: setup.problems,
    including: [],
  };
  const evaluators: Evaluate[] = [];
  const nodes: YamlNode[] = [];
  const overrides = setup.overrides?.entries() ?? new Map();
  const settingNames: string[] = [];
  for (const [name, { keyNode, value }] of [...(settings?.entries() ?? []), ...(lets?.entries() ?? [])]) {
    if (!/^[a-z][A-Za-z0-9]*$/.test(name))
      setup.problems.push(
        keyNode.problem(`"${name}" cannot be a variable’s name`, 'letters and digits, a small letter first'),
      );
    if ((GIVEN as readonly string[]).includes(name))
      setup.problems.push(keyNode.problem(`$${name} is given; it cannot be set`));
    if (variables.has(name)) setup.problems.push(keyNode.problem(`"${name}" is set twice, in settings and let`));
    const isSetting = settings !== null && settingNames.length < (settings.entries().size ?? 0);
    if (isSetting) settingNames.push(name);
    const index = nodes.length;
    nodes.push(isSetting ? (overrides.get(name)?.value ?? value) : value);
    const read = (scope: Scope) => readMemo(scope, index, name, evaluators[index] as Evaluate, keyNode.where);
    const locateMissing = (scope: Scope) => evaluators[index]?.locateMissing?.(scope.home ?? scope) ?? null;
    variables.set(name, Object.assign(read, { locateMissing }));
  }
  variables.set('party', (scope) => (scope.party === null ? null : Found.made(scope.party)));
  variables.set('identifier', (scope) => (scope.identifier === null ? null : Found.made(scope.identifier)));
  variables.set('response', (scope) => (scope.response === null ? null : Found.made(scope.response)));
  for (const node of nodes)
    evaluators.push(
      keepProblem(
        setup.problems,
        () => compileRule(node, around),
        () => null,
      ),
    );
  return { around, settings: settingNames, count: nodes.length };
}

/** Marks a variable that is being evaluated, so that one that needs itself is found out. */
const UNDER_WAY = Found.made(null);

function readMemo(asking: Scope, index: number, name: string, evaluate: Evaluate, where: string): Found | null {
  const scope = asking.home ?? asking;
  const known = scope.memo[index];
  if (known === UNDER_WAY) throw new Fault('mapping-incomplete', { where, detail: `$${name} needs itself` });
  if (known instanceof Fault) throw known;
  // With the trail on it is evaluated anew, so that its sources are noted for whoever asks.
  if (known !== undefined && scope.run.trail === null) return known;
  scope.memo[index] = UNDER_WAY;
  try {
    const found = evaluate(scope);
    scope.memo[index] = found;
    return found;
  } catch (error) {
    if (error instanceof Fault) scope.memo[index] = error;
    throw error;
  }
}
