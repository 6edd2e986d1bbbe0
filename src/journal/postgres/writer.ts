import { Fault } from '../../contracts/fault.ts';
import type { Claimed, PruneBite, Pruned, Slot } from '../../contracts/journal.ts';
import type { Reply, Request } from '../group-commit.ts';
import type { Caller } from '../journal.ts';
import { makeClaims } from './claim.ts';
import { type Connection, errorCode } from './connection.ts';
import { type Gathered, makeGather, type Retry } from './gather.ts';
import { type KeySet, keysOfCall, makeKeySet, numbersOfCall } from './keys.ts';
import { giveBack, NO_NUMBERS } from './numbers.ts';
import type { Borders } from './periods.ts';
import { makePlainWrites } from './plain-writes.ts';
import { readBite } from './prune.ts';
import type { Range } from './retirement.ts';
import { type Changes, makeScratch, type Numbers } from './scratch.ts';
import { makeWrite, OVERTAKEN, settleAll } from './write.ts';

/** Keys of one transaction, about: each is a lock, and the server has so many for all its sessions. */
const MAX_KEYS = 1_000;
/** What others were quicker at is tried so often. */
const MOST_TRIES = 20;
/** Deadlock, serialization failure, a lock waited for too long, a number or name somebody else took just now. */
const AGAIN = ['40P01', '40001', '55P03', '23505', OVERTAKEN];
/** Wrong in what was to be stored, or too much for the server's locks at once: each call is tried alone. */
const OF_CONTENT = /^(22|23|42|54|53200)/;

interface Waiting {
  readonly request: Request;
  readonly resolve: (value: never) => void;
  readonly reject: (fault: Fault) => void;
}

export interface WriterParts {
  /** A new connection; the writer has one at a time. */
  readonly connect: () => Promise<Connection>;
  /** The number of this node. @throws Fault where it may not write any more */
  readonly node: () => number;
  readonly maxBatch: number;
  /** Of the periods: what is written of messages that are older is noted. */
  readonly borders: () => Borders;
  readonly onError: (code: string) => void;
  /** Something was committed that other nodes may want to know. */
  readonly onWritten: (what: { readonly isForOthers: boolean; readonly arePauses: boolean }) => void;
}

/**
 * The writing half of a node: whatever waits while a transaction runs goes into the next, and one that is bad fails alone.
 * A reply leaves only after the server has said that it committed; where the connection breaks before it has, nobody knows
 * whether it did, and every call of that transaction fails.
 */
export function makeWriter({ connect, node, maxBatch, borders, onError, onWritten }: WriterParts): Caller {
  const scratch = makeScratch();
  const gather = makeGather(scratch);
  const write = makeWrite(scratch, borders);
  const claims = makeClaims(node);
  const plainWrites = makePlainWrites(node);
  const queue: Waiting[] = [];
  let client: Connection | null = null;
  let pumping: Promise<void> | null = null;
  let lastId = 0;
  /** Of the transaction under way: another node might claim what it leaves. */
  let isForOthers = false;

  function start() {
    pumping ??= new Promise<void>((go) => setImmediate(go)).then(pump).finally(() => {
      pumping = null;
      // A call between the last look at the queue and this moment would wait for the next one.
      if (queue.length > 0) start();
    });
  }

  async function pump() {
    while (queue.length > 0) {
      const batch = takeBatch();
      await commit(batch);
    }
  }

  /** As many as wait, but of what is only for itself one at a time. */
  function takeBatch(): Waiting[] {
    let size = 0;
    for (let keys = 0; size < queue.length && size < maxBatch && keys < MAX_KEYS; size++) {
      const { request } = queue[size]!;
      if (request.call === 'prune' && size > 0) break;
      keys += keysOfCall(request, claims.hintsOf).length;
      if (request.call === 'prune') return queue.splice(0, 1);
    }
    return queue.splice(0, size);
  }

  async function commit(batch: readonly Waiting[]) {
    let replies: Reply[];
    try {
      replies = await commitAgain(batch.map(({ request }) => request));
    } catch (error) {
      const code = error instanceof Fault ? error.code : errorCode(error);
      if (batch.length > 1 && OF_CONTENT.test(code)) {
        for (const one of batch) await commit([one]);
        return;
      }
      onError(code);
      if (!isOfServer(error)) await disconnect();
      const fault = () =>
        error instanceof Fault ? new Fault(error.code, error.record) : new Fault('journal-failed', { detail: code });
      for (const { reject } of batch) reject(fault());
      // What waits behind a message that was not stored may be of the same sender: stored now, it would overtake it.
      const isBehind = (one: Waiting) =>
        one.request.call === 'admit' && batch.some(({ request }) => request.call === 'admit');
      for (const one of queue.splice(0)) {
        if (isBehind(one)) one.reject(fault());
        else queue.push(one);
      }
      return;
    }
    for (const [index, reply] of replies.entries()) {
      const { resolve, reject, request } = batch[index]!;
      if ('value' in reply) {
        if (request.call === 'record') claims.forget((request.args[0] as { deliveryId: number }).deliveryId);
        resolve(reply.value as never);
        continue;
      }
      if (reply.error !== null) onError(reply.error);
      reject(new Fault(reply.fault.code, reply.fault));
    }
    onWritten({
      isForOthers,
      arePauses: batch.some(({ request: { call } }) => call === 'pause' || call === 'resume'),
    });
  }

  async function reach(): Promise<Connection> {
    const made = await connect();
    // One that ended while nothing was asked of it fails nobody.
    made.once('end', () => {
      if (client === made) client = null;
    });
    return made;
  }

  /** Until nobody comes between. */
  async function commitAgain(requests: readonly Request[]): Promise<Reply[]> {
    let known: KeySet | null = null;
    let laneRows: number | undefined;
    for (let left = MOST_TRIES; ; left--) {
      client ??= await reach();
      try {
        const done = await transact(client, requests, known, laneRows);
        if ('replies' in done) return done.replies;
        known = done.keys ?? known;
        laneRows = done.laneRows ?? laneRows;
      } catch (error) {
        await rollback(client, error);
        if (left === 0 || !AGAIN.includes(errorCode(error))) throw error;
      }
    }
  }

  async function transact(
    on: Connection,
    requests: readonly Request[],
    known: KeySet | null,
    laneRows: number | undefined,
  ): Promise<{ readonly replies: Reply[] } | Again> {
    const replies = new Map<number, Reply>();
    const plain = requests.filter(({ call }) => plainWrites.has(call));
    const claiming = requests.filter(({ call }) => call === 'claim');
    const decided = requests.filter((request) => !plain.includes(request) && !claiming.includes(request));
    isForOthers = false;
    const begun = on.query('begin');
    // Whatever is asked behind it fails as well, and says so.
    begun.catch(() => {});
    const first = decided[0];
    if (first !== undefined && first.call === 'prune') {
      await begun;
      const reply = await prune(on, first);
      await end(on);
      return { replies: [reply] };
    }
    let keys = known;
    if (decided.length > 0) {
      keys ??= makeKeySet(decided.flatMap((request) => keysOfCall(request, claims.hintsOf)));
      const done = await decide(on, decided, keys, laneRows);
      await begun;
      if (!('replies' in done)) {
        await on.query('rollback');
        return done;
      }
      for (const reply of done.replies) replies.set(reply.id, reply);
      // What is only written travels with its commit, which becomes a rollback where a write fails.
      const isLast = plain.length === 0 && claiming.length === 0;
      await settleAll(isLast ? [done.writing, end(on)] : [done.writing]);
      if (isLast) return { replies: requests.map(({ id }) => replies.get(id)!) };
    }
    await begun;
    for (const { id, call, args } of plain) replies.set(id, { id, value: await plainWrites.run(on, call, args) });
    for (const { id, args } of claiming) {
      const [slots, now] = args as [readonly Slot[], number];
      replies.set(id, { id, value: await claim(on, slots, now) });
    }
    await end(on);
    return { replies: requests.map(({ id }) => replies.get(id)!) };
  }

  /** Decides on scratch paper, and begins to write what came of it. */
  async function decide(
    on: Connection,
    requests: readonly Request[],
    known: KeySet,
    laneRows: number | undefined,
  ): Promise<Decided | Again> {
    const wanted = requests.map(numbersOfCall).reduce(addNumbers, NO_NUMBERS);
    const gathered: Gathered | Retry = await gather(on, known, wanted, laneRows);
    if (!('rows' in gathered)) return { keys: gathered.keys };
    const { numbers } = gathered;
    const { replies, changes } = scratch.decide(gathered.rows, numbers, requests);
    if (gathered.cut.some(({ rows }) => isUsedUp(rows, changes))) {
      await giveBack(on, numbers, wanted, NO_NUMBERS);
      return { keys: gathered.keys, laneRows: (laneRows ?? 4) * 8 };
    }
    isForOthers ||= changes.rows.deliveries.some(({ after }) => after?.turn === 'ready' || after?.turn === 'timed');
    const used = (table: keyof Numbers) => changes.rows[table].filter(({ before }) => before === null).length;
    const counts = { messages: used('messages'), deliveries: used('deliveries'), results: used('results') };
    const writing = settleAll([giveBack(on, numbers, wanted, counts), write(on, changes, node())]);
    return { replies, writing };
  }

  function claim(on: Connection, slots: readonly Slot[], now: number): Promise<Claimed> {
    return claims.claim(on, slots, now, async (ids) => {
      const requests = ids.map((id) => ({ id, call: 'endOverdue', args: [id, now] }));
      const found = makeKeySet(requests.flatMap((request) => keysOfCall(request, claims.hintsOf)));
      const done = await decide(on, requests, found, ids.length + 4);
      // Somebody else is about one of them; it is met again.
      if (!('replies' in done)) return new Map();
      await done.writing;
      const ends = done.replies.flatMap((reply) =>
        'value' in reply && reply.value !== null ? [[reply.id, reply.value]] : [],
      );
      return new Map(ends as [number, 'expired' | 'held'][]);
    });
  }

  async function prune(on: Connection, request: Request): Promise<Reply> {
    const read = await readBite(on, request.args as [PruneBite, readonly Range[]], gather, scratch.columns);
    if (read === null) return { id: request.id, value: NOTHING_PRUNED };
    if ('pruned' in read) return { id: request.id, value: read.pruned };
    const { replies, changes } = scratch.decide(read.rows, NO_NUMBERS, [request]);
    await write(on, changes, node());
    return replies[0]!;
  }

  async function end(on: Connection) {
    const { command } = await on.query('commit');
    if (command !== 'COMMIT') throw new Fault('journal-failed', { detail: 'rolled back' });
  }

  async function rollback(on: Connection, error: unknown) {
    if (!isOfServer(error)) return await disconnect();
    await on.query('rollback').catch(disconnect);
  }

  async function disconnect() {
    const lost = client;
    client = null;
    // Its end may take as long as the network does.
    void lost?.end().catch(() => {});
  }

  return {
    call: (call, ...args) =>
      new Promise((resolve, reject) => {
        queue.push({ request: { id: ++lastId, call, args }, resolve, reject });
        start();
      }),
    async close() {
      while (pumping !== null) await pumping;
      await client?.end().catch(() => {});
      scratch.close();
    },
  };
}

const NOTHING_PRUNED: Pruned = { count: 0, bytes: 0, next: null, channels: [] };

/** To be begun anew, with all that is known by now. */
interface Again {
  readonly keys?: KeySet;
  readonly laneRows?: number;
}

interface Decided {
  readonly replies: Reply[];
  readonly writing: Promise<void>;
}

/** The server said no, or we did; the connection itself is sound. */
function isOfServer(error: unknown): boolean {
  if (error instanceof Fault) return true;
  const code = errorCode(error);
  // 08: connection, 57P: the server is going down, 25006: it only follows another by now.
  return /^[0-9A-Z]{5}$/.test(code) && !/^(08|57P|25006|25P03)/.test(code);
}

function addNumbers(a: Numbers, b: Numbers): Numbers {
  return { messages: a.messages + b.messages, deliveries: a.deliveries + b.deliveries, results: a.results + b.results };
}

/** Nothing of what was read of a lane still stands where it stood, so nobody knows what comes first now. */
function isUsedUp(rows: readonly Record<string, unknown>[], changes: Changes): boolean {
  const moved = new Set(
    changes.rows.deliveries
      .filter(({ before, after }) => before !== null && (after?.state !== 'waiting' || after.place !== before.place))
      .map(({ before }) => before!.id),
  );
  return rows.every(({ id }) => moved.has(id as number));
}
