import type { Clock } from '../../src/contracts/clock.ts';

/** Time that stands still until it is told how late it is. */
export interface SteppedClock extends Clock {
  /** It is so late now: whatever was to be called until then is called, in order. */
  stepTo(atMs: number): void;
}

export function createSteppedClock(startAt: number): SteppedClock {
  let now = startAt;
  const calls = new Set<{ readonly atMs: number; readonly call: () => void }>();
  return {
    now: () => now,
    wakeAt(atMs, call) {
      if (atMs <= now) {
        const soon = setImmediate(call);
        return () => clearImmediate(soon);
      }
      const entry = { atMs, call };
      calls.add(entry);
      return () => calls.delete(entry);
    },
    stepTo(atMs) {
      now = Math.max(now, atMs);
      const due = [...calls].filter((entry) => entry.atMs <= now).sort((a, b) => a.atMs - b.atMs);
      // What one call calls off must not be called any more.
      for (const entry of due) if (calls.delete(entry)) entry.call();
    },
  };
}
