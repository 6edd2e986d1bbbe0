import type { HistoryEvent, StoredAct, StoredDelivery, StoredMessage } from '../contracts/journal.ts';
import type { FoundMessages, MessageQuery, PageRequest, Pause } from '../contracts/operations.ts';
import { openReader } from './database.ts';
import { MIGRATIONS } from './migrations.ts';
import type { SeenNode } from './postgres/nodes.ts';
import { makeReads } from './reads.ts';

/** A journal for those who only look: beside a running engine or without one, it changes nothing and takes no lock. */
export interface JournalReader {
  /** Messages with ids below `beforeId`, newest first. */
  listLast(beforeId: number, limit: number): StoredMessage[];
  /** Messages that are held, oldest first, with ids above `afterId`. */
  listHeld(afterId: number, limit: number): StoredMessage[];
  findMessages(query: MessageQuery, page: PageRequest): FoundMessages;
  readMessage(messageId: number): StoredMessage | null;
  readDeliveries(messageId: number): StoredDelivery[];
  readHistory(messageId: number): HistoryEvent[];
  listPauses(): Pause[];
  /** What was paused and resumed, newest first. */
  listActs(limit: number): StoredAct[];
  close(): void;
}

/** The same where the journal is across a network. */
export type RemoteJournalReader = {
  readonly [Name in keyof JournalReader]: (
    ...args: Parameters<JournalReader[Name]>
  ) => Promise<ReturnType<JournalReader[Name]>>;
} & {
  /** Every node that ever shared it, by name; absent = it is a file, and one engine's own. */
  readonly listNodes?: () => Promise<readonly SeenNode[]>;
};

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
    return { ...reads, close: () => void db.close() };
  } catch (error) {
    db.close();
    const code = (error as { code?: string }).code;
    if (code !== undefined) throw new Error(`the journal ${path} cannot be read (${code})`);
    throw error;
  }
}
