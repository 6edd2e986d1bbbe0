import { isExactNumber } from '../fhir/json.ts';
import type { Shape } from '../fhir/r4-shape.ts';
import { knownShape } from './lint-type.ts';
import { suggest } from './problem.ts';
import type { YamlNode } from './yaml-node.ts';

/** One place where a value is not what was expected of it. */
export interface Mismatch {
  /** Where it was expected otherwise. */
  readonly node: YamlNode;
  /** `code.coding[0].code`, within the value. */
  readonly path: string;
  /** `expected "final", got "unknown"` */
  readonly text: string;
  readonly hint: string | null;
}

const MAX_SHOWN = 60;

/**
 * Compares a value with what is expected of it, in part: an object has at least the elements that are named, a list the
 * items that are named, each in part, and no other; null means that nothing stands there, `{}` that something does.
 * Numbers are compared with their digits.
 * @param shape where the elements of the value are known, a name that is none of them is a mismatch too
 */
export function compareInPart(node: YamlNode, actual: unknown, shape: Shape | null): Mismatch[] {
  const found: Mismatch[] = [];
  compare(node, actual, '', shape, found);
  return found;
}

function compare(node: YamlNode, actual: unknown, path: string, shape: Shape | null, found: Mismatch[]): void {
  const differ = (text: string, hint: string | null = null) => found.push({ node, path, text, hint });
  if (node.isMap) compareObject(node, actual, path, shape, found);
  else if (node.isList) {
    const items = node.items();
    if (!Array.isArray(actual)) differ(`expected a list, got ${shown(actual)}`);
    else if (items.length !== actual.length) differ(`expected ${counted(items.length)}, got ${counted(actual.length)}`);
    else for (const [index, item] of items.entries()) compare(item, actual[index], `${path}[${index}]`, shape, found);
  } else if (node.isNull) {
    if (actual !== undefined) differ(`expected nothing, got ${shown(actual)}`);
  } else {
    const expected = node.literal();
    if (JSON.stringify(expected) === JSON.stringify(actual)) return;
    const isQuoted = typeof actual === 'string' && actual === node.text() && typeof expected !== 'string';
    differ(`expected ${shown(expected)}, got ${shown(actual)}`, isQuoted ? 'it is a text: write it in quotes' : null);
  }
}

function compareObject(node: YamlNode, actual: unknown, path: string, shape: Shape | null, found: Mismatch[]): void {
  const isObject = typeof actual === 'object' && actual !== null && !Array.isArray(actual) && !isExactNumber(actual);
  if (!isObject) found.push({ node, path, text: `expected an object, got ${shown(actual)}`, hint: null });
  for (const [name, { keyNode, value }] of node.entries()) {
    const element = shape?.elements.get(name) ?? null;
    if (shape !== null && element === null && name !== 'resourceType') {
      const hint = suggest(name, shape.elements.keys());
      found.push({ node: keyNode, path, text: `FHIR R4 has no "${name}" in ${shape.name}`, hint });
    } else if (isObject) {
      const inner = Object.hasOwn(actual, name) ? (actual as Record<string, unknown>)[name] : undefined;
      const isKnown = element !== null && element.format === null && element.type !== 'Resource';
      const below = isKnown ? knownShape(element.type) : null;
      compare(value, inner, path === '' ? name : `${path}.${name}`, below, found);
    }
  }
}

function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value);
  return text.length <= MAX_SHOWN ? text : `${text.slice(0, MAX_SHOWN - 1)}…`;
}

const counted = (count: number) => `${count} ${count === 1 ? 'item' : 'items'}`;
