import type { Database } from 'better-sqlite3';
import type { FaultRecord } from '../contracts/fault.ts';
import type { Lanes } from './lanes.ts';
import type { Once } from './once.ts';
import { type KnownDelivery, plainFault, type Results, whyHold } from './results.ts';
import type { Transitions } from './transitions.ts';

interface Lacking extends KnownDelivery {
  readonly result_id: number;
  readonly not_after: number | null;
  /** Why it is to be held once it goes. */
  readonly fault: string | null;
}

export type Needs = ReturnType<typeof makeNeeds>;

/**
 * What lacked something when it was admitted goes once a message provides that: rows N1 to N14 of `docs/results.md`. Until
 * then it is cancelled, so that it stands in nobody's way in its lane. To be called inside a transaction.
 */
export function makeNeeds(
  db: Database,
  lanes: Lanes,
  results: Results,
  transitions: Transitions,
  once: Pick<Once, 'touch'>,
) {
  const readLacking = db.prepare<[string], Lacking>(
    `select id, message_id, result_id, target, party, lane_key, operation, digest, on_correction, state, ended, turn,
       attempts, may_have_arrived, after_id, once_key, need_key, not_after, fault
     from deliveries where need_key = +? and ended = 'lacking' order by id`,
  );
  const setProvided = db.prepare('update deliveries set provided_by = ?, provided_at = ?, fault = ? where id = ?');

  /** As it would be if it were admitted now. */
  const letGo = (one: Lacking, by: number, at: number) => {
    const others = results.readOfResult(one.result_id);
    const own = one.fault === null ? null : (JSON.parse(one.fault) as FaultRecord);
    const issued = whyHold(others, one.digest);
    const hold = own ?? (issued === null ? null : plainFault(issued));
    const afterId = others.find(({ turn, digest }) => turn === 'flight' && digest !== one.digest)?.id ?? null;
    const isTooLate = one.not_after !== null && one.not_after <= at && afterId === null && hold === null;
    const why = `message ${by}`;
    setProvided.run(by, at, hold === null ? null : JSON.stringify(hold), one.id);
    transitions.note(by, null, { at, event: 'provides', why: `delivery ${one.id}` });
    once.touch(one.once_key);
    if (isTooLate || !results.hasBody(one.id)) {
      transitions.delivery(one, 'cancelled', 'cancelled', { at, event: 'expired', why });
    } else if (hold !== null) {
      transitions.delivery(one, 'cancelled', 'held', { at, event: 'provided', why });
      results.lift(one.message_id, at, why);
    } else {
      transitions.delivery(one, 'cancelled', 'waiting', { at, event: 'provided', why });
      lanes.rejoin(one.id, one, afterId, at);
      results.lift(one.message_id, at, why);
    }
  };

  return {
    /** Lets go what lacked one of the keys that this message provides. */
    provide(messageId: number, keys: readonly string[], at: number) {
      for (const key of new Set(keys)) for (const one of readLacking.all(key)) letGo(one, messageId, at);
    },
  };
}
