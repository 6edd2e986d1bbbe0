import type { Database } from 'better-sqlite3';
import type { Lane, Lanes } from './lanes.ts';
import { plainFault } from './results.ts';
import type { DeliveryRef, Transitions } from './transitions.ts';

/** A delivery that waits, and no attempt of it is under way. */
export interface Overdue extends DeliveryRef, Lane {
  readonly may_have_arrived: number;
}

/**
 * Ends what waits and whose `notAfter` has passed: cancelled as `expired`, but held as `in-doubt` where an attempt may have
 * arrived, for then it may not be said that it was not sent. To be called inside a transaction.
 */
export function makeOverdue(db: Database, lanes: Lanes, transitions: Transitions) {
  const setFault = db.prepare('update deliveries set fault = ? where id = ?');
  return function endOverdue(delivery: Overdue, at: number): 'expired' | 'held' {
    const isInDoubt = delivery.may_have_arrived === 1;
    if (isInDoubt) {
      setFault.run(JSON.stringify(plainFault('in-doubt')), delivery.id);
      transitions.delivery(delivery, 'waiting', 'held', { at, event: 'held', why: 'in-doubt' });
    } else {
      transitions.delivery(delivery, 'waiting', 'cancelled', { at, event: 'expired', why: null });
    }
    lanes.promote(delivery, at);
    return isInDoubt ? 'held' : 'expired';
  };
}
