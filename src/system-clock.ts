import type { Clock } from './contracts/clock.ts';

/** Longer timers overflow in the runtime, and would ring at once. */
const LONGEST_TIMER_MS = 2_147_483_647;

/** The machine's own time. */
export const systemClock: Clock = {
  now: () => Date.now(),
  wakeAt(atMs, call) {
    let timer: NodeJS.Timeout | undefined;
    const wait = () => {
      const left = atMs - Date.now();
      if (left <= 0) timer = setTimeout(call, 0);
      // A timer may ring a little early by the wall clock, so it is looked at again.
      else timer = setTimeout(() => (Date.now() >= atMs ? call() : wait()), Math.min(left, LONGEST_TIMER_MS));
    };
    wait();
    return () => clearTimeout(timer);
  },
};
