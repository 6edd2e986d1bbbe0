import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import { type PostgresDatabase, type PostgresServer, startPostgres } from '../journal/postgres-server.ts';
import type { EngineProcess } from './engine-process.ts';
import { makeSeat } from './seat.ts';
import { makeSite, type Site, type SiteOptions, writeConfiguration } from './site.ts';
import { createTcpProxy, type Passage } from './tcp-proxy.ts';

/** One of several engines on one PostgreSQL journal: a real process, and its stretch of network to the server. */
export interface ClusterNode {
  readonly name: string;
  readonly configFile: string;
  /** The engine that runs now, or ran last. */
  engine(): EngineProcess;
  /** Starts it, at once or after it was killed, of another version's folder if need be; resolves once it takes messages. */
  start(root?: string): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** SIGTERM. */
  stop(): ReturnType<EngineProcess['stop']>;
  /** Stops its clock, and lets it go on. */
  freeze(): void;
  thaw(): void;
  /** `broken`: its connections to the server end, and no new one comes about; `silent`: nothing comes through any more, and nobody is told. */
  cut(how: 'broken' | 'silent'): void;
  mend(): void;
  /** True while a connection of a sender to it may come about. */
  isUp(): boolean;
  /** Where it takes messages of a channel; null = it does not, as far as it has said. */
  port(channel: string): number | null;
}

/** Several engines, one PostgreSQL server, one stand-in of the certificate service. */
export interface Cluster extends AsyncDisposable {
  readonly site: Site;
  readonly server: PostgresServer;
  readonly database: PostgresDatabase;
  readonly nodes: readonly ClusterNode[];
  /** As a load balancer: the nodes in turn, as far as they are up; waits until one is. */
  port(channel: string): Promise<number>;
  /** Resolves once no delivery waits. */
  settled(): Promise<void>;
  /** Everything any engine wrote. */
  said(): string;
}

export interface ClusterOptions extends SiteOptions {
  readonly nodes: number;
  /** More keys of `journal:`, as YAML flow: `, lease: 2s`. */
  readonly journalKeys?: string;
  /** More of the server's postgresql.conf. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Changes the configuration of all nodes. */
  readonly configure?: (text: string) => string;
}

const LOOK_EVERY_MS = 50;

/** Makes it all and starts the server; the nodes are the caller's to start. */
export async function makeCluster(options: ClusterOptions): Promise<Cluster> {
  const site = await makeSite(options);
  // One secret for all: whoever would make it first, would make it for itself.
  writeFileSync(join(site.folder, 'secret'), randomBytes(32).toString('base64url'), { mode: 0o600 });
  const server = await startPostgres(options.settings === undefined ? {} : { settings: options.settings });
  const database = await server.createDatabase();
  const made = await Promise.all(
    Array.from({ length: options.nodes }, (_, index) => makeNode(`node-${index + 1}`, site, database.url, options)),
  );
  const nodes = made.map(({ node }) => node);
  let turn = 0;
  return {
    site,
    server,
    database,
    nodes,
    async port(channel) {
      for (;;) {
        for (let left = nodes.length; left > 0; left -= 1) {
          const node = nodes[turn++ % nodes.length] as ClusterNode;
          const port = node.isUp() ? node.port(channel) : null;
          if (port !== null) return port;
        }
        await wait(LOOK_EVERY_MS);
      }
    },
    async settled() {
      const client = new pg.Client(database.url);
      await client.connect();
      try {
        for (;;) {
          const { rows } = await client.query("select 1 from deliveries where state = 'waiting' limit 1");
          if (rows.length === 0) return;
          await wait(LOOK_EVERY_MS);
        }
      } finally {
        await client.end();
      }
    },
    said: () => made.map(({ said }) => said()).join('\n'),
    async [Symbol.asyncDispose]() {
      for (const { clear } of made) await clear();
      await site[Symbol.asyncDispose]();
      await server.remove();
    },
  };
}

async function makeNode(name: string, site: Site, databaseUrl: string, options: ClusterOptions) {
  const server = Number(new URL(databaseUrl).port);
  const open = (): Passage => ({ kind: 'pass', port: server });
  const network = await createTcpProxy(open);
  const url = new URL(databaseUrl);
  url.port = String(network.port);
  const journal = `{ url: ${JSON.stringify(url.href)}, node: ${name}${options.journalKeys ?? ''} }`;
  const configFile = join(site.folder, `${name}.yaml`);
  const { configure = (text: string) => text } = options;
  writeFileSync(configFile, configure(writeConfiguration(site.serviceUrl, { ...options, journal })));
  const seat = makeSeat(configFile);
  let engine: EngineProcess | null = null;
  const running = (): EngineProcess => {
    if (engine === null) throw new Error(`${name} was never started`);
    return engine;
  };
  const node: ClusterNode = {
    name,
    configFile,
    engine: running,
    async start(root) {
      engine = seat.launch([], root);
      await engine.seen('engine-started');
    },
    async kill() {
      await running().kill();
    },
    stop: () => running().stop(),
    freeze: () => void process.kill(running().pid, 'SIGSTOP'),
    thaw: () => void process.kill(running().pid, 'SIGCONT'),
    cut(how) {
      network.passage = () => ({ kind: 'hole' });
      if (how === 'broken') network.breakAll();
      else network.hush(true);
    },
    mend() {
      network.passage = open;
      // What was hushed is gone for good where its ends have given it up meanwhile, and goes on where they have not.
      network.hush(false);
    },
    isUp: () => engine !== null && !engine.hasEnded(),
    port(channel) {
      const line = engine?.lines.findLast((one) => one.event === 'source-started' && one.channel === channel);
      return line === undefined ? null : Number(new URL(String(line.address)).port);
    },
  };
  const clear = async () => {
    await seat.clear();
    await network[Symbol.asyncDispose]();
  };
  return { node, clear, said: seat.said };
}
