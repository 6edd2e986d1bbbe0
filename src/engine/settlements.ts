import type { Clock } from '../contracts/clock.ts';
import type { Journal, Standing } from '../contracts/journal.ts';
import type { Log } from '../contracts/log.ts';
import { errorName } from './log-fields.ts';
import type { Earned } from './reply.ts';
import type { Acknowledge } from './settings.ts';

/** Everything that is waited for is looked at this often, for what ends without a word: superseded, expired, cancelled. */
const LOOK_AGAIN_MS = 500;
/** Messages looked at in one call of the journal. */
const PAGE = 200;

/** How a wait ended: the message has earned its answer, its time was over first, or the engine is stopping. */
export type Settled = Earned | 'overdue' | 'stopping';

/**
 * Waits for messages to come as far as their channel's policy asks before they are answered. It is told of deliveries
 * that end, and asks the journal about nothing that nobody waits for.
 */
export interface Settlements {
  /** Resolves, but with `stopping`, once the message has earned its answer; see `Limit`. */
  wait(messageId: number, acknowledge: Acknowledge, limit: Limit): Promise<Settled>;
  /** The message, or a delivery of it, may have come to its end. */
  changed(messageId: number): void;
  /** Ends every wait, now and later, as `stopping`. */
  stop(): void;
}

export interface Limit {
  /** ms since the epoch. What is not to leave before is not waited for. */
  readonly until: number;
  /** The wait itself ends then, too. */
  readonly isDeadline: boolean;
}

interface Waiter {
  readonly acknowledge: Acknowledge;
  readonly until: number;
  readonly end: (settled: Settled) => void;
}

export function createSettlements(parts: {
  readonly journal: Pick<Journal, 'readStandings'>;
  readonly clock: Clock;
  readonly log: Log;
}): Settlements {
  const { journal, clock, log } = parts;
  const waiters = new Map<number, Set<Waiter>>();
  /** Messages whose deliveries others wait for: both say the same. */
  const dependents = new Map<number, Set<number>>();
  const due = new Set<number>();
  let looking = false;
  let stopped = false;
  let callOffLook: (() => void) | null = null;

  async function look() {
    if (looking) return;
    looking = true;
    try {
      while (due.size > 0 && !stopped) {
        const page = [...due].slice(0, PAGE);
        for (const id of page) due.delete(id);
        for (const standing of await journal.readStandings(page)) judge(standing);
      }
    } catch (error) {
      log.error('standings-not-read', { error: errorName(error) });
    } finally {
      looking = false;
    }
    scheduleLook();
  }

  function scheduleLook() {
    if (callOffLook !== null || waiters.size === 0 || stopped) return;
    callOffLook = clock.wakeAt(clock.now() + LOOK_AGAIN_MS, () => {
      callOffLook = null;
      for (const id of waiters.keys()) due.add(id);
      void look();
    });
  }

  function judge(standing: Standing) {
    const { messageId, state, faults, open } = standing;
    for (const waiter of waiters.get(messageId) ?? []) {
      if (hasSettled(standing, waiter)) waiter.end({ state, faults });
    }
    if (!waiters.has(messageId)) return;
    for (const { messageId: other } of open) {
      if (other === messageId) continue;
      const known = dependents.get(other) ?? new Set();
      if (known.has(messageId)) continue;
      dependents.set(other, known.add(messageId));
      // It may have ended since it was read, when nobody knew yet that this message waits for it.
      due.add(messageId);
    }
  }

  return {
    wait(messageId, acknowledge, { until, isDeadline }) {
      if (stopped) return Promise.resolve('stopping');
      return new Promise((resolve) => {
        const waiter: Waiter = {
          acknowledge,
          until,
          end(settled) {
            callOff();
            const all = waiters.get(messageId);
            all?.delete(waiter);
            if (all?.size === 0) waiters.delete(messageId);
            if (waiters.size === 0) {
              dependents.clear();
              callOffLook?.();
              callOffLook = null;
            }
            resolve(settled);
          },
        };
        const callOff = isDeadline ? clock.wakeAt(until, () => waiter.end('overdue')) : () => {};
        const all = waiters.get(messageId);
        if (all === undefined) waiters.set(messageId, new Set([waiter]));
        else all.add(waiter);
        due.add(messageId);
        void look();
      });
    },
    changed(messageId) {
      if (waiters.size === 0) return;
      for (const id of [messageId, ...(dependents.get(messageId) ?? [])]) if (waiters.has(id)) due.add(id);
      if (due.size > 0) void look();
    },
    stop() {
      stopped = true;
      for (const all of [...waiters.values()]) for (const waiter of [...all]) waiter.end('stopping');
      callOffLook?.();
    },
  };
}

function hasSettled({ state, open }: Standing, { acknowledge, until }: Waiter): boolean {
  if (acknowledge === 'stored') return true;
  if (state === 'received') return false;
  if (acknowledge === 'taken') return true;
  // What is not to leave before the sender has long been answered is taken as it is.
  return !open.some(({ notBefore }) => notBefore === null || notBefore <= until);
}
