import type { Database } from 'better-sqlite3';
import { Fault } from '../contracts/fault.ts';
import type { Admission, Admitted, Outcome, OutcomeDraft } from '../contracts/journal.ts';
import type { DeliveryState, MessageState } from '../contracts/lifecycle.ts';
import type { Act } from '../contracts/operations.ts';
import type { Arrivals } from './arrivals.ts';
import type { Needs } from './needs.ts';
import type { Once } from './once.ts';
import type { OwedAcks } from './owed-acks.ts';
import type { Provisions } from './provisions.ts';
import { ALONE, asks, type Created, type Results } from './results.ts';
import { readFaults } from './stored-faults.ts';
import type { MessageRef, Transitions } from './transitions.ts';

interface KnownMessage extends MessageRef {
  readonly control_id: string | null;
  readonly content_hash: Uint8Array;
  readonly state: MessageState;
  readonly mapping_version: string | null;
  readonly faults: string;
}

const KNOWN_COLUMNS = 'id, channel, control_id, content_hash, state, mapping_version, faults';

/** `Journal.admit`, `Journal.settle` and `Journal.replay` on SQLite; to be called inside a transaction. */
export function makeAdmissions(
  db: Database,
  results: Results,
  transitions: Transitions,
  owedAcks: OwedAcks,
  arrivals: Arrivals,
  once: Once,
  provisions: Provisions,
  needs: Needs,
) {
  const readByHash = db.prepare<[string, Uint8Array], KnownMessage>(
    `select ${KNOWN_COLUMNS} from messages where channel = ? and content_hash = ?`,
  );
  const readById = db.prepare<[number], KnownMessage>(`select ${KNOWN_COLUMNS} from messages where id = ?`);
  const readNamesake = db
    .prepare<[string, string, Uint8Array], number>(
      'select id from messages where channel = +? and control_id = +? and content_hash <> +? order by id limit 1',
    )
    .pluck();
  const addMessage = db.prepare(
    `insert into messages (channel, content_hash, control_id, origin, sender, received_at, state, state_at,
       mapping_version, skipped, faults, warnings)
     values (@channel, @contentHash, @controlId, @origin, @sender, @receivedAt, @state, @receivedAt,
       @mappingVersion, @skipped, @faults, @warnings)`,
  );
  const addBytes = db.prepare('insert into message_bytes (message_id, bytes) values (?, ?)');
  const restoreBytes = db.prepare('insert or ignore into message_bytes (message_id, bytes) values (?, ?)');
  const countSeen = db.prepare('update messages set times_seen = times_seen + 1 where id = ?');
  const setOutcome = db.prepare(
    `update messages set mapping_version = @mappingVersion, skipped = @skipped, faults = @faults, warnings = @warnings
     where id = @id`,
  );
  const readState = db.prepare<[number], DeliveryState>('select state from deliveries where id = ?').pluck();
  const readStates = db.prepare<[number], Created>(
    'select id, state from deliveries where message_id = +? order by id',
  );

  const findNamesake = (channel: string, controlId: string | null, contentHash: Uint8Array): number | null =>
    controlId === null ? null : (readNamesake.get(channel, controlId, contentHash) ?? null);

  const apply = (message: MessageRef, outcome: Outcome, at: number, isAsked = false): Created[] => {
    // A refused message leaves nothing behind that could be sent, whatever came with it; a received one has no outcome yet.
    if (outcome.state === 'refused' || outcome.state === 'received') return [];
    const created: Created[] = [];
    const last = new Map(outcome.statements.map((statement) => [statement.resultKey, statement]));
    const itself = `message ${message.id}`;
    provisions.add(message.id, outcome.provides, at);
    for (const statement of outcome.statements) {
      if (last.get(statement.resultKey) === statement) continue;
      transitions.note(message.id, null, { at, event: 'overtaken', why: itself });
    }
    const { winners, overtaken } = sortDrafts(outcome);
    for (const draft of overtaken)
      created.push(results.insert(message, results.resultId(draft.resultKey), draft, at, { ...ALONE, stale: itself }));
    for (const statement of last.values()) {
      created.push(...results.state(message, statement, winners.get(statement.resultKey) ?? [], at, isAsked));
    }
    for (const [key, drafts] of winners) {
      // Made from no statement, so there is nothing to compare it with, but what the message itself left behind.
      if (last.has(key)) continue;
      const resultId = results.resultId(key);
      const left = isAsked ? results.readOfResult(resultId).filter((one) => one.message_id === message.id) : [];
      for (const draft of drafts) {
        const isThere = left.some((one) => one.state !== 'cancelled' && asks(one, draft));
        if (!isThere) created.push(results.insert(message, resultId, draft, at, ALONE));
      }
    }
    needs.provide(message.id, outcome.provides, at);
    const isSettled = once.settle(at);
    if (isSettled) for (const [index, { id }] of created.entries()) created[index] = { id, state: readState.get(id)! };
    return created.sort((a, b) => a.id - b.id);
  };

  const replaceOutcome = (message: KnownMessage, outcome: Outcome, at: number) => {
    const event = message.state === 'received' ? outcome.state : `remapped-${outcome.state}`;
    transitions.message(message, message.state, outcome.state, { at, event, why: whyOf(outcome) });
    setOutcome.run({ id: message.id, ...outcomeColumns(outcome) });
    if (message.state !== 'received') results.withdraw(message.id, at);
    provisions.withdraw(message.id);
    apply(message, outcome, at);
  };

  const replayOutcome = (message: KnownMessage, outcome: Outcome, at: number): Created[] => {
    const why = whyOf(outcome);
    transitions.message(message, message.state, outcome.state, { at, event: `replayed-${outcome.state}`, why });
    setOutcome.run({ id: message.id, ...outcomeColumns(outcome) });
    results.withdrawAll(message.id, at);
    provisions.withdraw(message.id);
    return apply(message, outcome, at, true);
  };

  const answer = (id: number, repeated: boolean): Admitted => {
    const message = readById.get(id)!;
    return {
      messageId: id,
      state: message.state,
      faults: readFaults(message.faults),
      repeated,
      controlIdReused: findNamesake(message.channel, message.control_id, message.content_hash) !== null,
      owesAck: owedAcks.isOwed(id),
      deliveries: readStates.all(id),
    };
  };

  return {
    admit(admission: Admission): Admitted {
      const { channel, controlId, receivedAt: at, outcome } = admission;
      const contentHash = readHash(admission.contentHash);
      arrivals.note(channel, at);
      const known = readByHash.get(channel, contentHash);
      if (known !== undefined) {
        countSeen.run(known.id);
        transitions.note(known.id, null, { at, event: 'resent', why: null });
        const isReplaced = isToBeReplaced(known, outcome);
        // What is stored before it is mapped may turn out to be mended when it is.
        const mayBeReplaced = isReplaced || (outcome.state === 'received' && isMendable(known));
        // Retention may have taken its bytes, which whoever works on it from here on needs again.
        if ((mayBeReplaced || admission.owesAck) && restoreBytes.run(known.id, admission.bytes).changes > 0) {
          transitions.note(known.id, null, { at, event: 'restored', why: null });
        }
        if (isReplaced) replaceOutcome(known, outcome, at);
        if (admission.owesAck) owedAcks.owe(known.id, channel, at);
        return answer(known.id, true);
      }

      const namesake = findNamesake(channel, controlId, contentHash);
      const id = Number(
        addMessage.run({
          channel,
          contentHash,
          controlId,
          origin: admission.origin,
          sender: admission.sender,
          receivedAt: at,
          state: outcome.state,
          ...outcomeColumns(outcome),
        }).lastInsertRowid,
      );
      addBytes.run(id, admission.bytes);
      const message = { id, channel };
      transitions.message(message, null, outcome.state, { at, event: outcome.state, why: whyOf(outcome) });
      if (namesake !== null) {
        transitions.note(id, null, { at, event: 'control-id-reused', why: `message ${namesake}` });
      }
      const deliveries = apply(message, outcome, at);
      if (admission.owesAck) owedAcks.owe(id, channel, at);
      // Results may have held the message itself, so its state is read back rather than assumed.
      const { state, faults } = readById.get(id)!;
      return {
        messageId: id,
        state,
        faults: readFaults(faults),
        repeated: false,
        controlIdReused: namesake !== null,
        owesAck: admission.owesAck,
        deliveries,
      };
    },

    settle(messageId: number, at: number, outcome: Outcome): Admitted {
      const message = readById.get(messageId);
      if (message === undefined) throw new Fault('internal', { detail: `no message ${messageId}` });
      // Who settles it as well, in another process, may have been quicker: then it has its outcome, as one that is resent has.
      if (message.state === 'received' || isToBeReplaced(message, outcome)) replaceOutcome(message, outcome, at);
      return answer(messageId, false);
    },

    replay(messageId: number, outcome: Outcome, act: Act): Admitted {
      const message = readById.get(messageId);
      if (message === undefined || message.state === 'received') {
        throw new Fault('internal', { detail: `no settled message ${messageId}` });
      }
      transitions.actAs(act);
      const deliveries = replayOutcome(message, outcome, act.at);
      return { ...answer(messageId, false), deliveries };
    },
  };
}

/** @throws Fault `internal` where it is no SHA-256: two messages must never be taken for one. */
function readHash(hex: string): Buffer {
  const hash = Buffer.from(hex, 'hex');
  if (hash.byteLength !== 32) throw new Fault('internal', { detail: 'contentHash' });
  return hash;
}

/** Only what was refused or held can be mended by another mapping. */
function isMendable({ state }: KnownMessage): boolean {
  return state === 'refused' || state === 'held';
}

/** `received` is no outcome that could mend anything. */
function isToBeReplaced(known: KnownMessage, outcome: Outcome): boolean {
  if (!isMendable(known)) return false;
  return outcome.state !== 'received' && outcome.mappingVersion !== known.mapping_version;
}

/**
 * Drafts by result. Where a message states one result several times, the last statement wins: of the drafts that ask the
 * same for it, only the last statement's share is left.
 */
function sortDrafts({ statements, drafts }: Outcome) {
  const winners = new Map<string, OutcomeDraft[]>();
  const overtaken: OutcomeDraft[] = [];
  const timesStated = new Map<string, number>();
  for (const { resultKey } of statements) timesStated.set(resultKey, (timesStated.get(resultKey) ?? 0) + 1);
  for (const draft of drafts) {
    const times = timesStated.get(draft.resultKey) ?? 0;
    if (times > 1) {
      const rivals = drafts.filter(
        ({ resultKey, target, operation }) =>
          resultKey === draft.resultKey && target === draft.target && operation === draft.operation,
      );
      if (rivals.indexOf(draft) < rivals.length - Math.ceil(rivals.length / times)) {
        overtaken.push(draft);
        continue;
      }
    }
    const winning = winners.get(draft.resultKey);
    if (winning === undefined) winners.set(draft.resultKey, [draft]);
    else winning.push(draft);
  }
  return { winners, overtaken };
}

function outcomeColumns(outcome: Outcome) {
  return {
    mappingVersion: outcome.mappingVersion,
    skipped: JSON.stringify(outcome.skipped),
    faults: JSON.stringify(outcome.faults),
    warnings: JSON.stringify(outcome.warnings),
  };
}

function whyOf(outcome: Outcome): string | null {
  return outcome.faults[0]?.code ?? outcome.skipped[0]?.reason ?? null;
}
