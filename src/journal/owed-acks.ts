import type { Database } from 'better-sqlite3';
import type { AckPayment } from '../contracts/journal.ts';
import { ALONE, type Results } from './results.ts';
import type { Transitions } from './transitions.ts';

export type OwedAcks = ReturnType<typeof makeOwedAcks>;

/** Acknowledgements that are owed beside the immediate answer: `Journal.payAck` on SQLite, and its debts; inside a transaction. */
export function makeOwedAcks(db: Database, results: Results, transitions: Transitions) {
  const add = db.prepare(
    `insert into owed_acks (message_id, channel, owed_at) values (?, ?, ?)
     on conflict do update set owed_at = excluded.owed_at`,
  );
  const read = db.prepare<[number], string>('select channel from owed_acks where message_id = ?').pluck();
  const readOld = db.prepare<[string, number, number], { messageId: number; channel: string }>(
    `select message_id as messageId, channel from owed_acks
     where channel in (select value from json_each(?)) and owed_at < ? order by message_id limit ?`,
  );
  const remove = db.prepare('delete from owed_acks where message_id = ?');
  const addDelivery = db.prepare('insert into ack_deliveries (delivery_id) values (?)');

  return {
    owe(messageId: number, channel: string, at: number): void {
      if (read.get(messageId) === undefined) transitions.note(messageId, null, { at, event: 'ack-owed', why: null });
      add.run(messageId, channel, at);
    },

    isOwed: (messageId: number): boolean => read.get(messageId) !== undefined,

    /** Gives up debts that are older than `before`; the oldest messages first. */
    drop(channels: readonly string[], before: number, limit: number, at: number): string[] {
      const old = readOld.all(JSON.stringify(channels), before, limit);
      for (const { messageId } of old) {
        remove.run(messageId);
        transitions.note(messageId, null, { at, event: 'ack-dropped', why: null });
      }
      return old.map(({ channel }) => channel);
    },

    payAck({ messageId, at, code, by }: AckPayment): void {
      const channel = read.get(messageId);
      if (channel === undefined) return;
      remove.run(messageId);
      if (typeof by === 'string') {
        transitions.note(messageId, null, { at, event: `ack-${by}`, why: code });
        return;
      }
      const message = { id: messageId, channel };
      const { id } = results.insert(message, results.resultId(by.resultKey), by, at, ALONE);
      addDelivery.run(id);
      transitions.note(messageId, id, { at, event: 'ack-returned', why: code });
    },
  };
}
