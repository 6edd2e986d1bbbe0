import { readFileSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import pg from 'pg';
import type { PostgresAddress, Tls } from './address.ts';

/** One connection; what is asked on it travels without waiting for what was asked before. */
export type Connection = pg.Client;
export type Query = pg.QueryConfig;

const CONNECT_MS = 5_000;
/** A statement that takes longer is taken for a lost connection. */
const STATEMENT_MS = 30_000;
/** SQLSTATE of a server that only follows another. */
const READ_ONLY = '25006';

const SETTINGS = [
  // Who is stopped, or cut off, in the midst of a transaction must not hold the others up for long.
  'idle_in_transaction_session_timeout=10s',
  'tcp_user_timeout=10s',
  'tcp_keepalives_idle=5',
  'tcp_keepalives_interval=5',
  'tcp_keepalives_count=2',
  'timezone=UTC',
  // Every statement is small and comes again: to plan it anew each time costs as much as the statement, half a millisecond.
  'plan_cache_mode=force_generic_plan',
  'jit=off',
];

const INT8 = 20;
const BYTEA = 17;
const readBuffer = pg.types.getTypeParser(BYTEA) as (text: string) => Buffer;
const readBytes = (text: string): Uint8Array => {
  const { buffer, byteOffset, byteLength } = readBuffer(text);
  return new Uint8Array(buffer, byteOffset, byteLength);
};
/** Every number of the journal is within 2^53, and bytes are bytes. */
const types = {
  getTypeParser(oid: number, format?: string) {
    if (oid === INT8) return Number;
    return oid === BYTEA ? readBytes : pg.types.getTypeParser(oid, format as 'text' | undefined);
  },
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
      // Node takes the name to check from here; for an address pg tells it none.
      ssl: ssl === false ? false : { ...ssl, host },
      ...(address.user === null ? {} : { user: address.user }),
      ...(address.password === null ? {} : { password: address.password }),
      application_name: `sluss ${purpose}`,
      connectionTimeoutMillis: CONNECT_MS,
      query_timeout: STATEMENT_MS,
      keepAlive: true,
      keepAliveInitialDelayMillis: 5_000,
      options: SETTINGS.map((setting) => `-c ${setting}`).join(' '),
      pipeline: true,
    } as pg.ClientConfig);
    // What breaks is told to whoever asks next; nobody else listens.
    client.on('error', () => {});
    try {
      await client.connect();
      sendTogether(client);
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

/** What is asked in one turn leaves as one packet: each packet costs both sides more than a small statement does. */
function sendTogether(client: pg.Client): void {
  const { stream } = (client as unknown as { readonly connection: { readonly stream: Duplex } }).connection;
  const ask = client.query.bind(client) as (...args: unknown[]) => unknown;
  let isGathering = false;
  const gather = (...args: unknown[]) => {
    if (!isGathering) {
      isGathering = true;
      stream.cork();
      process.nextTick(() => {
        isGathering = false;
        stream.uncork();
      });
    }
    return ask(...args);
  };
  client.query = gather as typeof client.query;
}

function readTls({
  mode,
  rootFile,
  certFile,
  keyFile,
}: Tls): Exclude<pg.ConnectionConfig['ssl'], boolean | undefined> | false {
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

/** Somebody has what was to be locked: it was waited for for too long, or in a circle. */
export function isInUse(error: unknown): boolean {
  return ['55P03', '40P01'].includes(errorCode(error));
}
