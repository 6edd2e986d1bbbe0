import type { HistoryEvent, StoredDelivery, StoredMessage } from '../contracts/journal.ts';
import { openReader } from './database.ts';
import { MIGRATIONS } from './migrations.ts';
import { makeReads } from './reads.ts';

/** A journal for those who only look: beside a running engine or without one, it changes nothing and takes no lock. */
export interface JournalReader {
  /** Messages with ids below `beforeId`, newest first. */
  listLast(beforeId: number, limit: number): StoredMessage[];
  /** Messages that are held, oldest first, with ids above `afterId`. */
  listHeld(afterId: number, limit: number): StoredMessage[];
  /** Those made from the message itself, not from a receiver's answer. */
  readDeliveries(messageId: number): StoredDelivery[];
  readHistory(messageId: number): HistoryEvent[];
  close(): void;
}

/** @throws Error in words if there is no journal, or another version of Sluss wrote it */
export function openJournalReader(path: string): JournalReader {
  let db: ReturnType<typeof openReader>;
  try {
    db = openReader(path);
  } catch (error) {
    throw new Error(`the journal ${path} cannot be read (${(error as { code?: string }).code ?? 'unknown'})`);
  }
  try {
    const version = db.pragma('user_version', { simple: true }) as number;
    if (version !== MIGRATIONS.length) {
      const who = version < MIGRATIONS.length ? 'an older version; start the engine once' : 'a newer version';
      throw new Error(`the journal ${path} was written by ${who}`);
    }
    const reads = makeReads(db) as unknown as Omit<JournalReader, 'close'>;
    const followUps = db
      .prepare<[number], number>('select id from deliveries where message_id = +? and follows is not null')
      .pluck();
    return {
      ...reads,
      readDeliveries(messageId) {
        const following = new Set(followUps.all(messageId));
        return reads.readDeliveries(messageId).filter(({ id }) => !following.has(id));
      },
      close: () => void db.close(),
    };
  } catch (error) {
    db.close();
    const code = (error as { code?: string }).code;
    if (code !== undefined) throw new Error(`the journal ${path} cannot be read (${code})`);
    throw error;
  }
}
