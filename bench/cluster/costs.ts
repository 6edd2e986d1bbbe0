import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { forkChild } from '../whole/child.ts';
import { readSpentMs } from '../whole/processor.ts';
import type { SenderOrder, SenderSaid } from '../whole/sender.ts';
import type { StandInOrder } from '../whole/stand-in.ts';
import type { Cost, Idle, Path, PathCosts } from './model.ts';
import { type ClusterUnderLoad, openCluster } from './open-cluster.ts';
import { allTold, openServerMeter, type ServerCounters, type ServerMeter } from './server-meter.ts';

/** What is kept for as long as the bytes are, with default names of the journal's tables; all else is known for longer. */
const KEPT = ['message_bytes', 'bodies', 'responses'];

interface Snapshot extends ServerCounters {
  readonly nodeMs: number;
  readonly mainMs: number;
}

/** How a load is sent: as many under way as make large groups, or one only. */
interface Manner {
  readonly connections: number;
  readonly window: number;
  /** Answered and not yet delivered, at most. */
  readonly backlog: number;
}

const CROWDED: Manner = { connections: 24, window: 8, backlog: 2_000 };
const ALONE: Manner = { connections: 1, window: 1, backlog: 1 };
const ANSWERS: Readonly<Record<Path, StandInOrder['answer'] | null>> = {
  ingest: null,
  small: 'small',
  certificate: 'certificate',
};
/** Of those sent in a crowd. */
const ALONE_SHARE = 1 / 10;
const LOOK_MS = 20;

/**
 * What a message costs one node and its server, in a crowd and alone, and what both cost at rest.
 * @param count messages sent in a crowd, once warm
 */
export async function measureCosts(
  path: Path,
  count: number,
): Promise<{ readonly costs: PathCosts; readonly idle: Idle }> {
  const answer = ANSWERS[path];
  await using cluster = await openCluster({ nodes: 1, answer });
  await using meter = await openServerMeter(cluster.databaseUrl);
  const warmUp = Math.ceil(count / 2);
  await run(cluster, CROWDED, 0, warmUp, answer !== null);
  await allTold();
  const start = await look(cluster, meter);
  const restingAt = performance.now();
  await allTold();
  const rested = await look(cluster, meter);
  const idle = idleOf(start, rested, performance.now() - restingAt);

  const crowded = await run(cluster, CROWDED, warmUp, count, answer !== null);
  const crowdedCpu = spentOf(cluster, meter);
  await allTold();
  const middle = await look(cluster, meter);

  const aloneCount = Math.ceil(count * ALONE_SHARE);
  const before = spentOf(cluster, meter);
  const alone = await run(cluster, ALONE, warmUp + count, aloneCount, answer !== null);
  const aloneCpu = spentOf(cluster, meter);
  await allTold();
  const last = await look(cluster, meter);
  return {
    idle,
    costs: {
      crowded: costOf(rested, { ...middle, ...crowdedCpu }, count, crowded),
      alone: costOf({ ...middle, ...before }, { ...last, ...aloneCpu }, aloneCount, alone),
    },
  };
}

/** Resolves once all are answered, and delivered where they are to be. */
async function run(
  cluster: ClusterUnderLoad,
  manner: Manner,
  first: number,
  count: number,
  isDelivered: boolean,
): Promise<{ readonly tookMs: number; readonly said: SenderSaid }> {
  const { backlog, ...load } = manner;
  const order: SenderOrder = {
    ...load,
    port: cluster.ports[0]!,
    shape: { kind: 'certificate' },
    first,
    count,
    warmUp: 0,
    backlog: isDelivered ? backlog : null,
  };
  const answeredBefore = cluster.answered();
  const startedAt = performance.now();
  const sender = forkChild<SenderSaid>('sender', order);
  const gone = once(sender.process, 'exit');
  cluster.onAnswered((answered) => {
    if (sender.process.connected) sender.tell({ delivered: answered - answeredBefore });
  });
  const said = await sender.heard((one): one is SenderSaid => 'rate' in one);
  await gone;
  if (isDelivered) {
    while (cluster.answered() < answeredBefore + count) await wait(LOOK_MS);
    await cluster.settled();
  }
  return { tookMs: performance.now() - startedAt, said };
}

function spentOf(cluster: ClusterUnderLoad, meter: ServerMeter) {
  const pid = cluster.pids[0]!;
  return {
    nodeMs: readSpentMs(`/proc/${pid}/stat`),
    mainMs: readSpentMs(`/proc/${pid}/task/${pid}/stat`),
    spentMs: meter.spentMs(),
  };
}

async function look(cluster: ClusterUnderLoad, meter: ServerMeter): Promise<Snapshot> {
  const counters = await meter.read();
  return { ...counters, ...spentOf(cluster, meter) };
}

function idleOf(before: Snapshot, after: Snapshot, tookMs: number): Idle {
  const aSecond = (of: 'nodeMs' | 'spentMs' | 'transactions' | 'walBytes') =>
    ((after[of] - before[of]) * 1_000) / tookMs;
  return {
    nodeMs: aSecond('nodeMs'),
    serverMs: aSecond('spentMs'),
    commits: aSecond('transactions'),
    walBytes: aSecond('walBytes'),
  };
}

function costOf(
  before: Snapshot,
  after: Snapshot,
  count: number,
  { tookMs, said }: { readonly tookMs: number; readonly said: SenderSaid },
): Cost {
  const each = (of: Exclude<keyof Snapshot, 'tables'>) => (after[of] - before[of]) / count;
  const grown = Object.fromEntries(
    Object.entries(after.tables).map(([name, bytes]) => [name, (bytes - (before.tables[name] ?? 0)) / count]),
  );
  const kept = KEPT.reduce((sum, name) => sum + (grown[name] ?? 0), 0);
  return {
    perSecond: (count * 1_000) / tookMs,
    answerMs: said.p50Ms,
    nodeUs: each('nodeMs') * 1_000,
    mainUs: each('mainMs') * 1_000,
    serverUs: each('spentMs') * 1_000,
    commits: each('transactions'),
    walBytes: each('walBytes'),
    fullPages: each('fullPages'),
    walSyncs: each('walSyncs'),
    pageWrites: each('pageWrites'),
    keptBytes: kept,
    knownBytes: each('databaseBytes') - kept,
    tables: grown,
  };
}
