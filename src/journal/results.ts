import type { Database } from 'better-sqlite3';
import type { FaultCode, FaultRecord } from '../contracts/fault.ts';
import type { OutcomeDraft } from '../contracts/journal.ts';
import type { DeliveryState, MessageState } from '../contracts/lifecycle.ts';
import type { Statement } from '../contracts/mapper.ts';
import type { Lane, Lanes } from './lanes.ts';
import type { Once } from './once.ts';
import type { Provisions } from './provisions.ts';
import type { DeliveryRef, MessageRef, Transitions } from './transitions.ts';

/** What is known of a delivery when the question is what may follow it. */
export interface KnownDelivery extends DeliveryRef, Lane {
  readonly operation: string;
  readonly digest: string | null;
  readonly on_correction: 'update' | 'hold';
  readonly state: DeliveryState;
  readonly ended: string | null;
  readonly turn: string | null;
  readonly attempts: number;
  readonly may_have_arrived: number;
  readonly after_id: number | null;
  readonly once_key: string | null;
  readonly need_key: string | null;
}

interface KnownResult {
  readonly id: number;
  readonly rank: string;
  readonly digest: string;
  readonly message_id: number;
  readonly last_message_id: number;
}

export interface Created {
  readonly id: number;
  readonly state: DeliveryState;
}

/** How a new delivery stands among the others of its result. */
export interface Standing {
  readonly digest: string | null;
  readonly follows: number | null;
  /** Held with this fault. */
  readonly hold: FaultCode | null;
  /** Cancelled from the start, because this message overtook it. */
  readonly stale: string | null;
  /** Has to wait for the end of this delivery. */
  readonly afterId: number | null;
}

export const ALONE: Standing = { digest: null, follows: null, hold: null, stale: null, afterId: null };

const KNOWN_COLUMNS = `id, message_id, target, party, lane_key, operation, digest, on_correction, state, ended, turn,
  attempts, may_have_arrived, after_id, once_key, need_key`;

export type Results = ReturnType<typeof makeResults>;

/**
 * What a statement does to the deliveries of its result: the table of `docs/results.md`. To be called inside a
 * transaction, with the message already stored in its state.
 */
export function makeResults(
  db: Database,
  lanes: Lanes,
  transitions: Transitions,
  once: Pick<Once, 'touch'>,
  provisions: Pick<Provisions, 'find'>,
) {
  const readResult = db.prepare<[string], KnownResult | { readonly id: number; readonly rank: null }>(
    'select id, rank, digest, message_id, last_message_id from results where key = ?',
  );
  const addResult = db.prepare(
    'insert into results (key, rank, digest, message_id, last_message_id) values (?, ?, ?, ?, ?)',
  );
  const replaceResult = db.prepare(
    'update results set rank = @rank, digest = @digest, message_id = @by, last_message_id = @by where id = @id',
  );
  const raiseResult = db.prepare('update results set rank = ?, last_message_id = ? where id = ?');
  const readOfResult = db.prepare<[number], KnownDelivery>(
    `select ${KNOWN_COLUMNS} from deliveries where result_id = +? order by id`,
  );
  const readHeldOfMessage = db.prepare<[number], KnownDelivery>(
    `select ${KNOWN_COLUMNS} from deliveries
     where message_id = +? and state = 'held' and attempts = 0 and follows is null order by id`,
  );
  const readReplaceable = db.prepare<[number], KnownDelivery>(
    `select ${KNOWN_COLUMNS} from deliveries
     where message_id = +? and (state in ('waiting', 'held') or ended = 'lacking') and turn is not 'flight'
       and may_have_arrived = 0 and follows is null and id not in (select delivery_id from ack_deliveries) order by id`,
  );
  const readKnownOf = db.prepare<[number], KnownResult | { readonly id: number; readonly rank: null }>(
    'select id, rank, digest, message_id, last_message_id from results where id = ?',
  );
  const markOvertaken = db.prepare('update deliveries set superseded_by = ? where id = ?');
  const readMessage = db.prepare<[number], MessageRef & { state: MessageState; faults: string }>(
    'select id, channel, state, faults from messages where id = ?',
  );
  const addLink = db.prepare('insert or ignore into links (message_id, delivery_id) values (?, ?)');
  const hasBody = db.prepare<[number], 1>('select 1 from bodies where delivery_id = ?').pluck();
  const setFaults = db.prepare('update messages set faults = ? where id = ?');

  const supersede = (delivery: KnownDelivery, at: number, why: string) => {
    transitions.delivery(delivery, delivery.state, 'cancelled', { at, event: 'superseded', why });
    once.touch(delivery.once_key);
    lanes.promote(delivery, at);
  };

  /** Something of a message that was left out is to be sent after all. */
  const lift = (messageId: number, at: number, why: string) => {
    const message = readMessage.get(messageId)!;
    if (message.state !== 'skipped') return;
    transitions.message(message, 'skipped', 'mapped', { at, event: 'provided', why });
  };

  /** Inserts a draft as `queued`, as `held`, as `stale`, as `lacking`, or as `expired` where it comes too late. */
  const insert = (message: MessageRef, resultId: number, draft: OutcomeDraft, at: number, more: Standing): Created => {
    const provided = draft.needs === null ? null : provisions.find(draft.needs.key);
    const lacks = provided === null && draft.waived === null ? (draft.needs?.reason ?? null) : null;
    // What holds it besides is looked at again once it goes.
    const fault = draft.held ?? (more.hold === null || lacks !== null ? null : plainFault(more.hold));
    // While an earlier version is in flight, what becomes of that may yet hold it for a person.
    const isTooLate = draft.notAfter !== null && draft.notAfter <= at && more.afterId === null;
    const [event, state] =
      more.stale !== null
        ? (['stale', 'cancelled'] as const)
        : draft.waived !== null
          ? (['waived', 'cancelled'] as const)
          : lacks !== null
            ? (['lacking', 'cancelled'] as const)
            : fault !== null
              ? (['held', 'held'] as const)
              : isTooLate
                ? (['expired', 'cancelled'] as const)
                : (['queued', 'waiting'] as const);
    once.touch(draft.once?.key ?? null);
    const id = lanes.insert({
      messageId: message.id,
      channel: message.channel,
      resultId,
      digest: more.digest,
      follows: more.follows,
      draft,
      at,
      state,
      fault: fault === null || draft.waived !== null ? null : JSON.stringify(fault),
      ended: state === 'cancelled' ? event : null,
      afterId: lacks === null ? more.afterId : null,
      provided,
    });
    const ref = { id, message_id: message.id, target: draft.target, party: draft.party };
    const broughtBy = provided === null || provided.messageId === message.id ? null : `message ${provided.messageId}`;
    const why = more.stale ?? draft.waived ?? lacks ?? fault?.code ?? broughtBy;
    transitions.delivery(ref, null, state, { at, event, why });
    if (broughtBy !== null && state !== 'cancelled') lift(message.id, at, broughtBy);
    return { id, state };
  };

  /** Alarm on a message that changes what was issued, where there is no delivery of its own to bear it. */
  const holdMessage = (messageId: number, code: FaultCode, at: number) => {
    const message = readMessage.get(messageId)!;
    const faults = JSON.parse(message.faults) as { code: FaultCode }[];
    if (!faults.some((fault) => fault.code === code)) {
      setFaults.run(JSON.stringify([...faults, plainFault(code)]), messageId);
    }
    if (message.state !== 'held') transitions.message(message, message.state, 'held', { at, event: 'held', why: code });
  };

  /** A newer version is known: what waits or is held is cancelled, what is in flight is marked. */
  const overtake = (earlier: readonly KnownDelivery[], digest: string, messageId: number, at: number) => {
    for (const delivery of earlier) {
      if (delivery.turn === 'flight') {
        // A result that changed back: what is under way says the right thing again.
        markOvertaken.run(delivery.digest === digest ? null : messageId, delivery.id);
      } else if (isLiving(delivery) || delivery.ended === 'lacking') {
        supersede(delivery, at, `message ${messageId}`);
      }
    }
  };

  return {
    insert,
    supersede,
    holdMessage,
    lift,
    hasBody: (deliveryId: number): boolean => hasBody.get(deliveryId) === 1,
    readOfResult: (resultId: number): KnownDelivery[] => readOfResult.all(resultId),

    /** The number of a result, which gets one if it is new. */
    resultId: (key: string): number =>
      readResult.get(key)?.id ?? Number(addResult.run(key, null, null, null, null).lastInsertRowid),

    /** The message that states another version of a delivery's result than it was made for; null = none does. */
    overtakerOf(delivery: Pick<KnownDelivery, 'digest' | 'message_id'>, resultId: number): number | null {
      const known = readKnownOf.get(resultId);
      if (delivery.digest === null || known === undefined || known.rank === null) return null;
      return known.digest === delivery.digest ? null : overtakerOf(known, delivery.message_id);
    },

    /**
     * Applies one statement with the drafts made for it; returns the deliveries it created.
     * @param isAsked a person asked for it: what was cancelled does not stand for it any more
     */
    state(
      message: MessageRef,
      statement: Statement,
      drafts: readonly OutcomeDraft[],
      at: number,
      isAsked: boolean,
    ): Created[] {
      const { resultKey: key, rank, digest } = statement;
      const known = readResult.get(key);
      const insertAll = (of: readonly OutcomeDraft[], id: number, more: Partial<Standing>) =>
        of.map((draft) => insert(message, id, draft, at, { ...ALONE, digest, ...more }));
      if (known === undefined) {
        const { lastInsertRowid } = addResult.run(key, rank, digest, message.id, message.id);
        return insertAll(drafts, Number(lastInsertRowid), {});
      }
      if (known.rank === null) {
        replaceResult.run({ id: known.id, rank, digest, by: message.id });
        return insertAll(drafts, known.id, {});
      }

      const isSame = known.digest === digest;
      const isOlder = rank < known.rank || (rank === known.rank && message.id < known.last_message_id);
      const statedBy = `message ${known.message_id}`;
      if (!isSame && isOlder) {
        const stale = `message ${overtakerOf(known, message.id)}`;
        transitions.note(message.id, null, { at, event: 'overtaken', why: stale });
        return insertAll(drafts, known.id, { stale });
      }

      const earlier = readOfResult.all(known.id);
      const isOwn = !isSame || known.message_id === message.id;
      if (!isOwn) transitions.note(message.id, null, { at, event: 'linked', why: statedBy });
      if (!isSame) {
        replaceResult.run({ id: known.id, rank, digest, by: message.id });
        overtake(earlier, digest, message.id, at);
        for (const one of earlier) once.touch(one.once_key);
      } else if (!isOlder) {
        raiseResult.run(rank, Math.max(message.id, known.last_message_id), known.id);
      }

      const hold = whyHold(earlier, digest);
      const afterId = earlier.find((one) => one.turn === 'flight' && one.digest !== digest)?.id ?? null;
      const standsFor = (one: KnownDelivery) => stands(one, digest) && !(isAsked && one.state === 'cancelled');
      const standIns = (draft: OutcomeDraft) => {
        const same = isSame ? earlier.filter((one) => standsFor(one) && asks(one, draft) && canGo(one, draft)) : [];
        const last = lastWord(earlier, draft, digest);
        return last === null ? same : [...same, last];
      };
      // One that lacks something else, or has lost its body, would never go for the draft.
      const canGo = (one: KnownDelivery, draft: OutcomeDraft) =>
        one.ended !== 'lacking' || (one.need_key === (draft.needs?.key ?? null) && hasBody.get(one.id) === 1);
      for (const one of isSame ? earlier : []) {
        if (one.ended === 'lacking' && drafts.some((draft) => asks(one, draft) && !canGo(one, draft)))
          supersede(one, at, `message ${message.id}`);
      }
      const isNew = (draft: OutcomeDraft) => {
        const others = standIns(draft);
        for (const { id, message_id } of others) if (message_id !== message.id) addLink.run(message.id, id);
        return others.length === 0;
      };
      const created = insertAll(drafts.filter(isNew), known.id, { hold, afterId });
      // One that was cancelled from the start says nothing to anybody.
      const isBorne = created.some(({ state }) => state !== 'cancelled') || (isSame && earlier.some(standsFor));
      if (hold !== null && isOwn && !isBorne) holdMessage(message.id, hold, at);
      return created;
    },

    /** Before a message gets a new outcome: what the old one left held, and nobody ever tried to send, makes way. */
    withdraw(messageId: number, at: number) {
      for (const delivery of readHeldOfMessage.all(messageId)) supersede(delivery, at, `message ${messageId}`);
    },

    /** The same where a person asks: all that is still to be sent and has not been, nor may have been, makes way. */
    withdrawAll(messageId: number, at: number) {
      for (const delivery of readReplaceable.all(messageId)) supersede(delivery, at, `message ${messageId}`);
    },
  };
}

/** Who made a version of a result old: the message that stated the known one, or the last that restated it. */
function overtakerOf(known: KnownResult, messageId: number): number {
  return known.message_id === messageId ? known.last_message_id : known.message_id;
}

/**
 * Why a new version of a result may not go out by itself: an earlier version was delivered, or may have been, by an
 * operation that asks for a person then. Which operation the new version wants does not matter.
 */
export function whyHold(earlier: readonly KnownDelivery[], digest: string | null): FaultCode | null {
  const issued = earlier.filter((delivery) => delivery.digest !== digest && delivery.on_correction === 'hold');
  if (issued.some(({ state }) => state === 'delivered')) return 'already-delivered';
  return issued.some((delivery) => delivery.turn !== 'flight' && delivery.may_have_arrived === 1) ? 'in-doubt' : null;
}

/** Still to be sent, or waiting for a person. */
export function isLiving(delivery: KnownDelivery): boolean {
  return delivery.state === 'waiting' || delivery.state === 'held';
}

/** True where the delivery already does, did, or was told not to do, what this version of the result asks for. */
function stands(delivery: KnownDelivery, digest: string | null): boolean {
  return delivery.digest === digest && delivery.ended !== 'superseded' && delivery.ended !== 'stale';
}

/** What is asked of whom: two requests that agree in this take each other's place. */
export interface Request {
  readonly target: string;
  readonly operation: string;
}

export function asks(one: Request, other: Request): boolean {
  return one.target === other.target && one.operation === other.operation;
}

/**
 * True where the receiver was last told, or is just being told, this very version: a result that changed and changed
 * back before the change went out needs no second delivery.
 */
export function hasLastWord(deliveries: readonly KnownDelivery[], request: Request, digest: string | null): boolean {
  return lastWord(deliveries, request, digest) !== null;
}

function lastWord(deliveries: readonly KnownDelivery[], request: Request, digest: string | null): KnownDelivery | null {
  const told = deliveries.filter(
    (one) => asks(one, request) && (one.turn === 'flight' || one.state === 'delivered' || one.may_have_arrived === 1),
  );
  const last = told.at(-1);
  if (last === undefined || last.digest !== digest) return null;
  return last.turn === 'flight' || last.state === 'delivered' ? last : null;
}

export function plainFault(code: FaultCode): FaultRecord {
  return { code, at: null, where: null, detail: null };
}
