import { FAULTS, type Fault, type FaultRecord } from '../contracts/fault.ts';
import type { AttemptEnd } from '../contracts/journal.ts';
import type { Operation, Verdict } from '../contracts/target.ts';

/** What an attempt's end says about the receiver and the party's standing there. */
export type Standing = 'alive' | 'failing' | 'party-paused' | 'operation-paused' | 'unknown';

export interface Judged {
  readonly outcome: AttemptEnd['outcome'];
  readonly standing: Standing;
}

/** What the judge asks for, so that it needs to know nothing else. */
export interface Precedents {
  readonly now: number;
  /** When to try again after a failure of the world. */
  nextAt(retryAfterMs: number | null): number;
  /** True once this delivery failed often enough while others succeeded. */
  isHopeless(): boolean;
}

/** An attempt that ended so may have reached the receiver. */
const IN_DOUBT: ReadonlySet<string> = new Set(['target-timeout', 'in-doubt', 'stopping']);

/** Every verdict has one state: who is to blame decides which. */
export function judge(verdict: Verdict, operation: Pick<Operation, 'inDoubt'>, precedents: Precedents): Judged {
  if (verdict.ok) return { outcome: { state: 'delivered' }, standing: 'alive' };
  const { fault } = verdict;
  const { pauses, blame } = FAULTS[fault.code];
  if (IN_DOUBT.has(fault.code)) return judgeDoubt(fault, verdict.retryAfterMs, operation, precedents);
  if (pauses !== null) {
    // Nothing is wrong with the delivery: it keeps its place and goes first when the pause ends.
    const outcome = { state: 'waiting', nextAt: precedents.now, fault: fault.record } as const;
    return { outcome, standing: `${pauses}-paused` };
  }
  switch (blame) {
    case 'world':
      if (precedents.isHopeless()) return { outcome: held({ ...fault.record, code: 'given-up' }), standing: 'failing' };
      return { outcome: waiting(fault, precedents.nextAt(verdict.retryAfterMs)), standing: 'failing' };
    case 'message':
    case 'mapping':
      return { outcome: held(fault.record), standing: 'alive' };
    case 'engine':
      return { outcome: held(fault.record), standing: 'unknown' };
  }
}

function judgeDoubt(
  fault: Fault,
  retryAfterMs: number | null,
  operation: Pick<Operation, 'inDoubt'>,
  precedents: Precedents,
): Judged {
  const standing = fault.code === 'target-timeout' ? 'failing' : 'unknown';
  if (operation.inDoubt === 'hold') return { outcome: held({ ...fault.record, code: 'in-doubt' }), standing };
  // Cut short by our own stop: due again at once, for whoever runs next.
  if (fault.code === 'stopping') return { outcome: waiting(fault, precedents.now), standing };
  if (precedents.isHopeless()) return { outcome: held({ ...fault.record, code: 'given-up' }), standing };
  return { outcome: waiting(fault, precedents.nextAt(retryAfterMs)), standing };
}

function held(fault: FaultRecord): AttemptEnd['outcome'] {
  return { state: 'held', fault };
}

function waiting(fault: Fault, nextAt: number): AttemptEnd['outcome'] {
  return { state: 'waiting', nextAt, fault: fault.record };
}
