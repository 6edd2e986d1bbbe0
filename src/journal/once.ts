import type { Database } from 'better-sqlite3';
import type { Lanes } from './lanes.ts';
import { isLiving, type KnownDelivery, plainFault } from './results.ts';
import type { Transitions } from './transitions.ts';

interface Rival extends KnownDelivery {
  readonly result_id: number;
  readonly once_at: number;
  readonly once_until: number;
  readonly once_judged: number;
  /** Digest of the result as it is known by now. */
  readonly known_digest: string | null;
}

export type Once = ReturnType<typeof makeOnce>;

/**
 * Of the deliveries with one `once` key only the first counts, and those that lie in its time do not: rows O1 to O10 of
 * `docs/results.md`. Whoever changes what may count touches the key, and settles once everything else is done; to settle
 * again changes nothing. To be called inside a transaction.
 */
export function makeOnce(db: Database, lanes: Lanes, transitions: Transitions) {
  const readRivals = db.prepare<[string], Rival>(
    `select d.id, d.message_id, result_id, target, party, lane_key, operation, d.digest, on_correction, state, ended,
       turn, attempts, may_have_arrived, after_id, once_key, need_key, once_at, once_until, once_judged, r.digest as known_digest
     from deliveries d join results r on r.id = result_id
     where once_key = +? and ended is not 'stale' order by once_at, d.id`,
  );
  const hasBody = db.prepare<[number], number>('select 1 from bodies where delivery_id = ?').pluck();
  const setFault = db.prepare('update deliveries set fault = ? where id = ?');
  const setJudged = db.prepare('update deliveries set once_judged = 1 where id = ?');
  const touched = new Set<string>();

  const settleKey = (key: string, at: number) => {
    const rivals = readRivals.all(key).filter((one) => isFixed(one) || stillSays(one));
    const issued = rivals.filter(isFixed);
    const counting: Rival[] = [];
    for (const one of rivals) {
      const first = counting.find((other) => covers(other, one));
      if (isFixed(one)) {
        counting.push(one);
      } else if (first !== undefined) {
        // What is held waits for a person, who is told when it is released.
        if (one.state !== 'waiting') continue;
        const why = `delivery ${first.id}`;
        transitions.delivery(one, 'waiting', 'cancelled', { at, event: 'not-first', why });
        lanes.promote(one, at);
      } else {
        counting.push(one);
        if (issued.some((other) => covers(one, other))) holdBack(one, at);
        else if (one.ended === 'not-first' && isLastOf(one, rivals) && hasBody.get(one.id) === 1) revive(one, at);
      }
    }
  };

  /** A later one was taken for the first, and was issued or may have been. */
  const holdBack = (one: Rival, at: number) => {
    if (one.state !== 'waiting') return;
    setFault.run(JSON.stringify(plainFault('later-delivered')), one.id);
    transitions.delivery(one, 'waiting', 'held', { at, event: 'held', why: 'later-delivered' });
    lanes.promote(one, at);
  };

  const revive = (one: Rival, at: number) => {
    transitions.delivery(one, 'cancelled', 'waiting', { at, event: 'counts-again', why: null });
    lanes.rejoin(one.id, one, null, at);
  };

  return {
    touch(key: string | null) {
      if (key !== null) touched.add(key);
    },
    /** A person has judged this delivery: it goes, whatever counts. */
    judge(deliveryId: number) {
      setJudged.run(deliveryId);
    },
    /** Decides anew for all keys that were touched; true = there were some. */
    settle(at: number): boolean {
      const keys = [...touched];
      touched.clear();
      for (const key of keys) settleKey(key, at);
      return keys.length > 0;
    },
  };
}

/** It was issued, or may have been, or a person said that it goes. */
function isFixed(one: Rival): boolean {
  return one.state === 'delivered' || one.turn === 'flight' || one.may_have_arrived === 1 || one.once_judged === 1;
}

/** Its version of the result is the one that is known; what a person cancelled, or what expired, is still a result. */
function stillSays(one: Rival): boolean {
  if (one.ended === 'superseded') return false;
  return isLiving(one) || one.digest === null || one.digest === one.known_digest;
}

/** Mapped again, a result may have several of which none counted. */
function isLastOf(one: Rival, rivals: readonly Rival[]): boolean {
  return !rivals.some((other) => other.result_id === one.result_id && other.id > one.id);
}

/** Versions of one result never keep each other from counting: the other rows of the table decide between them. */
function covers(first: Rival, other: Rival): boolean {
  return first.result_id !== other.result_id && first.once_at <= other.once_at && other.once_at < first.once_until;
}
