import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parsePostgresUrl } from '../../src/journal/postgres/address.ts';
import { openPostgresJournal } from '../../src/journal/postgres.ts';
import { stating } from './kit.ts';
import { type PostgresDatabase, type PostgresServer, startPostgres } from './postgres-server.ts';

const WRITERS = 8;
/** Of all writers, before the primary is killed and after the standby was promoted. */
const BEFORE = 200;
const AFTER = 200;

let primary: PostgresServer;
let standby: PostgresServer;
let database: PostgresDatabase;
/** The same user and password as on the primary, whose data it has. */
let standbyUrl: URL;

async function ask<Row extends object>(url: string, sql: string): Promise<Row[]> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

/** Servers that are not ours cannot be killed. */
const isExternal = process.env.SLUSS_TEST_POSTGRES !== undefined;
if (isExternal)
  console.warn('fail-over is not tested: SLUSS_TEST_POSTGRES names a server that is not the tests’ to kill');

beforeAll(async () => {
  if (isExternal) return;
  primary = await startPostgres();
  database = await primary.createDatabase();
  const [{ data_directory: data } = { data_directory: '' }] = await ask<{ data_directory: string }>(
    primary.url,
    'show data_directory',
  );
  // A copy of what stood still, as pg_basebackup makes one of what runs; it is removed with the original.
  await primary.stop();
  const copy = join(dirname(data), 'standby');
  expect(spawnSync('cp', ['-a', data, copy]).status).toBe(0);
  writeFileSync(join(copy, 'standby.signal'), '');
  await primary.start();
  const { username, password, port } = new URL(primary.url);
  standby = await startPostgres({
    data: copy,
    settings: {
      primary_conninfo: `host=127.0.0.1 port=${port} user=${username} password=${password} application_name=b`,
    },
  });
  standbyUrl = new URL(database.url);
  standbyUrl.port = new URL(standby.url).port;
  await ask(primary.url, "alter system set synchronous_standby_names = 'ANY 1 (b)'");
  await ask(primary.url, 'select pg_reload_conf()');
  const isSynchronous = async () =>
    (await ask(primary.url, "select 1 from pg_stat_replication where sync_state = 'quorum'")).length > 0;
  while (!(await isSynchronous())) await new Promise((resolve) => setTimeout(resolve, 50));
}, 120_000);

afterAll(async () => {
  await standby?.remove();
  await primary?.remove();
});

describe.skipIf(isExternal)('a primary that is killed, with a synchronous standby that is promoted', () => {
  it('loses nothing that was admitted: the journal finds the other server by itself, and goes on', async () => {
    const url = new URL(database.url);
    const hosts = `127.0.0.1:${url.port},127.0.0.1:${standbyUrl.port}`;
    const both = `postgres://${url.username}:${url.password}@${hosts}${url.pathname}`;
    const journal = await openPostgresJournal({ address: parsePostgresUrl(both), node: 'a', now: 0, leaseMs: 5_000 });
    const admitted: string[] = [];
    let refused = 0;
    let lastBefore = 0;
    let firstAfter = 0;
    let isKilled = false;
    const reached = { before: Promise.withResolvers<void>(), after: Promise.withResolvers<void>() };
    let after = 0;
    const write = async (writer: number) => {
      for (let i = 0; after < AFTER; i++) {
        const text = `w${writer}-${i}`;
        // As a laboratory does: what was not taken is sent again.
        for (;;) {
          try {
            await journal.admit(stating(text, i, [text, '1', 'd'], [{ laneKey: text }]));
            break;
          } catch {
            refused += 1;
            await new Promise((resolve) => setTimeout(resolve, 20));
          }
        }
        admitted.push(text);
        if (isKilled) {
          firstAfter ||= performance.now();
          after += 1;
        } else {
          lastBefore = performance.now();
          if (admitted.length >= BEFORE) reached.before.resolve();
        }
      }
    };
    const writing = Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)));
    await reached.before.promise;
    await primary.kill();
    isKilled = true;
    const killedAt = performance.now();
    await ask(standbyUrl.href, 'select pg_promote()');
    const promotedAt = performance.now();
    await writing;

    const stored = await ask<{ hash: Buffer }>(standbyUrl.href, 'select id from messages');
    expect(stored.length).toBe(admitted.length);
    expect(new Set(admitted).size).toBe(admitted.length);
    const seconds = (from: number, to: number) => ((to - from) / 1_000).toFixed(2);
    console.log(
      `${admitted.length} admitted, ${refused} refused meanwhile; a gap of ${seconds(lastBefore, firstAfter)} s, of which the promotion took ${seconds(killedAt, promotedAt)} s`,
    );
    await journal.close();
  }, 120_000);
});
