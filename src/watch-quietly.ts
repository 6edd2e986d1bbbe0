import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { watch } from 'chokidar';
import type { Clock } from './contracts/clock.ts';

/** An editor writes a file in several steps; what is watched has to be quiet this long before it is read. */
const QUIET_MS = 300;

/** What files, and files in folders, are at this moment: another text once one of them has been changed. */
export function stampOf(paths: readonly string[]): string {
  return paths.map(stampOne).join('\n');
}

/**
 * Calls back when files, or files in folders, were changed and nothing has changed since for a moment.
 * @param read their stamp from before they were read: what changed between then and the watch counts too
 */
export async function watchQuietly(
  paths: readonly string[],
  read: string,
  clock: Clock,
  onChanged: () => void,
  onBroken: () => void,
): Promise<{ stop(): Promise<void> }> {
  const watcher = watch([...paths], { ignoreInitial: true });
  let callOff = () => {};
  const touched = () => {
    callOff();
    callOff = clock.wakeAt(clock.now() + QUIET_MS, onChanged);
  };
  watcher.on('all', touched);
  watcher.on('error', onBroken);
  await new Promise<void>((ready) => watcher.once('ready', ready));
  if (stampOf(paths) !== read) touched();
  return {
    async stop() {
      callOff();
      await watcher.close();
    },
  };
}

function stampOne(path: string): string {
  try {
    if (!statSync(path).isDirectory()) return stampFile(path);
    // As mappings are read: links to files are followed, links to folders are not.
    const entries = readdirSync(path, { recursive: true, withFileTypes: true });
    return entries.map((entry) => stampFile(join(entry.parentPath, entry.name))).join('\n');
  } catch (error) {
    // Whoever reads it says what is wrong; that it is another thing later is a change.
    return `${path} ${(error as NodeJS.ErrnoException).code}`;
  }
}

function stampFile(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false, bigint: true });
  return stats === undefined ? `${path} is not there` : `${path} ${stats.ino} ${stats.size} ${stats.ctimeNs}`;
}
