import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parsePostgresUrl } from '../../src/journal/postgres/address.ts';
import { openPostgresJournal, type PostgresJournal } from '../../src/journal/postgres.ts';
import { fault, stating } from '../journal/kit.ts';
import { type PostgresDatabase, type PostgresServer, startPostgres } from '../journal/postgres-server.ts';
import { runCommand } from './kit.ts';

let server: PostgresServer;
let database: PostgresDatabase;
let journal: PostgresJournal;
beforeAll(async () => {
  server = await startPostgres({ fsync: false });
  database = await server.createDatabase();
  journal = await openPostgresJournal({ address: parsePostgresUrl(database.url), node: 'a', now: 0 });
  await journal.admit(stating('MSH|a', 1, ['k', '1', 'd'], [{ held: fault('code-unmapped') }]));
});
afterAll(async () => {
  await journal.close();
  await server.remove();
});

const run = (...args: string[]) => runCommand([...args, '--journal', database.url]).done;

describe('commands on a journal that nodes share', () => {
  it('look at it beside the engines that run', async () => {
    const list = await run('list', '--json');
    expect([list.code, list.err]).toEqual([0, '']);
    expect(JSON.parse(list.out)).toMatchObject({ messages: [{ id: 1, channel: 'lab', deliveries: { held: 1 } }] });
    const show = await run('show', '1', '--json');
    expect(JSON.parse(show.out)).toMatchObject({ id: 1, channel: 'lab', state: 'mapped' });
    await journal.pause({ target: 'register', party: null, operation: null }, { at: 2, by: 'alva', note: null });
    expect((await run('pauses')).out).toContain('register');
    expect((await run('list', '--state', 'held')).code).toBe(0);
  });

  it('leave its backup to the server’s own tools', async () => {
    const { code, err } = await run('backup', 'copy.db');
    expect(code).not.toBe(0);
    expect(err).toContain('pg_basebackup');
    expect(err).not.toContain(new URL(database.url).password);
  });

  it('say in words what is wrong, and never the password', async () => {
    const { port, password } = new URL(database.url);
    for (const [url, words] of [
      [`postgres://sluss:${password}x@127.0.0.1:${port}/postgres`, 'password authentication failed'],
      [`postgres://sluss:${password}@127.0.0.1:${port}/postgres`, 'start the engine once'],
      [`postgres://sluss:${password}@127.0.0.1:1/postgres`, 'ECONNREFUSED'],
    ] as const) {
      const { code, err } = await runCommand(['list', '--journal', url]).done;
      expect([code === 0, err]).toEqual([false, expect.stringContaining(words)]);
      expect(err).not.toContain(password);
    }
  });
});
