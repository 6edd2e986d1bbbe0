import { afterAll, beforeAll } from 'vitest';
import { parsePostgresUrl } from '../../src/journal/postgres/address.ts';
import { openPostgresJournal } from '../../src/journal/postgres.ts';
import { describeJournal } from './conformance.ts';
import { type PostgresServer, startPostgres } from './postgres-server.ts';

let server: PostgresServer;
beforeAll(async () => {
  // What it does when power fails is another test's business.
  server = await startPostgres({ fsync: false });
});
afterAll(() => server.remove());

describeJournal('the PostgreSQL journal', async () => {
  const { url, drop } = await server.createDatabase();
  const address = parsePostgresUrl(url);
  return { open: (options) => openPostgresJournal({ address, ...options }), remove: drop };
});
