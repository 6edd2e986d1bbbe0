import { describe, expect, it } from 'vitest';
import { createGiveUp } from '../../src/engine/give-up.ts';

const limits = { afterFailures: 3, afterMs: 1_000 };

describe('giving up', () => {
  it('does not happen while nothing else succeeds either', () => {
    const giveUp = createGiveUp();
    for (let at = 0; at < 100_000; at += 500) expect(giveUp.failed('t', 1, at, limits)).toBe(false);
  });

  it('happens after enough failures over enough time that others lived through', () => {
    const giveUp = createGiveUp();
    const fail = (at: number) => {
      giveUp.succeeded('t', 2);
      return giveUp.failed('t', 1, at, limits);
    };
    expect([0, 500, 900, 1_000, 1_500].map(fail)).toEqual([false, false, false, false, true]);
  });

  it('does not count successes at another target', () => {
    const giveUp = createGiveUp();
    for (let at = 0; at < 10_000; at += 500) {
      giveUp.succeeded('other', 2);
      expect(giveUp.failed('t', 1, at, limits)).toBe(false);
    }
  });

  it('does not count an outage before the others recovered', () => {
    const giveUp = createGiveUp();
    for (let at = 0; at < 100_000; at += 1_000) giveUp.failed('t', 1, at, limits);
    const fail = (at: number) => {
      giveUp.succeeded('t', 2);
      return giveUp.failed('t', 1, at, limits);
    };
    expect([100_000, 100_400, 100_800, 101_000].map(fail)).toEqual([false, false, false, true]);
  });
});
