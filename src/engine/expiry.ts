import type { AlarmBell } from '../contracts/alarm.ts';
import type { Clock } from '../contracts/clock.ts';
import type { Claimed } from '../contracts/journal.ts';

/** The alarm is cleared once nothing more has expired for so long, and nothing keeps deliveries waiting any more. */
const CLEAR_AFTER_MS = 3_600_000;

/** Tells of deliveries whose time ended while they waited to be sent: an outage, a pause, a lane that stood still. */
export interface Expiry {
  note(expired: Claimed['expired']): void;
  stop(): void;
}

/** @param isHeldUp whether deliveries to this target under this party wait for more than their turn */
export function createExpiry(
  bell: AlarmBell,
  clock: Clock,
  isHeldUp: (target: string, party: string) => boolean,
): Expiry {
  const open = new Map<string, { count: number; callOff: () => void }>();

  /** An outage is one alarm, however far apart in it deliveries expire. */
  const clearLater = (key: string, target: string, party: string): (() => void) =>
    clock.wakeAt(clock.now() + CLEAR_AFTER_MS, () => {
      const known = open.get(key);
      if (known !== undefined && isHeldUp(target, party)) {
        known.callOff = clearLater(key, target, party);
        return;
      }
      open.delete(key);
      bell.clear('deliveries-expired', { target, party });
    });

  return {
    note(expired) {
      for (const { target, party } of expired) {
        const key = JSON.stringify([target, party]);
        const known = open.get(key);
        known?.callOff();
        const count = (known?.count ?? 0) + 1;
        open.set(key, { count, callOff: clearLater(key, target, party) });
        bell.raise('deliveries-expired', { target, party }, { count });
      }
    },
    stop() {
      for (const { callOff } of open.values()) callOff();
    },
  };
}
