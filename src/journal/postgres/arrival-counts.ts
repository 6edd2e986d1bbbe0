import type { ArrivalHour } from '../../contracts/journal.ts';

const HOUR_MS = 3_600_000;

/**
 * When messages came, by channel and hour, until it is written: not with each commit, for all nodes count in the same rows.
 * The longest gap is of what was counted here; what lies between two writings, whoever's, the rows themselves know.
 */
export function makeArrivalCounts() {
  let hours = new Map<string, ArrivalHour>();
  return {
    note(channel: string, at: number): void {
      const hourAt = at - (at % HOUR_MS);
      const key = `${hourAt} ${channel}`;
      const known = hours.get(key);
      const gapMs = known === undefined ? 0 : Math.max(0, at - known.lastAt);
      hours.set(key, {
        channel,
        hourAt,
        count: (known?.count ?? 0) + 1,
        firstAt: Math.min(known?.firstAt ?? at, at),
        lastAt: Math.max(known?.lastAt ?? at, at),
        longestGapMs: Math.max(known?.longestGapMs ?? 0, gapMs),
      });
    },
    /** What was counted since it was last taken. */
    take(): ArrivalHour[] {
      const taken = [...hours.values()];
      hours = new Map();
      return taken;
    },
  };
}
