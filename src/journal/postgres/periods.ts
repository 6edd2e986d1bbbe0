/**
 * Numbers are given in order, so a range of them is a period of time. The tables of what is large, and the history, have a
 * partition for each; a few are made ahead, and what no partition was made for goes to the rest (`…_rest`), where it is as
 * good as anywhere but goes row by row. When a period has lasted long enough, both sequences leap to where the next begins,
 * so that messages and their deliveries change partitions together.
 */
import type { Connection } from './connection.ts';

/** Our own among the advisory locks: one node at a time looks after the periods. */
export const PERIODS_LOCK = 7_355_610;
/** Whoever waits for a table that all use keeps all others from it: so not for long at a time. */
export const PERIODS_LOCK_MS = 250;

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** A period is a twelfth of the time that things are kept, within these. */
const SHORTEST_MS = DAY_MS;
const LONGEST_MS = 7 * DAY_MS;
const PARTS = 12;
/** So many are there beyond the one that is under way. */
const AHEAD = 2;
/** Twice as much as is expected fits into a period, and numbers for so long are there at any time. */
const ROOM = 2;
const AHEAD_MS = 6 * HOUR_MS;
const LEAST_NUMBERS = 10_000;

export interface Period {
  readonly number: number;
  /** First of its numbers, and first of the next period's. */
  readonly message_from: number;
  readonly message_to: number;
  readonly delivery_from: number;
  readonly delivery_to: number;
  readonly bytes: 'whole' | 'weighing' | 'marking' | 'kept' | 'gone';
  readonly history: 'whole' | 'kept' | 'gone';
  readonly weighed_for: string | null;
  readonly weighed_to: number;
  readonly weight: number;
  readonly staying: number;
  readonly looked_at: number;
}

/** Where a writing node has to look out: see `Write`. */
export interface Borders {
  /** What happens to messages below is noted, for their period may be on its way out. */
  readonly touchedBelow: number;
  /** The history of what is forgotten from here up to `touchedBelow` goes with its period. */
  readonly historyFrom: number;
}
export const NO_BORDERS: Borders = { touchedBelow: 0, historyFrom: 0 };

interface Numbers {
  readonly message: number;
  readonly delivery: number;
}

/** How long a period is to last where things are kept for so long at most. */
export const periodMs = (keepMs: number): number => Math.min(LONGEST_MS, Math.max(SHORTEST_MS, keepMs / PARTS));

/** Oldest first; the last that has begun is the one under way. */
export async function readPeriods(on: Connection): Promise<{ periods: readonly Period[]; current: Period }> {
  const [{ rows: periods }, given] = [
    await on.query<Period>('select * from periods order by number'),
    await readNumbers(on),
  ];
  // By the numbers that are given next.
  const hasBegun = (one: Period) => one.message_from <= given.message + 1 || one.delivery_from <= given.delivery + 1;
  return { periods, current: periods.findLast((one, index) => index === 0 || hasBegun(one))! };
}

export function bordersOf(periods: readonly Period[], current: Period): Borders {
  const whole = periods.find(({ history }) => history === 'whole');
  return { touchedBelow: current.message_from, historyFrom: whole?.message_from ?? 0 };
}

/**
 * Ends the period that has lasted long enough, and makes those that come. What cannot be had just now is for the next time.
 * @param at ms since the epoch
 */
export async function tendPeriods(on: Connection, at: number, lastsMs: number): Promise<void> {
  let { current } = await readPeriods(on);
  const begun = await receivedAt(on, 'id >= $1 order by id', current.message_from);
  const lastedMs = Math.max(HOUR_MS, at - (begun ?? at));
  const given = await readNumbers(on);
  const comingIn = (ms: number): Numbers => ({
    message: Math.ceil((Math.max(0, given.message - current.message_from) * ms) / lastedMs),
    delivery: Math.ceil((Math.max(0, given.delivery - current.delivery_from) * ms) / lastedMs),
  });
  const isOver = begun !== null && at - begun >= lastsMs;
  for (;;) {
    const { periods } = await readPeriods(on);
    const last = periods.at(-1)!;
    const soon = comingIn(AHEAD_MS);
    const isAhead =
      last.number >= current.number + AHEAD + Number(isOver) &&
      last.message_to > given.message + soon.message &&
      last.delivery_to > given.delivery + soon.delivery;
    if (isAhead) break;
    const expected = comingIn(lastsMs * ROOM);
    await addPeriod(on, last.message_to + expected.message, last.delivery_to + expected.delivery);
  }
  const { periods } = await readPeriods(on);
  const next = periods.find(({ number }) => number === current.number + 1)!;
  const isBeyond = given.message >= current.message_to || given.delivery >= current.delivery_to;
  if (isOver || isBeyond) current = next;
  // Also where only one of the two came so far by itself.
  await on.query(`select skip_numbers('message_ids', $1), skip_numbers('delivery_ids', $2)`, [
    current.message_from,
    current.delivery_from,
  ]);
}

/** Makes sure that there is a partition for each of these numbers: a journal that is copied brings its own. */
export async function coverNumbers(on: Connection, { message, delivery }: Numbers): Promise<void> {
  const { periods } = await readPeriods(on);
  const last = periods.at(-1)!;
  if (message < last.message_to && delivery < last.delivery_to) return;
  await addPeriod(on, message + LEAST_NUMBERS, delivery + LEAST_NUMBERS);
}

/** When the first message came of which that holds; null = there is none. */
export async function receivedAt(on: Connection, where: string, id: number): Promise<number | null> {
  const { rows } = await on.query<{ at: number }>(`select received_at as at from messages where ${where} limit 1`, [
    id,
  ]);
  return rows[0]?.at ?? null;
}

async function readNumbers(on: Connection): Promise<Numbers> {
  const { rows } = await on.query<Numbers>(
    `select coalesce(pg_sequence_last_value('message_ids'), 0) as message,
       coalesce(pg_sequence_last_value('delivery_ids'), 0) as delivery`,
  );
  return rows[0]!;
}

async function addPeriod(on: Connection, messageTo: number, deliveryTo: number): Promise<void> {
  const round = (to: number) => Math.ceil(to / LEAST_NUMBERS) * LEAST_NUMBERS;
  await inTransaction(on, async () => {
    await on.query('select add_period($1, $2)', [round(messageTo), round(deliveryTo)]);
  });
}

/** All of it or nothing, and no lock is waited for for long. */
export async function inTransaction<T>(on: Connection, work: () => Promise<T>): Promise<T> {
  await on.query('begin');
  try {
    await on.query(`set local lock_timeout = ${PERIODS_LOCK_MS}`);
    const done = await work();
    await on.query('commit');
    return done;
  } catch (error) {
    await on.query('rollback');
    throw error;
  }
}
