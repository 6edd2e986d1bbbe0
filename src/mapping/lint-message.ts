import { PathError, parsePath } from '../hl7/path.ts';
import { lintCondition } from './lint-condition.ts';
import { lintRule } from './lint-rule.ts';
import type { LintScope } from './lint-scope.ts';
import { lintPath, lintSource } from './lint-source.ts';
import type { YamlNode } from './yaml-node.ts';

/** Looks at an HL7 message that a delivery is made of, written out or in a file of its own. */
export function lintMessage(node: YamlNode, scope: LintScope): void {
  if (node.isMap) {
    lintContent(node, scope);
    return;
  }
  const name = node.text();
  scope.used.outgoing.add(name);
  const file = scope.parts.outgoing.get(name);
  if (file !== undefined) lintContent(file, scope);
}

function lintContent(node: YamlNode, scope: LintScope): void {
  const keys = node.entries();
  lintFields(keys.get('header')?.value, scope);
  for (const segment of keys.get('segments')?.value.items() ?? []) lintSegment(segment, scope);
}

function lintSegment(node: YamlNode, scope: LintScope): void {
  const keys = node.entries();
  const get = (key: string) => keys.get(key)?.value;
  const [copy, when, each] = [get('copy'), get('when'), get('each')];
  if (copy !== undefined) lintCopy(copy, scope);
  if (when !== undefined) lintCondition(when, scope);
  const cell = each === undefined ? scope.cell : lintSource(each, scope).cell;
  lintFields(get('fields'), { ...scope, cell });
}

function lintCopy(node: YamlNode, scope: LintScope): void {
  try {
    lintPath(parsePath(node.text()), { node, offset: 0, scope });
  } catch (error) {
    if (!(error instanceof PathError)) throw error;
  }
}

function lintFields(node: YamlNode | undefined, scope: LintScope): void {
  for (const { value } of node?.entries().values() ?? []) if (!value.isNull) lintRule(value, null, scope);
}
