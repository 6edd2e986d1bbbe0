import type { Clock } from '../contracts/clock.ts';
import type { ArrivalHour, Journal } from '../contracts/journal.ts';
import type { Log } from '../contracts/log.ts';
import { errorName } from './log-fields.ts';
import { LEARNT_FROM_MS, usualGapMs } from './usual-gap.ts';

/** What was learnt is learnt anew this often. */
const LEARN_EVERY_MS = 3_600_000;

export interface QuietSettings {
  /** A silence is too long when it is this many times as long as the longest usual one, */
  readonly factor: number;
  /** and at least this long. */
  readonly atLeastMs: number;
}

/** A channel whose silence is looked at. */
export interface Feed {
  readonly name: string;
  /** IANA name of the zone its senders live in; null = not known. */
  readonly zone: string | null;
  /** Silent for this long is too long, whatever was usual; `never` = it may be silent; null = as it was learnt. */
  readonly quietAfterMs: number | 'never' | null;
}

export interface Silence {
  readonly channel: string;
  readonly forMs: number;
}

/**
 * Knows which channels have been silent for longer than they usually are at this time of the week. A silence is counted
 * in steps of the engine's own running, not by the wall clock: a clock that jumps lengthens none.
 */
export interface Rhythm {
  /** Something arrived. */
  heard(channel: string): void;
  /** So much time has gone by. */
  step(byMs: number): Promise<void>;
  /** Silent for too long. */
  quiet(): readonly Silence[];
  /** True where it has not been listened to for long enough to say anything. */
  isUnknown(channel: string): boolean;
}

interface Listening {
  feed: Feed;
  hours: readonly ArrivalHour[];
  silentMs: number;
  /** Since this run began. */
  listenedMs: number;
}

export function createRhythm(parts: {
  readonly journal: Pick<Journal, 'readArrivals'>;
  /** They may change with the configuration. */
  readonly feeds: () => readonly Feed[];
  readonly settings: QuietSettings;
  readonly clock: Clock;
  readonly log: Log;
}): Rhythm {
  const { journal, clock, log } = parts;
  const { factor, atLeastMs } = parts.settings;
  const all = new Map<string, Listening>();
  let untilLearningMs = 0;

  function noteChanges() {
    const feeds = parts.feeds();
    for (const name of all.keys()) if (!feeds.some((feed) => feed.name === name)) all.delete(name);
    for (const feed of feeds) {
      const known = all.get(feed.name);
      if (known !== undefined) known.feed = feed;
      else {
        all.set(feed.name, { feed, hours: [], silentMs: 0, listenedMs: 0 });
        untilLearningMs = 0;
      }
    }
  }

  async function learn(byMs: number) {
    const now = clock.now();
    const arrivals = Map.groupBy(await journal.readArrivals(now - LEARNT_FROM_MS), ({ channel }) => channel);
    for (const [name, one] of all) {
      one.hours = arrivals.get(name) ?? [];
      const last = one.hours.at(-1)?.lastAt;
      // What was silent before it was listened to goes on being so; from then on it is counted.
      if (one.listenedMs === byMs && last !== undefined) one.silentMs = Math.max(one.silentMs, now - last);
    }
  }

  const limitOf = ({ feed, hours }: Listening): number | null => {
    if (feed.quietAfterMs === 'never') return null;
    if (feed.quietAfterMs !== null) return feed.quietAfterMs;
    const usual = usualGapMs(hours, clock.now(), feed.zone);
    return usual === null ? null : Math.max(atLeastMs, usual * factor);
  };

  /** What was not listened to was not heard: a sender needs a while to notice that we are back. */
  const hasListened = ({ feed, listenedMs }: Listening) => {
    const asked = feed.quietAfterMs;
    return listenedMs >= (typeof asked === 'number' ? Math.min(asked, atLeastMs) : atLeastMs);
  };

  return {
    heard(channel) {
      const one = all.get(channel);
      if (one !== undefined) one.silentMs = 0;
    },
    async step(byMs) {
      noteChanges();
      for (const one of all.values()) {
        one.silentMs += byMs;
        one.listenedMs += byMs;
      }
      untilLearningMs -= byMs;
      if (untilLearningMs > 0) return;
      untilLearningMs = LEARN_EVERY_MS;
      try {
        await learn(byMs);
      } catch (error) {
        log.warn('arrivals-not-read', { error: errorName(error) });
      }
    },
    quiet() {
      return [...all.values()].flatMap((one) => {
        if (!hasListened(one)) return [];
        // Nothing shorter can be too long, so there is nothing to be reckoned.
        if (one.feed.quietAfterMs === null && one.silentMs <= atLeastMs) return [];
        const limit = limitOf(one);
        if (limit === null || one.silentMs <= limit) return [];
        return [{ channel: one.feed.name, forMs: one.silentMs }];
      });
    },
    isUnknown(channel) {
      const one = all.get(channel);
      return one !== undefined && one.silentMs > 0 && !hasListened(one);
    },
  };
}
