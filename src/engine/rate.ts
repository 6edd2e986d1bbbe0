import type { RateLimit } from './settings.ts';

/** Keeps to a number of starts in any span of a length, wherever the span begins. */
export interface Rate {
  /** How many may start now. */
  free(now: number): number;
  started(now: number): void;
  /** When the next one may start; null = one may at once. */
  freeAt(now: number): number | null;
}

/** Remembers when each of the last `count` began: no counting window that could be had twice around its edge. */
export function createRate({ count, perMs }: RateLimit): Rate {
  let starts: number[] = [];
  let first = 0;

  function forget(now: number) {
    // What seems to begin later was noted before the clock was set back, and says nothing any more.
    if ((starts.at(-1) ?? now) > now) {
      starts = starts.slice(first).filter((at) => at <= now);
      first = 0;
    }
    while (first < starts.length && starts[first]! <= now - perMs) first += 1;
    if (first > count) {
      starts = starts.slice(first);
      first = 0;
    }
  }

  return {
    free(now) {
      forget(now);
      return Math.max(0, count - (starts.length - first));
    },
    started(now) {
      forget(now);
      starts.push(now);
    },
    freeAt(now) {
      forget(now);
      const taken = starts.length - first;
      return taken < count ? null : starts[starts.length - count]! + perMs;
    },
  };
}
