import type { AlarmName } from '../contracts/alarm.ts';
import type { Clock } from '../contracts/clock.ts';
import type { Overview } from '../contracts/journal.ts';
import type { Log } from '../contracts/log.ts';
import type { Status } from '../contracts/status.ts';
import type { Alarms, AlarmTelling, Holding } from './alarms.ts';
import type { Gates } from './gates.ts';
import { errorName } from './log-fields.ts';
import type { QuietSettings, Rhythm } from './rhythm.ts';

/** What holds is looked at this often. */
export const WATCH_EVERY_MS = 15_000;
const DAY_MS = 86_400_000;
/** A queue grows by more than this share of what it was, or it only goes up and down. */
const GROWN_BY = 1.1;
/** Scheduled deliveries wait, too: a queue is behind only once something that is due has waited this long. */
const BEHIND_MS = 120_000;

export interface WatchSettings {
  readonly queue: { readonly floor: number; readonly windowMs: number };
  readonly oldestWaitingMs: number;
  readonly ackOwedMs: number;
  /** Days before a certificate's end, each told once. */
  readonly certificateDays: readonly number[];
}

export interface AlarmSettings extends WatchSettings {
  readonly telling: AlarmTelling;
  readonly quiet: QuietSettings;
}

export const ALARM_SETTINGS: AlarmSettings = {
  queue: { floor: 100, windowMs: 15 * 60_000 },
  oldestWaitingMs: 3_600_000,
  ackOwedMs: 3_600_000,
  certificateDays: [60, 30, 7],
  telling: { gatherMs: 60_000, clearAfterMs: 120_000, tellTimeoutMs: 10_000 },
  quiet: { factor: 3, atLeastMs: 30 * 60_000 },
};

/** Looks from time to time at what the engine shows of itself, and raises and clears the alarms that follow from it. */
export interface Watch {
  start(): void;
  /** Looks now; for who knows that something changed. */
  look(): Promise<void>;
  stop(): Promise<void>;
}

export function createWatch(parts: {
  readonly status: Pick<
    Status,
    'problem' | 'disk' | 'mappingProblem' | 'configurationProblem' | 'overview' | 'parties' | 'pauses'
  >;
  readonly gates: Pick<Gates, 'closed' | 'isUntried'>;
  readonly rhythm: Rhythm;
  readonly alarms: Pick<Alarms, 'settle'>;
  readonly settings: WatchSettings;
  readonly clock: Clock;
  readonly log: Log;
}): Watch {
  const { status, gates, rhythm, alarms, settings, clock, log } = parts;
  const isGrowing = createGrowth(settings.queue);
  /** What held at the last look. A clock that was set forward makes things old for a moment that are not. */
  let suspected = new Map<AlarmName, ReadonlySet<string>>();
  let nextSuspected = new Map<AlarmName, ReadonlySet<string>>();
  let looking: Promise<void> | null = null;
  let turn: Promise<void> | null = null;
  let callOff = () => {};
  let hasEnded = false;

  const twice = (name: AlarmName, holding: readonly Holding[]): readonly Holding[] => {
    const keys = new Set(holding.map(({ subject }) => JSON.stringify(subject)));
    nextSuspected.set(name, keys);
    return holding.filter(({ subject }) => suspected.get(name)?.has(JSON.stringify(subject)) ?? false);
  };

  function lookAtJournal(overview: Overview, now: number) {
    const { messages, deliveries, owedAcks, oldestWaitingAt } = overview;
    const dueForMs = oldestWaitingAt === null ? 0 : now - oldestWaitingAt;
    const waiting = deliveries.filter(({ state }) => state === 'waiting');
    alarms.settle(
      'queue-growing',
      isGrowing(waiting, dueForMs >= BEHIND_MS).map(({ target, party, count }) => ({
        subject: { target, party },
        fields: { count },
      })),
    );
    const isOld = dueForMs > settings.oldestWaitingMs;
    alarms.settle(
      'waiting-too-long',
      twice('waiting-too-long', isOld ? [{ subject: {}, fields: { forMs: dueForMs } }] : []),
    );
    alarms.settle(
      'messages-held',
      messages
        .filter(({ state, count }) => state === 'held' && count > 0)
        .map(({ channel, count }) => ({ subject: { channel }, fields: { count } })),
    );
    alarms.settle(
      'deliveries-held',
      deliveries
        .filter(({ state, count }) => state === 'held' && count > 0)
        .map(({ target, party, count }) => ({ subject: { target, party }, fields: { count } })),
    );
    const unpaid = owedAcks
      .filter(({ oldestAt }) => now - oldestAt > settings.ackOwedMs)
      .map(({ channel, count, oldestAt }) => ({ subject: { channel }, fields: { count, forMs: now - oldestAt } }));
    alarms.settle('acks-unpayable', twice('acks-unpayable', unpaid));
  }

  function lookAtReceivers() {
    const closed = gates.closed();
    const of = (reasons: readonly string[]) =>
      closed
        .filter(({ reason }) => reasons.includes(reason))
        .map(({ target, party, operation, fault }) => ({
          subject: { target, party, operation },
          ...(fault === null ? {} : { fields: { detail: fault } }),
        }));
    // After a restart every gate is open: whether the receiver takes anything shows only with the first attempt.
    const isUntried = ({ target, party }: { target: string | null; party: string | null }) =>
      target !== null && party !== null && gates.isUntried(target, party);
    alarms.settle('party-paused', of(['party', 'operation']), isUntried);
    alarms.settle('target-failing', of(['breaker']), isUntried);
    alarms.settle(
      'paused',
      status.pauses().map(({ target, party, operation }) => ({ subject: { target, party, operation } })),
    );
  }

  function lookAtCertificates(now: number) {
    const ending: Holding[] = [];
    const ended: Holding[] = [];
    const stopped: Holding[] = [];
    for (const { party, fault, validTo } of status.parties()) {
      const subject = { party: party.id };
      const daysLeft = validTo === null ? Number.POSITIVE_INFINITY : Math.floor((validTo - now) / DAY_MS);
      const step = settings.certificateDays.filter((days) => daysLeft <= days).length;
      if (validTo !== null && validTo <= now) ended.push({ subject });
      else {
        if (step > 0) ending.push({ subject, fields: { daysLeft }, step });
        if (fault !== null) stopped.push({ subject, fields: { detail: fault.code } });
      }
    }
    alarms.settle('certificate-ending', ending);
    alarms.settle('certificate-ended', ended);
    alarms.settle('party-stopped', stopped);
  }

  async function lookOnce(): Promise<void> {
    const now = clock.now();
    nextSuspected = new Map();
    lookAtReceivers();
    lookAtCertificates(now);
    const one = (holds: boolean, detail?: string): Holding[] =>
      holds ? [{ subject: {}, ...(detail === undefined ? {} : { fields: { detail } }) }] : [];
    alarms.settle('disk-reserve', one(!status.disk().hasRoom));
    const firstOf = (mistakes: string | null) => one(mistakes !== null, mistakes?.split('\n')[0]?.slice(0, 300));
    alarms.settle('mapping-reload-failed', firstOf(status.mappingProblem()));
    alarms.settle('configuration-reload-failed', firstOf(status.configurationProblem()));
    let problem = status.problem();
    try {
      lookAtJournal(await status.overview(), now);
    } catch (error) {
      log.warn('overview-not-read', { error: errorName(error) });
      problem ??= 'the journal cannot be read';
    }
    alarms.settle('journal-failing', one(problem !== null, problem ?? undefined));
    alarms.settle(
      'feed-quiet',
      rhythm.quiet().map(({ channel, forMs }) => ({ subject: { channel }, fields: { forMs } })),
      ({ channel }) => channel !== null && rhythm.isUnknown(channel),
    );
    suspected = nextSuspected;
  }

  function look(): Promise<void> {
    looking ??= lookOnce()
      .catch((error: unknown) => log.error('watch-broken', { error: errorName(error) }))
      .finally(() => {
        looking = null;
      });
    return looking;
  }

  async function takeTurn() {
    await rhythm.step(WATCH_EVERY_MS);
    if (!hasEnded) await look();
    if (!hasEnded) scheduleLook();
  }

  function scheduleLook() {
    callOff = clock.wakeAt(clock.now() + WATCH_EVERY_MS, () => {
      turn = takeTurn();
    });
  }

  return {
    start: scheduleLook,
    look,
    async stop() {
      hasEnded = true;
      callOff();
      await turn;
      await looking;
    },
  };
}

interface Waiting {
  readonly target: string;
  readonly party: string;
  readonly count: number;
}

/** Which queues are longer than the floor and than they were a window ago. Counted in looks, not by the wall clock. */
function createGrowth({ floor, windowMs }: WatchSettings['queue']) {
  const looks = Math.max(1, Math.round(windowMs / WATCH_EVERY_MS));
  const samples = new Map<string, number[]>();
  return (waiting: readonly Waiting[], isBehind: boolean): readonly Waiting[] => {
    const keys = new Set(waiting.map(({ target, party }) => `${target} ${party}`));
    for (const key of samples.keys()) if (!keys.has(key)) samples.delete(key);
    return waiting.filter(({ target, party, count }) => {
      const key = `${target} ${party}`;
      const past = samples.get(key) ?? [];
      samples.set(key, [...past, count].slice(-looks - 1));
      const then = past.length < looks ? undefined : past.at(-looks);
      return isBehind && then !== undefined && count >= floor && count > then * GROWN_BY;
    });
  };
}
