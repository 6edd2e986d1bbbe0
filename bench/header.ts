import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';

/** What figures were measured on, and of what. */
export interface Header {
  readonly machine: string;
  readonly versions: string;
  readonly revision: string;
  /** ISO 8601. */
  readonly date: string;
}

export function readHeader(): Header {
  const [first] = cpus();
  const memory = `${Math.round(totalmem() / 2 ** 30)} GB`;
  return {
    machine: `${cpus().length} × ${first?.model.trim() ?? process.arch}, ${memory}, ${process.platform}`,
    versions: `Node ${process.versions.node}, better-sqlite3 ${versionOf('better-sqlite3')}, undici ${versionOf('undici')}`,
    revision: readRevision(),
    date: new Date().toISOString().slice(0, 10),
  };
}

function versionOf(name: string): string {
  const file = join(import.meta.dirname, '../node_modules', name, 'package.json');
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

function readRevision(): string {
  try {
    const git = (...args: string[]) =>
      execFileSync('git', args, { cwd: import.meta.dirname, encoding: 'utf8', stdio: 'pipe' }).trim();
    const isChanged = git('status', '--porcelain', '--untracked-files=no') !== '';
    return `${git('rev-parse', '--short', 'HEAD')}${isChanged ? ' with changes' : ''}`;
  } catch {
    return 'no revision';
  }
}
