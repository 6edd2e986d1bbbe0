import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { parsePostgresUrl } from '../../src/journal/postgres/address.ts';
import { openPostgresJournal, type PostgresJournal } from '../../src/journal/postgres.ts';
import { type PostgresDatabase, type PostgresServer, startPostgres } from './postgres-server.ts';

let server: PostgresServer;
let database: PostgresDatabase;
let nodes: PostgresJournal[];
beforeAll(async () => {
  server = await startPostgres({ fsync: false });
});
afterAll(() => server.remove());
beforeEach(async () => {
  database = await server.createDatabase();
  nodes = [];
});
afterEach(async () => {
  await Promise.all(nodes.map((node) => node.close()));
  await database.drop();
});

async function openNode(node: string, leaseMs = 15_000): Promise<PostgresJournal> {
  const journal = await openPostgresJournal({ address: parsePostgresUrl(database.url), node, leaseMs, now: 0 });
  nodes.push(journal);
  return journal;
}

describe('what one node at a time may do', () => {
  it('is of the one that asked first, and shown to all', async () => {
    const [a, b] = [await openNode('a'), await openNode('b')];
    expect(await a.hold('channel x')).toBe(true);
    expect(await b.hold('channel x')).toBe(false);
    expect(await b.hold('channel y')).toBe(true);
    expect(await a.hold('channel x')).toBe(true);
    expect((await a.nodes()).map(({ name, holds }) => [name, holds])).toEqual([
      ['a', ['channel x']],
      ['b', ['channel y']],
    ]);
  });

  it('is of one alone, however many ask at the same moment', async () => {
    const all = [await openNode('a'), await openNode('b'), await openNode('c')];
    const held = await Promise.all(all.map((node) => node.hold('channel x')));
    expect(held.filter((one) => one)).toHaveLength(1);
  });

  it('goes to another once it is let go, and not for letting go what is not ours', async () => {
    const [a, b] = [await openNode('a'), await openNode('b')];
    await a.hold('channel x');
    await b.letGo('channel x');
    expect(await b.hold('channel x')).toBe(false);
    await a.letGo('channel x');
    expect(await b.hold('channel x')).toBe(true);
    expect(await a.hold('channel x')).toBe(false);
  });

  it('goes to another once its node has ended', async () => {
    const [a, b] = [await openNode('a'), await openNode('b')];
    await a.hold('channel x');
    await a.close();
    expect(await b.hold('channel x')).toBe(true);
  });

  it('keeps no connection open of nodes that end together', async () => {
    const all = await Promise.all(['a', 'b', 'c', 'd'].map((name) => openNode(name, 500)));
    // Each sees others go while it goes itself.
    for (const node of all) {
      await new Promise((resolve) => setTimeout(resolve, 60));
      void node.close();
    }
    await Promise.all(all.map((node) => node.close()));
    const client = new pg.Client(database.url);
    await client.connect();
    const sql =
      'select application_name from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()';
    const sessions = async () => (await client.query(sql)).rows;
    await vi.waitUntil(async () => (await sessions()).length === 0, { timeout: 5_000 }).catch(() => {});
    expect(await sessions()).toEqual([]);
    await client.end();
  });

  it('is nobody’s to do who can store nothing: it has no lease, and says that others had better be asked', async () => {
    const a = await openNode('a', 300);
    expect(a.isReachable()).toBe(true);
    server.freeze();
    while (a.isReachable()) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await a.hold('channel x')).toBe(false);
    server.thaw();
    while (!a.isReachable()) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await a.hold('channel x')).toBe(true);
  });
});
