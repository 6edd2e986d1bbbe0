import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { retryDelayMs } from '../../src/engine/retry.ts';

const limits = { minMs: 1_000, maxMs: 60_000 };

describe('the delay before the next attempt', () => {
  it('doubles from the least to the most', () => {
    const most = [1, 2, 3, 6, 7, 8, 400].map((attempt) => retryDelayMs(attempt, null, limits, () => 1));
    expect(most).toEqual([1_000, 2_000, 4_000, 32_000, 60_000, 60_000, 60_000]);
  });

  it('is never less than half of that, whatever the dice say', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1_000 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (attempt, die) => {
          const delay = retryDelayMs(attempt, null, limits, () => die);
          return delay >= 500 && delay <= 60_000;
        },
      ),
    );
  });

  it('keeps the receiver’s Retry-After, and is never earlier', () => {
    expect(retryDelayMs(1, 90_000, limits, () => 0)).toBe(90_000);
    expect(retryDelayMs(9, 90_000, limits, () => 0.5)).toBeGreaterThan(90_000);
    expect(retryDelayMs(1, 0, limits, () => 0)).toBe(1_000);
  });

  it('does not believe a Retry-After of weeks', () => {
    expect(retryDelayMs(1, 30 * 24 * 3_600_000, limits, () => 0)).toBe(24 * 3_600_000);
  });
});
