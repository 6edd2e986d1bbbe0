import type { Database } from 'better-sqlite3';
import type { StoredAlarm } from '../contracts/alarm.ts';
import type {
  ArrivalHour,
  HistoryEvent,
  Overview,
  OwedAck,
  Standing,
  StoredDelivery,
  StoredMessage,
} from '../contracts/journal.ts';
import type { DeliveryState, MessageState } from '../contracts/lifecycle.ts';
import { makeFinds } from './finds.ts';
import type { Calls } from './group-commit.ts';
import { makePauseReads } from './pauses.ts';
import { readFaults } from './stored-faults.ts';
import { type DeliveryRow, type MessageRow, rowToDelivery, rowToMessage } from './stored-rows.ts';

const MESSAGE = `select id, channel, ifnull(bytes, x'') as bytes, bytes is null as isPruned, control_id as controlId, origin, sender, received_at as receivedAt, state,
    mapping_version as mappingVersion, skipped, faults, warnings, times_seen as timesSeen
  from messages left join message_bytes on message_id = id`;

const DELIVERIES = `select d.id, d.message_id as messageId, d.channel, k.key as resultKey, d.target, d.operation,
    d.party, d.lane_key as laneKey, ifnull(b.body, x'') as body, d.admitted_at as admittedAt, d.state, d.turn, d.follows, d.attempts,
    d.not_before as notBefore, d.not_after as notAfter, iif(d.state = 'waiting', d.next_at, null) as nextAt,
    d.need_reason as needReason, d.provided_by as providedBy, d.provided_at as providedAt, d.fault,
    r.status, r.content_type as contentType, r.encoding, r.body as answer, r.fault as answerFault
  from deliveries d left join bodies b on b.delivery_id = d.id join results k on k.id = d.result_id left join responses r on r.delivery_id = d.id`;

const HISTORY = `select at, message_id as messageId, delivery_id as deliveryId, event, from_state as "from",
    to_state as "to", why, by, note
  from history where message_id = ? order by id`;

/** What of a message waits; a follow-up of a linked delivery is one of the linked one's message. */
const OPEN = `with recursive linked (id, message_id) as (
    select d.id, d.message_id from links l join deliveries d on d.id = l.delivery_id where l.message_id = +@id
    union select d.id, d.message_id from linked l join deliveries d on d.message_id = l.message_id and d.follows = l.id)
  select id, message_id as messageId, not_before as notBefore from deliveries
  where state = 'waiting' and id in (select id from linked union all select id from deliveries where message_id = +@id)
    and id not in (select delivery_id from ack_deliveries)
  order by id`;

/** Each index holds heads of lanes only, and the oldest that waits is always the head of its lane. */
const OLDEST_WAITING = `select min(place) from (
    select min(place) as place from deliveries where turn = 'ready'
    union all select min(place) from deliveries where turn = 'timed' and place <= @now
    union all select min(place) from deliveries where turn = 'flight'
    union all select min(place) from deliveries where turn = 'blocked')`;

const OLDEST_HELD = `select min(state_at) from (
    select min(state_at) as state_at from messages where state = 'held'
    union all select min(state_at) from deliveries where state = 'held')`;

/** The reading half of `Journal` on SQLite, over a connection that cannot write. */
export function makeReads(db: Database): Calls {
  const message = db.prepare<[number], MessageRow>(`${MESSAGE} where id = ?`);
  const received = db.prepare<[number, number], MessageRow>(
    `${MESSAGE} where state = 'received' and id > ? order by id limit ?`,
  );
  const last = db.prepare<[number, number], MessageRow>(`${MESSAGE} where id < ? order by id desc limit ?`);
  const held = db.prepare<[number, number], MessageRow>(
    `${MESSAGE} where state = 'held' and id > ? order by id limit ?`,
  );
  const deliveries = db.prepare<[number], DeliveryRow>(`${DELIVERIES} where d.message_id = +? order by d.id`);
  const delivery = db.prepare<[number], DeliveryRow>(`${DELIVERIES} where d.id = ?`);
  const history = db.prepare<[number], HistoryEvent>(HISTORY);
  const tallies = db.prepare<[], { kind: string; owner: string; party: string; state: string; count: number }>(
    'select kind, owner, party, state, count from tallies where count > 0 order by kind, owner, party, state',
  );
  const oldestWaiting = db.prepare<{ now: number }, number | null>(OLDEST_WAITING).pluck();
  const oldestHeld = db.prepare<[], number | null>(OLDEST_HELD).pluck();
  const owedAcks = db.prepare<[number, number], OwedAck>(
    `select message_id as messageId, channel, owed_at as owedAt from owed_acks where message_id > ?
     order by message_id limit ?`,
  );
  const owedByChannel = db.prepare<[], Overview['owedAcks'][number]>(
    'select channel, count(*) as count, min(owed_at) as oldestAt from owed_acks group by channel order by channel',
  );
  const arrivals = db.prepare<[number], ArrivalHour>(
    `select channel, hour_at as hourAt, count, first_at as firstAt, last_at as lastAt, longest_gap_ms as longestGapMs
     from arrivals where hour_at > ? - 3600000 order by channel, hour_at`,
  );
  const alarms = db.prepare<[], string>('select alarm from alarms order by key').pluck();
  const state = db.prepare<[number], { state: MessageState; faults: string }>(
    'select state, faults from messages where id = ?',
  );
  const open = db.prepare<{ id: number }, Standing['open'][number]>(OPEN);

  return {
    ...makeFinds(db),
    ...makePauseReads(db),
    readMessage(id: number): StoredMessage | null {
      const row = message.get(id);
      return row === undefined ? null : rowToMessage(row);
    },
    listReceived: (afterId: number, limit: number): StoredMessage[] => received.all(afterId, limit).map(rowToMessage),
    listLast: (beforeId: number, limit: number): StoredMessage[] => last.all(beforeId, limit).map(rowToMessage),
    listHeld: (afterId: number, limit: number): StoredMessage[] => held.all(afterId, limit).map(rowToMessage),
    listOwedAcks: (afterId: number, limit: number): OwedAck[] => owedAcks.all(afterId, limit),
    readStandings: db.transaction((messageIds: readonly number[]): Standing[] =>
      messageIds.flatMap((messageId) => {
        const row = state.get(messageId);
        if (row === undefined) return [];
        return [{ messageId, state: row.state, faults: readFaults(row.faults), open: open.all({ id: messageId }) }];
      }),
    ),
    readDeliveries: (messageId: number): StoredDelivery[] => deliveries.all(messageId).map(rowToDelivery),
    readDelivery(id: number): StoredDelivery | null {
      const row = delivery.get(id);
      return row === undefined ? null : rowToDelivery(row);
    },
    readHistory: (messageId: number): HistoryEvent[] => history.all(messageId),
    readArrivals: (since: number): ArrivalHour[] => arrivals.all(since),
    readAlarms: (): StoredAlarm[] => alarms.all().map((alarm) => JSON.parse(alarm)),
    // One transaction, so that the figures are of one moment.
    readOverview: db.transaction((now: number): Overview => {
      const rows = tallies.all();
      return {
        messages: rows
          .filter(({ kind }) => kind === 'message')
          .map(({ owner, state, count }) => ({ channel: owner, state: state as MessageState, count })),
        deliveries: rows
          .filter(({ kind }) => kind === 'delivery')
          .map(({ owner, party, state, count }) => ({ target: owner, party, state: state as DeliveryState, count })),
        owedAcks: owedByChannel.all(),
        oldestWaitingAt: oldestWaiting.get({ now }) ?? null,
        oldestHeldAt: oldestHeld.get() ?? null,
      };
    }),
  };
}
