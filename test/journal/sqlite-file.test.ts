import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Journal } from '../../src/contracts/journal.ts';
import { CLAIM_SQL } from '../../src/journal/claims.ts';
import { openWriter } from '../../src/journal/database.ts';
import { MIGRATIONS } from '../../src/journal/migrations.ts';
import { openSqliteJournal } from '../../src/journal/sqlite.ts';
import { admission, claimOne, ended, SLOT, stating } from './kit.ts';

let folder: string;
let path: string;
const open: Journal[] = [];
const openJournal = async (more: { now?: number; maxPages?: number } = {}) => {
  const journal = await openSqliteJournal({ path, now: 0, ...more });
  open.push(journal);
  return journal;
};
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluss-journal-'));
  path = join(folder, 'data', 'journal.db');
});
afterEach(async () => {
  for (const journal of open.splice(0)) await journal.close();
  rmSync(folder, { recursive: true, force: true });
});

const modeOf = (file: string) => (statSync(file).mode & 0o777).toString(8);

describe('the journal’s files', () => {
  it('can be read by their owner alone, also where they existed with another mode', async () => {
    const journal = await openJournal();
    await journal.admit(admission('a', 1));
    const files = readdirSync(join(folder, 'data'));
    expect(files.sort()).toEqual(['journal.db', 'journal.db-shm', 'journal.db-wal', 'journal.db.lock']);
    expect(modeOf(join(folder, 'data'))).toBe('700');
    for (const file of files) expect([file, modeOf(join(folder, 'data', file))]).toEqual([file, '600']);

    path = join(folder, 'old.db');
    writeFileSync(path, '', { mode: 0o644 });
    await openJournal();
    expect([modeOf(path), modeOf(`${path}-wal`)]).toEqual(['600', '600']);
  });

  it('are written in WAL mode with every commit synced', () => {
    const db = openWriter(':memory:', null);
    expect(db.pragma('synchronous', { simple: true })).toBe(2);
    expect(db.pragma('foreign_keys', { simple: true })).toBe(1);
    db.close();
  });

  it('belong to one engine at a time; the second is told who has them', async () => {
    const journal = await openJournal({ now: Date.UTC(2026, 0, 2) });
    await expect(openJournal()).rejects.toThrow(
      new RegExp(`in use by process ${process.pid} on .+ since 2026-01-02T00:00:00.000Z`),
    );
    const script = `import { openSqliteJournal } from ${JSON.stringify(new URL('../../src/journal/sqlite.ts', import.meta.url).href)};
      await openSqliteJournal({ path: ${JSON.stringify(path)}, now: 0 }).catch((error) => { console.log(error.message); process.exit(3); });`;
    const other = spawnSync(process.execPath, ['--input-type=module-typescript', '-e', script], { encoding: 'utf8' });
    expect(other.stdout).toContain(`process ${process.pid} on`);
    expect(other.status).toBe(3);
    await journal.admit(admission('still works', 1));
    await journal.close();
    await openJournal();
  });

  it('are waited for where somebody has them for a moment only', async () => {
    await (await openJournal()).close();
    const url = JSON.stringify(new URL('../../src/journal/sqlite.ts', import.meta.url).href);
    const script = `import { openSqliteJournal } from ${url};
      const journal = await openSqliteJournal({ path: ${JSON.stringify(path)}, now: 0 });
      process.stdin.once('data', () => journal.close().then(() => process.exit()));
      console.log('taken');`;
    const file = join(folder, 'holder.ts');
    writeFileSync(file, script);
    const other = spawn(process.execPath, [file], { stdio: ['pipe', 'pipe', 'inherit'] });
    await once(other.stdout, 'data');
    // It lets go while this thread stands still and waits.
    other.stdin.write('let go\n');
    const journal = await openJournal();
    await journal.admit(admission('mine now', 1));
  });

  it('are not opened where a newer version wrote them, and stay as they are', async () => {
    await (await openJournal()).close();
    const db = new Database(path);
    db.pragma(`user_version = ${MIGRATIONS.length + 1}`);
    db.close();
    await expect(openJournal()).rejects.toThrow(`written by a newer version: its schema is ${MIGRATIONS.length + 1}`);
    const again = new Database(path);
    again.pragma(`user_version = ${MIGRATIONS.length}`);
    again.close();
    // The failed attempt has let go of the lock.
    await openJournal();
  });

  it('keep what they hold when they are opened again, each migration having run once', async () => {
    const journal = await openJournal();
    await journal.admit(stating('a', 1, ['k', '1', 'd']));
    await journal.close();
    expect(readdirSync(join(folder, 'data')).sort()).toEqual(['journal.db', 'journal.db.lock']);
    const reopened = await openJournal();
    expect((await claimOne(reopened, 2)).resultKey).toBe('k');
    const db = new Database(path, { readonly: true });
    expect(db.pragma('user_version', { simple: true })).toBe(MIGRATIONS.length);
    db.close();
  });

  it('keep what is larger than the cache, beside what is small, and leave the message to whoever handed it over', async () => {
    const journal = await openJournal();
    const document = (letter: string) => Buffer.alloc(3_000_000, letter);
    const large = stating('large', 1, ['k1', '1', 'd1'], [{ body: document('b') }]);
    const bytes = document('m');
    await Promise.all([
      journal.admit({ ...large, bytes }),
      journal.admit(stating('small', 1, ['k2', '1', 'd2'])),
      journal.admit(stating('large too', 1, ['k3', '1', 'd3'], [{ body: document('c') }])),
    ]);
    expect(bytes.equals(document('m'))).toBe(true);
    expect(Buffer.from((await journal.readMessage(1))!.bytes).equals(document('m'))).toBe(true);
    expect(Buffer.from((await journal.readMessage(2))!.bytes).toString()).toBe('small');
    const bodies = await Promise.all([1, 2, 3].map(async (id) => Buffer.from((await journal.readDelivery(id))!.body)));
    expect(bodies[0]!.equals(document('b'))).toBe(true);
    expect(bodies[1]!.toString()).toBe('{"result":"k2"}');
    expect(bodies[2]!.equals(document('c'))).toBe(true);
  });

  it('of the first version are brought up to date with what they hold', async () => {
    path = join(folder, 'old.db');
    const db = new Database(path);
    db.exec(MIGRATIONS[0]!);
    db.exec(`insert into messages (channel, content_hash, origin, received_at, state, state_at, skipped, faults)
      values ('lab', x'00', 'mllp', 1, 'held', 1, '[]', '[]'); insert into message_bytes values (1, x'4d')`);
    db.pragma('user_version = 1');
    db.close();
    expect(await (await openJournal()).readMessage(1)).toMatchObject({ state: 'held', warnings: [] });
  });

  it('that are no database are refused in words', async () => {
    await (await openJournal()).close();
    writeFileSync(path, 'this is not a database, but it is long enough to be taken for one '.repeat(100));
    await expect(openJournal()).rejects.toThrow('file is not a database');
  });
});

describe('a full disk', () => {
  it('fails what does not fit, keeps what was acknowledged, and takes more once there is room', async () => {
    let journal = await openJournal({ maxPages: 120 });
    const stored: number[] = [];
    const failures: unknown[] = [];
    const big = 'x'.repeat(9000);
    for (let round = 0; round < 20; round++) {
      const calls = [0, 1, 2, 3].map((i) =>
        journal.admit(stating(`${round} ${i} ${big}`, 1, [`${round}-${i}`, '1', 'd'])),
      );
      for (const end of await Promise.allSettled(calls)) {
        if (end.status === 'fulfilled') stored.push(end.value.messageId);
        else failures.push(end.reason);
      }
    }
    expect(stored.length).toBeGreaterThan(4);
    expect(failures.length).toBeGreaterThan(4);
    for (const failure of failures) {
      expect(failure).toMatchObject({ name: 'Fault', code: 'journal-failed', detail: 'SQLITE_FULL' });
    }
    // The writer lives, reading goes on, and a transaction that failed has left nothing, whole or half.
    expect((await journal.readOverview(2)).messages[0]!.count).toBe(stored.length);
    expect((await journal.readOverview(2)).deliveries[0]!.count).toBe(stored.length);
    await journal.close();

    journal = await openJournal();
    for (const id of stored) expect(await journal.readMessage(id)).toMatchObject({ state: 'mapped' });
    const { messageId } = await journal.admit(stating('room again', 3, ['z', '1', 'd']));
    expect(messageId).toBe(Math.max(...stored) + 1);
    const db = new Database(path, { readonly: true });
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok');
    db.close();
  });
});

describe('the SQL of a claim', () => {
  it('goes by indexes that hold heads of lanes only', async () => {
    await (await openJournal()).close();
    const db = new Database(path, { readonly: true });
    const planOf = (sql: string) => {
      const values = Array.from({ length: sql.split('?').length - 1 }, () => 1);
      const rows = db.prepare<unknown[], { detail: string }>(`explain query plan ${sql}`).all(...values);
      return rows.map(({ detail }) => detail).join('; ');
    };
    const ready = 'SEARCH deliveries USING COVERING INDEX deliveries_ready';
    expect(planOf(CLAIM_SQL.nextChannel)).toBe(`${ready} (target=? AND party=? AND channel>?)`);
    expect(planOf(CLAIM_SQL.nextOperation)).toBe(`${ready} (target=? AND party=? AND channel=? AND operation>?)`);
    expect(planOf(CLAIM_SQL.heads)).toBe(`${ready} (target=? AND party=? AND channel=? AND operation=?)`);
    expect(planOf(CLAIM_SQL.wake)).toContain('SEARCH deliveries USING COVERING INDEX deliveries_timed (due_at<?)');
    // It reads the first entry of an index in its order, so a scan that ends at once.
    expect(planOf(CLAIM_SQL.nextDueAt)).toBe('SCAN deliveries USING COVERING INDEX deliveries_timed');
    for (const sql of [CLAIM_SQL.read, CLAIM_SQL.start, CLAIM_SQL.wake]) {
      expect(planOf(sql)).toContain('USING INTEGER PRIMARY KEY');
      expect(planOf(sql)).not.toMatch(/SCAN|TEMP B-TREE/);
    }
    db.close();
  });
});

describe('a long read', () => {
  it('does not hold up a commit', async () => {
    const journal = await openJournal();
    for (let i = 0; i < 50; i++) await journal.admit(stating(`m${i}`, 1, [`k${i}`, '1', 'd'], [{ laneKey: `${i}` }]));
    const reader = new Database(path, { readonly: true });
    reader.exec('begin');
    expect(reader.prepare('select count(*) from messages').pluck().get()).toBe(50);
    const { deliveries } = await journal.claim([SLOT], 2);
    await Promise.all(deliveries.map((delivery) => journal.record(ended(delivery, 3))));
    expect((await journal.readOverview(4)).deliveries).toMatchObject([{ state: 'delivered', count: 50 }]);
    expect(reader.prepare("select count(*) from deliveries where state = 'waiting'").pluck().get()).toBe(50);
    reader.exec('commit');
    reader.close();
  });
});
