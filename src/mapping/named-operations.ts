import type { SourceFile } from './yaml-node.ts';

/** Every operation that some file delivers to, by target: for where there are no targets it could be missing from. */
export function namedOperations(files: readonly SourceFile[]): Record<string, string[]> {
  const operations: Record<string, string[]> = {};
  for (const { text } of files) {
    for (const [, target = '', operation = ''] of text.matchAll(/\bto:\s*["']?([\w.-]+)\/([\w.-]+)/g)) {
      operations[target] = [...(operations[target] ?? []), operation];
    }
  }
  return operations;
}
