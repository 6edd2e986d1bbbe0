import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** How a file looked, and since when it looks so. */
interface Look {
  readonly size: number;
  readonly mtimeMs: number;
  readonly since: number;
}

export interface StableFiles {
  /** Names of the files that have not changed for long enough, oldest first. */
  readonly ready: readonly string[];
  /** When the next one will be ready if it does not change, ms since the epoch; null = none waits. */
  readonly nextAt: number | null;
}

/**
 * Tells which files of a folder are whole, as far as one can see from outside: size and time have not changed between
 * two looks at least `stableMs` apart. What a file's own time says is no proof, since copying may preserve it.
 */
export class StableFileFinder {
  readonly #folder: string;
  readonly #matches: RegExp;
  readonly #stableMs: number;
  readonly #looks = new Map<string, Look>();

  /** @param patterns names with `*` and `?`, without regard to case; hidden files match none */
  constructor(folder: string, patterns: readonly string[], stableMs: number) {
    this.#folder = folder;
    this.#matches = new RegExp(`^(?:${patterns.map(patternToRegex).join('|')})$`, 'iu');
    this.#stableMs = stableMs;
  }

  async look(now: number): Promise<StableFiles> {
    const ready: { name: string; mtimeMs: number }[] = [];
    const present = new Set<string>();
    let nextAt: number | null = null;
    for (const entry of await readdir(this.#folder, { withFileTypes: true })) {
      if (!entry.isFile() || entry.name.startsWith('.') || !this.#matches.test(entry.name)) continue;
      const found = await statOrNull(join(this.#folder, entry.name));
      if (found === null) continue;
      present.add(entry.name);
      const readyAt = this.#since(entry.name, found, now) + this.#stableMs;
      if (readyAt <= now) ready.push({ name: entry.name, mtimeMs: found.mtimeMs });
      else nextAt = Math.min(nextAt ?? readyAt, readyAt);
    }
    for (const name of this.#looks.keys()) if (!present.has(name)) this.#looks.delete(name);
    return { ready: ready.sort(byAge).map((file) => file.name), nextAt };
  }

  /** A file of this name is to be looked at anew. */
  forget(name: string): void {
    this.#looks.delete(name);
  }

  #since(name: string, found: { size: number; mtimeMs: number }, now: number): number {
    const last = this.#looks.get(name);
    if (last !== undefined && last.size === found.size && last.mtimeMs === found.mtimeMs) return last.since;
    this.#looks.set(name, { size: found.size, mtimeMs: found.mtimeMs, since: now });
    return now;
  }
}

/** Oldest first; of one time, by name. */
export function byAge(a: { name: string; mtimeMs: number }, b: { name: string; mtimeMs: number }): number {
  return a.mtimeMs - b.mtimeMs || (a.name < b.name ? -1 : 1);
}

/** null = it is not there, or may not be looked at. */
export async function statOrNull(path: string): Promise<{ size: number; mtimeMs: number } | null> {
  try {
    return await stat(path);
  } catch {
    return null;
  }
}

function patternToRegex(pattern: string): string {
  return pattern.replace(/[.*+?^${}()|[\]\\/]/g, (character) =>
    character === '*' ? '.*' : character === '?' ? '.' : `\\${character}`,
  );
}
