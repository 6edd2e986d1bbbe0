import type { AlarmBell } from '../contracts/alarm.ts';
import type { Clock } from '../contracts/clock.ts';

const DAY_MS = 86_400_000;
/** What a row costs beside the bytes it holds. */
const ROW_BYTES = 512;
/** And one that was there already. */
const AGAIN_BYTES = 128;
/** Addresses that are told apart; all further ones share one quota. */
const MOST_ADDRESSES = 10_000;

export interface JunkSettings {
  /** Bytes of what is no message that are kept of one address in a day. */
  readonly perAddressBytes: number;
  /** And of all together. */
  readonly totalBytes: number;
}

export const JUNK_SETTINGS: JunkSettings = { perAddressBytes: 4_000_000, totalBytes: 100_000_000 };

/** How much of what is no message may be kept: nobody can fill the disk with it, and what he did shows all the same. */
export interface JunkQuota {
  /** False = it is to be answered without being kept. @param origin as `Inbound.origin` has it */
  mayKeep(origin: string): boolean;
  kept(origin: string, bytes: number, repeated: boolean): void;
}

export function createJunkQuota(settings: JunkSettings, clock: Clock, bell: AlarmBell): JunkQuota {
  let day = Number.NEGATIVE_INFINITY;
  let total = 0;
  const used = new Map<string, number>();
  const refused = new Set<string>();

  /** Begins anew with each day. A clock that is set back does not bring the day before back. */
  function turnPage() {
    const today = Math.floor(clock.now() / DAY_MS);
    if (today <= day) return;
    day = today;
    total = 0;
    used.clear();
    for (const address of refused) bell.clear('junk-quota', { address });
    refused.clear();
  }

  const keyOf = (origin: string) => {
    const address = addressOf(origin);
    return used.has(address) || used.size < MOST_ADDRESSES ? address : 'others';
  };

  return {
    mayKeep(origin) {
      turnPage();
      const address = keyOf(origin);
      const isBeyond = total >= settings.totalBytes || (used.get(address) ?? 0) >= settings.perAddressBytes;
      if (!isBeyond) return true;
      if (!refused.has(address)) {
        if (refused.size < MOST_ADDRESSES) refused.add(address);
        bell.raise('junk-quota', { address });
      }
      return false;
    },
    kept(origin, bytes, repeated) {
      const cost = repeated ? AGAIN_BYTES : bytes + ROW_BYTES;
      const address = keyOf(origin);
      used.set(address, (used.get(address) ?? 0) + cost);
      total += cost;
    },
  };
}

/** The address without its port; of what comes without one, such as a file, the kind of source. */
function addressOf(origin: string): string {
  const [kind = '', place = ''] = origin.split(' ', 2);
  return /^(.+):\d+$/.exec(place)?.[1] ?? kind;
}

/** Keeps everything. */
export const ENDLESS_JUNK: JunkQuota = { mayKeep: () => true, kept: () => {} };
