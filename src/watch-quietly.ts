import { watch } from 'chokidar';
import type { Clock } from './contracts/clock.ts';

/** An editor writes a file in several steps; what is watched has to be quiet this long before it is read. */
const QUIET_MS = 300;

/** Calls back when files, or files in folders, were changed and nothing has changed since for a moment. */
export async function watchQuietly(
  paths: readonly string[],
  clock: Clock,
  onChanged: () => void,
  onBroken: () => void,
): Promise<{ stop(): Promise<void> }> {
  const watcher = watch([...paths], { ignoreInitial: true });
  let callOff = () => {};
  watcher.on('all', () => {
    callOff();
    callOff = clock.wakeAt(clock.now() + QUIET_MS, onChanged);
  });
  watcher.on('error', onBroken);
  await new Promise<void>((ready) => watcher.once('ready', ready));
  return {
    async stop() {
      callOff();
      await watcher.close();
    },
  };
}
