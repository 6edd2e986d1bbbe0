import type { FaultCode } from '../../contracts/fault.ts';
import type { DeliveryState } from '../../contracts/lifecycle.ts';
import type { FoundMessages, MessageQuery, MessageSummary, PageMark, PageRequest } from '../../contracts/operations.ts';
import {
  byId,
  byTime,
  type Candidates,
  holdsAny,
  LOOK_AT,
  LOOK_AT_BYTES,
  newest,
  spell,
  type Tally,
  TOP,
  wayOf,
} from '../candidates.ts';
import { readFault, readFaults } from '../stored-faults.ts';

type Ask = <T>(sql: string, ...values: readonly unknown[]) => Promise<readonly T[]>;

/** Texts are looked for in so many messages at once. */
const READ_AT_ONCE = 50;

/** `Journal.findMessages` on PostgreSQL: an index gives candidates, newest first; they are then looked at for the rest. */
export async function findMessages(ask: Ask, query: MessageQuery, page: PageRequest): Promise<FoundMessages> {
  const { list: candidates, isEnd } = await listCandidates(ask, query, page.after ?? TOP);
  const passing = await filter(ask, query, candidates);
  const needles = query.text === null ? null : spell(query.text);
  const found: number[] = [];
  let bytes = 0;
  let lookedAt = 0;
  const contents = new Map<number, Uint8Array>();
  for (const [index, { id }] of candidates.entries()) {
    if (found.length >= page.limit || bytes > LOOK_AT_BYTES) break;
    lookedAt += 1;
    if (!passing.has(id)) continue;
    if (needles !== null) {
      if (!contents.has(id)) await readContents(ask, candidates.slice(index, index + READ_AT_ONCE), passing, contents);
      const content = contents.get(id) ?? new Uint8Array(0);
      contents.delete(id);
      bytes += content.byteLength;
      if (!holdsAny(content, needles)) continue;
    }
    found.push(id);
  }
  const isAll = isEnd && lookedAt === candidates.length;
  const last = candidates[lookedAt - 1];
  return {
    messages: await summarize(ask, found),
    next: isAll || last === undefined ? null : { id: last.id, receivedAt: await receivedAt(ask, last.id) },
    lookedAt,
  };
}

/** Candidates behind a place, newest first; some without their time. */
async function listCandidates(ask: Ask, query: MessageQuery, after: PageMark): Promise<Candidates> {
  const tallies = await ask<Tally>(
    `select kind, owner, party, state, sum(count)::bigint as count from tallies
     group by kind, owner, party, state having sum(count) > 0`,
  );
  const way = wayOf(query, tallies);
  const marks = async (sql: string, ...values: readonly unknown[]) => [...(await ask<PageMark>(sql, ...values))];
  switch (way.by) {
    case 'nothing':
      return newest([], byId);
    case 'control-id': {
      const sql = `select received_at as "receivedAt", id from messages where channel = any ($1::text[]) and control_id = $2
        and id < $3 order by id desc limit ${LOOK_AT}`;
      return newest([await marks(sql, way.channels, query.controlId, after.id)], byId);
    }
    case 'delivery-state': {
      // Written out, or no index of one state would do.
      const sql = `select distinct message_id as id, 0 as "receivedAt" from deliveries where state = '${way.state}'
        and message_id < $1 order by message_id desc limit ${LOOK_AT}`;
      return newest([await marks(sql, after.id)], byId);
    }
    case 'state': {
      const sql = `select received_at as "receivedAt", id from messages where state = '${way.state}' and state <> 'mapped'
        and id < $1 order by id desc limit ${LOOK_AT}`;
      return newest([await marks(sql, after.id)], byId);
    }
    case 'owner': {
      const sql = `select distinct message_id as id, 0 as "receivedAt" from deliveries where target = $1 and party = $2
        and message_id < $3 order by message_id desc limit $4`;
      const lists = way.pairs.map(({ owner, party }) => marks(sql, owner, party, after.id, way.most));
      return newest(await Promise.all(lists), byId, way.most);
    }
    case 'arrival': {
      const sql = `select received_at as "receivedAt", id from messages where channel = $1 and received_at >= $2
        and received_at < $3 and (received_at, id) < ($4, $5) order by received_at desc, id desc limit ${LOOK_AT}`;
      const { from, to } = query;
      const times = [from ?? 0, to ?? Number.MAX_SAFE_INTEGER, after.receivedAt, after.id];
      return newest(await Promise.all(way.channels.map((channel) => marks(sql, channel, ...times))), byTime);
    }
    case 'id': {
      const sql = `select received_at as "receivedAt", id from messages where id < $1 order by id desc limit ${LOOK_AT}`;
      return newest([await marks(sql, after.id)], byId);
    }
  }
}

/** Those of the candidates of which all holds that is asked for, but for the text. */
async function filter(ask: Ask, query: MessageQuery, candidates: readonly PageMark[]): Promise<Set<number>> {
  const { channel, state, controlId, deliveryState, target, party, from, to } = query;
  const sql = `select id from messages m where id = any ($1::bigint[])
      and ($2::text is null or channel = $2) and ($3::text is null or state = $3) and ($4::text is null or control_id = $4)
      and ($5::bigint is null or received_at >= $5) and ($6::bigint is null or received_at < $6)
      and (($7::text is null and $8::text is null and $9::text is null) or exists (
        select 1 from deliveries d where d.message_id = m.id and ($7::text is null or d.state = $7)
          and ($8::text is null or d.target = $8) and ($9::text is null or d.party = $9)))`;
  const ids = candidates.map(({ id }) => id);
  const rows = await ask<{ id: number }>(sql, ids, channel, state, controlId, from, to, deliveryState, target, party);
  return new Set(rows.map(({ id }) => id));
}

async function readContents(
  ask: Ask,
  candidates: readonly PageMark[],
  passing: ReadonlySet<number>,
  contents: Map<number, Uint8Array>,
): Promise<void> {
  const ids = candidates.map(({ id }) => id).filter((id) => passing.has(id));
  const sql = 'select message_id as id, bytes from message_bytes where message_id = any ($1::bigint[])';
  for (const { id, bytes } of await ask<{ id: number; bytes: Uint8Array }>(sql, ids)) contents.set(id, bytes);
}

async function receivedAt(ask: Ask, id: number): Promise<number> {
  const [row] = await ask<{ at: number }>('select received_at as at from messages where id = $1', id);
  return row?.at ?? 0;
}

interface SummaryRow extends Omit<MessageSummary, 'fault' | 'deliveries'> {
  readonly faults: string;
  readonly heldFault: string | null;
  readonly states: Readonly<Partial<Record<DeliveryState, number>>> | null;
}

async function summarize(ask: Ask, ids: readonly number[]): Promise<MessageSummary[]> {
  const sql = `select m.id, channel, control_id as "controlId", received_at as "receivedAt", m.state, times_seen as "timesSeen",
      faults, coalesce(length(b.bytes), 0) as bytes,
      (select need_reason from deliveries where message_id = m.id and ended = 'lacking' order by id limit 1) as lacks,
      (select fault from deliveries where message_id = m.id and state = 'held' and fault is not null order by id limit 1)
        as "heldFault",
      (select json_object_agg(state, count order by state) from
        (select state, count(*) as count from deliveries where message_id = m.id group by state) s) as states
    from unnest($1::bigint[]) with ordinality as k (id, place) join messages m on m.id = k.id
      left join message_bytes b on b.message_id = m.id
    order by k.place`;
  const rows = await ask<SummaryRow>(sql, ids);
  return rows.map(({ faults, heldFault, states, ...rest }) => {
    const [first] = readFaults(faults);
    const fault: FaultCode | null = first?.code ?? readFault(heldFault)?.code ?? null;
    return { ...rest, fault, deliveries: states ?? {} };
  });
}
