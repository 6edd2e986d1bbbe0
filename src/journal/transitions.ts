import type { Database } from 'better-sqlite3';
import { Fault } from '../contracts/fault.ts';
import {
  type DeliveryState,
  isDeliveryTransition,
  isMessageTransition,
  type MessageState,
} from '../contracts/lifecycle.ts';
import type { Operator } from '../contracts/operations.ts';

const ENGINE: Operator = { by: 'engine', note: null };

/** One line of the history. `why` is a fault code, a skip reason, `message 17`, `attempt 2`; never a value of a message. */
export interface Happening {
  readonly at: number;
  readonly event: string;
  readonly why: string | null;
}

export interface MessageRef {
  readonly id: number;
  readonly channel: string;
}

export interface DeliveryRef {
  readonly id: number;
  readonly message_id: number;
  readonly target: string;
  readonly party: string;
}

export interface ForgottenDelivery {
  readonly target: string;
  readonly party: string;
  readonly state: DeliveryState;
}

export type Transitions = ReturnType<typeof makeTransitions>;

/**
 * The one place where states change. Each change is checked against the lifecycle table and written to the history and
 * the tallies; `from: null` is for a row that was just inserted in state `to`. An impossible change throws, which undoes
 * the whole call it belongs to.
 */
export function makeTransitions(db: Database) {
  const setMessage = db.prepare('update messages set state = ?, state_at = ? where id = ?');
  // A row that leaves `waiting` leaves its lane, and one that goes on waiting gets its turn anew.
  const setDelivery = db.prepare(
    `update deliveries set state = @to, state_at = @at, turn = null, ended = iif(@to = 'cancelled', @event, null)
     where id = @id`,
  );
  const addHistory = db.prepare(
    `insert into history (message_id, id, delivery_id, at, event, from_state, to_state, why, by, note)
     values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const addTally = db.prepare(
    `insert into tallies (kind, owner, party, state, count) values (?, ?, ?, ?, ?)
     on conflict do update set count = count + excluded.count`,
  );
  // Numbered here rather than by the table: an id that only has to grow needs no index of its own.
  let lastHistoryId = db.prepare('select max(id) from (select max(id) as id from history)').pluck().get() as
    | number
    | null;
  const tallies = new Map<string, number>();
  let mark: Map<string, number> | null = null;
  let actor: Operator = ENGINE;

  const tally = (key: readonly [string, string, string, string], by: number) => {
    const name = JSON.stringify(key);
    tallies.set(name, (tallies.get(name) ?? 0) + by);
  };

  const write = (
    messageId: number,
    deliveryId: number | null,
    happening: Happening,
    from: string | null,
    to: string | null,
  ) => {
    lastHistoryId = (lastHistoryId ?? 0) + 1;
    const { at, event, why } = happening;
    addHistory.run(messageId, lastHistoryId, deliveryId, at, event, from, to, why, actor.by, actor.note);
    // What was said is said once, with the first of what it did.
    if (actor.note !== null) actor = { by: actor.by, note: null };
  };

  return {
    message(ref: MessageRef, from: MessageState | null, to: MessageState, happening: Happening) {
      if (!isMessageTransition(happening.event, from, to)) throw impossible('message', happening.event, from, to);
      if (from !== null) {
        setMessage.run(to, happening.at, ref.id);
        tally(['message', ref.channel, '', from], -1);
      }
      tally(['message', ref.channel, '', to], 1);
      write(ref.id, null, happening, from, to);
    },

    delivery(ref: DeliveryRef, from: DeliveryState | null, to: DeliveryState, happening: Happening) {
      if (!isDeliveryTransition(happening.event, from, to)) throw impossible('delivery', happening.event, from, to);
      if (from !== null) {
        setDelivery.run({ id: ref.id, to, at: happening.at, event: happening.event });
        tally(['delivery', ref.target, ref.party, from], -1);
      }
      tally(['delivery', ref.target, ref.party, to], 1);
      write(ref.message_id, ref.id, happening, from, to);
    },

    /** For the history alone: something that changed no state. */
    note(messageId: number, deliveryId: number | null, happening: Happening) {
      write(messageId, deliveryId, happening, null, null);
    },

    /** From here to the end of the item a person acts, not the engine. */
    actAs({ by, note }: Operator) {
      actor = { by, note };
    },

    /** A message and its deliveries are no longer there: they are not counted any more. */
    forget(message: { channel: string; state: MessageState }, deliveries: readonly ForgottenDelivery[]) {
      tally(['message', message.channel, '', message.state], -1);
      for (const { target, party, state } of deliveries) tally(['delivery', target, party, state], -1);
    },

    /** The tallies follow the savepoints of the group commit: `begin` an item, and `undo` it where it fails. */
    begin() {
      mark = new Map(tallies);
      actor = ENGINE;
    },
    undo() {
      tallies.clear();
      for (const [name, by] of mark ?? []) tallies.set(name, by);
    },
    /** Writes the tallies of the whole batch; one upsert for each that changed. */
    flush() {
      for (const [name, by] of tallies) if (by !== 0) addTally.run(...(JSON.parse(name) as string[]), by);
      tallies.clear();
    },
    /** Forgets the tallies of a batch that was rolled back. */
    reset() {
      tallies.clear();
      mark = null;
    },
  };
}

function impossible(what: string, event: string, from: string | null, to: string): Fault {
  return new Fault('internal', { detail: `${what} cannot go from ${from ?? 'nothing'} to ${to} by ${event}` });
}
