import { readFileSync, writeFileSync } from 'node:fs';
import { type PostgresServer, startPostgres } from '../../test/journal/postgres-server.ts';
import { makeCluster } from '../../test/whole/cluster.ts';
import { type Child, forkChild } from '../whole/child.ts';
import type { StandInOrder, StandInSaid } from '../whole/stand-in.ts';

export interface ClusterUnderLoadOptions {
  readonly nodes: number;
  /** Servers: the nodes share one, or each has its own. */
  readonly journals?: 'one' | 'each';
  /** Of the receiver; null = there is none, so that nothing but taking is done. */
  readonly answer?: StandInOrder['answer'] | null;
}

/** Nodes that speak to their servers without anything between. */
export interface ClusterUnderLoad extends AsyncDisposable {
  /** Where each node takes messages; where they have a journal each, each by another channel. */
  readonly ports: readonly number[];
  readonly pids: readonly number[];
  /** Of the nodes' database; of the first one's where each has its own. */
  readonly databaseUrl: string;
  /** How many requests the receiver has answered. */
  answered(): number;
  onAnswered(told: (answered: number) => void): void;
  /** Resolves once no delivery waits. */
  settled(): Promise<void>;
  stopNodes(): Promise<void>;
}

/** A receiver that is not there is asked for once, and then not again. */
export const seldomProbed = (text: string): string => text.replaceAll('probe: 50ms', 'probe: 10m');

/** Starts servers, receiver and nodes; resolves once these take messages. */
export async function openCluster(options: ClusterUnderLoadOptions): Promise<ClusterUnderLoad> {
  const { nodes: count, journals = 'one', answer = null } = options;
  const cluster = await makeCluster({ nodes: count, target: ['concurrency: 32'], configure: seldomProbed });
  const { site, nodes } = cluster;
  await site.standIn.stop();
  let standIn: Child<StandInSaid> | null = null;
  let answered = 0;
  let listener: (answered: number) => void = () => {};
  let serviceUrl = site.serviceUrl;
  if (answer !== null) {
    const server = await site.authority.issueServer({ names: ['localhost', '127.0.0.1'] });
    const order: StandInOrder = { cert: server.cert, key: server.key, clientCa: site.authority.cert, answer };
    standIn = forkChild<StandInSaid>('stand-in', order, (said) => {
      if (!('answered' in said)) return;
      answered = said.answered;
      listener(answered);
    });
    serviceUrl = (await standIn.heard((said) => 'url' in said)).url;
  }
  const others: PostgresServer[] = [];
  for (const [index, { configFile }] of nodes.entries()) {
    let { url } = cluster.database;
    if (journals === 'each' && index > 0) {
      const other = await startPostgres();
      others.push(other);
      url = (await other.createDatabase()).url;
    }
    const text = readFileSync(configFile, 'utf8')
      .replace(/url: "postgres:[^"]*"/, `url: ${JSON.stringify(url)}`)
      .replace(`url: ${site.serviceUrl}`, `url: ${serviceUrl}`);
    writeFileSync(configFile, text);
  }
  await Promise.all(nodes.map((node) => node.start()));
  return {
    ports: nodes.map((node, index) => node.port(journals === 'each' && index > 0 ? 'lab-both' : 'lab-nord') ?? 0),
    pids: nodes.map((node) => node.engine().pid),
    databaseUrl: cluster.database.url,
    answered: () => answered,
    onAnswered(told) {
      listener = told;
    },
    settled: cluster.settled,
    async stopNodes() {
      await Promise.all(nodes.map((node) => node.stop()));
    },
    async [Symbol.asyncDispose]() {
      await cluster[Symbol.asyncDispose]();
      for (const other of others) await other.remove();
      await standIn?.end();
    },
  };
}
