import type { YamlNode } from './yaml-node.ts';

/** The word under `reason:`, such as `not-final`. @throws ProblemError */
export function readReason(item: YamlNode, keys: ReadonlyMap<string, YamlNode>): string {
  const node = keys.get('reason') ?? item.fail('A reason is needed, such as not-final');
  const reason = node.text();
  if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(reason)) node.fail('A reason is written like not-final');
  return reason;
}
