import type { Problem } from './problem.ts';
import type { YamlNode } from './yaml-node.ts';

/** What a look at the files finds beyond what keeps them from being compiled. */
export interface Finding extends Problem {
  /** `error` = it cannot do what it was written for; `warning` = it probably does not. */
  readonly severity: 'error' | 'warning';
}

/** Of more, nobody reads the rest. */
const MAX_FINDINGS = 1000;

/** Findings as they are made; the same one twice, by way of two mappings, is one. */
export class Findings {
  readonly #found = new Map<string, Finding>();

  error(node: YamlNode, message: string, hint: string | null = null, characterOffset = 0): void {
    this.add({ ...node.problem(message, hint, characterOffset), severity: 'error' });
  }

  warn(node: YamlNode, message: string, hint: string | null = null, characterOffset = 0): void {
    this.add({ ...node.problem(message, hint, characterOffset), severity: 'warning' });
  }

  /** @param where `file:line:col` */
  errorAt(where: string, message: string, hint: string | null = null): void {
    const [, file = where, line = '1', column = '1'] = /^(.*):(\d+):(\d+)$/.exec(where) ?? [];
    this.add({ file, line: Number(line), column: Number(column), message, hint, severity: 'error' });
  }

  add(finding: Finding): void {
    const { file, line, column, message } = finding;
    const key = JSON.stringify([file, line, column, message]);
    if (!this.#found.has(key) && this.#found.size < MAX_FINDINGS) this.#found.set(key, finding);
  }

  /** By file, line and column. */
  get list(): Finding[] {
    return [...this.#found.values()].sort(
      (a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : 0) || a.line - b.line || a.column - b.column,
    );
  }
}

/** `a, b and 3 more`, for hints. */
export function listed(words: Iterable<string>, most = 8): string {
  const all = [...words];
  if (all.length <= most) return all.join(', ');
  return `${all.slice(0, most).join(', ')} and ${all.length - most} more`;
}
