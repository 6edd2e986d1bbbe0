import { needOfAny } from './field-need.ts';
import { type Made, withTrail } from './from.ts';
import { suggest } from './problem.ts';
import type { RuleKeys } from './rule.ts';
import { Found } from './scope.ts';
import { compileSource } from './source.ts';
import type { Evaluate, Surroundings } from './surroundings.ts';
import type { YamlNode } from './yaml-node.ts';

/**
 * Compiles `{ ref: patient }`, a reference to the nearest entry of that name, and `{ ref: practitioner, from: OBR-16 }`
 * (or `all:`), a reference to a resource made from a cell. Where the entry was not made there is no reference.
 * @throws ProblemError
 */
export function compileReference(node: YamlNode, keys: RuleKeys, around: Surroundings): Made {
  const entry = entryName(node, around);
  const where = node.where;
  const from = keys.get('of');
  if (from === undefined) {
    return {
      source: null,
      needs: null,
      evaluate: withTrail((scope) => {
        const [url, ...others] = scope.bundle?.find(entry, scope) ?? [];
        // Which of several is meant nobody can tell, so none is named.
        return url === undefined || others.length > 0 ? null : Found.made({ reference: url });
      }, where),
    };
  }
  const source = compileSource(from, around.variables);
  return {
    source,
    needs: source.needs,
    evaluate: withTrail((scope) => {
      const found = source.readFirst(scope);
      if (found === null || found.cell === null) return null;
      const url = scope.bundle?.make(entry, found.cell, scope) ?? null;
      return url === null ? null : Found.made({ reference: url }, found);
    }, where),
  };
}

/** Compiles `{ refs: observation }`: references to all entries of that name in the nearest group that has any. */
export function compileReferences(node: YamlNode, keys: RuleKeys, around: Surroundings): Made {
  const entry = entryName(node, around);
  const from = keys.get('of');
  const sources =
    from === undefined
      ? []
      : (from.isList ? from.items() : [from]).map((item) => compileSource(item, around.variables));
  const evaluate: Evaluate = (scope) => {
    if (from === undefined)
      return Found.made((scope.bundle?.find(entry, scope) ?? []).map((reference) => ({ reference })));
    const urls = sources
      .flatMap((source) => source.readAll(scope))
      .map(({ cell }) => (cell === null ? null : (scope.bundle?.make(entry, cell, scope) ?? null)))
      .filter((url) => url !== null);
    return Found.made([...new Set(urls)].map((reference) => ({ reference })));
  };
  const needs = from === undefined ? null : needOfAny(sources.map((source) => source.needs));
  return { source: sources[0] ?? null, needs, evaluate: withTrail(evaluate, node.where) };
}

function entryName(node: YamlNode, around: Surroundings): string {
  const name = node.text('the name of an entry');
  if (!around.entries.has(name)) node.fail(`The bundle has no entry "${name}"`, suggest(name, around.entries));
  return name;
}
