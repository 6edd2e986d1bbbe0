import type { AlarmBell } from '../contracts/alarm.ts';
import type { Clock } from '../contracts/clock.ts';
import type { Claimed } from '../contracts/journal.ts';

/** The alarm is cleared once nothing more has expired for so long. */
const CLEAR_AFTER_MS = 3_600_000;

/** Tells of deliveries whose time ended while they waited to be sent: an outage, a pause, a lane that stood still. */
export interface Expiry {
  note(expired: Claimed['expired']): void;
  stop(): void;
}

export function createExpiry(bell: AlarmBell, clock: Clock): Expiry {
  const open = new Map<string, { count: number; callOff: () => void }>();

  return {
    note(expired) {
      for (const { target, party } of expired) {
        const key = JSON.stringify([target, party]);
        const known = open.get(key);
        known?.callOff();
        const count = (known?.count ?? 0) + 1;
        const callOff = clock.wakeAt(clock.now() + CLEAR_AFTER_MS, () => {
          open.delete(key);
          bell.clear('deliveries-expired', { target, party });
        });
        open.set(key, { count, callOff });
        bell.raise('deliveries-expired', { target, party }, { count });
      }
    },
    stop() {
      for (const { callOff } of open.values()) callOff();
    },
  };
}
