/*
 * Several nodes, one journal. Any node takes messages, any node delivers; there is no leader, and nothing that all wait for.
 *
 * - A node (nodes.ts) has a name, held by a lock of its connection, and a lease, renewed by signs of life. What it has in
 *   flight is its own while the lease lasts; afterwards any other node ends it as in doubt. An end that comes later than
 *   that is of an attempt that is not the current one, changes nothing, and is `fenced`.
 * - Whatever waits in a node goes into one transaction (writer.ts): the rows it is about are locked by what they belong to
 *   and read (keys.ts, gather.ts), decided upon on scratch paper by the code of the SQLite journal (scratch.ts), and what
 *   differs is written (write.ts).
 * - A claim (claim.ts) is one statement over the heads of lanes. It takes no locks but of the rows it takes, and skips what
 *   others just have; whoever read such a row before notices when he writes, and begins again (`Overtaken`).
 * - Nodes wake each other by NOTIFY; a sign of life wakes, too, in case one was lost.
 * - What commits is what was answered: where a connection breaks before the server has said so, every call of the
 *   transaction fails as `journal-failed`. Who sends the same again finds out what became of it.
 */
import type { Clock } from '../contracts/clock.ts';
import type { Admission, AttemptEnd, Claimed, Journal, JournalChange, PruneBite } from '../contracts/journal.ts';
import type { Log } from '../contracts/log.ts';
import { type Caller, makeJournal } from './journal.ts';
import type { PostgresAddress } from './postgres/address.ts';
import { makeArrivalCounts } from './postgres/arrival-counts.ts';
import { errorCode, makeConnector } from './postgres/connection.ts';
import { joinNodes, type NodeFacts, type Orphan, type SeenNode } from './postgres/nodes.ts';
import { makeReader } from './postgres/reader.ts';
import { makeRetirement } from './postgres/retirement.ts';
import { migrate, refuseHalfCopy } from './postgres/schema.ts';
import { makeWriter } from './postgres/writer.ts';
import { plainFault } from './results.ts';

export interface PostgresJournalOptions {
  readonly address: PostgresAddress;
  /** ms since the epoch: when the attempts that a crash cut off are recorded as ended. */
  readonly now: number;
  /** What time it is when a node turns out to be gone; absent = always `now`. */
  readonly clock?: Pick<Clock, 'now'>;
  readonly log?: Log;
  /** Name of this node; null = the machine's. Of two with one name the second is called `name-2`. */
  readonly node?: string | null;
  /** After so long without a sign of life the others take a node's attempts for cut off. Default 15 s. */
  readonly leaseMs?: number;
  /** What the node runs as it starts; see `declare`. */
  readonly facts?: NodeFacts;
  /** As with SQLite. */
  readonly maxQueued?: number;
  readonly maxQueuedBytes?: number;
  readonly maxBatch?: number;
}

/** What only a journal for several nodes can say. */
export interface PostgresJournal extends Journal {
  /** Name of this node. */
  readonly node: string;
  nodes(): Promise<readonly SeenNode[]>;
  /** From now on says, with each sign of life, what this node runs. */
  declare(facts: () => NodeFacts): Promise<void>;
}

/**
 * Opens the journal in a PostgreSQL database, making its tables where there are none, and takes a place among its nodes.
 * Attempts that the last run of this node left are ended at once, those of other nodes when their lease is over: each waits
 * again, or is held, as its operation says.
 * @throws Error in words: no server, a version more than one ahead wrote it, a node more than one behind runs, half a copy, too
 * many nodes of the name
 */
export async function openPostgresJournal(options: PostgresJournalOptions): Promise<PostgresJournal> {
  const {
    address,
    now,
    log,
    leaseMs = 15_000,
    maxQueued = 10_000,
    maxQueuedBytes = 128 << 20,
    maxBatch = 256,
  } = options;
  const connect = makeConnector(address);
  const onError = (error: string) => log?.error('journal-error', { error });
  const retirement = makeRetirement(() => connect('retention'), onError);
  const first = await connect('schema');
  try {
    await migrate(first);
    await refuseHalfCopy(first);
    await retirement.open(first);
  } finally {
    await first.end();
  }
  let listener: (change: JournalChange) => void = () => {};
  const node = await joinNodes({
    connect: () => connect('node'),
    name: options.node ?? null,
    leaseMs,
    ...(options.facts === undefined ? {} : { facts: options.facts }),
    onError,
    onNotice(notice) {
      if (notice === 'gone') void takeOver();
      else listener(notice);
    },
    onBeat: () => void writeArrivals().catch(() => {}),
  });
  const arrivals = makeArrivalCounts();
  const writer = makeWriter({
    connect: () => connect('writer'),
    node: node.number,
    maxBatch,
    borders: retirement.borders,
    onError,
    onWritten({ isForOthers, arePauses }) {
      if (isForOthers) node.tell('deliveries');
      if (arePauses) node.tell('pauses');
    },
  });
  const reader = makeReader(() => connect('reader'), node.number, onError);
  let takingOver: Promise<void> | null = null;
  let isClosing = false;

  const writeArrivals = async () => {
    const hours = arrivals.take();
    if (hours.length > 0) await writer.call('addArrivals', hours);
  };
  /** Ends attempts that nobody sees through any more; what another node was quicker at is fenced. */
  const recover = async (orphans: readonly Orphan[], at: number) => {
    const ends = orphans.map((orphan) => writer.call('record', endOf(orphan, at)));
    await Promise.all(ends);
    if (orphans.length > 0) log?.warn('attempts-recovered', { count: orphans.length });
  };
  const takeOver = () => {
    // Who stops beside us is for those that go on, and what is closed would be opened again.
    if (isClosing) return takingOver;
    takingOver ??= (async () => {
      await recover(await reader.call<Orphan[]>('listOrphans'), options.clock?.now() ?? now);
      listener('orphans');
    })()
      .catch((error: unknown) => onError(errorCode(error)))
      .finally(() => {
        takingOver = null;
      });
    return takingOver;
  };

  try {
    await recover(await reader.call<Orphan[]>('listOwnOrphans'), now);
  } catch (error) {
    await Promise.allSettled([reader.close(), writer.close(), node.close()]);
    throw error;
  }

  const ownWriter: Caller = {
    async call<T>(name: string, ...args: unknown[]): Promise<T> {
      if (name === 'admit') {
        const { channel, receivedAt } = args[0] as Admission;
        arrivals.note(channel, receivedAt);
      }
      if (name === 'prune') {
        const bite = args[0] as PruneBite;
        return ((await retirement.step(bite)) ?? (await writer.call('prune', bite, retirement.left()))) as T;
      }
      // Nobody would wait for what we take now; the next sign of life wakes whoever claims.
      if (name === 'claim' && !node.mayBegin()) return { deliveries: [], expired: [], nextDueAt: null } as T;
      const done = await writer.call<T>(name, ...args);
      if (name !== 'claim' || node.mayBegin()) return done;
      // We were stopped for so long that others may be about these by now. Nothing has been sent yet.
      const claimed = done as Claimed;
      for (const { id, attempt } of claimed.deliveries)
        await writer.call('record', unsentEnd(id, attempt, args[1] as number));
      return { ...claimed, deliveries: [] } as T;
    },
    async close() {
      await takingOver;
      await writeArrivals().catch(() => {});
      await retirement.close();
      await writer.close();
    },
  };
  const ownReader: Caller = {
    async call<T>(name: string, ...args: unknown[]): Promise<T> {
      if (name === 'readArrivals') await writeArrivals();
      return await reader.call<T>(name, ...args);
    },
    async close() {
      isClosing = true;
      await takingOver;
      await reader.close();
    },
  };
  const journal = makeJournal(ownWriter, ownReader, { maxQueued, maxQueuedBytes }, () => node.close());
  return {
    ...journal,
    node: node.name,
    nodes: () => reader.call('listNodes'),
    declare: node.declare,
    hold: async (name) => node.holdsLease() && (await ownWriter.call<boolean>('hold', name)),
    letGo: (name) => ownWriter.call('letGo', name),
    isReachable: node.holdsLease,
    onChange(told) {
      listener = told;
    },
  };
}

/** Sent again where its operation permits, else held: nobody knows whether it arrived. */
function endOf({ id, attempts, attemptedAt, inDoubt }: Orphan, at: number): AttemptEnd {
  const fault = plainFault('in-doubt');
  return {
    deliveryId: id,
    attempt: attempts,
    at,
    durationMs: 0,
    outcome: inDoubt === 'repeat' ? { state: 'waiting', nextAt: attemptedAt, fault } : { state: 'held', fault },
    response: null,
    followUps: [],
  };
}

function unsentEnd(deliveryId: number, attempt: number, at: number): AttemptEnd {
  const outcome = { state: 'waiting', nextAt: at, fault: plainFault('journal-failed') } as const;
  return { deliveryId, attempt, at, durationMs: 0, outcome, response: null, followUps: [] };
}
