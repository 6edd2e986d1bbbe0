import type { Clock } from '../contracts/clock.ts';
import type { Journal } from '../contracts/journal.ts';
import type { Log } from '../contracts/log.ts';
import type { Delivery } from '../contracts/target.ts';
import { type AttemptParts, type AttemptReport, makeAttempt } from './attempt.ts';
import type { Expiry } from './expiry.ts';
import type { Gates } from './gates.ts';
import { errorName } from './log-fields.ts';
import type { TargetPlace } from './settings.ts';

/** While a party is paused, its certificate is looked at this often. */
const RENEWAL_CHECK_MS = 5_000;
/** A journal that could not be asked is asked again after this long. */
const CLAIM_AGAIN_MS = 1_000;

/**
 * Takes from the journal what can be sent now and makes the attempts. It is woken by admissions, by attempts that end
 * and by time, and never looks otherwise.
 */
export interface Dispatcher {
  start(): void;
  /** Something may have come due. */
  wake(): void;
  /** Does something at a moment when nothing is being claimed. */
  change(action: () => void): Promise<void>;
  /** Resolves when no attempt to this target is under way. */
  drained(target: string): Promise<void>;
  /** Claims nothing more; resolves when the attempts under way have been recorded. */
  stop(): Promise<void>;
}

export function createDispatcher(parts: {
  readonly journal: Pick<Journal, 'claim'>;
  readonly targets: ReadonlyMap<string, TargetPlace>;
  readonly gates: Gates;
  readonly expiry: Pick<Expiry, 'note'>;
  readonly attempts: AttemptParts;
  readonly clock: Clock;
  readonly log: Log;
}): Dispatcher {
  const { journal, targets, gates, expiry, attempts, clock, log } = parts;
  /** By target. */
  const underWay = new Map<Promise<void>, string>();
  let running = false;
  /** Changes that wait for the claims under way to end. */
  let held = 0;
  let round: Promise<void> | null = null;
  let again = false;
  let callOffTimer = () => {};

  function wake() {
    again = true;
    if (running && held === 0) round ??= claimRounds().finally(endRound);
  }

  function endRound() {
    round = null;
    // A call to wake between the last look at `again` and this moment must not be lost.
    if (again) wake();
  }

  async function claimRounds() {
    while (again && running && held === 0) {
      again = false;
      const askedAt = clock.now();
      gates.noticeRenewals(askedAt);
      const { open, probes } = gates.slots(askedAt);
      try {
        const dueTimes: number[] = [];
        for (const slots of [open, ...probes.map((probe) => [probe])]) {
          if (slots.length === 0 || !running || held > 0) continue;
          const claimed = await journal.claim(slots, askedAt);
          for (const delivery of claimed.deliveries) begin(delivery);
          if (claimed.expired.length > 0) {
            log.warn('deliveries-expired', { count: claimed.expired.length });
            expiry.note(claimed.expired);
          }
          if (claimed.nextDueAt !== null) dueTimes.push(claimed.nextDueAt);
        }
        sleepUntil(dueTimes, askedAt);
      } catch (error) {
        log.error('journal-claim-failed', { error: errorName(error) });
        sleepUntil([askedAt + CLAIM_AGAIN_MS], askedAt);
      }
    }
  }

  /**
   * A time of the journal's is kept even where it has come by now: the journal is then to be asked again at once. A
   * gate that could be tried when it was asked found nothing to be tried with, and waits for what wakes us anyway.
   */
  function sleepUntil(times: number[], askedAt: number) {
    const probeAt = gates.nextProbeAt();
    if (probeAt !== null && probeAt > askedAt) times.push(probeAt);
    const roomAt = gates.nextRoomAt(clock.now());
    if (roomAt !== null) times.push(roomAt);
    if (gates.isPaused()) times.push(askedAt + RENEWAL_CHECK_MS);
    callOffTimer();
    callOffTimer = times.length === 0 ? () => {} : clock.wakeAt(Math.min(...times), wake);
  }

  function begin(delivery: Delivery) {
    gates.entered(delivery, clock.now());
    const attempt = seeThrough(delivery).finally(() => {
      underWay.delete(attempt);
      wake();
    });
    underWay.set(attempt, delivery.target);
  }

  async function seeThrough(delivery: Delivery) {
    const place = targets.get(delivery.target);
    let isSeated = true;
    const leave = ({ standing, fault }: AttemptReport) => {
      if (!isSeated) return;
      isSeated = false;
      gates.left(delivery, standing, fault, clock.now());
      wake();
    };
    const comeBack = () => {
      if (isSeated) return;
      isSeated = true;
      gates.entered(delivery, clock.now());
    };
    try {
      // The journal only claims for slots that were asked for, so the target exists.
      leave(await makeAttempt(place!, delivery, { leave, comeBack }, attempts));
    } catch (error) {
      log.error('attempt-broken', { deliveryId: delivery.id, target: delivery.target, error: errorName(error) });
      leave({ standing: 'unknown', fault: null });
    }
  }

  return {
    start() {
      running = true;
      wake();
    },
    wake,
    async change(action) {
      held += 1;
      // One that is held up by this ends, and begins no other.
      while (round !== null) await round;
      try {
        action();
      } finally {
        held -= 1;
        wake();
      }
    },
    async drained(target) {
      for (;;) {
        const ends = [...underWay].filter(([, one]) => one === target).map(([end]) => end);
        if (ends.length === 0) return;
        await Promise.all(ends);
      }
    },
    async stop() {
      running = false;
      callOffTimer();
      await round;
      while (underWay.size > 0) await Promise.all(underWay.keys());
      callOffTimer();
    },
  };
}
