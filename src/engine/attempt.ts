import type { Clock } from '../contracts/clock.ts';
import { Fault, type FaultRecord } from '../contracts/fault.ts';
import type { AttemptEnd, Journal, OutcomeDraft, Recorded } from '../contracts/journal.ts';
import type { Log, LogFields } from '../contracts/log.ts';
import type { Delivery, Operation, Response, Verdict } from '../contracts/target.ts';
import type { Tally } from './counters.ts';
import type { FollowUps } from './follow-ups.ts';
import type { GiveUp } from './give-up.ts';
import { deliveryFields, errorName, faultFields } from './log-fields.ts';
import { retryDelayMs } from './retry.ts';
import type { TargetPlace } from './settings.ts';
import { judge, type Standing } from './verdict.ts';

/** After an abort a target has this long to end its attempt; then it is judged as timed out. */
const ABORT_GRACE_MS = 5_000;
/** A journal that cannot take the end of an attempt is asked again after this long. */
const RECORD_AGAIN_MS = 1_000;

export interface AttemptParts {
  readonly journal: Pick<Journal, 'record'>;
  readonly followUps: FollowUps;
  readonly giveUp: GiveUp;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  readonly tally: Tally;
  /** The end of an attempt is on disk. */
  readonly onRecorded: (messageId: number) => void;
  /** Aborted when the engine's stop has waited long enough. */
  readonly stopping: AbortSignal;
  /** Aborted when somebody else is about to make the attempts under way again; the attempts after that have another. */
  readonly lost: () => AbortSignal;
}

export interface AttemptReport {
  readonly standing: Standing;
  readonly fault: FaultRecord | null;
}

/** The attempt's place among those that may be under way. */
export interface Seat {
  /**
   * The receiver is done with it, and the journal was just told: who takes the place now is claimed behind this end, and
   * so in the same commit.
   */
  leave(report: AttemptReport): void;
  /** The journal did not take the end. Until it does, the place is not free after all. */
  comeBack(): void;
}

/** Makes one attempt and sees it through: every verdict becomes one state, one journal call and one log event. */
export async function makeAttempt(
  place: TargetPlace,
  delivery: Delivery,
  seat: Seat,
  parts: AttemptParts,
): Promise<AttemptReport> {
  const { clock, giveUp, log, tally } = parts;
  const { limits, name: target } = place;
  const operation: Operation | undefined = place.target.operations[delivery.operation];
  const startedAt = clock.now();
  const verdict = await (operation === undefined ? noOperation(delivery) : send(place, delivery, parts));
  const now = clock.now();
  const { outcome, standing } = judge(verdict, operation ?? { inDoubt: 'hold' }, {
    now,
    nextAt: (retryAfterMs) => now + retryDelayMs(delivery.attempt, retryAfterMs, limits.retry, parts.random),
    isHopeless: () => giveUp.failed(target, delivery.id, now, limits.giveUp),
  });
  if (outcome.state === 'delivered') giveUp.succeeded(target, delivery.id);
  if (outcome.state === 'held') giveUp.forget(delivery.id);

  const { followUps, response } = await answerOf(delivery, verdict, now, parts);
  const durationMs = now - startedAt;
  const end: AttemptEnd = {
    deliveryId: delivery.id,
    attempt: delivery.attempt,
    at: now,
    durationMs,
    outcome,
    response,
    followUps,
  };
  const fault = outcome.state === 'delivered' ? null : outcome.fault;
  const recording = record(end, seat, parts);
  seat.leave({ standing, fault });
  const recorded = await recording;
  if (recorded !== null) parts.onRecorded(delivery.messageId);

  tally.attempt(target, delivery.party, outcome.state);
  if (fault !== null) tally.fault(fault.code);
  const fields: LogFields = {
    ...deliveryFields(delivery),
    durationMs,
    ...faultFields(fault ?? response?.fault ?? null),
  };
  if (response !== null) fields.status = response.status;
  if (recorded === null) log.error('attempt-not-recorded', fields);
  else if (recorded.state === 'fenced') log.warn('attempt-fenced', fields);
  else if (outcome.state === 'delivered') log.info('delivery-delivered', fields);
  else if (outcome.state === 'waiting') log.info('delivery-retry', fields);
  else log.warn('delivery-held', fields);
  return { standing, fault };
}

/** Sends, and ends in any case: on time, on an abort, and when the target breaks its promise never to reject. */
async function send(place: TargetPlace, delivery: Delivery, parts: AttemptParts): Promise<Verdict> {
  const { clock, stopping } = parts;
  const abort = new AbortController();
  const failed = (code: 'target-timeout' | 'stopping' | 'internal', cause?: unknown): Verdict => ({
    ok: false,
    fault: new Fault(code, { detail: code === 'internal' ? errorName(cause) : null, cause }),
    retryAfterMs: null,
    response: null,
  });
  let callOff = () => {};
  let onStop = () => {};
  let onLost = () => {};
  const lost = parts.lost();
  const overdue = new Promise<Verdict>((resolve) => {
    const cut = (code: 'target-timeout' | 'stopping') => {
      callOff();
      abort.abort(new Fault(code));
      callOff = clock.wakeAt(clock.now() + ABORT_GRACE_MS, () => resolve(failed(code)));
    };
    callOff = clock.wakeAt(clock.now() + place.limits.timeoutMs, () => cut('target-timeout'));
    onStop = () => cut('stopping');
    onLost = () => cut('target-timeout');
  });
  stopping.addEventListener('abort', onStop, { once: true });
  lost.addEventListener('abort', onLost, { once: true });
  if (stopping.aborted) onStop();
  try {
    const sent = place.target.send(delivery, abort.signal).catch((cause: unknown) => failed('internal', cause));
    const verdict = await Promise.race([sent, overdue]);
    if (verdict.ok || !abort.signal.aborted || verdict.response !== null) return verdict;
    // Whatever a target calls it, an attempt that we cut short ended because of that.
    return failed((abort.signal.reason as Fault).code as 'target-timeout' | 'stopping');
  } catch (cause) {
    return failed('internal', cause);
  } finally {
    callOff();
    stopping.removeEventListener('abort', onStop);
    lost.removeEventListener('abort', onLost);
  }
}

function noOperation(delivery: Delivery): Promise<Verdict> {
  const fault = new Fault('mapping-incomplete', { detail: `no operation ${delivery.operation}` });
  return Promise.resolve({ ok: false, fault, retryAfterMs: null, response: null });
}

async function answerOf(
  delivery: Delivery,
  verdict: Verdict,
  at: number,
  parts: AttemptParts,
): Promise<{ followUps: readonly OutcomeDraft[]; response: AttemptEnd['response'] }> {
  if (verdict.response === null) return { followUps: [], response: null };
  if (!verdict.ok) return { followUps: [], response: stored(verdict.response, null) };
  const made = await parts.followUps(delivery, verdict.response, at);
  return { followUps: made.drafts, response: stored(verdict.response, made.fault) };
}

function stored(response: Response, fault: FaultRecord | null): AttemptEnd['response'] {
  const { status, contentType, body } = response;
  return { status, contentType, body, fault: response.fault?.record ?? fault };
}

/** Hands the end to the journal until it takes it; null = the engine had to stop first, and recovery will judge. */
async function record(end: AttemptEnd, seat: Seat, parts: AttemptParts): Promise<Recorded | null> {
  const { journal, clock, log, stopping } = parts;
  for (;;) {
    try {
      return await journal.record(end);
    } catch (error) {
      log.error('journal-write-failed', { deliveryId: end.deliveryId, attempt: end.attempt, error: errorName(error) });
      if (stopping.aborted) return null;
      seat.comeBack();
      await new Promise<void>((resolve) => {
        const goOn = () => {
          callOff();
          stopping.removeEventListener('abort', goOn);
          resolve();
        };
        const callOff = clock.wakeAt(clock.now() + RECORD_AGAIN_MS, goOn);
        stopping.addEventListener('abort', goOn, { once: true });
      });
    }
  }
}
