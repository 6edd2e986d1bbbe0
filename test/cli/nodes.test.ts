import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parsePostgresUrl } from '../../src/journal/postgres/address.ts';
import { openPostgresJournal, type PostgresJournal } from '../../src/journal/postgres.ts';
import { openSqliteJournal } from '../../src/journal/sqlite.ts';
import { type PostgresDatabase, type PostgresServer, startPostgres } from '../journal/postgres-server.ts';
import { runCommand } from './kit.ts';

let server: PostgresServer;
let database: PostgresDatabase;
beforeAll(async () => {
  server = await startPostgres({ fsync: false });
  database = await server.createDatabase();
});
afterAll(() => server.remove());

async function openNode(node: string, mapping: string): Promise<PostgresJournal> {
  const journal = await openPostgresJournal({ address: parsePostgresUrl(database.url), node, now: 0 });
  await journal.declare(() => ({ version: '1.2.3', configuration: 'c0', mapping }));
  return journal;
}

describe('sluss nodes', () => {
  it('says who shares the journal, what each runs, what it alone does, and in what they differ', async () => {
    const [first, second, third] = [await openNode('a', 'm1'), await openNode('b', 'm2'), await openNode('c', 'm1')];
    await second.hold('channel files');
    await third.close();
    const { code, out, err } = await runCommand(['nodes', '--journal', database.url]).done;
    await Promise.all([first.close(), second.close()]);
    expect([code, err]).toEqual([0, '']);
    expect(out.replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, 'T')).toBe(
      [
        'a  runs',
        '  since T, last seen T',
        '  version 1.2.3, configuration c0, mappings m1',
        'b  runs',
        '  since T, last seen T',
        '  version 1.2.3, configuration c0, mappings m2',
        '  alone: channel files',
        'c  gone',
        '  since T, last seen T',
        '  version 1.2.3, configuration c0, mappings m1',
        'the nodes that run differ in: mapping',
      ].join('\n'),
    );
  });

  it('says of a journal in a file that nobody shares it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sluss-nodes-'));
    const path = join(folder, 'journal.db');
    await (await openSqliteJournal({ path, now: 0 })).close();
    const { code, out } = await runCommand(['nodes', '--journal', path]).done;
    rmSync(folder, { recursive: true });
    expect([code, out]).toEqual([0, 'the journal is a file, and one engine’s own: no nodes share it']);
  });
});
