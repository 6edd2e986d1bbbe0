import type { PruneBite, Pruned } from '../../contracts/journal.ts';
import { type Connection, errorCode, isInUse } from './connection.ts';
import { dropEmpty } from './partitions.ts';
import {
  type Borders,
  bordersOf,
  NO_BORDERS,
  PERIODS_LOCK,
  type Period,
  periodMs,
  readPeriods,
  receivedAt,
  tendPeriods,
} from './periods.ts';
import { type BytesBite, keptFor, retireBytes } from './retire.ts';
import { retireHistory } from './retire-history.ts';

/** Since this step of the schema a node notes what it does to old messages. */
const NODES_NOTE_TOUCHES = 4;
/** What is kept for less than this goes row by row. */
const LEAST_KEPT_MS = 86_400_000;
/** Bytes may stay by this part longer than said, so that they go with their period. */
const LONGER = 1 / 8;

/** Numbers of messages, the last exclusive. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

export type Retirement = ReturnType<typeof makeRetirement>;

/**
 * Takes whole periods where retention would take rows: it is asked first at the beginning of each walk, makes one step, and
 * is asked again until there is none to be made. One node at a time does; what cannot be done now is for the next pass.
 */
export function makeRetirement(connect: () => Promise<Connection>, onError: (code: string) => void) {
  let borders: Borders = NO_BORDERS;
  let left: readonly Range[] = [];
  let client: Connection | null = null;

  /** What is in use is for the next pass. */
  function report(error: unknown) {
    if (!isInUse(error)) onError(errorCode(error));
  }

  async function disconnect() {
    const done = client;
    client = null;
    await done?.end().catch(() => {});
  }

  /** What may be known without being the one that looks after them. */
  async function look(on: Connection): Promise<{ closed: readonly Period[] }> {
    const { periods, current } = await readPeriods(on);
    borders = bordersOf(periods, current);
    return { closed: periods.filter(({ number }) => number < current.number) };
  }

  /** Periods whose bytes go together, and whether it is time. */
  async function leave(on: Connection, bite: BytesBite): Promise<readonly Leaving[]> {
    const { closed } = await look(on);
    const kept = keptFor(bite);
    const longest = longestOf(kept);
    const leaving: Leaving[] = [];
    for (const period of closed) {
      if (period.bytes === 'kept' || period.bytes === 'gone') continue;
      const { from, to } = await spanOf(on, period);
      const mayStay = Object.values(kept).every((ms) => ms * (1 + LONGER) >= longest + to - from);
      const isLeft = longest >= LEAST_KEPT_MS && mayStay;
      const isTime = period.bytes === 'marking' || (isLeft && to < bite.at - longest);
      if (isLeft || period.bytes === 'marking') leaving.push({ period, isTime });
    }
    left = leaving.map(({ period }) => ({ from: period.message_from, to: period.message_to }));
    return leaving;
  }

  async function stepBytes(on: Connection, bite: BytesBite): Promise<Pruned | null> {
    const longest = longestOf(keptFor(bite));
    if (longest >= LEAST_KEPT_MS) {
      // Those that are there go all the same.
      await tendPeriods(on, bite.at, periodMs(longest)).catch(report);
    }
    const leaving = await leave(on, bite);
    const first = leaving.find(({ isTime }) => isTime);
    if (first !== undefined && (await allNote(on))) return await retireBytes(on, first.period, bite);
    await on.query(`delete from touched where not exists (select 1 from periods where bytes = 'weighing')`);
    for (const period of (await look(on)).closed) {
      const isLeft = leaving.some(({ period: { number } }) => number === period.number);
      if (!isLeft && period.bytes !== 'gone') await dropEmpty(on, period);
    }
    return null;
  }

  async function stepRows(on: Connection, bite: PruneBite & { readonly walk: 'rows' }): Promise<Pruned | null> {
    for (const period of (await look(on)).closed) {
      const isGoing = period.bytes === 'kept' || period.bytes === 'gone';
      if (!isGoing || period.history === 'gone') continue;
      const { to } = await spanOf(on, period);
      await retireHistory(on, period, to < bite.before);
    }
    return null;
  }

  return {
    borders: (): Borders => borders,
    /** Whose bytes are not for the walk by rows. */
    left: (): readonly Range[] => left,

    /** Before anything is written. */
    async open(on: Connection): Promise<void> {
      await look(on);
    },

    /** One step of what begins here; null = there is none, and rows are next. */
    async step(bite: PruneBite): Promise<Pruned | null> {
      if ((bite.walk !== 'bytes' && bite.walk !== 'rows') || bite.after !== 0) return null;
      let pruned: Pruned | null = null;
      try {
        client ??= await connect();
        const { rows } = await client.query(`select pg_try_advisory_lock(${PERIODS_LOCK}) as "isOurs"`);
        if (rows[0].isOurs === true) {
          try {
            pruned = bite.walk === 'bytes' ? await stepBytes(client, bite) : await stepRows(client, bite);
          } finally {
            // Where the connection broke, so did the lock.
            await client.query(`select pg_advisory_unlock(${PERIODS_LOCK})`).catch(() => {});
          }
        } else if (bite.walk === 'bytes') {
          await leave(client, bite);
        }
      } catch (error) {
        report(error);
      }
      if (pruned === null) await disconnect();
      return pruned;
    },

    close: disconnect,
  };
}

interface Leaving {
  readonly period: Period;
  readonly isTime: boolean;
}

const longestOf = (kept: ReturnType<typeof keptFor>): number =>
  Math.max(...Object.entries(kept).flatMap(([how, ms]) => (how === 'held' ? [] : [ms])));

/** When its first and its last message came; both the beginning of time where there are none. */
async function spanOf(on: Connection, { message_from, message_to }: Period): Promise<{ from: number; to: number }> {
  const first = await on.query<{ at: number }>(
    'select received_at as at from messages where id >= $1 and id < $2 order by id limit 1',
    [message_from, message_to],
  );
  if (first.rows.length === 0) return { from: 0, to: 0 };
  return { from: first.rows[0]!.at, to: (await receivedAt(on, 'id < $1 order by id desc', message_to)) ?? 0 };
}

/** No node runs, or ran a while ago, that would not note what it does to old messages. */
async function allNote(on: Connection): Promise<boolean> {
  const { rows } = await on.query(
    `select 1 from nodes where schema < ${NODES_NOTE_TOUCHES} and seen_at > now() - interval '1 hour' limit 1`,
  );
  return rows.length === 0;
}
