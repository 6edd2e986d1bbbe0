import type { Database } from 'better-sqlite3';

const HOUR_MS = 3_600_000;

interface Hour {
  readonly channel: string;
  readonly hourAt: number;
  count: number;
  firstAt: number;
  lastAt: number;
  longestGapMs: number;
}

export type Arrivals = ReturnType<typeof makeArrivals>;

/**
 * When messages came, by channel and hour: what a channel's rhythm is learnt from, long after the messages are gone. Kept
 * in memory while a batch runs and written with its commit: one row a channel, however many messages. An admission that
 * fails is counted all the same; it did arrive.
 */
export function makeArrivals(db: Database) {
  const add = db.prepare(
    `insert into arrivals (channel, hour_at, count, first_at, last_at, longest_gap_ms)
     values (@channel, @hourAt, @count, @firstAt, @lastAt, @longestGapMs)
     on conflict do update set count = count + excluded.count, first_at = min(first_at, excluded.first_at),
       last_at = max(last_at, excluded.last_at), longest_gap_ms = max(longest_gap_ms, excluded.longest_gap_ms)`,
  );
  const lastArrivals = new Map(
    db.prepare<[], [string, number]>('select channel, max(last_at) from arrivals group by channel').raw().all(),
  );
  const hours = new Map<string, Hour>();

  return {
    note(channel: string, at: number) {
      const hourAt = at - (at % HOUR_MS);
      const last = lastArrivals.get(channel) ?? at;
      if (at >= last || at < last - HOUR_MS) lastArrivals.set(channel, at);
      const gapMs = last >= hourAt && at > last ? at - last : 0;
      const key = `${hourAt} ${channel}`;
      const hour = hours.get(key);
      if (hour === undefined) {
        hours.set(key, { channel, hourAt, count: 1, firstAt: at, lastAt: at, longestGapMs: gapMs });
        return;
      }
      hour.count += 1;
      hour.firstAt = Math.min(hour.firstAt, at);
      hour.lastAt = Math.max(hour.lastAt, at);
      hour.longestGapMs = Math.max(hour.longestGapMs, gapMs);
    },
    flush() {
      for (const hour of hours.values()) add.run(hour);
      hours.clear();
    },
    reset() {
      hours.clear();
    },
  };
}
