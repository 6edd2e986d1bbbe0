import { compilePart } from './rule.ts';
import { foundText, type Scope } from './scope.ts';
import type { Evaluate, Surroundings } from './surroundings.ts';
import type { YamlNode } from './yaml-node.ts';

/** What a key is made of: `[MSH-4.1, OBR-3.1]`, or one of it. @throws ProblemError */
export function compileParts(node: YamlNode, around: Surroundings): Evaluate[] {
  return (node.isList ? node.items() : [node]).map((item) => compilePart(item, around));
}

/** Their texts, '' of what is not there. */
export function readParts(parts: readonly Evaluate[], scope: Scope): string[] {
  return parts.map((part) => {
    const found = part(scope);
    return found === null ? '' : foundText(found, scope.run);
  });
}
