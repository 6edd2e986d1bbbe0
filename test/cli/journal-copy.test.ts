import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parsePostgresUrl } from '../../src/journal/postgres/address.ts';
import { makeConnector } from '../../src/journal/postgres/connection.ts';
import { openSqliteJournal } from '../../src/journal/sqlite.ts';
import { writeEveryKind } from '../journal/every-kind.ts';
import { type PostgresServer, startPostgres } from '../journal/postgres-server.ts';
import { runCommand } from './kit.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluss-journal-copy-'));
const from = join(folder, 'journal.db');

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres({ fsync: false });
  await writeEveryKind(from);
});
afterAll(async () => {
  await server.remove();
  rmSync(folder, { recursive: true, force: true });
});

/** An empty database, and its password apart. */
async function makeTarget() {
  const { url } = await server.createDatabase();
  const open = new URL(url);
  const { password } = open;
  open.password = '';
  return { url, open: open.href, password };
}
const run = (args: readonly string[], env: Record<string, string> = {}) =>
  runCommand(['journal', 'copy', ...args], env).done;

describe('sluss journal copy', () => {
  it('copies, compares, prints what there is, and then list and show say the same', async () => {
    const { url, open, password } = await makeTarget();
    const file = join(folder, 'password');
    writeFileSync(file, `${password}\n`);
    const copied = await run(['--from', from, '--to', open, '--password-file', file]);
    expect([copied.code, copied.out, copied.err]).toEqual([
      0,
      expect.stringMatching(
        /messages +9 +[0-9a-f]{16}\n[\s\S]*messages: 9 mapped\ndeliveries: .*\nthe same on both sides/,
      ),
      expect.stringContaining('copying message_bytes'),
    ]);
    for (const args of [['list'], ['list', '--deliveries', 'held'], ['show', '1', '--bytes', '--body'], ['pauses']]) {
      const [one, other] = [
        await runCommand([...args, '--journal', from, '--json']).done,
        await runCommand([...args, '--journal', url, '--json']).done,
      ];
      expect(other.code).toBe(0);
      // PostgreSQL's texts hold no NUL.
      expect(JSON.parse(other.out)).toEqual(JSON.parse(one.out.replaceAll('\\u0000', '\u2400')));
    }
    const again = await run(['--from', from, '--to', url]);
    expect([again.code, again.err]).toEqual([1, expect.stringContaining('before, and completely')]);
    expect(again.err).not.toContain(password);
  });

  it('takes the password from the environment, and the database from the configuration', async () => {
    const { open, password } = await makeTarget();
    const config = join(folder, 'sluss.yaml');
    writeFileSync(
      config,
      `journal: { url: '${open}', password: { env: DB_PASSWORD }, node: alfa }\nmappings: [.]\nsecret: { env: SLUSS_SECRET }\ntargets: {}\nparties: {}\nchannels: {}\n`,
    );
    const env = { DB_PASSWORD: password, SLUSS_SECRET: 'x'.repeat(40) };
    const copied = await run(['-c', config, '--from', from, '--json'], env);
    expect([copied.code, copied.err]).toEqual([0, expect.stringContaining('copying')]);
    expect(JSON.parse(copied.out)).toMatchObject({ from, differences: [] });
    expect(copied.out).not.toContain(password);
    const nodes = await runCommand(['nodes', '-c', config], env).done;
    expect(nodes.out).toContain('alfa  gone');
  });

  it('ends with 1 and says where, when a row was changed underneath', async () => {
    const { url } = await makeTarget();
    const client = await makeConnector(parsePostgresUrl(url))('test');
    await run(['--from', from, '--to', url]);
    // As if it had been cut off just before its end.
    await client.query('update copied_from set completed_at = null');
    await client.query(`update deliveries set fault = 'x' where id = 1`);
    await client.end();
    const { code, err } = await run(['--from', from, '--to', url]);
    expect([code, err]).toEqual([1, expect.stringContaining('deliveries differs from id 1 on')]);
    const list = await runCommand(['list', '--journal', url]).done;
    expect([list.code, list.err]).toEqual([1, expect.stringContaining('holds a part of another journal')]);
  });

  it('says who has the file, and what is no file', async () => {
    const { url } = await makeTarget();
    const used = join(folder, 'used.db');
    const engine = await openSqliteJournal({ path: used, now: 0 });
    const busy = await run(['--from', used, '--to', url]);
    await engine.close();
    expect([busy.code, busy.err]).toEqual([1, expect.stringContaining(`in use by process ${process.pid}`)]);
    expect((await run(['--from', url, '--to', url])).err).toContain('name it with --from');
    expect((await run(['--from', from, '--to', used])).err).toContain('--to postgres://');
  });
});
