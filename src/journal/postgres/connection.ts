import { readFileSync } from 'node:fs';
import pg from 'pg';

/** Where a PostgreSQL journal is, as its URL says it. */
export interface PostgresAddress {
  /** Tried in turn. */
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  readonly database: string;
  readonly user: string | null;
  readonly password: string | null;
  readonly tls: Tls;
  /** `read-write`: a server that only follows another is passed over. */
  readonly wants: 'any' | 'read-write';
}

/** As libpq's `sslmode`: `verify-full` = the certificate has to be of the root's and of this host's. */
export interface Tls {
  readonly mode: 'disable' | 'require' | 'verify-ca' | 'verify-full';
  /** PEM files; null = the system's roots, no certificate of our own. */
  readonly rootFile: string | null;
  readonly certFile: string | null;
  readonly keyFile: string | null;
}

/** One connection; what is asked on it travels without waiting for what was asked before. */
export type Connection = pg.Client;
export type Query = pg.QueryConfig;

const MODES = ['disable', 'require', 'verify-ca', 'verify-full'] as const;
const KEYS = ['sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'target_session_attrs'];
const CONNECT_MS = 5_000;
/** A statement that takes longer is taken for a lost connection. */
const STATEMENT_MS = 30_000;
/** SQLSTATE of a server that only follows another. */
const READ_ONLY = '25006';

/**
 * Reads `postgres://user:password@host1:5432,host2/database?sslmode=verify-full&sslrootcert=ca.pem&target_session_attrs=read-write`,
 * in the words of libpq. Without `sslmode` it is `verify-full`, but for hosts on this machine.
 * @throws Error in words, without the URL's password
 */
export function parsePostgresUrl(url: string, more: { readonly password?: string | null } = {}): PostgresAddress {
  // Several hosts are not for URL to read, and neither is a message of its that quotes the whole.
  const [, userinfo, places, path, search] =
    /^postgres(?:ql)?:\/\/(?:([^@/?#]*)@)?([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/.exec(url) ?? [];
  if (places === undefined) throw new Error('the URL is not of the form postgres://user@host:5432/database');
  const [user = '', password = null] = (userinfo ?? '').split(/:(.*)/s);
  const query = new URLSearchParams(search ?? '');
  for (const key of query.keys()) {
    if (!KEYS.includes(key))
      throw new Error(`the URL has a parameter ${key} that is not known; there are ${KEYS.join(', ')}`);
  }
  const hosts = (places === '' ? 'localhost' : places).split(',').map(readHost);
  const database = decode(path ?? '');
  if (database === '') throw new Error('the URL names no database');
  const isHere = hosts.every(({ host }) => ['localhost', '127.0.0.1', '::1'].includes(host) || host.startsWith('/'));
  const mode = query.get('sslmode') ?? (isHere ? 'disable' : 'verify-full');
  if (!isOneOf(MODES, mode)) throw new Error(`sslmode is one of ${MODES.join(', ')}`);
  const wants = query.get('target_session_attrs') ?? (hosts.length > 1 ? 'read-write' : 'any');
  if (!isOneOf(['any', 'read-write'] as const, wants)) throw new Error('target_session_attrs is any or read-write');
  return {
    hosts,
    database,
    user: user === '' ? null : decode(user),
    password: more.password ?? (password === null ? null : decode(password)),
    tls: { mode, rootFile: query.get('sslrootcert'), certFile: query.get('sslcert'), keyFile: query.get('sslkey') },
    wants,
  };
}

/** The address for people: without user or password. */
export function describeAddress({ hosts, database }: PostgresAddress): string {
  return `postgres://${hosts.map(({ host, port }) => `${host}:${port}`).join(',')}/${database}`;
}

function readHost(text: string): { host: string; port: number } {
  const [, v6, host, port] = /^(?:\[([^\]]+)\]|([^:]*))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const name = v6 ?? decode(host ?? '');
  if (name === '') throw new Error('the URL has a host without a name');
  return { host: name, port: Number(port ?? 5432) };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Error('the URL has a % that begins no encoded character');
  }
}

function isOneOf<Word extends string>(words: readonly Word[], word: string): word is Word {
  return words.includes(word as Word);
}

const INT8 = 20;
/** Every number of the journal is within 2^53. */
const types = {
  getTypeParser: (oid: number, format?: string) =>
    oid === INT8 ? Number : pg.types.getTypeParser(oid, format as 'text' | undefined),
} as pg.CustomTypesConfig;

/**
 * Connects to the first host that will do, beginning with the one that did last.
 * @throws Error with the code of the last failure
 */
export function makeConnector(address: PostgresAddress): (purpose: string) => Promise<pg.Client> {
  const { hosts, database, tls, wants } = address;
  const ssl = readTls(tls);
  let first = 0;

  const connectTo = async ({ host, port }: PostgresAddress['hosts'][number], purpose: string): Promise<pg.Client> => {
    const client = new pg.Client({
      host,
      port,
      database,
      types,
      ssl,
      ...(address.user === null ? {} : { user: address.user }),
      ...(address.password === null ? {} : { password: address.password }),
      application_name: `sluss ${purpose}`,
      connectionTimeoutMillis: CONNECT_MS,
      query_timeout: STATEMENT_MS,
      keepAlive: true,
      keepAliveInitialDelayMillis: 5_000,
      // Who is stopped, or cut off, in the midst of a transaction must not hold the others up for long.
      options:
        '-c idle_in_transaction_session_timeout=10s -c tcp_user_timeout=10s -c tcp_keepalives_idle=5 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=2 -c timezone=UTC',
      pipeline: true,
    } as pg.ClientConfig);
    // What breaks is told to whoever asks next; nobody else listens.
    client.on('error', () => {});
    try {
      await client.connect();
      if (wants === 'read-write') {
        const { rows } = await client.query('select pg_is_in_recovery() as is_standby');
        if (rows[0].is_standby === true) throw Object.assign(new Error('only follows another'), { code: READ_ONLY });
      }
      return client;
    } catch (error) {
      await client.end().catch(() => {});
      throw error;
    }
  };

  return async (purpose) => {
    let last: unknown;
    for (let i = 0; i < hosts.length; i++) {
      const index = (first + i) % hosts.length;
      try {
        const client = await connectTo(hosts[index]!, purpose);
        first = index;
        return client;
      } catch (error) {
        last = error;
      }
    }
    throw last;
  };
}

function readTls({ mode, rootFile, certFile, keyFile }: Tls): pg.ConnectionConfig['ssl'] {
  if (mode === 'disable') return false;
  return {
    rejectUnauthorized: mode !== 'require' || rootFile !== null,
    ...(mode === 'verify-full' ? {} : { checkServerIdentity: () => undefined }),
    ...(rootFile === null ? {} : { ca: readFileSync(rootFile, 'utf8') }),
    ...(certFile === null ? {} : { cert: readFileSync(certFile, 'utf8') }),
    ...(keyFile === null ? {} : { key: readFileSync(keyFile, 'utf8') }),
  };
}

/** What went wrong, as a code that holds nothing of what was stored: an SQLSTATE, or the operating system's word. */
export function errorCode(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : null;
  if (typeof code === 'string' && code !== '') return code;
  return error instanceof Error && /timeout/i.test(error.message) ? 'ETIMEDOUT' : 'connection-lost';
}
