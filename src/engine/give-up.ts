import type { GiveUpLimits } from './settings.ts';

/**
 * Tells one delivery that cannot succeed from a receiver that is down: only a failure between which and the one before
 * it another delivery to the same target succeeded counts against the delivery. Kept in memory; a restart begins anew.
 */
export interface GiveUp {
  succeeded(target: string, deliveryId: number): void;
  /** Notes a failure by the world. True = enough: a person has to look at it. */
  failed(target: string, deliveryId: number, at: number, limits: GiveUpLimits): boolean;
  /** The delivery ended in another way. */
  forget(deliveryId: number): void;
}

interface Streak {
  /** Successes at the target when it last failed. */
  successesThen: number;
  failures: number;
  /** When the first failure that counts was seen. */
  firstAt: number;
}

/** Superseded and expired deliveries are never reported here, so the oldest are dropped beyond this many. */
const MOST_STREAKS = 10_000;

export function createGiveUp(): GiveUp {
  const successes = new Map<string, number>();
  const streaks = new Map<number, Streak>();
  return {
    succeeded(target, deliveryId) {
      successes.set(target, (successes.get(target) ?? 0) + 1);
      streaks.delete(deliveryId);
    },
    failed(target, deliveryId, at, limits) {
      const now = successes.get(target) ?? 0;
      const streak = streaks.get(deliveryId);
      if (streak === undefined) {
        if (streaks.size >= MOST_STREAKS) streaks.delete(streaks.keys().next().value!);
        streaks.set(deliveryId, { successesThen: now, failures: 0, firstAt: at });
        return false;
      }
      if (now === streak.successesThen) return false;
      streak.successesThen = now;
      if (streak.failures === 0) streak.firstAt = at;
      streak.failures += 1;
      if (streak.failures < limits.afterFailures || at - streak.firstAt < limits.afterMs) return false;
      streaks.delete(deliveryId);
      return true;
    },
    forget(deliveryId) {
      streaks.delete(deliveryId);
    },
  };
}
