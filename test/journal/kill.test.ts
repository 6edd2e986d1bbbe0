import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { afterEach, describe, expect, it } from 'vitest';
import { openSqliteJournal } from '../../src/journal/sqlite.ts';

const SCRIPT = fileURLToPath(new URL('./admit-until-killed.ts', import.meta.url));

const folder = mkdtempSync(join(tmpdir(), 'sluss-kill-'));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Lets a child work until it has said so many lines, kills it with SIGKILL, and gives all it said. */
async function runUntilKilled(path: string, round: number, lines: number): Promise<string[]> {
  const child = spawn(process.execPath, [SCRIPT, path, String(round)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const said: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    said.push(line);
    if (said.length === lines) child.kill('SIGKILL');
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  expect(child.signalCode).toBe('SIGKILL');
  return said;
}

describe('a journal whose process is killed', () => {
  it('has all it said it had, and sends nothing twice that was delivered', async () => {
    const path = join(folder, 'journal.db');
    const said: string[] = [];
    // The same file each time: the lock of the dead holder is no hindrance to the next.
    for (const [round, lines] of [700, 60, 1900, 431].entries())
      said.push(...(await runUntilKilled(path, round, lines)));

    const db = new Database(path, { readonly: true });
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok');
    expect(db.pragma('foreign_key_check')).toEqual([]);
    db.close();

    const journal = await openSqliteJournal({ path, now: 1 });
    try {
      let admitted = 0;
      const seen = { deliveries: 0 };
      for (const line of said) {
        const [word, id, name] = line.split(' ') as [string, string, string];
        if (word === 'admitted') {
          admitted++;
          const message = await journal.readMessage(Number(id));
          expect(message?.controlId).toMatch(new RegExp(`^${name} `));
          const [delivery] = await journal.readDeliveries(Number(id));
          expect(delivery).toMatchObject({ resultKey: name, inFlight: false });
        }
      }
      expect(admitted).toBeGreaterThan(500);

      const check = new Database(path, { readonly: true });
      const read = check.prepare<[string], { state: string; attempts: number; turn: string | null }>(
        'select state, attempts, turn from deliveries where id = ?',
      );
      for (const line of said) {
        const [word, id, attempt] = line.split(' ') as [string, string, string];
        if (word === 'admitted') continue;
        seen.deliveries++;
        const row = read.get(id)!;
        if (word === 'delivered') expect(row.state).toBe('delivered');
        else expect(row.attempts).toBeGreaterThanOrEqual(Number(attempt));
      }
      expect(seen.deliveries).toBeGreaterThan(0);
      // Every lane has its head marked, and the tallies are what counting gives.
      const lanes = 'select count(distinct lane_key) from deliveries where state = ?';
      const heads = "select count(*) from deliveries where turn in ('ready', 'timed')";
      expect(check.prepare(heads).pluck().get()).toBe(check.prepare(lanes).pluck().get('waiting'));
      const counted = check
        .prepare('select state, count(*) as count from deliveries group by state order by state')
        .all();
      const overview = await journal.readOverview(2);
      expect(overview.deliveries.map(({ state, count }) => ({ state, count }))).toEqual(counted);
      check.close();
    } finally {
      await journal.close();
    }
  });
});
