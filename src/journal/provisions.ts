import type { Database } from 'better-sqlite3';

/** That a message brought what deliveries need. */
export interface Provision {
  readonly messageId: number;
  readonly at: number;
}

export type Provisions = ReturnType<typeof makeProvisions>;

/** What messages brought that deliveries of whatever message may need. To be called inside a transaction. */
export function makeProvisions(db: Database) {
  const add = db.prepare('insert or ignore into provisions (key, message_id, at) values (?, ?, ?)');
  const readFirst = db.prepare<[string], Provision>(
    'select message_id as messageId, at from provisions where key = +? order by message_id limit 1',
  );
  const remove = db.prepare('delete from provisions where message_id = ?');

  return {
    add(messageId: number, keys: readonly string[], at: number) {
      for (const key of keys) add.run(key, messageId, at);
    },
    /** The first message that brought it; null = none has. */
    find: (key: string): Provision | null => readFirst.get(key) ?? null,
    /** The message gets another outcome, or a person takes back what it brought; false = it had brought nothing. */
    withdraw: (messageId: number): boolean => remove.run(messageId).changes > 0,
  };
}
