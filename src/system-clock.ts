import type { Clock } from './contracts/clock.ts';

/** Longer timers overflow in the runtime, and would ring at once. */
const LONGEST_TIMER_MS = 2_147_483_647;
/** How fast time goes while the machine's clock is behind it. */
const CATCHING_UP = 0.5;

/**
 * Time by the machine's clock, that never goes back. Where that clock is set forward, so is this one. Where it is set
 * back, this one goes on at half speed until the machine's has caught up: else whatever waits for its time would wait
 * as much longer, and what came later would seem to have come before.
 * @param readWall ms since the epoch
 * @param readSteady ms since any moment, never set
 */
export function createClock(readWall: () => number, readSteady: () => number): Clock {
  let last = readWall();
  let lastSteady = readSteady();
  const now = () => {
    const steady = readSteady();
    const least = last + (steady - lastSteady) * CATCHING_UP;
    lastSteady = steady;
    last = Math.max(readWall(), least);
    return Math.floor(last);
  };
  return {
    now,
    wakeAt(atMs, call) {
      let timer: NodeJS.Timeout | undefined;
      const wait = () => {
        const left = atMs - now();
        if (left <= 0) timer = setTimeout(call, 0);
        // A timer may ring a little early by the clock, so it is looked at again.
        else timer = setTimeout(() => (now() >= atMs ? call() : wait()), Math.min(left, LONGEST_TIMER_MS));
      };
      wait();
      return () => clearTimeout(timer);
    },
  };
}

/** The machine's own time. */
export const systemClock: Clock = createClock(
  () => Date.now(),
  () => performance.now(),
);
