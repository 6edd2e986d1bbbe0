import { execFile } from 'node:child_process';
import { copyFileSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type Ran, runCommand } from '../cli/kit.ts';
import { type EngineProcess, ROOT, spawnSluss } from './engine-process.ts';
import { testMessage } from './message.ts';
import { connectPeer } from './mllp-peer.ts';
import { makeSite, type Site, type SiteOptions } from './site.ts';

let site: Site;
afterEach(async () => {
  await site[Symbol.asyncDispose]();
});

/** Runs a command in this process; the engine is in another. */
const sluss = (...args: string[]): Promise<Ran> => runCommand([...args, '-c', site.configFile]).done;

/** Runs it as an operator would. */
async function spawned(...args: string[]): Promise<Ran> {
  const ran = spawnSluss([...args, '-c', site.configFile]);
  const { code } = await ran.ended;
  return { code: code ?? -1, out: ran.output().trimEnd(), err: ran.errors().trimEnd() };
}

const act = (...args: string[]) => sluss(...args, '--by', 'alva', '--why', 'because');

async function begin(options: SiteOptions = {}): Promise<EngineProcess> {
  site = await makeSite(options);
  return await site.start();
}

async function send(...messages: Buffer[]): Promise<void> {
  using peer = await connectPeer(await site.port('lab-nord'));
  for (const message of messages) await peer.exchange(message);
}

/** Of yesterday: what was sampled long ago is not certified any more. */
function message(controlId: string, person: number, results: string[], more: object = {}): Buffer {
  const yesterday = new Date(Date.now() - 86_400_000).toISOString().slice(0, 10).replaceAll('-', '');
  const text = testMessage({ controlId, person, results, ...more }).toString('latin1');
  return Buffer.from(text.replaceAll('20221114', yesterday), 'latin1');
}

const refuse = (times: number) =>
  site.standIn.faults.add({ fault: { kind: 'status', status: 422, message: 'no' }, times });

describe('an operator, beside an engine that runs', () => {
  it('sees what is held without a word of what it says, lets it go, and is in the history', async () => {
    const engine = await begin();
    refuse(1);
    await send(message('HELD1', 1, ['A']), message('OK1', 2, ['B']));
    await engine.seen('delivery-delivered');
    await engine.seen('delivery-held');
    const list = await spawned('list', '--deliveries', 'held');
    expect(list).toMatchObject({ code: 0, err: '' });
    expect(list.out.split('\n')).toHaveLength(2);
    expect(list.out).toMatch(/^ +1 .* lab-nord +HELD1 +mapped +1 held; target-refused$/m);
    expect(list.out.split('\n').every((line) => line.length <= 100)).toBe(true);
    expect((await sluss('show', '1')).out).not.toContain('Berg');
    expect((await sluss('show', '1', '--trail')).out).not.toContain('Berg');
    expect((await sluss('show', '1', '--bytes')).out).toContain('Berg^Alva');

    expect((await sluss('release', '1')).code).toBe(1);
    const released = await spawned('release', '1', '--by', 'alva', '--why', 'because');
    expect(released).toMatchObject({ code: 0, out: 'd1 of 1           released' });
    await engine.seen('delivery-delivered', undefined, 2);
    const { history } = JSON.parse((await sluss('show', '1', '--json')).out);
    expect(history).toContainEqual(
      expect.objectContaining({ event: 'released', deliveryId: 1, by: 'alva', note: 'because', from: 'held' }),
    );
    // Its words are in the journal, and nowhere else.
    expect(site.said()).not.toContain('because');
    expect(site.said()).toContain('"event":"delivery-released"');
  }, 120_000);

  it('does not send what a newer version has overtaken: release and replay say by which message', async () => {
    const engine = await begin();
    refuse(1);
    await send(message('V1', 1, ['A'], { sentAt: '20221114153000' }));
    await engine.seen('delivery-held');
    await send(message('V2', 1, ['A'], { sentAt: '20221114160000', name: 'Berg^Alva Maria' }));
    await engine.seen('delivery-delivered');
    expect((await act('release', '1')).out).toContain('1                 not done: it is not held');
    // Mapped again with other mappings it says something else than it did, and is still the older.
    const replayed = await act('replay', '1');
    expect(replayed.out).toContain('overtaken by message 2');
    expect(replayed.out).toContain('1 cancelled');
    const { deliveries, history } = JSON.parse((await sluss('show', '1', '--json')).out);
    expect(deliveries.map(({ state }: { state: string }) => state)).toEqual(['cancelled', 'cancelled']);
    expect(history.at(-1)).toMatchObject({ event: 'stale', why: 'message 2', by: 'alva' });
    expect(site.standIn.ledger.entries()).toHaveLength(1);
  }, 120_000);

  it('adds a row for a code, and lets go what it held, while messages go on coming', async () => {
    const engine = await begin();
    const mappings = join(site.folder, 'mappings');
    await new Promise((done) => execFile('cp', ['-r', join(ROOT, 'mappings'), mappings], done));
    site.configure((text) => text.replace(/^mappings: .*$/m, 'mappings: [mappings]'));
    await engine.seen('configuration-in-force');
    await send(message('CODE1', 1, ['A'], { test: 'COVPCR2^Covid^L' }));
    await engine.seen('message-held');
    expect((await sluss('codes', 'map', 'se-covid-tests', 'L', 'COVPCR2', 'naat')).code).toBe(0);
    const released = await sluss('codes', 'release', '--by', 'alva');
    expect(released).toMatchObject({ code: 0, out: '1 mapped' });
    await engine.seen('delivery-delivered');
    const shown = JSON.parse((await sluss('show', '1', '--json')).out);
    expect(shown).toMatchObject({ state: 'mapped', faults: [] });
    expect(
      shown.history.some((one: { event: string; by: string }) => one.event === 'replayed-mapped' && one.by === 'alva'),
    ).toBe(true);
    expect((await act('replay', '1')).out).toContain('mapped; nothing new to send');
  }, 120_000);

  it('pauses and resumes a target, over a kill of the engine, and takes messages in meanwhile', async () => {
    const engine = await begin();
    const paused = await act('pause', '--target', 'covidbevis', '--party', 'region-nord');
    expect(paused.out).toContain('covidbevis for region-nord: paused');
    await engine.seen('paused', (line) => line.target === 'covidbevis' && line.party === 'region-nord');
    await send(message('P1', 1, ['A']));
    await engine.kill();
    const second = await site.start();
    await second.seen('still-paused');
    const metrics = await (await fetch(`${await second.consoleUrl()}/metrics`)).text();
    expect(metrics).toContain('sluss_paused{target="covidbevis",party="region-nord",operation=""} 1');
    expect(site.standIn.ledger.entries()).toEqual([]);
    expect((await sluss('pauses')).out).toMatch(/^covidbevis for region-nord\n {2}since .* by alva: because$/);
    expect((await act('resume', '--target', 'covidbevis')).code).toBe(1);
    expect((await act('resume', '--all')).out).toBe('covidbevis for region-nord: resumed');
    await second.seen('delivery-delivered');
    expect((await sluss('pauses')).out).toBe('nothing is paused');
  }, 120_000);

  it('counts before it acts on much, and cancels', async () => {
    const engine = await begin();
    refuse(3);
    await send(...[1, 2, 3].map((person) => message(`H${person}`, person, ['A'])));
    await engine.seen('delivery-held', undefined, 3);
    const bulk = ['cancel', '--all-held', '--channel', 'lab-nord', '--fault', 'target-refused'];
    const counted = await act(...bulk);
    expect(counted).toMatchObject({ code: 0 });
    expect(counted.out).toContain('3 messages of which something is held\nNothing was done; --yes does it.');
    expect((await sluss('list', '--deliveries', 'held')).out.split('\n')).toHaveLength(4);
    expect((await act(...bulk, '--yes')).out).toContain('d3 of 3           cancelled');
    expect((await sluss('list', '--deliveries', 'held')).out).toBe('nothing found');
    expect((await act('release', 'd1')).code).toBe(1);
  }, 120_000);

  it('gives up what nobody has asked for, so that no request brings it back, and takes a request back', async () => {
    await begin();
    const [asked, unasked] = [message('ASKED', 1, ['A']), message('UNASKED', 1, ['A'])];
    await send(Buffer.from(unasked.toString('latin1').replace('TESTBEVIS', ''), 'latin1'));
    expect((await sluss('list', '--lacking')).out).toMatch(/UNASKED .*lacking: not-requested$/);
    expect(await act('cancel', '1')).toMatchObject({ code: 0, out: 'd1 of 1           cancelled' });
    expect((await sluss('list', '--lacking')).out).toBe('nothing found');
    await send(asked);
    expect((await sluss('show', '2')).out).toContain('linked');
    expect(await act('cancel', '2')).toMatchObject({ code: 0, out: '2                 cancelled' });
    expect((await sluss('show', '2')).out).toMatch(/taken-back.*alva/);
    expect((await act('cancel', '1', '2')).code).toBe(1);
    expect((await sluss('list', '--deliveries', 'cancelled')).out.split('\n')).toHaveLength(2);
  }, 120_000);

  it('backs the journal up while it is written, into a file that only its owner may read, and replaces nothing', async () => {
    const engine = await begin();
    await send(...Array.from({ length: 20 }, (_, i) => message(`B${i}`, i, [`R${i}`])));
    const copy = join(site.folder, 'copy.db');
    const sending = send(...Array.from({ length: 20 }, (_, i) => message(`C${i}`, i, [`S${i}`])));
    const made = await sluss('backup', copy);
    await sending;
    expect(made).toMatchObject({ code: 0, err: '' });
    expect(made.out).toMatch(/copy\.db: [\d.]+ MB, \d+ messages and \d+ deliveries, .*; sound$/);
    expect(statSync(copy).mode & 0o777).toBe(0o600);
    const again = await sluss('backup', copy);
    expect([again.code, again.err]).toEqual([1, expect.stringContaining('a backup replaces nothing')]);
    // What was acknowledged before is in it, and an engine starts with it.
    await engine.stop();
    copyFileSync(copy, site.journalFile);
    const restored = await site.start();
    expect((await sluss('list', '--control-id', 'B19')).out).toContain('B19');
    expect((await restored.stop()).code).toBe(0);
  }, 120_000);

  it('speaks over a socket that only its owner may use, and that a dead engine’s does not stand in the way of', async () => {
    const engine = await begin();
    const path = `${site.journalFile}.sock`;
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await engine.kill();
    expect(statSync(path).isSocket()).toBe(true);
    const second = await site.start();
    await new Promise<void>((resolve, reject) => {
      const socket = connect(path, () => resolve());
      socket.once('error', reject);
      socket.unref();
    });
    expect((await second.stop()).code).toBe(0);
    expect(statSync(path, { throwIfNoEntry: false })).toBeUndefined();
  }, 120_000);

  it('refuses to start where the socket’s path would be too long, and names the line', async () => {
    site = await makeSite();
    site.configure((text) => text.replace('journal: journal.db', `journal: ${'a'.repeat(100)}.db`));
    const ran = spawnSluss(['run', '-c', site.configFile]);
    expect(await ran.ended).toMatchObject({ code: 2 });
    expect(ran.errors()).toMatch(/sluss\.yaml:1:\d+.*longer than \d+ bytes/);
  }, 120_000);
});

describe('an operator, without an engine', () => {
  it('acts on the journal itself, and the engine sends when it runs', async () => {
    const engine = await begin();
    refuse(1);
    await send(message('HELD1', 1, ['A']));
    await engine.seen('delivery-held');
    await engine.stop();
    expect((await sluss('list')).out).toContain('HELD1');
    expect((await act('pause', '--party', 'region-nord')).code).toBe(0);
    expect((await act('release', '1')).out).toContain('They are sent as soon as the engine runs.');
    expect((await act('resume', '--party', 'region-nord')).code).toBe(0);
    const second = await site.start();
    await second.seen('delivery-delivered');
  }, 120_000);

  it('is told who has the journal where that one cannot be spoken to', async () => {
    const engine = await begin();
    rmSync(`${site.journalFile}.sock`);
    const ran = await act('cancel', '1');
    expect(ran.code).toBe(1);
    expect(ran.err).toMatch(new RegExp(`the journal is in use by process ${engine.pid} .*does not answer on`));
  }, 120_000);
});
