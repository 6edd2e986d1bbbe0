import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ANY_MESSAGE } from '../../src/contracts/operations.ts';
import { parsePostgresUrl } from '../../src/journal/postgres/address.ts';
import { makeConnector } from '../../src/journal/postgres/connection.ts';
import { type CopyOptions, copyJournal } from '../../src/journal/postgres/copy.ts';
import { openPostgresReader } from '../../src/journal/postgres/journal-reader.ts';
import { openPostgresJournal } from '../../src/journal/postgres.ts';
import { openJournalReader, type RemoteJournalReader } from '../../src/journal/reader.ts';
import { openSqliteJournal } from '../../src/journal/sqlite.ts';
import { writeEveryKind } from './every-kind.ts';
import { admission, claimOne, ended, eventsOf, SLOT, statesOf } from './kit.ts';
import { type PostgresDatabase, type PostgresServer, startPostgres } from './postgres-server.ts';

const SCRIPT = fileURLToPath(new URL('./copy-until-killed.ts', import.meta.url));

const folder = mkdtempSync(join(tmpdir(), 'sluss-copy-'));
const from = join(folder, 'journal.db');
const sha = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');

let server: PostgresServer;
let database: PostgresDatabase;
beforeAll(async () => {
  server = await startPostgres({ fsync: false });
  await writeEveryKind(from);
});
afterAll(async () => {
  await server.remove();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  database = await server.createDatabase();
});
afterEach(() => database.drop());

const address = () => parsePostgresUrl(database.url);
const copy = (more: Partial<CopyOptions> = {}) => copyJournal({ from, to: address(), node: 'a', now: 0, ...more });
const openNode = (node = 'a', now = 1_000) => openPostgresJournal({ address: address(), node, now });
async function ask<Row>(sql: string, ...values: unknown[]): Promise<Row[]> {
  const client = await makeConnector(address())('test');
  try {
    return (await client.query(sql, values)).rows;
  } finally {
    await client.end();
  }
}
function countRows(): Record<string, number> {
  const db = new Database(from, { readonly: true });
  try {
    const names = db.prepare<[], string>(`select name from sqlite_schema where type = 'table'`).pluck().all();
    return Object.fromEntries(
      names.map((name) => [name, db.prepare<[], number>(`select count(*) from ${name}`).pluck().get()!]),
    );
  } finally {
    db.close();
  }
}
/** All that the commands show of a journal. */
async function readAll(reader: Pick<RemoteJournalReader, 'readMessage'> | ReturnType<typeof openJournalReader>) {
  const one = reader as RemoteJournalReader;
  const messages = await one.listLast(1_000, 100);
  return {
    messages,
    held: await one.listHeld(0, 100),
    found: await one.findMessages({ ...ANY_MESSAGE, channel: 'lab' }, { limit: 100, before: null } as never),
    deliveries: await Promise.all(messages.map(async ({ id }) => await one.readDeliveries(id))),
    history: await Promise.all(messages.map(async ({ id }) => await one.readHistory(id))),
    pauses: await one.listPauses(),
    acts: await one.listActs(10),
  };
}
/** Bytes as hex, whatever class of byte array they come in, and texts as PostgreSQL can hold them. */
function plainly(value: unknown): unknown {
  const text = JSON.stringify(value, function (this: Record<string, unknown>, key, part: unknown) {
    const own = this[key];
    return own instanceof Uint8Array ? Buffer.from(own).toString('hex') : part;
  });
  return JSON.parse(text.replaceAll('\\u0000', '\u2400'));
}
/** What stops a copy after so many transactions. */
const stopAfter = (count: number) => ({
  chunk: { rows: 1, bytes: 1 },
  onChunk() {
    count -= 1;
    if (count === 0) throw new Error('cut off');
  },
});

describe('a copy of a SQLite journal on PostgreSQL', () => {
  it('has every row of every table there is, and leaves the file as it was', async () => {
    const counts = countRows();
    // Whoever adds a table adds rows of it to every-kind.ts: so none is forgotten here.
    expect(Object.entries(counts).filter(([, count]) => count === 0)).toEqual([]);
    const before = sha(from);
    const { tables, differences } = await copy();
    expect(differences).toEqual([]);
    expect(Object.fromEntries(tables.map(({ name, rows }) => [name, rows]))).toEqual(counts);
    expect(tables.map(({ rows, copied }) => rows - copied)).toEqual(tables.map(() => 0));
    expect(tables.find(({ name }) => name === 'deliveries')!.states).toMatchObject({ waiting: 3, held: 1 });
    for (const { name, rows } of tables)
      expect(await ask(`select count(*) as count from ${name}`), name).toEqual([{ count: rows }]);
    expect(sha(from)).toBe(before);
  });

  it('shows the same as the file, byte for byte, in whatever pieces it was copied', async () => {
    await copy({ chunk: { rows: 4, bytes: 600 } });
    const file = openJournalReader(from);
    const shared = await openPostgresReader(address());
    try {
      const shown = await readAll(file);
      expect(shown.messages.length).toBeGreaterThan(7);
      expect(plainly(await readAll(shared))).toEqual(plainly(shown));
    } finally {
      file.close();
      await shared.close();
    }
  });

  it('goes on where the file stopped: what waits is sent, what was in flight is judged, numbers go on', async () => {
    const counts = countRows();
    await copy();
    const journal = await openNode();
    try {
      expect((await journal.readAlarms()).map(({ key }) => key)).toEqual(['quiet']);
      const flying = counts.messages!;
      expect(await statesOf(journal, flying)).toEqual(['waiting in-doubt']);
      expect((await eventsOf(journal, flying)).slice(-2)).toEqual(['attempt attempt 1', 'retry in-doubt']);
      const { deliveries } = await journal.claim([{ ...SLOT, free: 10 }], 1_001);
      expect(deliveries.map(({ resultKey, attempt }) => [resultKey, attempt]).sort()).toEqual([
        ['f', 2],
        ['t', 2],
      ]);
      for (const one of deliveries) expect(await journal.record(ended(one, 1_002))).toEqual({ state: 'delivered' });
      const { messageId } = await journal.admit(admission('new', 1_003));
      expect(messageId).toBe(counts.messages! + 1);
      expect(await journal.admit(admission('asks', 1_004))).toMatchObject({ repeated: true });
      await journal.resume({ target: 'other', party: null, operation: null }, { at: 1_005, by: 'alva', note: null });
      expect((await journal.listActs(5)).map(({ event }) => event)).toEqual(['resumed', 'paused']);
      expect(await claimOne(journal, 9_001)).toMatchObject({ resultKey: 'a', operation: 'file' });
      const { messages } = await journal.readOverview(9_002);
      expect(messages.reduce((sum, { count }) => sum + count, 0)).toBe(messageId);
    } finally {
      await journal.close();
    }
  });

  it('leaves what was in flight to any other node, too', async () => {
    await copy();
    const journal = await openNode('b');
    try {
      const orphans = new Promise<void>((resolve) => journal.onChange((change) => change === 'orphans' && resolve()));
      await journal.declare(() => ({ version: '', configuration: '', mapping: '' }));
      await orphans;
      expect(await statesOf(journal, countRows().messages!)).toEqual(['waiting in-doubt']);
    } finally {
      await journal.close();
    }
  });
});

describe('a copy that was cut off', () => {
  it('goes on where it stopped, and no node works on it before it is complete', async () => {
    const total = Object.values(countRows()).reduce((sum, count) => sum + count, 0);
    let there = 0;
    for (const step of [3, 20, 11]) {
      await expect(copy(stopAfter(step))).rejects.toThrow('cut off');
      there += step;
      await expect(openNode()).rejects.toThrow('sluss journal copy');
      await expect(openPostgresReader(address())).rejects.toThrow('sluss journal copy');
    }
    const { tables, differences } = await copy();
    expect(differences).toEqual([]);
    expect(tables.reduce((sum, { copied }) => sum + copied, 0)).toBe(total - there);
    await (await openNode()).close();
    await expect(copy()).rejects.toThrow('copied into this database before');
  });

  it('by kill -9 does the same', async () => {
    for (const chunks of [7, 25]) {
      const child = spawn(process.execPath, [SCRIPT, from, database.url, String(chunks)], {
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
      await expect(openNode()).rejects.toThrow('sluss journal copy');
    }
    const { tables, differences } = await copy();
    expect(differences).toEqual([]);
    expect(tables.reduce((sum, { rows, copied }) => sum + rows - copied, 0)).toBe(32);
  });

  it('is refused to another journal, and to this one when it has changed', async () => {
    await expect(copy(stopAfter(5))).rejects.toThrow('cut off');
    const changed = join(folder, 'changed.db');
    copyFileSync(from, changed);
    const journal = await openSqliteJournal({ path: changed, now: 50 });
    await journal.close();
    await expect(copy({ from: changed })).rejects.toThrow('another journal, or this one has changed');
    expect((await copy()).differences).toEqual([]);
  });

  it('tells what differs where a row was changed underneath, and stays shut', async () => {
    await expect(copy(stopAfter(60))).rejects.toThrow('cut off');
    await ask(`update message_bytes set bytes = set_byte(bytes, 1, 9) where message_id = 3`);
    await ask(`delete from results where id = 1`);
    const { differences } = await copy();
    expect(differences).toEqual([
      'message_bytes differs from message_id 3 on',
      expect.stringMatching(/^results differs from id 1 on, \d rows in the file and \d in the copy$/),
    ]);
    expect((await copy()).differences).toEqual(differences);
    await expect(openNode()).rejects.toThrow('sluss journal copy');
  });
});

describe('a copy is not begun', () => {
  it('of a file that an engine has, and says who', async () => {
    const path = join(folder, 'used.db');
    const engine = await openSqliteJournal({ path, now: 0 });
    await expect(copy({ from: path })).rejects.toThrow(`in use by process ${process.pid}`);
    await engine.close();
    expect((await copy({ from: path })).differences).toEqual([]);
  });

  it('of a file that is not there, or of another version', async () => {
    await expect(copy({ from: join(folder, 'none.db') })).rejects.toThrow('SQLITE_CANTOPEN');
    const path = join(folder, 'old.db');
    copyFileSync(from, path);
    const db = new Database(path);
    db.pragma('user_version = 3');
    db.close();
    await expect(copy({ from: path })).rejects.toThrow('an older version; start the engine on it once');
  });

  it('into a database that a node works on, or has worked on', async () => {
    const node = await openNode('b');
    await expect(copy()).rejects.toThrow('in use by b');
    await node.admit(admission('m', 1));
    await node.close();
    await expect(copy()).rejects.toThrow('not empty');
    await (await openNode('b')).close();
  });
});
