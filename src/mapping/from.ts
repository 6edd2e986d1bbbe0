import { compileAs } from './as.ts';
import { type FieldNeeds, needOfAny } from './field-need.ts';
import { FUNCTIONS, type MappingFunction } from './functions.ts';
import { compileLookup, findTable, type LookupKeys } from './lookup.ts';
import { suggest } from './problem.ts';
import type { RuleKeys } from './rule.ts';
import { Found, foundText, type Scope } from './scope.ts';
import { compileSource, type Source } from './source.ts';
import type { Evaluate, Surroundings } from './surroundings.ts';
import type { YamlNode } from './yaml-node.ts';

/** A compiled rule, with the source that a missing value is located by. */
export interface Made {
  readonly evaluate: Evaluate;
  readonly source: Source | null;
  readonly needs: FieldNeeds;
}

/** Compiles `from:` and `all:`. @throws ProblemError */
export function compileFrom(node: YamlNode, keys: RuleKeys, around: Surroundings): Made {
  const from = keys.get('from') ?? keys.get('all') ?? node;
  const isAll = keys.has('all');
  const sources =
    isAll && from.isList
      ? from.items().map((item) => compileSource(item, around.variables))
      : [compileSource(from, around.variables)];
  const source = sources[0] as Source;
  const convert = compileConversion(node, keys, around);
  const separator = keys.get('split')?.text() ?? null;
  const joint = keys.get('join')?.text() ?? null;
  const where = node.where;
  const evaluate: Evaluate = (scope) => {
    if (!isAll) {
      const found = source.readFirst(scope);
      return found === null ? null : convert(found, scope);
    }
    const values: unknown[] = [];
    const found = sources.length === 1 ? source.readAll(scope) : sources.flatMap((one) => one.readAll(scope));
    for (const one of found) {
      const made = convert(one, scope);
      if (made === null) continue;
      if (separator !== null && typeof made.value === 'string')
        values.push(...made.value.split(separator).filter((part) => part !== ''));
      else values.push(made.value);
    }
    if (joint === null) return Found.made(values);
    return values.length === 0 ? null : Found.made(values.join(joint));
  };
  return { evaluate: withTrail(evaluate, where), source, needs: needOfAny(sources.map(({ needs }) => needs)) };
}

/** `table` and `as`: what is made of one thing that was found. */
function compileConversion(
  node: YamlNode,
  keys: RuleKeys,
  around: Surroundings,
): (found: Found, scope: Scope) => Found | null {
  const table = keys.has('table') ? compileLookup(node, keys as LookupKeys, around.tables) : null;
  const as = keys.get('as');
  const convert = as === undefined ? null : compileAs(as, keys, around);
  return (found, scope) => {
    const looked = table === null ? found : table(found, scope);
    if (looked === null) return null;
    // A plain value that came out of a table, a function or a `let` keeps its type unless `as` says otherwise.
    if (convert === null) return looked.cell === null ? looked : makeText(looked, scope);
    const value = convert(looked, scope);
    return value === null ? null : Found.made(value, looked);
  };
}

function makeText(found: Found, scope: Scope): Found | null {
  const text = foundText(found, scope.run).trim();
  return text === '' ? null : Found.made(text, found);
}

/** Compiles `call:` with `of:`. @throws ProblemError */
export function compileCall(call: YamlNode, keys: RuleKeys, around: Surroundings): Made {
  const name = call.text('a function');
  if (!Object.hasOwn(FUNCTIONS, name)) {
    call.fail(`There is no function "${name}"`, suggest(name, Object.keys(FUNCTIONS)));
  }
  const run = FUNCTIONS[name] as MappingFunction;
  const of = keys.get('of') ?? call.fail('A call needs of: the paths it is called with');
  const sources = (of.isList ? of.items() : [of]).map((item) => compileSource(item, around.variables));
  const table = keys.has('table') ? findTable(keys.get('table') as YamlNode, around.tables) : null;
  const where = call.where;
  const evaluate: Evaluate = (scope) => {
    const found = sources.flatMap((source) => source.readAll(scope));
    const value = run({ found, table, run: scope.run, where });
    return value === null ? null : Found.made(value, found[0] ?? null);
  };
  // A function may make something of nothing.
  return { evaluate: withTrail(evaluate, where), source: sources[0] ?? null, needs: null };
}

/** An empty list is something to a condition ("x" in list), but no element: FHIR has no empty arrays. */
export function isNothing(found: Found | null): boolean {
  return found === null || (Array.isArray(found.value) && found.value.length === 0);
}

/** Notes in the trail, where there is one, what made the element at hand. */
export function withTrail(evaluate: Evaluate, where: string): Evaluate {
  return (scope) => {
    const { trail } = scope.run;
    if (trail === null) return evaluate(scope);
    const { value, sources, rows } = trail.collect(() => evaluate(scope));
    if (!isNothing(value)) trail.made(where, sources, rows);
    return value;
  };
}
