import { Fault } from '../../contracts/fault.ts';
import type { Caller } from '../journal.ts';
import { type Connection, errorCode, type Query } from './connection.ts';
import { makeReads } from './reads.ts';

/** Reads share so many connections; a long one holds up those behind it on its own alone. */
const CONNECTIONS = 2;

/** The reading half of a node. What a lost connection leaves unanswered is asked once more. */
export function makeReader(
  connect: () => Promise<Connection>,
  node: () => number,
  onError: (code: string) => void,
): Caller {
  const slots = Array.from({ length: CONNECTIONS }, () => ({ client: null as Promise<Connection> | null, busy: 0 }));

  async function query<T>(config: Query): Promise<readonly T[]> {
    const slot = slots.reduce((best, one) => (one.busy < best.busy ? one : best));
    slot.busy += 1;
    try {
      for (let isAgain = false; ; isAgain = true) {
        slot.client ??= connect();
        const asked = slot.client;
        try {
          return (await (await asked).query(config)).rows as readonly T[];
        } catch (error) {
          if (/^[0-9A-Z]{5}$/.test(errorCode(error)) && !/^(08|57P)/.test(errorCode(error))) throw error;
          if (slot.client === asked) {
            slot.client = null;
            void asked.then((client) => client.end()).catch(() => {});
          }
          if (isAgain) throw error;
        }
      }
    } finally {
      slot.busy -= 1;
    }
  }

  const reads = makeReads(query, node) as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
  return {
    async call<T>(name: string, ...args: unknown[]): Promise<T> {
      const read = reads[name];
      if (read === undefined) throw new Fault('internal', { detail: name });
      try {
        return (await read(...args)) as T;
      } catch (error) {
        if (error instanceof Fault) throw error;
        onError(errorCode(error));
        throw new Fault('journal-failed', { detail: errorCode(error) });
      }
    },
    async close() {
      await Promise.allSettled(slots.map(async ({ client }) => (await client)?.end()));
    },
  };
}
