import { watch } from 'chokidar';

/** An editor writes a file in several steps; what is watched has to be quiet this long. */
const QUIET_MS = 150;

/**
 * Calls back each time files, or files in folders, were saved; calls never overlap.
 * @returns resolves once it watches; what it resolves with ends it
 */
export async function watchFiles(paths: readonly string[], onSaved: () => void): Promise<() => Promise<void>> {
  const watcher = watch([...paths], { ignoreInitial: true });
  let timer: NodeJS.Timeout | null = null;
  watcher.on('all', () => {
    if (timer !== null) clearTimeout(timer);
    timer = setTimeout(onSaved, QUIET_MS);
  });
  await new Promise<void>((ready) => watcher.once('ready', ready));
  return async () => {
    if (timer !== null) clearTimeout(timer);
    await watcher.close();
  };
}
