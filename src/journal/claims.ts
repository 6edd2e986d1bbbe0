import type { Database } from 'better-sqlite3';
import type { Claimed, Slot } from '../contracts/journal.ts';
import type { Delivery } from '../contracts/target.ts';
import type { Lanes } from './lanes.ts';
import { makeOverdue } from './overdue.ts';
import type { Transitions } from './transitions.ts';

/** How many heads one claim wakes or cancels at most, so that a long sleep does not hold up the commits beside it. */
export const MAX_SWEEP = 1000;

/** The SQL of a claim. A test asks SQLite for the plan of each: none may walk a table. */
export const CLAIM_SQL = {
  wake: `update deliveries set turn = 'ready' where id in
    (select id from deliveries where turn = 'timed' and due_at <= ? order by due_at limit ${MAX_SWEEP})`,
  nextDueAt: `select due_at from deliveries where turn = 'timed' order by due_at limit 1`,
  // Two steps rather than one by (channel, operation): that would walk through all heads of the last pair.
  nextOperation: `select channel, operation from deliveries
    where turn = 'ready' and target = +? and party = +? and channel = +? and operation > +? order by operation limit 1`,
  nextChannel: `select channel, operation from deliveries
    where turn = 'ready' and target = +? and party = +? and channel > +? order by channel, operation limit 1`,
  heads: `select id, place from deliveries
    where turn = 'ready' and target = +? and party = +? and channel = +? and operation = +? order by place, id limit +?`,
  read: `select d.id, attempts + 1 as attempt, d.message_id, channel, key as result_key, target, operation, party, lane_key,
      body, admitted_at, not_after, may_have_arrived
    from deliveries d join bodies on delivery_id = d.id join results r on r.id = result_id where d.id = +?`,
  start: `update deliveries set turn = 'flight', attempts = attempts + 1, attempted_at = ? where id = ?`,
} as const;

interface Stream {
  readonly channel: string;
  readonly operation: string;
}

interface Candidate {
  readonly id: number;
  readonly place: number;
}

/** What either store's SQL gives of a delivery that is claimed. */
export interface ClaimedRow {
  readonly id: number;
  readonly message_id: number;
  readonly channel: string;
  readonly result_key: string;
  readonly target: string;
  readonly operation: string;
  readonly party: string;
  readonly lane_key: string;
  readonly body: Uint8Array;
  readonly admitted_at: number;
}

interface Row extends ClaimedRow {
  readonly attempt: number;
  readonly not_after: number | null;
  readonly may_have_arrived: number;
}

/** `Journal.claim` on SQLite; to be called inside a transaction. */
export function makeClaim(db: Database, lanes: Lanes, transitions: Transitions) {
  const wake = db.prepare(CLAIM_SQL.wake);
  const nextDueAt = db.prepare<[], number>(CLAIM_SQL.nextDueAt).pluck();
  const nextOperation = db.prepare<[string, string, string, string], Stream>(CLAIM_SQL.nextOperation);
  const nextChannel = db.prepare<[string, string, string], Stream>(CLAIM_SQL.nextChannel);
  const heads = db.prepare<[string, string, string, string, number], Candidate>(CLAIM_SQL.heads);
  const read = db.prepare<[number], Row>(CLAIM_SQL.read);
  const start = db.prepare(CLAIM_SQL.start);
  const endOverdue = makeOverdue(db, lanes, transitions);
  /** The channel served last in each slot: the next claim goes on behind it, or one free place would serve one channel. */
  const lastChannels = new Map<string, string>();

  /** Ready heads of a slot by channel, oldest first; channels in the order in which they are to be served. */
  const readChannels = (slot: Slot, free: number, last: string): { channel: string; queue: Candidate[] }[] => {
    const channels: { channel: string; queue: Candidate[] }[] = [];
    let stream = nextChannel.get(slot.target, slot.party, '');
    while (stream !== undefined) {
      const { channel, operation } = stream;
      if (!slot.without.includes(operation)) {
        const found = heads.all(slot.target, slot.party, channel, operation, free);
        const known = channels.at(-1);
        if (known?.channel === channel) known.queue.push(...found);
        else channels.push({ channel, queue: found });
      }
      stream =
        nextOperation.get(slot.target, slot.party, channel, operation) ??
        nextChannel.get(slot.target, slot.party, channel);
    }
    for (const { queue } of channels) queue.sort((a, b) => a.place - b.place || a.id - b.id);
    const behind = channels.findIndex(({ channel }) => channel > last);
    return behind < 1 ? channels : [...channels.slice(behind), ...channels.slice(0, behind)];
  };

  return function claim(slots: readonly Slot[], now: number): Claimed {
    const deliveries: Delivery[] = [];
    const expired: { id: number; target: string; party: string }[] = [];
    let overdue = 0;

    const take = (id: number): boolean => {
      const row = read.get(id)!;
      if (row.not_after !== null && row.not_after <= now) {
        overdue += 1;
        if (endOverdue(row, now) === 'expired') expired.push({ id, target: row.target, party: row.party });
        return false;
      }
      start.run(now, id);
      transitions.note(row.message_id, id, { at: now, event: 'attempt', why: `attempt ${row.attempt}` });
      deliveries.push(rowToDelivery(row, row.attempt));
      return true;
    };

    wake.run(now);
    for (const slot of slots) {
      const slotName = JSON.stringify([slot.target, slot.party]);
      let free = slot.free;
      let overdueBefore = -1;
      // Behind one that is overdue another may stand, so look again for as long as some were.
      while (free > 0 && overdue > overdueBefore && overdue < MAX_SWEEP) {
        overdueBefore = overdue;
        let channels = readChannels(slot, free, lastChannels.get(slotName) ?? '');
        while (free > 0 && channels.length > 0) {
          for (const { channel, queue } of channels) {
            let taken = false;
            while (!taken && queue.length > 0) taken = take(queue.shift()!.id);
            if (!taken) continue;
            lastChannels.set(slotName, channel);
            if (--free === 0) break;
          }
          channels = channels.filter(({ queue }) => queue.length > 0);
        }
      }
    }
    return { deliveries, expired, nextDueAt: overdue >= MAX_SWEEP ? now : (nextDueAt.get() ?? null) };
  };
}

export function rowToDelivery(row: ClaimedRow, attempt: number): Delivery {
  return {
    id: row.id,
    attempt,
    messageId: row.message_id,
    channel: row.channel,
    resultKey: row.result_key,
    target: row.target,
    operation: row.operation,
    party: row.party,
    laneKey: row.lane_key,
    body: row.body,
    admittedAt: row.admitted_at,
  };
}
