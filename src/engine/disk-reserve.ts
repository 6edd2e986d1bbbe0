import type { Clock } from '../contracts/clock.ts';
import type { Log } from '../contracts/log.ts';
import { errorName } from './log-fields.ts';

const LOOK_EVERY_MS = 2_000;
/** So much more than the reserve has to be free before messages are taken again, or it would go to and fro. */
const MARGIN = 1.1;

/**
 * Keeps room on the journal's disk for what is owed already: below the reserve nothing new is stored, while deliveries
 * go on being made and recorded. Sources answer that the same is to be sent again, or leave things where they lie.
 */
export interface DiskReserve {
  hasRoom(): boolean;
  /** As of the last look; null = not known. */
  freeBytes(): number | null;
  /** Looks at once, then from time to time. */
  start(): Promise<void>;
  /** This much is about to be written: a flood must not be faster than the looks. */
  noteStored(bytes: number): void;
  stop(): void;
}

/** Of a disk that is never full. */
export const ENDLESS_DISK: Pick<DiskReserve, 'hasRoom' | 'noteStored'> = { hasRoom: () => true, noteStored: () => {} };

/** @param reserveBytes 0 = none is kept */
export function createDiskReserve(parts: {
  /** @throws Error */
  readonly readFreeBytes: () => Promise<number>;
  readonly reserveBytes: number;
  readonly clock: Clock;
  readonly log: Log;
}): DiskReserve {
  const { readFreeBytes, reserveBytes, clock, log } = parts;
  let free: number | null = null;
  let isLow = false;
  let storedBytes = 0;
  let looking: Promise<void> | null = null;
  let hasFailed = false;
  let hasEnded = true;
  let callOff = () => {};

  async function look() {
    storedBytes = 0;
    try {
      free = await readFreeBytes();
      hasFailed = false;
    } catch (error) {
      // Whether there is room is then for the journal to find out.
      if (!hasFailed) log.error('disk-not-read', { error: errorName(error) });
      hasFailed = true;
      return;
    }
    if (!isLow && free < reserveBytes) {
      isLow = true;
      log.error('disk-low', { bytes: free, detail: `reserve ${reserveBytes} bytes` });
    } else if (isLow && free >= reserveBytes * MARGIN) {
      isLow = false;
      log.info('disk-has-room', { bytes: free });
    }
  }

  function lookNow(): Promise<void> {
    callOff();
    looking ??= look().finally(() => {
      looking = null;
      if (!hasEnded) callOff = clock.wakeAt(clock.now() + LOOK_EVERY_MS, () => void lookNow());
    });
    return looking;
  }

  return {
    hasRoom: () => !isLow,
    freeBytes: () => free,
    start() {
      hasEnded = false;
      return lookNow();
    },
    noteStored(bytes) {
      storedBytes += bytes;
      if (reserveBytes > 0 && storedBytes > reserveBytes / 8 && looking === null && !hasEnded) void lookNow();
    },
    stop() {
      hasEnded = true;
      callOff();
    },
  };
}
