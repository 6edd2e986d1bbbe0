import { createLis, type Lis as Listener } from '../../src/simulators/lis.ts';
import { within } from './engine-process.ts';

const PATIENCE_MS = 30_000;

/** The stand-in of a laboratory system, on a port of its own. */
export interface Lis extends AsyncDisposable, Pick<Listener, 'frames' | 'answer'> {
  readonly port: number;
  /** Resolves with the first `count` frames. */
  received(count: number): Promise<readonly string[]>;
}

export async function startLis(): Promise<Lis> {
  let waiting: (() => void)[] = [];
  const listener = createLis(() => {
    const woken = waiting;
    waiting = [];
    for (const wake of woken) wake();
  });
  const { frames } = listener;
  const look = async (count: number) => {
    while (frames.length < count) await new Promise<void>((resolve) => waiting.push(resolve));
    return frames.slice(0, count);
  };
  return {
    port: await listener.start(0),
    frames,
    get answer() {
      return listener.answer;
    },
    set answer(code) {
      listener.answer = code;
    },
    received: (count) =>
      within(PATIENCE_MS, look(count), () => `frame ${count} at the LIS; there are ${frames.length}`),
    [Symbol.asyncDispose]: () => listener.stop(),
  };
}
