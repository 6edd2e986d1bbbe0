import type { StoredAlarm } from '../../contracts/alarm.ts';
import type {
  ArrivalHour,
  HistoryEvent,
  Overview,
  OwedAck,
  Standing,
  StoredAct,
  StoredDelivery,
  StoredMessage,
} from '../../contracts/journal.ts';
import type { FoundMessages, MessageQuery, PageRequest, Pause, PauseScope } from '../../contracts/operations.ts';
import { readFaults } from '../stored-faults.ts';
import { type DeliveryRow, type MessageRow, rowToDelivery, rowToMessage } from '../stored-rows.ts';
import type { Query } from './connection.ts';
import { findMessages } from './finds.ts';
import { NODES, ORPHANS, type Orphan, OWN_ORPHANS, type SeenNode } from './nodes.ts';
import { prepared } from './prepared.ts';

const MESSAGE = `select id, channel, coalesce(bytes, '') as bytes, bytes is null as "isPruned", control_id as "controlId", origin,
    sender, received_at as "receivedAt", state, mapping_version as "mappingVersion", skipped, faults, warnings,
    times_seen as "timesSeen"
  from messages left join message_bytes on message_id = id`;

const DELIVERIES = `select d.id, d.message_id as "messageId", d.channel, k.key as "resultKey", d.target, d.operation, d.party,
    d.lane_key as "laneKey", coalesce(b.body, '') as body, d.admitted_at as "admittedAt", d.state, d.turn, d.follows, d.attempts,
    d.not_before as "notBefore", d.not_after as "notAfter", case when d.state = 'waiting' then d.next_at end as "nextAt",
    d.need_reason as "needReason", d.provided_by as "providedBy", d.provided_at as "providedAt", d.fault, r.status,
    r.content_type as "contentType", r.encoding, r.body as answer, r.fault as "answerFault"
  from deliveries d left join bodies b on b.delivery_id = d.id join results k on k.id = d.result_id
    left join responses r on r.delivery_id = d.id`;

const HISTORY = `select at, message_id as "messageId", delivery_id as "deliveryId", event, from_state as "from", to_state as "to",
    why, by, note
  from history where message_id = $1 and exists (select 1 from messages where id = $1) order by id`;

/** What of messages waits; a follow-up of a linked delivery is one of the linked one's message. */
const OPEN = `with recursive linked (of, id, message_id) as (
    select l.message_id, d.id, d.message_id from links l join deliveries d on d.id = l.delivery_id
      where l.message_id = any ($1::bigint[])
    union select l.of, d.id, d.message_id from linked l join deliveries d on d.message_id = l.message_id and d.follows = l.id),
  own (of, id) as (select of, id from linked union select message_id, id from deliveries where message_id = any ($1::bigint[]))
  select o.of, d.id, d.message_id as "messageId", d.not_before as "notBefore" from own o join deliveries d on d.id = o.id
  where d.state = 'waiting' and not exists (select 1 from ack_deliveries a where a.delivery_id = d.id) order by d.id`;

const TALLIES = `select kind, owner, party, state, sum(count)::bigint as count from tallies
  group by kind, owner, party, state having sum(count) > 0 order by kind, owner, party, state`;

/** Each index holds heads of lanes only, and the oldest that waits is always the head of its lane. */
const OLDEST = `select
    (select min(place) from (
      select min(place) as place from deliveries where turn = 'ready'
      union all select min(place) from deliveries where turn = 'timed' and place <= $1
      union all select min(place) from deliveries where turn = 'flight'
      union all select min(place) from deliveries where turn = 'blocked') as waiting) as "oldestWaitingAt",
    (select min(state_at) from (
      select min(state_at) as state_at from messages where state = 'held'
      union all select min(state_at) from deliveries where state = 'held') as held) as "oldestHeldAt"`;

/** What a live node took in, it sees through itself: the others look at what is nobody's. */
const NOT_ANOTHERS = `(node is null or node = $1 or node not in (select number from nodes where lease_until > now()))`;

type Tally = {
  readonly kind: string;
  readonly owner: string;
  readonly party: string;
  readonly state: never;
  readonly count: number;
};

/** The reading half of `Journal` on PostgreSQL. Each is of one moment where it is one statement. */
export function makeReads(query: <T>(config: Query) => Promise<readonly T[]>, node: () => number) {
  const ask = <T>(sql: string, ...values: readonly unknown[]) => query<T>(prepared(sql, values));
  const messages = async (sql: string, ...values: readonly unknown[]): Promise<StoredMessage[]> =>
    (await ask<MessageRow>(`${MESSAGE} ${sql}`, ...values)).map(rowToMessage);
  const deliveries = async (sql: string, ...values: readonly unknown[]): Promise<StoredDelivery[]> =>
    (await ask<DeliveryRow>(`${DELIVERIES} ${sql}`, ...values)).map(rowToDelivery);

  return {
    findMessages: (request: MessageQuery, page: PageRequest): Promise<FoundMessages> =>
      findMessages(ask, request, page),
    readMessage: async (id: number): Promise<StoredMessage | null> => (await messages('where id = $1', id))[0] ?? null,
    listReceived: (afterId: number, limit: number): Promise<StoredMessage[]> =>
      messages(`where state = 'received' and ${NOT_ANOTHERS} and id > $2 order by id limit $3`, node(), afterId, limit),
    listLast: (beforeId: number, limit: number): Promise<StoredMessage[]> =>
      messages('where id < $1 order by id desc limit $2', beforeId, limit),
    listHeld: (afterId: number, limit: number): Promise<StoredMessage[]> =>
      messages(`where state = 'held' and id > $1 order by id limit $2`, afterId, limit),
    listOwedAcks: (afterId: number, limit: number): Promise<readonly OwedAck[]> =>
      ask(
        `select message_id as "messageId", channel, owed_at as "owedAt" from owed_acks
         where ${NOT_ANOTHERS} and message_id > $2 order by message_id limit $3`,
        node(),
        afterId,
        limit,
      ),
    async readStandings(messageIds: readonly number[]): Promise<Standing[]> {
      // Open first: what ends in between is then shown as open, and is looked at again.
      const open = await ask<Standing['open'][number] & { of: number }>(OPEN, messageIds);
      const byMessage = Map.groupBy(open, ({ of }) => of);
      const rows = await ask<{ id: number; state: Standing['state']; faults: string }>(
        `select m.id, m.state, m.faults from unnest($1::bigint[]) with ordinality as k (id, place) join messages m on m.id = k.id
         order by k.place`,
        messageIds,
      );
      return rows.map(({ id: messageId, state, faults }) => ({
        messageId,
        state,
        faults: readFaults(faults),
        open: (byMessage.get(messageId) ?? []).map(({ of: _, ...one }) => one),
      }));
    },
    readDeliveries: (messageId: number): Promise<StoredDelivery[]> =>
      deliveries('where d.message_id = $1 order by d.id', messageId),
    readDelivery: async (id: number): Promise<StoredDelivery | null> =>
      (await deliveries('where d.id = $1', id))[0] ?? null,
    readHistory: (messageId: number): Promise<readonly HistoryEvent[]> => ask(HISTORY, messageId),
    readArrivals: (since: number): Promise<readonly ArrivalHour[]> =>
      ask(
        `select channel, hour_at as "hourAt", count, first_at as "firstAt", last_at as "lastAt", longest_gap_ms as "longestGapMs"
         from arrivals where hour_at > $1::bigint - 3600000 order by channel, hour_at`,
        since,
      ),
    readAlarms: async (): Promise<StoredAlarm[]> =>
      (await ask<{ alarm: string }>('select alarm from alarms where node = $1 order by key', node())).map(({ alarm }) =>
        JSON.parse(alarm),
      ),
    async readOverview(now: number): Promise<Overview> {
      const [rows, owedAcks, [oldest]] = await Promise.all([
        ask<Tally>(TALLIES),
        ask<Overview['owedAcks'][number]>(
          `select channel, count(*) as count, min(owed_at) as "oldestAt" from owed_acks group by channel order by channel`,
        ),
        ask<Pick<Overview, 'oldestWaitingAt' | 'oldestHeldAt'>>(OLDEST, now),
      ]);
      return {
        messages: rows
          .filter(({ kind }) => kind === 'message')
          .map(({ owner, state, count }) => ({ channel: owner, state, count })),
        deliveries: rows
          .filter(({ kind }) => kind === 'delivery')
          .map(({ owner, party, state, count }) => ({ target: owner, party, state, count })),
        owedAcks,
        oldestWaitingAt: oldest?.oldestWaitingAt ?? null,
        oldestHeldAt: oldest?.oldestHeldAt ?? null,
      };
    },
    listOrphans: (): Promise<readonly Orphan[]> => ask(ORPHANS, node()),
    listOwnOrphans: (): Promise<readonly Orphan[]> => ask(OWN_ORPHANS, node()),
    listNodes: (): Promise<readonly SeenNode[]> => ask(NODES),
    listPauses: async (): Promise<Pause[]> =>
      (
        await ask<Pause & ScopeRow>(
          'select target, party, operation, since, by, note from pauses order by since, target, party, operation',
        )
      ).map((row) => ({ ...row, ...toScope(row) })),
    listActs: async (limit: number): Promise<StoredAct[]> =>
      (
        await ask<StoredAct & ScopeRow>(
          'select at, event, target, party, operation, by, note from acts order by id desc limit $1',
          limit,
        )
      ).map((row) => ({ ...row, ...toScope(row) })),
  };
}

interface ScopeRow {
  readonly target: string;
  readonly party: string;
  readonly operation: string;
}

function toScope({ target, party, operation }: ScopeRow): PauseScope {
  return { target: target || null, party: party || null, operation: operation || null };
}
