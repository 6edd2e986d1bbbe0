import { once } from 'node:events';
import { connect } from 'node:net';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type PostgresServer, startPostgres } from './postgres-server.ts';

// What is about stopping a server needs one of its own.
describe.skipIf(process.env.SLUSS_TEST_POSTGRES !== undefined)('the tests’ PostgreSQL server', () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.remove());

  const ask = async (url: string, sql: string) => {
    const client = new pg.Client({ connectionString: url });
    // A server that is killed takes the connection with it.
    client.on('error', () => {});
    await client.connect();
    try {
      return (await client.query({ text: sql, rowMode: 'array' })).rows[0]?.[0];
    } finally {
      await client.end();
    }
  };

  it('keeps what was committed when it is killed, and starts again at the same address', async () => {
    const { url, drop } = await server.createDatabase();
    expect(await ask(url, 'show fsync')).toBe('on');
    await ask(url, 'create table t as select 7 as n');
    await server.kill();
    await expect(ask(url, 'select n from t')).rejects.toThrow();
    await server.start();
    expect(await ask(url, 'select n from t')).toBe(7);
    await server.stop();
    await server.start();
    expect(await ask(url, 'select n from t')).toBe(7);
    await drop();
    await expect(ask(url, 'select 1')).rejects.toMatchObject({ code: '3D000' });
  });

  it('answers nothing while it is frozen', async () => {
    server.freeze();
    let isThawed = false;
    const answered = ask(server.url, 'select 1').then((answer) => [answer, isThawed]);
    // The kernel takes the connection; the server does not.
    const { hostname, port } = new URL(server.url);
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    socket.destroy();
    isThawed = true;
    server.thaw();
    expect(await answered).toEqual([1, true]);
  });
});
