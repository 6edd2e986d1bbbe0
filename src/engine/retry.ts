import type { RetryLimits } from './settings.ts';

/** Longer waits than this are not believed from a receiver. */
const LONGEST_RETRY_AFTER_MS = 24 * 3_600_000;

/**
 * When a delivery that failed by no fault of its own is tried again, in ms from now. The receiver's Retry-After is kept
 * (a little later, never earlier, so that many do not come at once); else twice as long after each failure, with jitter.
 * @param attempt 1 for the first
 * @param random [0, 1)
 */
export function retryDelayMs(
  attempt: number,
  retryAfterMs: number | null,
  limits: RetryLimits,
  random: () => number,
): number {
  if (retryAfterMs !== null) {
    const asked = Math.min(Math.max(retryAfterMs, limits.minMs), LONGEST_RETRY_AFTER_MS);
    return Math.round(asked + random() * Math.min(asked * 0.1, limits.maxMs));
  }
  const ceiling = Math.min(limits.maxMs, limits.minMs * 2 ** Math.min(attempt - 1, 40));
  // Half fixed, half random: spread out, and still never at once.
  return Math.round(ceiling / 2 + (random() * ceiling) / 2);
}
