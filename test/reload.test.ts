import { cpSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Sluss } from '../src/main.ts';
import { type Installation, install, negativeTest, portOf, sendAll } from './installation.ts';
import { connectPeer, type MllpPeer } from './whole/mllp-peer.ts';

let home: Installation;
const peers: MllpPeer[] = [];
beforeEach(async () => {
  home = await install();
});
afterEach(async () => {
  for (const peer of peers.splice(0)) peer.socket.destroy();
  await home.tearDown();
});

interface Line {
  readonly event: string;
  readonly where?: string;
  readonly detail?: string;
  readonly [field: string]: unknown;
}
const linesOf = (event: string): Line[] =>
  home.log.map((line) => JSON.parse(line) as Line).filter((line) => line.event === event);

async function connected(sluss: Sluss, channel: string): Promise<MllpPeer> {
  const peer = await connectPeer(portOf(sluss, channel));
  peers.push(peer);
  return peer;
}

const ofSyd = (controlId: string) => negativeTest({ controlId, organisation: '5599999991' });
/** `lab-x` between the channels. */
const withChannel =
  (name: string, source: string, party = 'region-nord') =>
  (text: string) =>
    `${text.trimEnd()}\n  ${name}:\n    source: ${source}\n    mappings: [se-covid-certificates]\n    parties: [${party}]\n    with: { testHours: 876000 }\n`;
const withoutSyd = (text: string) =>
  text.replace(/\n {2}klinik-syd:\n(?: {4}.*\n)+/, '\n').replace(/\n {2}lab-syd:\n(?: {4}.*\n)+/, '\n');

/** A port that nobody has just now. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe('a configuration that changed', () => {
  it('opens what is new, closes what is gone, and lets connections to what is the same live on', async () => {
    const sluss = await home.start();
    const nord = await connected(sluss, 'lab-nord');
    const syd = await connected(sluss, 'lab-syd');
    expect(await nord.exchange(negativeTest({ controlId: 'N1' }))).toMatchObject({ code: 'AA' });

    home.configure((text) => withChannel('lab-new', '{ kind: mllp, port: 0 }')(withoutSyd(text)));
    expect(await sluss.reload()).toBe(true);
    await syd.closed;
    expect(sluss.sources.map(({ channel }) => channel)).toEqual(['lab-nord', 'lab-new']);
    const added = await connected(sluss, 'lab-new');
    expect(await added.exchange(negativeTest({ controlId: 'A1' }))).toMatchObject({ code: 'AA' });
    expect(await nord.exchange(negativeTest({ controlId: 'N2' }))).toMatchObject({ code: 'AA' });
    await home.standIn.ledger.waitFor(3);
    expect(linesOf('configuration-in-force')[0]?.detail).toBe('channels +lab-new -lab-syd, parties -klinik-syd');

    // And back again, under another port: the party speaks under its certificate as before.
    home.configure((text) =>
      withChannel(
        'lab-syd',
        '{ kind: mllp, port: 0 }',
        'klinik-syd',
      )(
        text.replace(
          'parties:\n',
          "parties:\n  klinik-syd:\n    name: Klinik Syd\n    organisationsnummer: '5599999991'\n    certificate: { cert: pki/klinik-syd.crt, key: pki/klinik-syd.key }\n",
        ),
      ),
    );
    expect(await sluss.reload()).toBe(true);
    expect(await (await connected(sluss, 'lab-syd')).exchange(ofSyd('S1'))).toMatchObject({ code: 'AA' });
    await home.standIn.ledger.waitFor(4);
    expect(home.standIn.ledger.entries().at(-1)?.organisation).toBe('5599999991');
    expect(home.standIn.ledger.crossed()).toEqual([]);
    expect(await nord.exchange(negativeTest({ controlId: 'N3' }))).toMatchObject({ code: 'AA' });
  });

  it('is read by itself when its file is saved, in place or by a rename', async () => {
    const sluss = await home.start();
    const nord = await connected(sluss, 'lab-nord');
    home.configure(withChannel('lab-one', '{ kind: mllp, port: 0 }'));
    await home.seen('configuration-in-force');
    const beside = join(home.folder, '.sluss.yaml.swp');
    writeFileSync(beside, withChannel('lab-two', '{ kind: mllp, port: 0 }')(readFileSync(home.configFile, 'utf8')));
    renameSync(beside, home.configFile);
    await home.seen('configuration-in-force', 2);
    expect(sluss.sources.map(({ channel }) => channel)).toEqual(['lab-nord', 'lab-syd', 'lab-one', 'lab-two']);
    expect(await nord.exchange(negativeTest({ controlId: 'N1' }))).toMatchObject({ code: 'AA' });
  });

  it('gives a channel other settings under its living connections', async () => {
    const sluss = await home.start();
    const nord = await connected(sluss, 'lab-nord');
    home.configure((text) =>
      text.replace(
        'parties: [region-nord]',
        'parties: [klinik-syd]\n    limits: { segments: 3 }\n    ackDialect: { codes: { AR: AE } }',
      ),
    );
    expect(await sluss.reload()).toBe(true);
    expect(await nord.exchange(negativeTest({ controlId: 'N1' }))).toMatchObject({ code: 'AE' });
    home.configure((text) => text.replace('limits: { segments: 3 }', 'limits: { segments: 300 }'));
    expect(await sluss.reload()).toBe(true);
    // It may no longer speak for that party.
    expect(await nord.exchange(negativeTest({ controlId: 'N2' }))).toMatchObject({ code: 'AA' });
    await home.seen('message-held');
  });

  it('replaces a source that changed, on the same port, and no other', async () => {
    const port = await freePort();
    home.configure((text) => text.replace('{ kind: mllp, port: 0 }', `{ kind: mllp, port: ${port} }`));
    const sluss = await home.start();
    const nord = await connected(sluss, 'lab-nord');
    const syd = await connected(sluss, 'lab-syd');
    home.configure((text) => text.replace(`port: ${port} }`, `port: ${port}, maxMessage: 1 kB }`));
    expect(await sluss.reload()).toBe(true);
    await nord.closed;
    const again = await connected(sluss, 'lab-nord');
    const large = Buffer.concat([negativeTest({ controlId: 'N1' }), Buffer.from(`NTE|1||${'x'.repeat(2_000)}\r`)]);
    expect(await again.exchange(large)).toMatchObject({ code: 'AR' });
    expect(await syd.exchange(ofSyd('S1'))).toMatchObject({ code: 'AA' });
  });

  it('lets attempts to a target that changed end before anything is sent to the new one', async () => {
    home.standIn.faults.add({ fault: { kind: 'delay', delayMs: 2_000 }, times: 1 });
    const sluss = await home.start();
    const nord = await connected(sluss, 'lab-nord');
    await nord.exchange(negativeTest({ controlId: 'N1' }));
    await home.standIn.ledger.waitFor(1);
    home.configure((text) => text.replace('ca: pki/ca.crt', 'ca: pki/ca.crt, connectTimeout: 7s'));
    const reloading = sluss.reload();
    await nord.exchange(negativeTest({ controlId: 'N2', number: '197705232382', name: 'Lund^Bo' }));
    expect(await reloading).toBe(true);
    expect(linesOf('configuration-in-force')[0]?.detail).toBe('targets ~covidbevis');
    await home.standIn.ledger.waitFor(2);
    const certified = () => linesOf('delivery-delivered').filter(({ target }) => target === 'covidbevis');
    await vi.waitUntil(() => certified().length === 2, 20_000);
    expect(certified().map(({ messageId }) => messageId)).toEqual([1, 2]);
    expect([...home.standIn.ledger.countsByIdentifier().values()]).toEqual([1, 1]);
  });

  it('changes limits of a target, the log and mappings', async () => {
    const sluss = await home.start();
    const before = sluss.status.mappingVersion();
    mkdirSync(join(home.folder, 'own'));
    cpSync(join(import.meta.dirname, '../mappings'), join(home.folder, 'own'), { recursive: true });
    const table = join(home.folder, 'own/tables/se-result-status.yaml');
    writeFileSync(table, `${readFileSync(table, 'utf8')}\n# ours\n`);
    home.configure((text) =>
      text
        .replace(/^mappings:.*$/m, 'mappings: [own]')
        .replace('level: debug', 'level: warn')
        .replace('ca: pki/ca.crt', 'ca: pki/ca.crt, rate: 1/h, concurrency: 3'),
    );
    expect(await sluss.reload()).toBe(true);
    const changed = sluss.status.mappingVersion();
    expect(changed).not.toBe(before);
    const lines = home.log.length;
    const messages = ['N1', 'N2', 'N3'].map((controlId) => negativeTest({ controlId }));
    await sendAll(portOf(sluss, 'lab-nord'), messages);
    await home.standIn.ledger.waitFor(1);
    // The rate keeps the others; the log keeps to what is wrong.
    expect(home.log.slice(lines)).toEqual([]);
    expect(home.standIn.ledger.entries()).toHaveLength(1);
    // The folders that are watched are the new ones.
    writeFileSync(table, 'spoilt: [');
    await home.seen('mappings-refused');
    expect(sluss.status.mappingVersion()).toBe(changed);
  });

  it('says what is stranded when its target’s party is gone, and sends it when it is back', async () => {
    home.standIn.faults.add({ fault: { kind: 'status', status: 503 } });
    const sluss = await home.start();
    await sendAll(portOf(sluss, 'lab-syd'), [ofSyd('S1')]);
    await home.seen('delivery-retry');
    const whole = readFileSync(home.configFile, 'utf8');
    home.configure(withoutSyd);
    expect(await sluss.reload()).toBe(true);
    expect(linesOf('deliveries-stranded')[0]).toMatchObject({ target: 'covidbevis', party: 'klinik-syd', count: 1 });
    home.standIn.faults.clear();
    home.configure(() => whole);
    expect(await sluss.reload()).toBe(true);
    await home.seen('delivery-delivered');
    expect(home.standIn.ledger.entries().at(-1)?.organisation).toBe('5599999991');
  });
});

describe('a configuration that cannot be put in force', () => {
  it.each<[string, (text: string) => string, string, string]>([
    [
      'has mistakes',
      (text) => text.replace('kind: folder', 'kind: foldr'),
      ':17:25',
      'There is no target of kind “foldr”',
    ],
    [
      'names another journal',
      (text) => text.replace('journal: journal.db', 'journal: other.db'),
      ':1:10',
      '“journal” takes effect at a restart only',
    ],
    [
      'has other limits of the journal',
      (text) => text.replace('journal: journal.db', 'journal: { file: journal.db, queue: 3 }'),
      ':1:10',
      '“journal” takes effect at a restart only',
    ],
    [
      'names another secret',
      (text) => text.replace('{ file: secret, create: true }', '{ file: pki/ca.crt }'),
      ':2:9',
      '“secret” takes effect at a restart only',
    ],
    [
      'moves the console',
      (text) => text.replace('console: { port: 0 }', 'console: { port: 1 }'),
      ':4:10',
      '“console” takes effect at a restart only',
    ],
    [
      'gives a party a certificate of another one',
      (text) =>
        text.replace(
          'cert: pki/klinik-syd.crt, key: pki/klinik-syd.key',
          'cert: pki/region-nord.crt, key: pki/region-nord.key',
        ),
      ':14:26',
      'party klinik-syd: The care provider is stopped',
    ],
    [
      'has other alarms',
      (text) => text.replace('log: {', 'alarms: { gather: 9m }\nlog: {'),
      ':5:9',
      '“alarms” takes effect at a restart only',
    ],
    [
      'names a mapping there is not',
      (text) => text.replace('mappings: [se-covid-certificates]', 'mappings: [nothing]'),
      ':21:15',
      'nothing',
    ],
  ])('where it %s: it is told with its line, and what was in force stays so', async (_, change, place, text) => {
    const sluss = await home.start();
    const nord = await connected(sluss, 'lab-nord');
    const good = readFileSync(home.configFile, 'utf8');
    home.configure((old) => withChannel('lab-new', '{ kind: mllp, port: 0 }')(change(old)));
    expect(await sluss.reload()).toBe(false);
    const [told] = linesOf('configuration-refused');
    expect(told).toMatchObject({ level: 'error', detail: expect.stringContaining(text) });
    expect(told?.where?.endsWith(`sluss.yaml${place}`), told?.where).toBe(true);
    expect(sluss.status.configurationProblem()).toContain(text);
    expect(await (await fetch(`${sluss.console}/metrics`)).text()).toContain('\nsluss_configuration_reload_failed 1\n');
    expect(sluss.sources.map(({ channel }) => channel)).toEqual(['lab-nord', 'lab-syd']);
    expect(await nord.exchange(negativeTest({ controlId: 'N1' }))).toMatchObject({ code: 'AA' });
    home.configure(() => good);
    expect(await sluss.reload()).toBe(true);
    expect(sluss.status.configurationProblem()).toBe(null);
  });

  it('as a port is taken: everything is as it was before, on its old ports', async () => {
    const [port, taken] = [await freePort(), createServer()];
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port: foreign } = taken.address() as AddressInfo;
    home.configure((text) => text.replace('{ kind: mllp, port: 0 }', `{ kind: mllp, port: ${port} }`));
    const sluss = await home.start();
    const syd = await connected(sluss, 'lab-syd');
    home.configure((text) =>
      withChannel('lab-new', '{ kind: mllp, port: 0 }')(text.replace(`port: ${port} }`, `port: ${foreign} }`)),
    );
    expect(await sluss.reload()).toBe(false);
    const [told] = linesOf('configuration-refused');
    expect(told?.detail).toContain(`port ${foreign} is taken by another program`);
    expect(told?.where).toMatch(/sluss\.yaml:20:\d+$/);
    expect(sluss.sources.map(({ channel }) => channel).sort()).toEqual(['lab-nord', 'lab-syd']);
    expect(portOf(sluss, 'lab-nord')).toBe(port);
    const nord = await connected(sluss, 'lab-nord');
    expect(await nord.exchange(negativeTest({ controlId: 'N1' }))).toMatchObject({ code: 'AA' });
    expect(await syd.exchange(ofSyd('S1'))).toMatchObject({ code: 'AA' });
    await new Promise((resolve) => taken.close(resolve));
    // Nothing has to be done but to read it again once the port is free.
    expect(await sluss.reload()).toBe(true);
    expect(portOf(sluss, 'lab-nord')).toBe(foreign);
  });
});
