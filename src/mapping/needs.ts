import { compileParts } from './parts.ts';
import { keepProblem } from './problem.ts';
import { readReason } from './reason.ts';
import type { Scope } from './scope.ts';
import type { Evaluate, Surroundings } from './surroundings.ts';
import { compileWhen } from './when.ts';
import type { YamlNode } from './yaml-node.ts';

/** `needs:` of a delivery: what has to be provided before it is sent. */
export interface NeedsRule {
  readonly key: readonly Evaluate[];
  /** Why it is left out until then. */
  readonly reason: string;
}

/** An item of `provides:`: what a message brings. */
export interface ProvidesRule {
  readonly holds: (scope: Scope) => boolean;
  readonly key: readonly Evaluate[];
}

/** `needs: { key: […], reason: not-requested }`. @throws ProblemError */
export function compileNeeds(node: YamlNode, around: Surroundings): NeedsRule {
  const keys = node.keys(['key', 'reason', 'because']);
  return { key: compileKey(node, keys.get('key'), around), reason: readReason(node, keys) };
}

/** `provides: [{ when: …, key: […] }]`; an item with a problem is noted and left out. */
export function compileProvides(node: YamlNode | null, around: Surroundings): ProvidesRule[] {
  return (node?.items() ?? []).flatMap((item) =>
    keepProblem(around.problems, () => {
      const keys = item.keys(['when', 'key', 'because']);
      const when = keys.get('when');
      const holds = when === undefined ? () => true : compileWhen(when, around.variables);
      return [{ holds, key: compileKey(item, keys.get('key'), around) }];
    }, []),
  );
}

/** What two messages say of the same thing has the same parts in the same order, in whichever mappings. */
function compileKey(node: YamlNode, key: YamlNode | undefined, around: Surroundings): Evaluate[] {
  if (key === undefined) return node.fail('key: … is needed, what the request and the result have in common');
  return compileParts(key, around);
}
