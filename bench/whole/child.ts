import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** A script of this folder as a process of its own, so that it has neither the engine's core nor its memory. */
export interface Child<Said> {
  readonly process: ChildProcess;
  /** The next thing it says that fits. @throws Error when it ends without it */
  heard<Wanted extends Said>(fits: (said: Said) => said is Wanted): Promise<Wanted>;
  tell(word: object): void;
  end(): Promise<void>;
}

/** Forks `bench/whole/<script>.ts`; it gets its order as JSON in its first argument, and says things over IPC. */
export function forkChild<Said extends object>(
  script: string,
  order: object,
  onSaid: (said: Said) => void = () => {},
): Child<Said> {
  const child = fork(join(import.meta.dirname, `${script}.ts`), [JSON.stringify(order)]);
  const listeners = new Set<(said: Said) => void>([onSaid]);
  child.on('message', (said: Said) => {
    for (const listener of listeners) listener(said);
  });
  return {
    process: child,
    heard: (fits) =>
      new Promise((resolve, reject) => {
        const listener = (said: Said) => {
          if (!fits(said)) return;
          listeners.delete(listener);
          child.off('exit', onExit);
          resolve(said);
        };
        const onExit = (code: number | null) => reject(new Error(`${script} ended with ${code}`));
        listeners.add(listener);
        child.once('exit', onExit);
      }),
    // It may be about to end, and then needs no word any more: why it ended is for whoever listens to it.
    tell: (word) => void child.send(word, () => {}),
    async end() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}

/** What a script was told to do. */
export function readOrder<Order>(): Order {
  return JSON.parse(process.argv[2] ?? '{}') as Order;
}

export function say(said: object): void {
  process.send?.(said);
}
