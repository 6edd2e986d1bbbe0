import { startPostgres } from '../../test/journal/postgres-server.ts';
import { makeSite } from '../../test/whole/site.ts';
import { forkChild } from '../whole/child.ts';
import { send } from '../whole/measure.ts';
import type { SingleCommitOrder } from '../whole/single-commit-listener.ts';
import { type ClusterUnderLoadOptions, openCluster, seldomProbed } from './open-cluster.ts';

/** Messages a second from MLLP to AA, and how long all but a hundredth of them wait for it. */
export interface Rate {
  readonly rate: number;
  readonly p99Ms: number;
}

export interface RateSide {
  readonly name: string;
  readonly measure: (count: number) => Promise<Rate>;
}

export const CONNECTIONS = 24;
export const WINDOW = 8;
const WARM_UP = 1 / 3;
/** So much faster that it would be over before its code is compiled. */
const SQLITE_SHARE = 3;

/** Every side gets the same messages over as many connections; the receiver is not there, so that nothing else is done. */
export const RATE_SIDES: readonly RateSide[] = [
  { name: 'SQLite, 1 engine', measure: measureSqlite },
  { name: 'PostgreSQL, 1 node', measure: (count) => measureCluster({ nodes: 1 }, count) },
  { name: 'PostgreSQL, 2 nodes', measure: (count) => measureCluster({ nodes: 2 }, count) },
  { name: 'PostgreSQL, 3 nodes', measure: (count) => measureCluster({ nodes: 3 }, count) },
  { name: 'two journals, 2 nodes', measure: (count) => measureCluster({ nodes: 2, journals: 'each' }, count) },
  { name: 'single commits', measure: measureSingleCommits },
];

/** Half of all connections to each of two, and so on; all begin and end at about the same time. */
async function sendTo(ports: readonly number[], count: number): Promise<Rate> {
  const share = Math.floor(count / ports.length);
  const load = { connections: CONNECTIONS / ports.length, window: WINDOW, count: share, warmUp: share * WARM_UP };
  const said = await Promise.all(
    ports.map((port, index) => send(port, { ...load, warmUp: Math.floor(load.warmUp) }, index * share)),
  );
  return {
    rate: said.reduce((sum, { rate }) => sum + rate, 0),
    p99Ms: Math.max(...said.map(({ p99Ms }) => p99Ms)),
  };
}

async function measureSqlite(count: number): Promise<Rate> {
  await using site = await makeSite();
  await site.standIn.stop();
  site.configure(seldomProbed);
  const engine = await site.start();
  const rate = await sendTo([await site.port('lab-nord')], count * SQLITE_SHARE);
  await engine.stop();
  return rate;
}

async function measureCluster(options: ClusterUnderLoadOptions, count: number): Promise<Rate> {
  await using cluster = await openCluster(options);
  return await sendTo(cluster.ports, count);
}

async function measureSingleCommits(count: number): Promise<Rate> {
  const server = await startPostgres();
  try {
    const order: SingleCommitOrder = { url: (await server.createDatabase()).url, connections: CONNECTIONS };
    const listener = forkChild<{ readonly port: number }>('single-commit-listener', order);
    const { port } = await listener.heard((said): said is { port: number } => 'port' in said);
    const rate = await sendTo([port], count);
    await listener.end();
    return rate;
  } finally {
    await server.remove();
  }
}
