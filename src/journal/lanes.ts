import type { Database } from 'better-sqlite3';
import type { OutcomeDraft } from '../contracts/journal.ts';
import type { DeliveryState } from '../contracts/lifecycle.ts';
import type { Provision } from './provisions.ts';

/**
 * A lane is the waiting deliveries of one (target, party, laneKey), in order of `place` and then id. Its first one, the
 * head, is marked by its `turn`; all others have none. So a claim reads indexes that hold heads only, however many wait:
 *
 * - `ready`: may be sent; such heads are indexed by (target, party, channel, operation, place)
 * - `timed`: not before `due_at`; a claim makes those that came due `ready`
 * - `blocked`: an attempt with an earlier version of its result, in another lane, has not ended
 * - `flight`: an attempt is under way
 *
 * `place` is the admission, or `notBefore` where later: that is why one with a `notBefore` in the future does not hold
 * its lane. A head that was attempted stays the head until it ends: whatever comes later gets a place behind it.
 */
export type Turn = 'ready' | 'timed' | 'blocked' | 'flight';

export interface Lane {
  readonly lane_key: string;
  readonly target: string;
  readonly party: string;
}

export interface NewDelivery {
  readonly messageId: number;
  readonly channel: string;
  readonly digest: string | null;
  readonly follows: number | null;
  readonly resultId: number;
  readonly draft: OutcomeDraft;
  readonly at: number;
  readonly state: DeliveryState;
  /** JSON of the fault it is held with. */
  readonly fault: string | null;
  readonly ended: string | null;
  readonly afterId: number | null;
  /** Who brought what it needs; null = nobody has, or it needs nothing. */
  readonly provided: Provision | null;
}

interface Head {
  readonly id: number;
  readonly place: number;
  readonly turn: Turn | null;
  readonly attempts: number;
  readonly due_at: number;
  readonly after_id: number | null;
}

export type Lanes = ReturnType<typeof makeLanes>;

export function makeLanes(db: Database) {
  const readHead = db.prepare<[string, string, string], Head>(
    `select id, place, turn, attempts, due_at, after_id from deliveries
     where lane_key = +? and target = +? and party = +? and state = 'waiting' order by place, id limit 1`,
  );
  const readOtherHead = db.prepare<[string, string, string, number], Head>(
    `select id, place, turn, attempts, due_at, after_id from deliveries
     where lane_key = +? and target = +? and party = +? and state = 'waiting' and id <> +? order by place, id limit 1`,
  );
  const readTimes = db.prepare<[number], { place: number; not_before: number | null; not_after: number | null }>(
    'select place, not_before, not_after from deliveries where id = ?',
  );
  const setPlace = db.prepare(
    `update deliveries set place = @place, next_at = @nextAt, due_at = @dueAt, after_id = @afterId, turn = @turn
     where id = @id`,
  );
  const setTurn = db.prepare('update deliveries set turn = ? where id = ?');
  // By position: by name each value costs a look-up, and this is the widest row there is.
  const addRow = db.prepare(
    `insert into deliveries (message_id, channel, result_id, digest, follows, target, operation, party, lane_key,
       admitted_at, place, next_at, due_at, not_before, not_after, in_doubt, on_correction, state, state_at, ended, turn,
       after_id, fault, once_key, once_at, once_until, need_key, need_reason, provided_by, provided_at)
     values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const addBody = db.prepare('insert into bodies (delivery_id, body) values (?, ?)');
  const setNextAt = db.prepare(
    `update deliveries set next_at = @nextAt, due_at = min(@nextAt, ifnull(not_after, @nextAt)) where id = @id`,
  );

  const turnOf = (row: { due_at: number; after_id: number | null }, at: number): Turn => {
    if (row.after_id !== null) return 'blocked';
    return row.due_at <= at ? 'ready' : 'timed';
  };

  const promote = (lane: Lane, at: number) => {
    const head = readHead.get(lane.lane_key, lane.target, lane.party);
    if (head !== undefined && head.turn === null) setTurn.run(turnOf(head, at), head.id);
  };

  return {
    /** Stores a delivery in the state it starts with, in its place if it waits; returns its id. */
    insert(delivery: NewDelivery): number {
      const { draft, at } = delivery;
      const nextAt = Math.max(at, draft.notBefore ?? at);
      const dueAt = Math.min(nextAt, draft.notAfter ?? nextAt);
      let place = nextAt;
      let turn: Turn | null = null;
      if (delivery.state === 'waiting') {
        const head = readHead.get(draft.laneKey, draft.target, draft.party);
        if (head !== undefined && head.attempts > 0) place = Math.max(place, head.place);
        if (head === undefined || place < head.place) {
          if (head !== undefined) setTurn.run(null, head.id);
          turn = turnOf({ due_at: dueAt, after_id: delivery.afterId }, at);
        }
      }
      const { lastInsertRowid } = addRow.run(
        delivery.messageId,
        delivery.channel,
        delivery.resultId,
        delivery.digest,
        delivery.follows,
        draft.target,
        draft.operation,
        draft.party,
        draft.laneKey,
        at,
        place,
        nextAt,
        dueAt,
        draft.notBefore,
        draft.notAfter,
        draft.inDoubt,
        draft.onCorrection,
        delivery.state,
        at,
        delivery.ended,
        turn,
        delivery.afterId,
        delivery.fault,
        draft.once?.key ?? null,
        draft.once?.at ?? null,
        draft.once?.until ?? null,
        draft.needs?.key ?? null,
        draft.needs?.reason ?? null,
        delivery.provided?.messageId ?? null,
        delivery.provided?.at ?? null,
      );
      addBody.run(lastInsertRowid, draft.body);
      return Number(lastInsertRowid);
    },

    /** Gives the lane's first waiting delivery its turn, if it has none yet. To be called whenever a head left the lane. */
    promote,

    /**
     * Puts a delivery that waits again in the place it had: before what came later, but behind a head that was attempted.
     * @param afterId delivery of its result whose end it has to wait for
     */
    rejoin(id: number, lane: Lane, afterId: number | null, at: number) {
      const { place: before, not_before: notBefore, not_after: notAfter } = readTimes.get(id)!;
      const nextAt = Math.max(at, notBefore ?? at);
      const dueAt = Math.min(nextAt, notAfter ?? nextAt);
      const head = readOtherHead.get(lane.lane_key, lane.target, lane.party, id);
      const place = head !== undefined && head.attempts > 0 ? Math.max(before, head.place + 1) : before;
      const isFirst = head === undefined || place < head.place || (place === head.place && id < head.id);
      if (isFirst && head !== undefined) setTurn.run(null, head.id);
      const turn = isFirst ? turnOf({ due_at: dueAt, after_id: afterId }, at) : null;
      setPlace.run({ id, place, nextAt, dueAt, afterId, turn });
    },

    /** Puts a waiting delivery off until `nextAt`. Its place stays, so it goes on holding its lane. */
    putOff(id: number, lane: Lane, nextAt: number, at: number) {
      setNextAt.run({ id, nextAt });
      promote(lane, at);
    },
  };
}
