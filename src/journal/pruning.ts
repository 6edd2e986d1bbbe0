import type { Database } from 'better-sqlite3';
import type { Ending, PruneBite, Pruned } from '../contracts/journal.ts';
import type { DeliveryState, MessageState } from '../contracts/lifecycle.ts';
import type { OwedAcks } from './owed-acks.ts';
import type { DeliveryRef, MessageRef, Transitions } from './transitions.ts';

/** The SQL of the walks. A test asks SQLite for the plan of each: none may read more than its bite. */
export const PRUNE_SQL = {
  // What has bytes yet is found by them, so a pass does not walk through all that was pruned before.
  withBytes: `select id, channel, state, state_at, received_at from message_bytes cross join messages on id = message_id
    where message_id > +? order by message_id limit +?`,
  oldest: `select id, channel, state, state_at, received_at from messages where id > +? order by id limit +?`,
  results: 'select id, last_message_id from results where id > +? order by id limit +?',
  deliveries: `select id, message_id, target, party, state, state_at, iif(ended = 'lacking', not_after, null) as lacking_until
    from deliveries where message_id = +?`,
  // Something younger says the same: the delivery stands for it, and goes after it.
  reliance: `select exists (select 1 from deliveries d join results r on r.id = d.result_id
      join messages m on m.id = r.last_message_id where d.message_id = +@id and m.id > @id)
    or exists (select 1 from deliveries d join links l on l.delivery_id = d.id
      where d.message_id = +@id and l.message_id <> @id)`,
  isResultUsed: `select exists (select 1 from deliveries where result_id = +?) or exists (select 1 from messages where id = ?)`,
} as const;

interface MessageRow extends MessageRef {
  readonly state: MessageState;
  readonly state_at: number;
  readonly received_at: number;
}

interface DeliveryRow extends DeliveryRef {
  readonly state: DeliveryState;
  readonly state_at: number;
  /** Until then what it needs may be provided; null = it lacks nothing, or for ever. */
  readonly lacking_until: number | null;
}

/** How and when a message ended; null = it has not yet. */
interface End {
  readonly how: Ending;
  readonly at: number;
}

/** `Journal.prune` on SQLite; to be called inside a transaction. */
export function makePruning(db: Database, transitions: Transitions, owedAcks: OwedAcks) {
  const read = {
    withBytes: db.prepare<[number, number], MessageRow>(PRUNE_SQL.withBytes),
    oldest: db.prepare<[number, number], MessageRow>(PRUNE_SQL.oldest),
    results: db.prepare<[number, number], { id: number; last_message_id: number | null }>(PRUNE_SQL.results),
    deliveries: db.prepare<[number], DeliveryRow>(PRUNE_SQL.deliveries),
    reliance: db.prepare<[{ id: number }], 0 | 1>(PRUNE_SQL.reliance).pluck(),
    isResultUsed: db.prepare<[number, number | null], 0 | 1>(PRUNE_SQL.isResultUsed).pluck(),
    hasBytes: db.prepare<[number], 1>('select 1 from message_bytes where message_id = ?').pluck(),
    messageBytes: db.prepare<[number], number>('select length(bytes) from message_bytes where message_id = ?').pluck(),
    bodyBytes: db.prepare<[number], number>('select length(body) from bodies where delivery_id = ?').pluck(),
    answerBytes: db.prepare<[number], number>('select length(body) from responses where delivery_id = ?').pluck(),
    lastMessage: db.prepare<[], number | null>('select max(id) from messages').pluck(),
    lastDelivery: db.prepare<[], number | null>('select max(id) from deliveries').pluck(),
  };
  const forgetOrigin = db.prepare("update messages set origin = '' where id = ?");
  const removeBytes = db.prepare('delete from message_bytes where message_id = ?');
  const removeBody = db.prepare('delete from bodies where delivery_id = ?');
  const removeAnswer = db.prepare('delete from responses where delivery_id = ?');
  const ofDelivery = ['bodies', 'responses', 'ack_deliveries', 'links'].map((table) =>
    db.prepare(`delete from ${table} where delivery_id = ?`),
  );
  const removeDelivery = db.prepare('delete from deliveries where id = ?');
  const ofMessage = ['history', 'links', 'provisions'].map((table) =>
    db.prepare(`delete from ${table} where message_id = ?`),
  );
  const removeMessage = db.prepare('delete from messages where id = ?');
  const removeResult = db.prepare('delete from results where id = ?');
  const removeArrivals = db.prepare(
    `delete from arrivals where (channel, hour_at) in (select channel, hour_at from arrivals where hour_at < ? limit ?)`,
  );

  const pruneBytes = (message: MessageRow, deliveries: readonly DeliveryRow[], how: Ending, at: number): number => {
    if (how === 'held') expire(message, deliveries, at);
    let bytes = read.messageBytes.get(message.id) ?? 0;
    for (const { id } of deliveries) {
      bytes += (read.bodyBytes.get(id) ?? 0) + (read.answerBytes.get(id) ?? 0);
      removeBody.run(id);
      removeAnswer.run(id);
    }
    removeBytes.run(message.id);
    // A file's name is whatever its sender made it.
    forgetOrigin.run(message.id);
    transitions.note(message.id, null, { at, event: 'pruned', why: how });
    return bytes;
  };

  /** Nobody decided for as long as the configuration gave them: what is held ends with its bytes. */
  const expire = (message: MessageRow, deliveries: readonly DeliveryRow[], at: number) => {
    const happening = { at, event: 'expired', why: null };
    for (const one of deliveries) {
      if (one.state === 'held') transitions.delivery(one, 'held', 'cancelled', happening);
    }
    if (message.state === 'held') transitions.message(message, 'held', 'skipped', happening);
  };

  const forget = (message: MessageRow, deliveries: readonly DeliveryRow[]) => {
    for (const { id } of deliveries) {
      for (const remove of ofDelivery) remove.run(id);
      removeDelivery.run(id);
    }
    for (const remove of ofMessage) remove.run(message.id);
    removeMessage.run(message.id);
    transitions.forget(message, deliveries);
  };

  const endOf = (message: MessageRow, deliveries: readonly DeliveryRow[], now: number): End | null => {
    const isUnderWay = message.state === 'received' || deliveries.some(({ state }) => state === 'waiting');
    const mayGoYet = deliveries.some(({ lacking_until: until }) => until !== null && until > now);
    if (isUnderWay || mayGoYet || owedAcks.isOwed(message.id)) return null;
    const at = Math.max(message.state_at, ...deliveries.map(({ state_at }) => state_at));
    return { how: howEnded(message.state, deliveries), at };
  };

  return function prune(bite: PruneBite): Pruned {
    switch (bite.walk) {
      case 'bytes': {
        const rows = read.withBytes.all(bite.after, bite.limit);
        const horizon = Math.max(...Object.values(bite.before).map((before) => before ?? Number.NEGATIVE_INFINITY));
        // Nobody is to find it in the pages that come free.
        db.pragma('secure_delete = on');
        let [count, bytes] = [0, 0];
        let looked = 0;
        for (const message of rows) {
          if (bytes >= bite.maxBytes) break;
          looked += 1;
          if (message.received_at >= horizon) continue;
          const deliveries = read.deliveries.all(message.id);
          const end = endOf(message, deliveries, bite.at);
          const before = end === null ? null : bite.before[end.how];
          if (end === null || before === null || end.at >= before) continue;
          bytes += pruneBytes(message, deliveries, end.how, bite.at);
          count += 1;
        }
        db.pragma('secure_delete = fast');
        return { ...walked(rows.slice(0, looked), looked < rows.length ? looked : bite.limit, horizon), count, bytes };
      }
      case 'rows': {
        const rows = read.oldest.all(bite.after, bite.limit);
        // The newest stay: their numbers must not be given again.
        const lastMessage = read.lastMessage.get();
        const lastDelivery = read.lastDelivery.get();
        let count = 0;
        for (const message of rows) {
          if (message.received_at >= bite.before || message.id === lastMessage) continue;
          if (read.hasBytes.get(message.id) !== undefined) continue;
          const deliveries = read.deliveries.all(message.id);
          const end = endOf(message, deliveries, bite.at);
          if (end === null || end.at >= bite.before || deliveries.some(({ id }) => id === lastDelivery)) continue;
          if (read.reliance.get({ id: message.id }) === 1) continue;
          forget(message, deliveries);
          count += 1;
        }
        return { ...walked(rows, bite.limit, bite.before), count, bytes: 0 };
      }
      case 'results': {
        const rows = read.results.all(bite.after, bite.limit);
        let count = 0;
        for (const { id, last_message_id } of rows) {
          if (read.isResultUsed.get(id, last_message_id) === 1) continue;
          removeResult.run(id);
          count += 1;
        }
        const last = rows.length < bite.limit ? null : (rows.at(-1)?.id ?? null);
        return { count, bytes: 0, next: last, channels: [] };
      }
      case 'acks': {
        const dropped = owedAcks.drop(bite.channels, bite.before, bite.limit, bite.at);
        const channels = [...Map.groupBy(dropped, (channel) => channel)].map(([channel, of]) => ({
          channel,
          count: of.length,
        }));
        return { count: dropped.length, bytes: 0, next: dropped.length < bite.limit ? null : 0, channels };
      }
      case 'arrivals': {
        const { changes } = removeArrivals.run(bite.before, bite.limit);
        return { count: changes, bytes: 0, next: changes < bite.limit ? null : 0, channels: [] };
      }
    }
  };
}

/** Goes on behind the last row; it ends where there are no more, or where a whole bite was too young for anything. */
function walked(rows: readonly MessageRow[], limit: number, horizon: number): Pick<Pruned, 'next' | 'channels'> {
  const isAtEnd = rows.length < limit || rows.every(({ received_at }) => received_at >= horizon);
  return { next: isAtEnd ? null : (rows.at(-1)?.id ?? null), channels: [] };
}

function howEnded(state: MessageState, deliveries: readonly DeliveryRow[]): Ending {
  if (state === 'held' || deliveries.some((one) => one.state === 'held')) return 'held';
  if (state === 'refused' || state === 'skipped') return state;
  // One that made nothing of its own only restated what others had delivered.
  const isDelivered = deliveries.length === 0 || deliveries.some((one) => one.state === 'delivered');
  return isDelivered ? 'delivered' : 'cancelled';
}
