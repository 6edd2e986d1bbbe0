import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { Fault } from '../../contracts/fault.ts';
import { type Connection, errorCode } from './connection.ts';
import { POSTGRES_MIGRATIONS } from './migrations.ts';
import { prepared } from './prepared.ts';
import { isTooNew, refuseUnfit } from './schema.ts';

/** What a node says of itself, for whoever wants to know which run side by side. */
export interface NodeFacts {
  readonly version: string;
  /** Hashes. */
  readonly configuration: string;
  readonly mapping: string;
}

/** A node as all can see it. */
export interface SeenNode extends NodeFacts {
  readonly name: string;
  readonly number: number;
  readonly isAlive: boolean;
  /** ms since the epoch, by the server's clock. */
  readonly startedAt: number;
  readonly seenAt: number;
  /** What it alone does: `channel lab-files`. */
  readonly holds: readonly string[];
}

/** An attempt of a node whose lease is over. */
export interface Orphan {
  readonly id: number;
  readonly attempts: number;
  readonly attemptedAt: number;
  readonly inDoubt: 'repeat' | 'hold';
}

/** What one node tells the others, and hears of them. */
export type Notice = 'deliveries' | 'pauses' | 'gone' | 'lost';
/** What is told; a newer version may tell more, which is not for this one. */
const TOLD: readonly string[] = ['deliveries', 'pauses'] satisfies readonly Notice[];
const NO_FACTS: NodeFacts = { version: '', configuration: '', mapping: '' };

export interface NodeParts {
  readonly connect: () => Promise<Connection>;
  /** null = the machine's; another with the same name gets `-2`. */
  readonly name: string | null;
  readonly leaseMs: number;
  /** What it runs as it starts; absent = nobody is told. */
  readonly facts?: NodeFacts;
  readonly onNotice: (notice: Notice) => void;
  /** A sign of life is about to be given. */
  readonly onBeat: () => void;
  readonly onError: (code: string) => void;
}

/** How long to wait for the last run of this name to be known to have ended. */
const NAME_TRIES = 5;
const NAME_AGAIN_MS = 200;
const MOST_NODES = 100;
/** Part of the lease after which what is under way is called off, and nothing more is begun. */
const LOST_AFTER = 0.8;
const CHANNEL = 'sluss';

export type LiveNode = Awaited<ReturnType<typeof joinNodes>>;

/**
 * Takes a place among the nodes: a name nobody else has, held by a lock of this connection, and a lease that is renewed
 * for as long as the node lives. Attempts of a node whose lease is over are for the others to judge.
 */
export async function joinNodes(parts: NodeParts) {
  const { connect, leaseMs, onNotice, onBeat, onError } = parts;
  const run = randomUUID();
  let facts = (): NodeFacts => parts.facts ?? NO_FACTS;
  let client: Connection | null = null;
  let beating: Promise<void> | null = null;
  let timer: NodeJS.Timeout | null = null;
  let isClosed = false;
  /** By the clock of this process that no one sets: until then nobody takes our attempts for orphans. */
  let heldUntil = 0;
  let losing: NodeJS.Timeout | null = null;
  let notices = new Set<Notice>();
  let hasOthers = false;
  /** Nodes that were gone at the last look. */
  let gone: ReadonlySet<number> = new Set();

  const lockName = async (on: Connection, name: string): Promise<boolean> => {
    const sql = `select pg_try_advisory_lock(hashtextextended('sluss node ' || $1, 0)) as is_locked`;
    return (await on.query(prepared(sql, [name]))).rows[0].is_locked;
  };

  const begin = await connect();
  let name = parts.name ?? hostname();
  let isLocked = false;
  for (let left = NAME_TRIES; left > 0 && !isLocked; left--) {
    isLocked = await lockName(begin, name);
    if (!isLocked && left > 1) await new Promise((resolve) => setTimeout(resolve, NAME_AGAIN_MS));
  }
  for (let n = 2; !isLocked && n < MOST_NODES; n++) {
    name = `${parts.name ?? hostname()}-${n}`;
    isLocked = await lockName(begin, name);
  }
  if (!isLocked) throw new Error(`there are too many nodes named ${name}`);
  const registered = await begin.query<{ number: number }>(
    prepared(
      `insert into nodes (name, run, started_at, seen_at, lease_until, version, configuration, mapping, schema)
       values ($1, $2, now(), now(), now() + $3 * interval '1 millisecond', $4, $5, $6, $7)
       on conflict (name) do update set run = excluded.run, started_at = excluded.started_at, seen_at = excluded.seen_at,
         lease_until = excluded.lease_until, version = excluded.version, configuration = excluded.configuration,
         mapping = excluded.mapping, schema = excluded.schema
       returning number`,
      [name, run, leaseMs, facts().version, facts().configuration, facts().mapping, POSTGRES_MIGRATIONS.length],
    ),
  );
  const { number } = registered.rows[0]!;
  try {
    // Whoever began to copy a journal into it meanwhile has looked for nodes after that, or will be seen here.
    await refuseUnfit(begin);
  } catch (error) {
    await begin.query(prepared('update nodes set lease_until = now() where number = $1', [number]));
    await begin.end();
    throw error;
  }
  /** Why it may not write any more. */
  let ousted: string | null = null;
  await listen(begin);
  hold(performance.now());

  function hold(from: number) {
    heldUntil = from + leaseMs;
    if (losing !== null) clearTimeout(losing);
    // What is under way needs a moment to end.
    losing = setTimeout(() => onNotice('lost'), leaseMs * LOST_AFTER);
    losing.unref();
  }

  async function listen(on: Connection) {
    on.on('notification', ({ payload }) => {
      const [from, notice] = (payload ?? '').split(' ');
      if (from !== String(number) && TOLD.includes(notice ?? '')) onNotice(notice as Notice);
    });
    on.on('error', () => {
      if (client === on) client = null;
    });
    on.on('end', () => {
      if (client === on) client = null;
    });
    await on.query(`listen ${CHANNEL}`);
    client = on;
  }

  /** The connection that holds the name. */
  async function reach(): Promise<Connection> {
    if (client !== null) return client;
    const on = await connect();
    if (!(await lockName(on, name))) {
      await on.end();
      throw new Error('another node has our name');
    }
    await listen(on);
    return on;
  }

  async function beat() {
    const asked = performance.now();
    const on = await reach();
    const sql = `update nodes set seen_at = now(), lease_until = now() + $3 * interval '1 millisecond', version = $4,
        configuration = $5, mapping = $6
      where number = $1 and run = $2 returning (select version from schema_version) as schema`;
    const { version, configuration, mapping } = facts();
    const { rows } = await on.query(prepared(sql, [number, run, leaseMs, version, configuration, mapping]));
    if (rows.length === 0) ousted = 'another process runs as this node';
    // Who slept through two upgrades was not there to be looked for.
    else if (isTooNew(rows[0].schema, POSTGRES_MIGRATIONS.length)) ousted = 'a newer version changed the tables twice';
    if (ousted !== null) throw new Error(ousted);
    hold(asked);
    const { rows: others } = await on.query<{ number: number; isAlive: boolean }>(
      prepared('select number, lease_until > now() as "isAlive" from nodes where number <> $1', [number]),
    );
    hasOthers = others.some(({ isAlive }) => isAlive);
    const dead = others.filter(({ isAlive }) => !isAlive).map((one) => one.number);
    // Of one that is gone there may be messages and acknowledgements, whether or not it was about any delivery.
    const isNew = dead.some((one) => !gone.has(one));
    gone = new Set(dead);
    if (isNew || (await on.query(prepared(ORPHANS, [number]))).rows.length > 0) onNotice('gone');
    // In case a notice was lost.
    onNotice('deliveries');
  }

  function schedule(afterMs: number) {
    if (isClosed) return;
    timer = setTimeout(() => {
      onBeat();
      beating = beat()
        .catch((error: unknown) => onError(errorCode(error)))
        .finally(() => {
          beating = null;
          schedule(leaseMs / 5);
        });
    }, afterMs);
    timer.unref();
  }
  schedule(leaseMs / 5);

  let telling: Promise<void> | null = null;
  async function tellAll() {
    // Whatever happens in this turn is told together: a notice costs the server as much as a small commit.
    await new Promise((resolve) => setTimeout(resolve, 5));
    const told = notices;
    notices = new Set();
    const on = client;
    if (on === null) return;
    for (const notice of told) {
      await on.query(prepared(`select pg_notify('${CHANNEL}', $1)`, [`${number} ${notice}`]));
    }
  }

  return {
    name,
    /** @throws Fault `journal-failed` where another process runs under our name, or two versions came since */
    number(): number {
      if (ousted !== null) throw new Fault('journal-failed', { detail: ousted });
      return number;
    },
    /** False = others may take our attempts for orphans by now. */
    holdsLease: (): boolean => ousted === null && performance.now() < heldUntil,
    /** False = what was begun now would be called off at once, or never. */
    mayBegin: (): boolean => ousted === null && performance.now() < heldUntil - leaseMs * (1 - LOST_AFTER),
    tell(notice: Notice): void {
      if (isClosed || (!hasOthers && notice === 'deliveries')) return;
      notices.add(notice);
      telling ??= tellAll()
        .catch((error: unknown) => onError(errorCode(error)))
        .finally(() => {
          telling = null;
        });
    },
    /** Says what it runs, from now on. */
    async declare(next: () => NodeFacts): Promise<void> {
      facts = next;
      await beat();
    },
    async close(): Promise<void> {
      isClosed = true;
      if (timer !== null) clearTimeout(timer);
      if (losing !== null) clearTimeout(losing);
      await beating;
      await telling;
      const on = client;
      client = null;
      if (on === null) return;
      const sql = 'update nodes set lease_until = now() where number = $1 and run = $2';
      await on.query(prepared(sql, [number, run])).catch(() => {});
      await on.end().catch(() => {});
    },
  };
}

const ORPHAN = `select d.id, d.attempts, d.attempted_at as "attemptedAt", d.in_doubt as "inDoubt" from deliveries d
  where d.turn = 'flight'`;
/** Attempts of nodes whose lease is over, but of this one. */
export const ORPHANS = `${ORPHAN} and d.node in (select number from nodes where lease_until < now() and number <> $1)
  order by d.id limit 1000`;
/** Attempts that the last run of this node left. */
export const OWN_ORPHANS = `${ORPHAN} and d.node = $1 order by d.id`;

export const NODES = `select number, name, version, configuration, mapping, lease_until > now() as "isAlive",
    (extract(epoch from started_at) * 1000)::bigint as "startedAt", (extract(epoch from seen_at) * 1000)::bigint as "seenAt",
    array(select h.name from holds h where h.node = number order by h.name) as holds
  from nodes order by name`;
