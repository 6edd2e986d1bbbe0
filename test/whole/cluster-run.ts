import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import type { FaultOrder } from '../../src/simulators/covidbevis/fault-orders.ts';
import { type Accounts, settleAccounts } from './accounts.ts';
import { readPostgresBooks } from './books.ts';
import { type Cluster, type ClusterNode, makeCluster } from './cluster.ts';
import { within } from './engine-process.ts';
import { createRandom, type LoadOptions, planLoad } from './load.ts';
import type { SenderFigures } from './mllp-sender.ts';
import { startTraffic, type Traffic } from './start-traffic.ts';

/**
 * What is done to a cluster: `node-killed` and started again · `server-killed`, all of it, and started again ·
 * `node-frozen` for longer than its lease · `node-broken-off`, `node-silenced`: the network between a node and the server ·
 * `sessions-ended`: the server ends all its sessions, several times, and takes new ones at once.
 */
export const CLUSTER_FAULTS = [
  'node-killed',
  'server-killed',
  'node-frozen',
  'node-broken-off',
  'node-silenced',
  'sessions-ended',
] as const;
export type ClusterFault = (typeof CLUSTER_FAULTS)[number];

export interface ClusterRunOptions extends LoadOptions {
  readonly nodes: number;
  /** In this order, one node after the other. */
  readonly faults: readonly ClusterFault[];
  /** Faults of the service. */
  readonly service: readonly FaultOrder[];
  readonly leaseMs: number;
  readonly onFault?: (line: string) => void;
  /** Longest wait for the end, once nothing is broken any more. */
  readonly patienceMs: number;
}

export interface ClusterReport extends Accounts {
  readonly injected: Readonly<Record<ClusterFault, number>>;
  readonly senders: SenderFigures;
  readonly files: number;
  readonly durationMs: number;
  /** Everything the engines wrote. */
  readonly said: string;
}

/** A laboratory's system hangs up after so much more than the lease without an answer, and asks another node. */
const MORE_PATIENCE_MS = 500;
const SESSIONS_ENDED = 8;

/**
 * Lets laboratories send to all nodes of a cluster while parts of it go and come back, lets it finish, stops it, and
 * settles the accounts.
 */
export async function runCluster(options: ClusterRunOptions): Promise<ClusterReport> {
  const startedAt = performance.now();
  await using cluster = await makeCluster({
    nodes: options.nodes,
    service: { faults: options.service, seed: options.seed },
    target: ['timeout: 1s', 'concurrency: 8'],
    journalKeys: `, lease: ${options.leaseMs}ms`,
  });
  await Promise.all(cluster.nodes.map((node) => node.start()));
  const { site, nodes, port } = cluster;
  const random = createRandom(options.seed ^ 0x5eed);
  const plan = planLoad(options);
  const traffic = startTraffic(plan, { port, inbox: site.inbox, patienceMs: options.leaseMs + MORE_PATIENCE_MS });
  const injected = Object.fromEntries(CLUSTER_FAULTS.map((fault) => [fault, 0])) as Record<ClusterFault, number>;

  for (const [index, fault] of options.faults.entries()) {
    await Promise.race([traffic.takenMore(1 + Math.floor(random() * 40)), traffic.done, wait(3_000)]);
    const node = nodes[index % nodes.length] as ClusterNode;
    options.onFault?.(`${index + 1}: ${tell(fault, node)}; ${traffic.taken()} taken so far`);
    injected[fault] += 1;
    await inject(fault, node, cluster, options.leaseMs, random);
  }
  const senders = await within(options.patienceMs, traffic.done, () => traffic.missing());
  await within(options.patienceMs, cluster.settled(), () => howFar(cluster, traffic));
  const ends = await Promise.all(nodes.map((node) => node.stop()));

  const books = await readPostgresBooks(cluster.database.url);
  const accounts = settleAccounts(traffic.takenBySender(), site.standIn.ledger, books);
  const violations = [...accounts.violations, ...senders.wrong];
  for (const [index, { code, signal }] of ends.entries()) {
    if (code !== 0) violations.push(`${nodes[index]?.name} ended with ${code ?? signal}`);
  }
  // Nobody but one whose clock stood still may come with what is over.
  if (injected['node-frozen'] === 0 && accounts.figures.lateRepeats > 0) {
    violations.push(`${accounts.figures.lateRepeats} repeats came behind a later delivery of their lane`);
  }
  const durationMs = performance.now() - startedAt;
  return { ...accounts, violations, injected, senders, files: 0, durationMs, said: cluster.said() };
}

function tell(fault: ClusterFault, { name }: ClusterNode): string {
  if (fault === 'sessions-ended') return 'the server ends its sessions';
  return fault === 'server-killed'
    ? 'the server is killed'
    : `${name} is ${fault.replace('node-', '').replaceAll('-', ' ')}`;
}

/** Resolves once what was broken is whole again. */
async function inject(
  fault: ClusterFault,
  node: ClusterNode,
  { server, database }: Cluster,
  leaseMs: number,
  random: () => number,
): Promise<void> {
  switch (fault) {
    case 'node-killed':
      await node.kill();
      await wait(random() * leaseMs);
      return node.start();
    case 'server-killed':
      await server.kill();
      await wait(random() * 1_000);
      return server.start();
    case 'sessions-ended':
      for (let times = 0; times < SESSIONS_ENDED; times += 1) {
        await wait(random() * 200);
        await endSessions(database.url);
      }
      return;
    case 'node-frozen':
      node.freeze();
      await wait(leaseMs * (1.5 + random()));
      return node.thaw();
    case 'node-broken-off':
    case 'node-silenced':
      node.cut(fault === 'node-silenced' ? 'silent' : 'broken');
      await wait(leaseMs * (0.5 + 1.5 * random()));
      return node.mend();
  }
}

async function endSessions(url: string): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  await client.query("select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'sluss %'");
  await client.end();
}

function howFar({ site, nodes }: Cluster, traffic: Traffic): string {
  const logs = nodes.map((node) => {
    const lines = node
      .engine()
      .lines.slice(-5)
      .map((line) => JSON.stringify(line));
    return `${node.name}:\n${lines.join('\n')}`;
  });
  const { ledger } = site.standIn;
  return `the deliveries; ${traffic.taken()} taken, ${ledger.certificates()} certificates\n${logs.join('\n')}`;
}
