import type { Database, Statement } from 'better-sqlite3';
import type { FaultCode, FaultRecord } from '../contracts/fault.ts';
import type { DeliveryState, MessageState } from '../contracts/lifecycle.ts';
import type { FoundMessages, MessageQuery, MessageSummary, PageMark, PageRequest } from '../contracts/operations.ts';
import type { Calls } from './group-commit.ts';

/** Messages one call looks at, at most: it shares its thread with the engine's own reads. */
const LOOK_AT = 1_000;
/** Where a text is searched for, also this many bytes. */
const LOOK_AT_BYTES = 16 << 20;
/** More deliveries than this in one state are not collected: the newest messages are looked through instead. */
const MOST_OPEN = 20_000;
/** Before every message there is. */
const TOP: PageMark = { receivedAt: Number.MAX_SAFE_INTEGER, id: Number.MAX_SAFE_INTEGER };

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
  const tallies = db.prepare<[], { kind: string; owner: string; party: string; state: string; count: number }>(
    'select kind, owner, party, state, count from tallies where count > 0',
  );
  const receivedAt = db.prepare<[number], number>('select received_at from messages where id = ?').pluck();
  const bytesOf = db.prepare<[number], Uint8Array>('select bytes from message_bytes where message_id = ?').pluck();
  const summary = db.prepare<[number], Omit<MessageSummary, 'fault' | 'deliveries'> & { readonly faults: string }>(
    `select id, channel, control_id as controlId, received_at as receivedAt, state, times_seen as timesSeen, faults,
       ifnull(length(bytes), 0) as bytes
     from messages left join message_bytes on message_id = id where id = ?`,
  );
  const states = db.prepare<[number], { state: DeliveryState; count: number }>(
    'select state, count(*) as count from deliveries where message_id = +? group by state order by state',
  );
  const heldFault = db
    .prepare<[number], string>(
      `select fault from deliveries where message_id = +? and state = 'held' and fault is not null order by id limit 1`,
    )
    .pluck();

  /** Candidates behind a place, newest first, at most `LOOK_AT`: from the index that leaves fewest; some without their time. */
  const listCandidates = (query: MessageQuery, after: PageMark): PageMark[] => {
    const { channel, state, controlId, deliveryState, target, party, from, to } = query;
    const counted = tallies.all();
    const channels =
      channel !== null
        ? [channel]
        : [...new Set(counted.filter(({ kind }) => kind === 'message').map(({ owner }) => owner))];
    const owners = counted.filter(
      (one) =>
        one.kind === 'delivery' &&
        (target === null || one.owner === target) &&
        (party === null || one.party === party) &&
        (deliveryState === null || one.state === deliveryState),
    );
    if (controlId !== null) {
      const named = channels.map((one) =>
        marks(
          `select received_at as receivedAt, id from messages
           where channel = +? and control_id = +? and id < ? order by id desc limit ${LOOK_AT}`,
          one,
          controlId,
          after.id,
        ),
      );
      return newest(named, byId);
    }
    const isOpen = deliveryState === 'held' || deliveryState === 'waiting';
    const open = owners.reduce((sum, { count }) => sum + count, 0);
    if (owners.length === 0 && (deliveryState !== null || target !== null || party !== null)) return [];
    if (deliveryState === 'cancelled') {
      const sql = `select distinct message_id as id, 0 as receivedAt from deliveries
        where state = 'cancelled' and message_id < ? order by message_id desc limit ${LOOK_AT}`;
      return marks(sql, after.id);
    }
    if (isOpen && open <= MOST_OPEN) {
      // The plus keeps SQLite from walking all deliveries by their message instead of the few that are in this state.
      const sql = `select distinct message_id as id, 0 as receivedAt from deliveries
        where state = '${deliveryState}' and +message_id < ? order by +message_id desc limit ${LOOK_AT}`;
      return marks(sql, after.id);
    }
    if (state !== null && state !== 'mapped') {
      return marks(
        `select received_at as receivedAt, id from messages
         where state = '${known(state)}' and state <> 'mapped' and id < ? order by id desc limit ${LOOK_AT}`,
        after.id,
      );
    }
    if (target !== null || party !== null) {
      const pairs = new Map(owners.map((one) => [JSON.stringify([one.owner, one.party]), one]));
      const owned = [...pairs.values()].map((one) =>
        marks(
          `select distinct message_id as id, 0 as receivedAt from deliveries
           where target = +? and party = +? and message_id < ? order by message_id desc limit ${LOOK_AT}`,
          one.owner,
          one.party,
          after.id,
        ),
      );
      return newest(owned, byId);
    }
    if (channel !== null || from !== null || to !== null) {
      const listed = channels.map((one) =>
        marks(
          `select received_at as receivedAt, id from messages
           where channel = +@channel and received_at >= @from and received_at < @to
             and (received_at, id) < (@receivedAt, @id)
           order by received_at desc, id desc limit ${LOOK_AT}`,
          { channel: one, from: from ?? 0, to: to ?? Number.MAX_SAFE_INTEGER, ...after },
        ),
      );
      return newest(listed, byTime);
    }
    return marks(
      `select received_at as receivedAt, id from messages where id < ? order by id desc limit ${LOOK_AT}`,
      after.id,
    );
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
    const [first] = JSON.parse(faults) as FaultRecord[];
    const held = first === undefined ? heldFault.get(id) : undefined;
    const fault: FaultCode | null = first?.code ?? (held === undefined ? null : (JSON.parse(held) as FaultRecord).code);
    return { ...rest, fault, deliveries: Object.fromEntries(states.all(id).map((one) => [one.state, one.count])) };
  };

  return {
    // One transaction: candidates and what they are asked for are of one moment.
    findMessages: db.transaction((query: MessageQuery, { after, limit }: PageRequest): FoundMessages => {
      const candidates = listCandidates(query, after ?? TOP);
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
      const isAll = lookedAt === candidates.length && candidates.length < LOOK_AT;
      const last = candidates[lookedAt - 1];
      const next = isAll || last === undefined ? null : { id: last.id, receivedAt: receivedAt.get(last.id) ?? 0 };
      return { messages, next, lookedAt };
    }),
  };
}

type Order = (a: PageMark, b: PageMark) => number;

const byId: Order = (a, b) => b.id - a.id;
const byTime: Order = (a, b) => b.receivedAt - a.receivedAt || b.id - a.id;

/** Several lists, each with its newest, as one of at most `LOOK_AT`. */
function newest(lists: readonly PageMark[][], order: Order): PageMark[] {
  if (lists.length === 1) return lists[0] ?? [];
  const unique = new Map(lists.flat().map((mark) => [mark.id, mark]));
  return [...unique.values()].sort(order).slice(0, LOOK_AT);
}

/** A state as SQL may hold it. */
function known(state: MessageState): MessageState {
  const states: readonly MessageState[] = ['received', 'mapped', 'skipped', 'refused', 'held'];
  return states.find((one) => one === state) ?? 'mapped';
}

/** A text as the bytes of a message may hold it. */
function spell(text: string): Buffer[] {
  const utf16 = Buffer.from(text, 'utf16le');
  return [Buffer.from(text), Buffer.from(text, 'latin1'), utf16, Buffer.from(utf16).swap16()];
}

function holdsAny(bytes: Uint8Array, needles: readonly Buffer[]): boolean {
  const content = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return needles.some((needle) => content.includes(needle));
}
