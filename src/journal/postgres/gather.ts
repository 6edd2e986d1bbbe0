import { hash } from 'node:crypto';
import type { Connection } from './connection.ts';
import { type Key, type KeySet, LOCKED, makeKeySet } from './keys.ts';
import { giveBack, NO_NUMBERS, takeNumbers } from './numbers.ts';
import { prepared } from './prepared.ts';
import { type Column, emptyRows, keyOf, type Numbers, namesOf, type Row, type Rows, type Scratch } from './scratch.ts';

/** Somebody else has a lock that was found to be needed too late to wait for it: all is to be begun again, with these. */
export interface Retry {
  readonly keys: KeySet;
}

export interface Gathered {
  readonly rows: Rows;
  /** Taken behind all that was read. */
  readonly numbers: Numbers;
  readonly keys: KeySet;
  /** Lanes of which only the first rows were read, and how many. */
  readonly cut: readonly { readonly rows: readonly Row[] }[];
}

/** A lane is read so far. Whoever takes more out of it than that reads further. */
const LANE_ROWS = 4;

export type Gather = ReturnType<typeof makeGather>;

/**
 * Locks what calls are about and reads all that they may look at. What is read names more that is to be locked and read,
 * until there is no more; usually there is none.
 *
 * The first locks are taken in sorted order, so that nodes wait for each other but never in a circle. What is found later
 * is only tried: who cannot have it lets go of everything and begins again with all that is known by then.
 */
export function makeGather({ columns }: Pick<Scratch, 'columns'>) {
  const list = (of: readonly Column[], alias: string) => of.map(({ name }) => `${alias}.${name}`).join(', ');
  const message = list(columns.messages, 'm');
  const delivery = list(columns.deliveries, 'd');
  const result = columns.results.map(({ name }) => `r.${name} as "r.${name}"`).join(', ');
  const core = `select ${delivery}, ${result}, exists (select 1 from bodies b where b.delivery_id = d.id) as "has body"
    from deliveries d join results r on r.id = d.result_id`;
  const sql = {
    lock: 'select pg_advisory_xact_lock(key) from unnest($1::bigint[]) as key',
    tryLock: 'select bool_and(pg_try_advisory_xact_lock(key)) as is_locked from unnest($1::bigint[]) as key',
    hash: `select ${message} from unnest($1::text[], $2::bytea[]) as k (channel, hash)
      join messages m on m.channel = k.channel and m.content_hash = k.hash`,
    message: `select ${message}, exists (select 1 from message_bytes b where b.message_id = m.id) as "has bytes",
        o.owed_at as "owed at"
      from messages m left join owed_acks o on o.message_id = m.id where m.id = any ($1::bigint[])`,
    // One of two has to have other bytes.
    namesake: `select ${message} from unnest($1::text[], $2::text[]) as k (channel, control_id) cross join lateral
      (select * from messages where channel = k.channel and control_id = k.control_id order by id limit 2) m`,
    results: `select ${namesOf(columns.results)} from results where key = any ($1::text[])`,
    ofResults: `${core} where r.key = any ($1::text[])`,
    once: `${core} where d.once_key = any ($1::text[])`,
    lacking: `${core} where d.need_key = any ($1::text[]) and d.ended = 'lacking'`,
    delivery: `${core} where d.id = any ($1::bigint[])`,
    ofMessages: `${core} where d.message_id = any ($1::bigint[])`,
    provisions: `select p.* from unnest($1::text[]) as k (key) cross join lateral
      (select key, message_id, at from provisions where key = k.key order by message_id limit 8) p`,
    provisionsOf: 'select key, message_id, at from provisions where message_id = any ($1::bigint[])',
    ackDeliveries: `select delivery_id from ack_deliveries
      where delivery_id in (select id from deliveries where message_id = any ($1::bigint[]))`,
    lane: `select ${delivery} from unnest($1::text[], $2::text[], $3::text[]) as k (lane_key, target, party) cross join lateral
      (select * from deliveries where lane_key = k.lane_key and target = k.target and party = k.party
         and state = 'waiting' order by place, id limit $4) d`,
  } as const;

  return async function gather(
    client: Connection,
    known: KeySet,
    wanted: Numbers,
    laneRows = LANE_ROWS,
  ): Promise<Gathered | Retry> {
    const rows = emptyRows();
    const keys = makeKeySet(known.all.values());
    const lanes = new Map<string, Row[]>();
    let pending = keys;
    let isFirst = true;
    let numbers: Numbers = NO_NUMBERS;

    const put = (table: keyof Rows, row: Row) => void rows[table].set(keyOf(table, row), row);
    const ask = async (text: string, ...values: readonly unknown[]): Promise<Row[]> =>
      (await client.query(prepared(text, values))).rows;

    while (pending.all.size > 0) {
      const found: Key[] = [];
      const putCore = (row: Row) => {
        const own: Row = {};
        const of: Row = {};
        for (const [name, value] of Object.entries(row)) {
          if (name.startsWith('r.')) of[name.slice(2)] = value;
          else if (name !== 'has body') own[name] = value;
        }
        put('deliveries', own);
        put('results', of);
        if ((row['has body'] as unknown) === true) put('bodies', { delivery_id: own.id!, body: 0 });
        found.push(...keysOfRow(own, of));
      };
      const asking: Promise<unknown>[] = [];
      /** Asked only for what there is. */
      const read = (
        text: string,
        of: readonly (readonly unknown[])[],
        take: (row: Row) => void,
        ...more: unknown[]
      ) => {
        if (of.length === 0) return;
        const parameters = of[0]!.map((_, index) => of.map((key) => key[index]));
        asking.push(ask(text, ...parameters, ...more).then((answer) => answer.forEach(take)));
      };

      const locks = lockNumbers(pending);
      const locking = locks.length === 0 ? null : client.query(prepared(isFirst ? sql.lock : sql.tryLock, [locks]));
      read(
        sql.hash,
        pending.of('hash').map(([, channel, hex]) => [channel, Buffer.from(hex, 'hex')]),
        ({ id }) => {
          found.push(['message', id as number], ['of-message', id as number]);
        },
      );
      read(
        sql.message,
        pending.of('message').map(([, id]) => [id]),
        (row) => {
          const { 'has bytes': hasBytes, 'owed at': owedAt, ...own } = row;
          put('messages', own);
          if ((hasBytes as unknown) === true) put('message_bytes', { message_id: own.id!, bytes: 0 });
          if (owedAt !== null) put('owed_acks', { message_id: own.id!, channel: own.channel!, owed_at: owedAt! });
        },
      );
      read(
        sql.namesake,
        pending.of('namesake').map(([, ...of]) => of),
        (row) => {
          if (!rows.messages.has(keyOf('messages', row))) put('messages', row);
        },
      );
      const ofResults = pending.of('result').map(([, key]) => [key]);
      read(sql.results, ofResults, (row) => put('results', row));
      read(sql.ofResults, ofResults, putCore);
      read(
        sql.once,
        pending.of('once').map(([, key]) => [key]),
        putCore,
      );
      const needed = pending.of('need').map(([, key]) => [key]);
      read(sql.lacking, needed, putCore);
      read(sql.provisions, needed, (row) => put('provisions', row));
      read(
        sql.delivery,
        pending.of('delivery').map(([, id]) => [id]),
        putCore,
      );
      const ofMessages = pending.of('of-message').map(([, id]) => [id]);
      read(sql.ofMessages, ofMessages, putCore);
      read(sql.provisionsOf, ofMessages, (row) => put('provisions', row));
      read(sql.ackDeliveries, ofMessages, (row) => put('ack_deliveries', row));
      read(
        sql.lane,
        pending.of('lane').map(([, ...of]) => of),
        (row) => {
          put('deliveries', row);
          const lane = [row.lane_key, row.target, row.party].join('\0');
          const of = lanes.get(lane);
          if (of === undefined) lanes.set(lane, [row]);
          else of.push(row);
        },
        laneRows,
      );
      // Those of the round before were taken too early.
      if (!isFirst) asking.push(giveBack(client, numbers, wanted, NO_NUMBERS));
      const [locked, taken] = await Promise.all([locking, takeNumbers(client, wanted), ...asking]);
      numbers = taken;

      const next = makeKeySet(found.filter((key) => !keys.has(key)));
      for (const key of next.all.values()) keys.add(key);
      if (!isFirst && locked !== null && locked.rows[0].is_locked !== true) {
        await giveBack(client, numbers, wanted, NO_NUMBERS);
        return { keys };
      }
      pending = next;
      isFirst = false;
    }
    return {
      rows,
      keys,
      numbers,
      cut: [...lanes.values()].filter((of) => of.length === laneRows).map((of) => ({ rows: of })),
    };
  };
}

/** What a delivery that was read belongs to. */
function keysOfRow(delivery: Row, result: Row): Key[] {
  const found: Key[] = [['result', result.key as string]];
  const { once_key: once, ended, state, superseded_by: overtakenBy } = delivery;
  if (once !== null) found.push(['once', once as string]);
  if (overtakenBy !== null) found.push(['message', overtakenBy as number]);
  if (ended === 'lacking') found.push(['message', delivery.message_id as number]);
  // What is cancelled in this way may come back to its lane.
  if (state === 'waiting' || state === 'held' || ended === 'lacking' || ended === 'not-first') {
    found.push(['lane', delivery.lane_key as string, delivery.target as string, delivery.party as string]);
  }
  return found;
}

/** The locks of keys, as PostgreSQL counts them, in the order in which all take them. */
function lockNumbers(keys: KeySet): string[] {
  const numbers = new Set<bigint>();
  for (const [name, [kind]] of keys.all) {
    if (LOCKED.includes(kind)) numbers.add(Buffer.from(hash('sha1', name), 'hex').readBigInt64BE());
  }
  return [...numbers].sort((a, b) => (a < b ? -1 : 1)).map(String);
}
