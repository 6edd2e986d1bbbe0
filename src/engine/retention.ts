import type { AlarmBell } from '../contracts/alarm.ts';
import type { Clock } from '../contracts/clock.ts';
import type { Ending, Journal, PruneBite, Pruned } from '../contracts/journal.ts';
import type { Log } from '../contracts/log.ts';
import { errorName } from './log-fields.ts';

const DAY_MS = 86_400_000;
/** A pass over everything that is old enough is made this often, the first a while after the start. */
const PASS_EVERY_MS = 3_600_000;
const FIRST_PASS_AFTER_MS = 60_000;
/** A bite that takes longer than this is followed by smaller ones, a much shorter one by larger ones. */
const BITE_MS = 15;
const MOST_ROWS = 200;
const LEAST_ROWS = 4;
const BITE_BYTES = 4_000_000;
/** Between two bites: so many times as long as the bite took, and at least this. */
const PAUSE_TIMES = 9;
const LEAST_PAUSE_MS = 50;

export interface RetentionSettings {
  /** How long after its end a message keeps its bytes; null = for ever. */
  readonly keepMs: Readonly<Record<Ending, number | null>>;
  /** How long after its end it is known at all: what makes it the same, its results and its history. */
  readonly rememberMs: number;
  /** How long an acknowledgement is owed that nothing can take. */
  readonly owedAckMs: number;
}

export const RETENTION_SETTINGS: RetentionSettings = {
  keepMs: {
    held: null,
    refused: 90 * DAY_MS,
    skipped: 90 * DAY_MS,
    delivered: 90 * DAY_MS,
    cancelled: 90 * DAY_MS,
  },
  rememberMs: 400 * DAY_MS,
  owedAckMs: 30 * DAY_MS,
};

/** Takes from the journal what is old enough, in small bites with pauses between, for as long as the engine runs. */
export interface Retention {
  start(): void;
  /** Resolves once the bite under way has ended. */
  stop(): Promise<void>;
}

type Walk = (after: number, limit: number, at: number) => PruneBite;

export function createRetention(parts: {
  readonly journal: Pick<Journal, 'prune'>;
  readonly settings: RetentionSettings;
  /** Channels whose acknowledgements have nowhere to go once their connection is gone. */
  readonly channelsWithoutReturn: () => readonly string[];
  readonly bell: AlarmBell;
  readonly clock: Clock;
  readonly log: Log;
}): Retention {
  const { journal, settings, channelsWithoutReturn, bell, clock, log } = parts;
  let limit = MOST_ROWS / 4;
  let hasEnded = false;
  let passing: Promise<void> | null = null;
  let wake = () => {};
  let callOff = () => {};

  const ago = (at: number, ms: number | null) => (ms === null ? null : at - ms);
  const { keepMs, rememberMs, owedAckMs } = settings;
  const walks: Readonly<Record<'acks' | 'bytes' | 'rows' | 'results' | 'arrivals', Walk>> = {
    acks: (_, most, at) => ({
      walk: 'acks',
      at,
      limit: most,
      channels: channelsWithoutReturn(),
      before: at - owedAckMs,
    }),
    bytes: (after, most, at) => ({
      walk: 'bytes',
      at,
      after,
      limit: most,
      maxBytes: BITE_BYTES,
      before: {
        held: ago(at, keepMs.held),
        refused: ago(at, keepMs.refused),
        skipped: ago(at, keepMs.skipped),
        delivered: ago(at, keepMs.delivered),
        cancelled: ago(at, keepMs.cancelled),
      },
    }),
    rows: (after, most, at) => ({ walk: 'rows', at, after, limit: most, before: at - rememberMs }),
    results: (after, most, at) => ({ walk: 'results', at, after, limit: most }),
    arrivals: (_, most, at) => ({ walk: 'arrivals', at, limit: most, before: at - rememberMs }),
  };

  /** Null = the engine stops. */
  async function walk(name: keyof typeof walks): Promise<{ count: number; bytes: number; channels: string[] } | null> {
    const sum = { count: 0, bytes: 0, channels: [] as string[] };
    for (let next: number | null = 0; next !== null; ) {
      if (hasEnded) return null;
      const at = clock.now();
      const bite: Pruned = await journal.prune(walks[name](next, limit, at));
      // A clock that is set back in between must not make us wait for it.
      const tookMs = Math.min(Math.max(0, clock.now() - at), 1_000);
      if (tookMs > BITE_MS) limit = Math.max(LEAST_ROWS, Math.floor(limit / 2));
      else if (tookMs < BITE_MS / 3) limit = Math.min(MOST_ROWS, limit * 2);
      sum.count += bite.count;
      sum.bytes += bite.bytes;
      sum.channels.push(...bite.channels.map(({ channel }) => channel));
      next = bite.next;
      if (next !== null || bite.count > 0) await pause(Math.max(LEAST_PAUSE_MS, tookMs * PAUSE_TIMES));
    }
    return sum;
  }

  async function pass() {
    const acks = await walk('acks');
    if (acks === null) return;
    for (const channel of channelsWithoutReturn()) {
      if (acks.channels.includes(channel)) bell.raise('acks-dropped', { channel }, { count: acks.count });
      else bell.clear('acks-dropped', { channel });
    }
    const pruned = await walk('bytes');
    const forgotten = await walk('rows');
    // Nothing else leaves results behind, and to look for them is to read them all.
    if (forgotten !== null && forgotten.count > 0) await walk('results');
    await walk('arrivals');
    const count = pruned?.count ?? 0;
    if (count > 0) log.info('messages-pruned', { count, bytes: pruned?.bytes ?? 0 });
    if ((forgotten?.count ?? 0) > 0) log.info('messages-forgotten', { count: forgotten?.count ?? 0 });
  }

  function pause(ms: number): Promise<void> {
    // Who stops waits for the bite, and not for what would come after it.
    if (hasEnded) return Promise.resolve();
    return new Promise((resolve) => {
      wake = resolve;
      callOff = clock.wakeAt(clock.now() + ms, resolve);
    });
  }

  function schedule(afterMs: number) {
    if (hasEnded) return;
    callOff = clock.wakeAt(clock.now() + afterMs, () => {
      passing = pass()
        .catch((error: unknown) => log.error('retention-failed', { error: errorName(error) }))
        .finally(() => {
          passing = null;
          schedule(PASS_EVERY_MS);
        });
    });
  }

  return {
    start: () => schedule(FIRST_PASS_AFTER_MS),
    async stop() {
      hasEnded = true;
      callOff();
      wake();
      await passing;
      callOff();
    },
  };
}
