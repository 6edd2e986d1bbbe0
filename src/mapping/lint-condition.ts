import { ConditionError, readCondition } from './condition.ts';
import { listed } from './finding.ts';
import type { LintScope } from './lint-scope.ts';
import { lintPath } from './lint-source.ts';
import { ProblemError, suggest } from './problem.ts';
import type { YamlNode } from './yaml-node.ts';

/**
 * Looks at a condition: HL7 paths, names, comparisons with what can never be, and whether it asks anything at all.
 * @returns what it always comes to; null = it depends
 */
export function lintCondition(node: YamlNode, scope: LintScope): boolean | null {
  let condition: ReturnType<typeof readCondition>;
  try {
    condition = readCondition(node.text(), [...scope.variables.keys()]);
  } catch (error) {
    // The compiler says what is wrong with it.
    if (error instanceof ConditionError || error instanceof ProblemError) return null;
    throw error;
  }
  for (const { path, offset } of condition.paths) lintPath(path, { node, offset, scope });
  for (const name of condition.used) if (scope.variables.has(name)) scope.asked.variables.add(name);
  lintComparisons(condition.parsed.ast, node, scope);
  if (condition.used.size > 0) return null;
  const always = constantOf(condition.parsed);
  if (always !== null)
    scope.findings.error(node, `This is always ${always}: it asks nothing of the message`, 'leave when: out, or ask');
  return always;
}

function constantOf(ask: (values: object) => unknown): boolean | null {
  try {
    return ask({}) === true;
  } catch {
    return null;
  }
}

interface Ast {
  readonly op: string;
  readonly args: unknown;
  readonly start?: number;
}

function isAst(value: unknown): value is Ast {
  return typeof value === 'object' && value !== null && 'op' in value && 'args' in value;
}

/** `test == "natt"`, where the table behind `test` has no such value. */
function lintComparisons(ast: unknown, node: YamlNode, scope: LintScope): void {
  if (Array.isArray(ast)) {
    for (const part of ast) lintComparisons(part, node, scope);
    return;
  }
  if (!isAst(ast)) return;
  if (Array.isArray(ast.args) && ['==', '!=', 'in'].includes(ast.op)) {
    const [left, right] = ast.args as readonly unknown[];
    for (const [name, literals] of [
      [left, literalsIn(right)],
      [right, literalsIn(left)],
    ] as const)
      if (isAst(name) && name.op === 'id') lintComparison(String(name.args), literals, node, scope);
  }
  if (ast.op !== 'value') lintComparisons(ast.args, node, scope);
}

function literalsIn(ast: unknown): Ast[] {
  if (!isAst(ast)) return [];
  if (ast.op === 'value') return typeof ast.args === 'string' ? [ast] : [];
  return ast.op === 'list' && Array.isArray(ast.args) ? ast.args.flatMap(literalsIn) : [];
}

function lintComparison(name: string, literals: readonly Ast[], node: YamlNode, scope: LintScope): void {
  if (literals.length === 0) return;
  const variable = scope.variables.get(name);
  // A channel may set a setting otherwise.
  if (variable === undefined || variable.isSetting) return;
  const values = variable.made().values;
  if (values === null) return;
  const known = [...new Set(values.map(({ value }) => String(value)))];
  for (const { args, start = 0 } of literals) {
    if (known.includes(String(args))) continue;
    const hint = suggest(String(args), known) ?? `it is one of ${listed(known)}`;
    scope.findings.error(node, `${name} is never "${args}"`, hint, start);
  }
}
