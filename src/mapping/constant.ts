import { keepLasting } from '../fhir/lasting-value.ts';
import type { Found } from './scope.ts';
import type { Evaluate } from './surroundings.ts';
import type { YamlNode } from './yaml-node.ts';

/** True of what is made of literals alone and without a condition, so that one copy of it serves all messages. */
export function isConstant(node: YamlNode): boolean {
  if (node.isScalar) return true;
  if (node.isList) return node.items().every(isConstant);
  if (!node.isMap) return false;
  const entries = node.entries();
  const { size } = entries;
  if (size !== (entries.has('because') ? 2 : 1)) return false;
  const set = entries.get('set')?.value;
  if (set?.isMap) return [...set.entries().values()].every(({ value }) => isConstant(value));
  return entries.has('value');
}

/** Makes it once, frozen; a trail wants it made each time. */
export function keepConstant(evaluate: Evaluate): Evaluate {
  let kept: Found | null | undefined;
  return (scope) => {
    if (scope.run.trail !== null) return evaluate(scope);
    if (kept === undefined) {
      kept = evaluate(scope);
      keepLasting(kept?.value);
    }
    return kept;
  };
}
