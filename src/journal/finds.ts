import type { Database, Statement } from 'better-sqlite3';
import type { FaultCode } from '../contracts/fault.ts';
import type { DeliveryState, MessageState } from '../contracts/lifecycle.ts';
import type { FoundMessages, MessageQuery, MessageSummary, PageMark, PageRequest } from '../contracts/operations.ts';
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
} from './candidates.ts';
import type { Calls } from './group-commit.ts';
import { readFault, readFaults } from './stored-faults.ts';

/** `Journal.findMessages` on SQLite: an index gives candidates, newest first; each is then looked at for the rest. */
export function makeFinds(db: Database): Calls {
  const statements = new Map<string, Statement<unknown[], unknown>>();
  const prepare = (sql: string) => {
    const known = statements.get(sql);
    if (known !== undefined) return known;
    const made = db.prepare<unknown[], unknown>(sql);
    statements.set(sql, made);
    return made;
  };
  const marks = (sql: string, ...args: unknown[]) => prepare(sql).all(...args) as PageMark[];
  const tallies = db.prepare<[], Tally>('select kind, owner, party, state, count from tallies where count > 0');
  const receivedAt = db.prepare<[number], number>('select received_at from messages where id = ?').pluck();
  const bytesOf = db.prepare<[number], Uint8Array>('select bytes from message_bytes where message_id = ?').pluck();
  const summary = db.prepare<
    [number],
    Omit<MessageSummary, 'fault' | 'lacks' | 'deliveries'> & { readonly faults: string }
  >(
    `select id, channel, control_id as controlId, received_at as receivedAt, state, times_seen as timesSeen, faults,
       ifnull(length(bytes), 0) as bytes
     from messages left join message_bytes on message_id = id where id = ?`,
  );
  const states = db.prepare<[number], { state: DeliveryState; count: number }>(
    'select state, count(*) as count from deliveries where message_id = +? group by state order by state',
  );
  const lacks = db
    .prepare<[number], string>(
      `select need_reason from deliveries where message_id = ? and ended = 'lacking' order by id limit 1`,
    )
    .pluck();
  const heldFault = db
    .prepare<[number], string>(
      `select fault from deliveries where message_id = +? and state = 'held' and fault is not null order by id limit 1`,
    )
    .pluck();

  const byControlId = ({ controlId }: MessageQuery, channels: readonly string[], after: PageMark) =>
    channels.map((channel) =>
      marks(
        `select received_at as receivedAt, id from messages
         where channel = +? and control_id = +? and id < ? order by id desc limit ${LOOK_AT}`,
        channel,
        controlId,
        after.id,
      ),
    );

  const byDeliveryState = (state: DeliveryState, after: PageMark) => {
    // The plus keeps SQLite from walking all deliveries by their message instead of the few that are in this state.
    const message = state === 'cancelled' ? 'message_id' : '+message_id';
    const sql = `select distinct message_id as id, 0 as receivedAt from deliveries
      where state = '${state}' and ${message} < ? order by ${message} desc limit ${LOOK_AT}`;
    return marks(sql, after.id);
  };

  const byState = (state: MessageState, after: PageMark) =>
    marks(
      `select received_at as receivedAt, id from messages
       where state = '${state}' and state <> 'mapped' and id < ? order by id desc limit ${LOOK_AT}`,
      after.id,
    );

  const byOwner = (owners: readonly { owner: string; party: string }[], most: number, after: PageMark) =>
    owners.map(({ owner, party }) =>
      marks(
        `select distinct message_id as id, 0 as receivedAt from deliveries
         where target = +? and party = +? and message_id < ? order by message_id desc limit ${most}`,
        owner,
        party,
        after.id,
      ),
    );

  const byArrival = ({ from, to }: MessageQuery, channels: readonly string[], after: PageMark) =>
    channels.map((channel) =>
      marks(
        `select received_at as receivedAt, id from messages
         where channel = +@channel and received_at >= @from and received_at < @to
           and (received_at, id) < (@receivedAt, @id)
         order by received_at desc, id desc limit ${LOOK_AT}`,
        { channel, from: from ?? 0, to: to ?? Number.MAX_SAFE_INTEGER, ...after },
      ),
    );

  /** Candidates behind a place, newest first; some without their time. */
  const listCandidates = (query: MessageQuery, after: PageMark): Candidates => {
    const way = wayOf(query, tallies.all());
    switch (way.by) {
      case 'nothing':
        return newest([], byId);
      case 'control-id':
        return newest(byControlId(query, way.channels, after), byId);
      case 'delivery-state':
        return newest([byDeliveryState(way.state, after)], byId);
      case 'state':
        return newest([byState(way.state, after)], byId);
      case 'owner':
        return newest(byOwner(way.pairs, way.most, after), byId, way.most);
      case 'arrival':
        return newest(byArrival(query, way.channels, after), byTime);
      case 'id': {
        const sql = `select received_at as receivedAt, id from messages where id < ? order by id desc limit ${LOOK_AT}`;
        return newest([marks(sql, after.id)], byId);
      }
    }
  };

  /** What is left to ask of a candidate, as one statement. */
  const makeTest = (query: MessageQuery): ((id: number) => boolean) => {
    const { channel, state, controlId, deliveryState, target, party, from, to } = query;
    const of = [deliveryState && 'state = @deliveryState', target && 'target = @target', party && 'party = @party'];
    const terms = [
      channel !== null && 'channel = +@channel',
      state !== null && 'state = +@state',
      controlId !== null && 'control_id = +@controlId',
      from !== null && 'received_at >= @from',
      to !== null && 'received_at < @to',
      of.some(Boolean) &&
        `exists (select 1 from deliveries where message_id = +@id and +${of.filter(Boolean).join(' and +')})`,
    ].filter((term) => typeof term === 'string');
    if (terms.length === 0) return () => true;
    const test = prepare(`select 1 from messages where id = @id and ${terms.join(' and ')}`);
    return (id) => test.get({ channel, state, controlId, deliveryState, target, party, from, to, id }) !== undefined;
  };

  const summarize = (id: number): MessageSummary => {
    const { faults, ...rest } = summary.get(id)!;
    const [first] = readFaults(faults);
    const held = first === undefined ? heldFault.get(id) : undefined;
    const fault: FaultCode | null = first?.code ?? (held === undefined ? null : readFault(held).code);
    const deliveries = Object.fromEntries(states.all(id).map((one) => [one.state, one.count]));
    return { ...rest, fault, lacks: lacks.get(id) ?? null, deliveries };
  };

  return {
    // One transaction: candidates and what they are asked for are of one moment.
    findMessages: db.transaction((query: MessageQuery, { after, limit }: PageRequest): FoundMessages => {
      const { list: candidates, isEnd } = listCandidates(query, after ?? TOP);
      const passes = makeTest(query);
      const needles = query.text === null ? null : spell(query.text);
      const messages: MessageSummary[] = [];
      let bytes = 0;
      let lookedAt = 0;
      for (const { id } of candidates) {
        if (messages.length >= limit || bytes > LOOK_AT_BYTES) break;
        lookedAt += 1;
        if (!passes(id)) continue;
        if (needles !== null) {
          const content = bytesOf.get(id) ?? new Uint8Array(0);
          bytes += content.byteLength;
          if (!holdsAny(content, needles)) continue;
        }
        messages.push(summarize(id));
      }
      const isAll = isEnd && lookedAt === candidates.length;
      const last = candidates[lookedAt - 1];
      const next = isAll || last === undefined ? null : { id: last.id, receivedAt: receivedAt.get(last.id) ?? 0 };
      return { messages, next, lookedAt };
    }),
  };
}
