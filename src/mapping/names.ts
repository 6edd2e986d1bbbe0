import { Fault } from '../contracts/fault.ts';
import { isFreeName } from './condition.ts';
import type { LayeredMapping } from './overlay.ts';
import { keepProblem } from './problem.ts';
import { compileRule } from './rule.ts';
import { Found, type Scope } from './scope.ts';
import type { MappingSetup } from './setup.ts';
import type { ReadVariable } from './source.ts';
import type { Evaluate, Surroundings } from './surroundings.ts';
import type { YamlNode } from './yaml-node.ts';

/** Names a rule may use that no `let` makes. */
export const GIVEN = ['party', 'identifier', 'response'] as const;

export interface Names {
  readonly around: Surroundings;
  readonly settings: readonly string[];
  /** How many places a scope's memo needs. */
  readonly count: number;
}

/** Makes the variables of `settings` and `let`: each is evaluated when somebody asks, once a result. */
export function compileNames(
  { settings, lets, overrides: elements, entryChanges, tables }: Omit<LayeredMapping<string>, 'keys'>,
  setup: MappingSetup,
  entries: ReadonlySet<string>,
): Names {
  const variables = new Map<string, ReadVariable>();
  const around: Surroundings = {
    tables,
    resources: setup.resources,
    datatypes: setup.datatypes,
    outgoing: setup.outgoing,
    entries,
    overrides: elements,
    entryChanges,
    variables,
    problems: setup.problems,
    including: [],
  };
  const evaluators: Evaluate[] = [];
  const nodes: YamlNode[] = [];
  const nameNodes: YamlNode[] = [];
  const overrides = setup.overrides?.entries() ?? new Map();
  const settingNames: string[] = [];
  for (const [name, { keyNode, value }] of [...settings, ...lets]) {
    if (!/^[a-z][A-Za-z0-9]*$/.test(name))
      setup.problems.push(
        keyNode.problem(`"${name}" cannot be a variable’s name`, 'letters and digits, a small letter first'),
      );
    else if (!isFreeName(name)) setup.problems.push(keyNode.problem(`"${name}" means something else in conditions`));
    if ((GIVEN as readonly string[]).includes(name))
      setup.problems.push(keyNode.problem(`$${name} is given; it cannot be set`));
    if (variables.has(name)) setup.problems.push(keyNode.problem(`"${name}" is set twice, in settings and let`));
    const isSetting = settingNames.length < settings.size;
    if (isSetting) settingNames.push(name);
    const index = nodes.length;
    nameNodes.push(keyNode);
    nodes.push(isSetting ? (overrides.get(name)?.value ?? value) : value);
    const read = (scope: Scope) => readMemo(scope, index, name, evaluators[index] as Evaluate, keyNode.where);
    const locateMissing = (scope: Scope) => evaluators[index]?.locateMissing?.(scope.home ?? scope) ?? null;
    variables.set(name, Object.assign(read, { locateMissing }));
  }
  variables.set('party', (scope) => (scope.party === null ? null : Found.made(scope.party)));
  variables.set('identifier', (scope) => (scope.identifier === null ? null : Found.made(scope.identifier)));
  variables.set('response', (scope) => (scope.response === null ? null : Found.made(scope.response)));
  const needs = new Map<string, ReadonlySet<string>>();
  for (const [index, node] of nodes.entries()) {
    const noted = new NotedNames(variables);
    const compile = () => compileRule(node, { ...around, variables: noted });
    evaluators.push(keepProblem(setup.problems, compile, NOTHING));
    needs.set(nameNodes[index]?.text() ?? '', noted.asked);
  }
  for (const keyNode of nameNodes) {
    const circle = findCircle(keyNode.text(), needs);
    if (circle !== null) setup.problems.push(keyNode.problem(`$${circle[0]} needs itself: ${circle.join(' → ')}`));
  }
  return { around, settings: settingNames, count: nodes.length };
}

const NOTHING: Evaluate = () => null;

/** The names as one rule sees them, with a note of those it asked for. */
class NotedNames extends Map<string, ReadVariable> {
  readonly asked: Set<string> = new Set();

  override get(name: string): ReadVariable | undefined {
    this.asked.add(name);
    return super.get(name);
  }
}

/** The shortest way from a name back to itself, `[a, b, a]`; null = there is none. */
function findCircle(name: string, needs: ReadonlyMap<string, ReadonlySet<string>>): readonly string[] | null {
  const ways = [[name]];
  const seen = new Set<string>();
  for (const way of ways) {
    for (const next of needs.get(way.at(-1) ?? '') ?? []) {
      if (next === name) return [...way, next];
      if (!seen.has(next)) ways.push([...way, next]);
      seen.add(next);
    }
  }
  return null;
}

/** Marks a variable that is being evaluated; what the check above does not see is found out then. */
const UNDER_WAY = Found.made(null);

function readMemo(asking: Scope, index: number, name: string, evaluate: Evaluate, where: string): Found | null {
  const scope = asking.home ?? asking;
  const known = scope.memo[index];
  if (known === UNDER_WAY) throw new Fault('mapping-incomplete', { where, detail: `$${name} needs itself` });
  if (known instanceof Fault) throw known;
  const { trail } = scope.run;
  if (known !== undefined) {
    trail?.readAgain(scope.memo, index);
    return known;
  }
  scope.memo[index] = UNDER_WAY;
  try {
    const found = trail === null ? evaluate(scope) : trail.keep(scope.memo, index, () => evaluate(scope));
    scope.memo[index] = found;
    return found;
  } catch (error) {
    if (error instanceof Fault) scope.memo[index] = error;
    throw error;
  }
}
