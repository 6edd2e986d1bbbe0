import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PRUNE_SQL } from '../../src/journal/pruning.ts';
import { openSqliteJournal } from '../../src/journal/sqlite.ts';
import { admission, deliverOne, stating } from './kit.ts';

const SCRIPT = fileURLToPath(new URL('./prune-until-killed.ts', import.meta.url));
const BEFORE = { held: null, refused: 100, skipped: 100, delivered: 100, cancelled: 100 };
const BITE = { walk: 'bytes', at: 200, after: 0, limit: 1_000, maxBytes: 1e9, before: BEFORE } as const;

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluss-pruning-'));
  path = join(folder, 'journal.db');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('a journal that is killed while it prunes', () => {
  it('is whole: each message has all of its bytes or none, and the tallies are what counting gives', async () => {
    for (const [round, lines] of [260, 150, 330].entries()) {
      const child = spawn(process.execPath, [SCRIPT, path, String(round)], { stdio: ['ignore', 'pipe', 'inherit'] });
      const said: string[] = [];
      for await (const line of createInterface({ input: child.stdout })) {
        said.push(line);
        if (said.length === lines) child.kill('SIGKILL');
      }
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      expect(child.signalCode).toBe('SIGKILL');
      expect(said.filter((line) => line.startsWith('pruned')).length).toBeGreaterThan(0);
    }
    await (await openSqliteJournal({ path, now: 20 })).close();
    const db = new Database(path, { readonly: true });
    const count = (sql: string) => db.prepare(sql).pluck().get();
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok');
    expect(db.pragma('foreign_key_check')).toEqual([]);
    // A body without its message's bytes, or the other way round, would be half a bite.
    const halves = `select count(*) from deliveries d left join bodies b on b.delivery_id = d.id
      left join message_bytes m on m.message_id = d.message_id where (b.body is null) <> (m.bytes is null)`;
    expect(count(halves)).toBe(0);
    expect(count('select count(*) from messages') as number).toBeGreaterThan(
      count('select count(*) from message_bytes') as number,
    );
    const unsaid = `select count(*) from messages left join message_bytes b on b.message_id = id
      where (b.bytes is null) <> (id in (select message_id from history where event = 'pruned'))`;
    expect(count(unsaid)).toBe(0);
    expect(count('select count(*) from history where message_id not in (select id from messages)')).toBe(0);
    expect(db.prepare('select state, count(*) as count from deliveries group by state order by state').all()).toEqual(
      db.prepare("select state, count from tallies where kind = 'delivery' and count > 0 order by state").all(),
    );
    db.close();
  }, 120_000);
});

const readAll = () =>
  readdirSync(folder)
    .map((file) => readFileSync(join(folder, file), 'latin1'))
    .join();

describe('the file of a journal that was pruned', () => {
  it('holds nothing more of what it held', async () => {
    const journal = await openSqliteJournal({ path, now: 0 });
    const marked = (n: number) => `${n} ${'ANNA ANDERSSON '.repeat(n * 300)}`;
    for (const n of [1, 2, 5]) {
      const one = stating(marked(n), 1, [`k${n}`, '1', 'd'], [{ body: Buffer.from(`BODY-MARKER ${marked(n)}`) }]);
      await journal.admit({ ...one, controlId: `M${n}`, origin: 'folder anna-andersson.hl7 #1' });
    }
    for (let i = 0; i < 3; i++) await deliverOne(journal, 2);
    expect(readAll()).toContain('ANNA ANDERSSON');
    expect(await journal.prune(BITE)).toMatchObject({ count: 3 });
    await journal.close();
    for (const trace of ['ANNA', 'BODY-MARKER', 'anna-andersson']) expect(readAll()).not.toContain(trace);
  });

  it('does not shrink, but is filled again before it grows', async () => {
    const journal = await openSqliteJournal({ path, now: 0 });
    const fill = async (round: string) => {
      for (let i = 0; i < 100; i++) {
        const one = admission(`${round}${i} ${'x'.repeat(20_000)}`, 1, { state: 'skipped' });
        await journal.admit({ ...one, controlId: null });
      }
    };
    await fill('a');
    for (let round = 0; round < 5; round++) {
      await journal.prune(BITE);
      await fill(`${round}`);
    }
    await journal.close();
    expect(statSync(path).size).toBeLessThan(100 * 20_000 * 1.5);
  });
});

describe('the SQL of pruning', () => {
  it('reads no more than its bite', async () => {
    await (await openSqliteJournal({ path, now: 0 })).close();
    const db = new Database(path, { readonly: true });
    for (const [name, sql] of Object.entries(PRUNE_SQL)) {
      const values = sql.includes('@id') ? [{ id: 1 }] : Array.from({ length: sql.split('?').length - 1 }, () => 1);
      const plan = db.prepare<unknown[], { detail: string }>(`explain query plan ${sql}`).all(...values);
      const scans = plan.map(({ detail }) => detail).filter((detail) => /^SCAN (?!CONSTANT)|TEMP B-TREE/.test(detail));
      expect([name, scans]).toEqual([name, []]);
    }
    db.close();
  });
});
