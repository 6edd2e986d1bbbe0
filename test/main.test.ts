import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ConfigError } from '../src/config/configuration.ts';
import { type Installation, install, negativeTest, portOf, sendAll } from './installation.ts';

let home: Installation;
beforeEach(async () => {
  home = await install();
});
afterEach(() => home.tearDown());

const identifiersOf = () => home.standIn.ledger.countsByIdentifier();

describe('a whole Sluss', () => {
  it('takes a result in over MLLP, gets its certificate under the party’s own name, and puts it away', async () => {
    const sluss = await home.start();
    const [ack] = await sendAll(portOf(sluss, 'lab-nord'), [negativeTest({ controlId: 'M1' })]);
    expect(ack).toMatchObject({ code: 'AA', controlId: 'M1' });
    await home.seen('delivery-delivered', 4);
    expect(home.standIn.ledger.entries()).toMatchObject([{ organisation: '2321000016', operation: 'observation' }]);
    expect(
      readdirSync(join(home.folder, 'certificates'))
        .map((name) => name.split('.').at(-1))
        .sort(),
    ).toEqual(['json', 'pdf', 'png']);
  });

  it('takes a file in from a folder, and lays the answer beside it', async () => {
    home.configure((text) => text.replace('{ kind: mllp, port: 0 }', '{ kind: folder, path: inbox, stable: 0 }'));
    mkdirSync(join(home.folder, 'inbox'));
    writeFileSync(join(home.folder, 'inbox/one.hl7'), negativeTest({ controlId: 'F1' }));
    await home.start();
    await home.seen('delivery-delivered', 3);
    const done = join(home.folder, 'inbox/done');
    await vi.waitUntil(() => existsSync(done) && readdirSync(done).some((name) => name.endsWith('.ack')));
    const ack = readdirSync(done).find((name) => name.endsWith('.ack')) ?? '';
    expect(readFileSync(join(done, ack), 'utf8')).toContain('MSA|AA|F1');
  });

  it('takes a plugin from outside, written in plain JavaScript', async () => {
    const zod = pathToFileURL(createRequire(import.meta.url).resolve('zod')).href;
    writeFileSync(
      join(home.folder, 'my-source.mjs'),
      `import { z } from ${JSON.stringify(zod)};
       export default {
         kind: 'source',
         name: 'mine',
         summary: 'Gives one message.',
         config: z.strictObject({ text: z.string().describe('The message.') }),
         create: ({ text }, host) => ({
           address: 'mine://',
           async start(intake) {
             const bytes = Buffer.from(text);
             const ack = await intake({ bytes, origin: 'mine', sender: null, fault: null, reply: null });
             host.log.info('mine-answered', { state: ack.code, patient: 'Alva Berg' });
           },
           async stop() {},
         }),
       };`,
    );
    const text = JSON.stringify(Buffer.from(negativeTest({ controlId: 'X1' })).toString());
    home.configure(
      (old) => `${old.replace('{ kind: mllp, port: 0 }', `{ kind: mine, text: ${text} }`)}plugins: [./my-source.mjs]\n`,
    );
    await home.start();
    await home.seen('mine-answered');
    const line = home.log.find((one) => one.includes('mine-answered')) ?? '';
    expect(JSON.parse(line)).toMatchObject({ level: 'info', event: 'mine-answered', state: 'AA' });
    expect(line).not.toContain('Alva');
    await home.seen('delivery-delivered', 3);
  });

  it('never sends under another party’s certificate', async () => {
    const sluss = await home.start();
    const count = 15;
    const of = (organisation: string, prefix: string) =>
      Array.from({ length: count }, (_, index) => negativeTest({ controlId: `${prefix}${index}`, organisation }));
    const answers = await Promise.all([
      sendAll(portOf(sluss, 'lab-nord'), of('2321000016', 'N')),
      sendAll(portOf(sluss, 'lab-syd'), of('5599999991', 'S')),
      // What one channel says of the other's party is held.
      sendAll(portOf(sluss, 'lab-syd'), of('2321000016', 'X')),
    ]);
    expect(answers.flat().every((ack) => ack?.code === 'AA')).toBe(true);
    await home.standIn.ledger.waitFor(2 * count);
    await home.seen('message-held', count);
    const { ledger } = home.standIn;
    expect(ledger.crossed()).toEqual([]);
    const organisations = ledger.entries().map(({ organisation }) => organisation);
    expect(organisations.filter((one) => one === '2321000016')).toHaveLength(count);
    expect(organisations.filter((one) => one === '5599999991')).toHaveLength(count);
  });

  it('delivers exactly once what was accepted before a stop, whenever it was stopped', async () => {
    home.standIn.faults.add({ fault: { kind: 'delay', delayMs: 20 } });
    const first = await home.start();
    const messages = Array.from({ length: 40 }, (_, index) => negativeTest({ controlId: `M${index}` }));
    const sending = sendAll(portOf(first, 'lab-nord'), messages);
    await home.standIn.ledger.waitFor(5);
    await first.stop();
    const accepted = (await sending).filter((ack) => ack?.code === 'AA').length;
    expect(accepted).toBeGreaterThanOrEqual(5);

    await home.start();
    await home.standIn.ledger.waitFor(accepted);
    const counts = [...identifiersOf().values()];
    expect(counts).toHaveLength(accepted);
    expect(counts.every((count) => count === 1)).toBe(true);
  });

  it('goes on with the other parties when one’s certificate is of another organisation', async () => {
    cpSync(join(home.folder, 'pki/klinik-syd.crt'), join(home.folder, 'pki/region-nord.crt'));
    cpSync(join(home.folder, 'pki/klinik-syd.key'), join(home.folder, 'pki/region-nord.key'));
    const sluss = await home.start();
    const [nord] = await sendAll(portOf(sluss, 'lab-nord'), [negativeTest({ controlId: 'N1' })]);
    const [syd] = await sendAll(portOf(sluss, 'lab-syd'), [
      negativeTest({ controlId: 'S1', organisation: '5599999991' }),
    ]);
    expect([nord?.code, syd?.code]).toEqual(['AA', 'AA']);
    await home.seen('party-paused');
    const refused = home.log.find((line) => line.includes('certificate-unusable')) ?? '';
    expect(JSON.parse(refused)).toMatchObject({ where: expect.stringMatching(/sluss\.yaml:10:26$/) });
    await home.seen('delivery-delivered');
    expect(home.standIn.ledger.entries().map(({ organisation }) => organisation)).toEqual(['5599999991']);
    expect(sluss.status.parties().map(({ fault }) => fault?.code ?? null)).toEqual(['party-stopped', null]);
    const { deliveries } = await sluss.status.overview();
    expect(deliveries).toContainEqual({ target: 'covidbevis', party: 'region-nord', state: 'waiting', count: 1 });
  });

  it('puts changed mappings in force, and keeps the old ones where the new have mistakes', async () => {
    const folder = join(home.folder, 'mappings');
    cpSync(join(import.meta.dirname, '../mappings'), folder, { recursive: true });
    home.configure((text) => text.replace(/^mappings:.*$/m, 'mappings: [mappings]'));
    const sluss = await home.start();
    const before = sluss.status.mappingVersion();
    const file = join(folder, 'tables/se-result-status.yaml');
    const good = readFileSync(file, 'utf8');

    writeFileSync(file, `${good}\n# a comment more\n`);
    await home.seen('mappings-in-force');
    const after = sluss.status.mappingVersion();
    expect(after).not.toBe(before);

    writeFileSync(file, `${good}\nsurprise: 1\n`);
    await home.seen('mappings-refused');
    expect(sluss.status.mappingVersion()).toBe(after);
    expect(sluss.status.mappingProblem()).toContain('surprise');

    writeFileSync(file, good);
    await home.seen('mappings-in-force', 2);
    expect(sluss.status.mappingProblem()).toBeNull();

    // It compiles, but FHIR has no such element: every message it is made for would be held.
    const resource = join(folder, 'resources/se-covid-observation.yaml');
    writeFileSync(resource, readFileSync(resource, 'utf8').replace('  status: final', '  statsu: final'));
    await home.seen('mappings-refused', 2);
    expect(sluss.status.mappingProblem()).toContain('statsu');
  });

  it('starts nothing where its configuration has a mistake', async () => {
    home.configure((text) => text.replace('mappings: [se-covid', 'mapping: [se-covid'));
    const failure = await home.start().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ConfigError);
    expect((failure as ConfigError).message).toMatch(/sluss\.yaml:\d+:5 Unknown key “channels.lab-nord.mapping”/);
    expect(existsSync(join(home.folder, 'journal.db'))).toBe(false);
    expect(existsSync(join(home.folder, 'secret'))).toBe(false);
  });

  it('stops everything again when a port is taken', async () => {
    const first = await home.start();
    const taken = portOf(first, 'lab-nord');
    home.configure((text) =>
      text.replace('journal.db', 'other.db').replaceAll('port: 0 }\n    map', `port: ${taken} }\n    map`),
    );
    await expect(home.start()).rejects.toThrow(
      new RegExp(`sluss\\.yaml:20:13 channels\\.lab-nord\\.source: port ${taken} is taken .*EADDRINUSE`),
    );
    // The second journal was given back: whoever comes next may have it.
    home.configure((text) => text.replaceAll(`port: ${taken} }`, 'port: 0 }'));
    expect((await home.start()).status.isReady()).toBe(true);
  });
});

describe('patient data', () => {
  it('stands nowhere in logs, metrics and health, whatever becomes of a message', async () => {
    const sluss = await home.start();
    const name = 'Hemligsson^Markerina';
    const marked = { name, number: '199708062386' };
    home.standIn.faults.add({ fault: { kind: 'status', status: 422, message: 'Markerina 199708062386' }, times: 1 });
    const answers = await sendAll(portOf(sluss, 'lab-nord'), [
      negativeTest({ ...marked, controlId: 'P1' }),
      negativeTest({ ...marked, controlId: 'P2', number: '199708062387' }),
      negativeTest({ ...marked, controlId: 'P3', test: 'MARKERCODE^Markertest^L' }),
      negativeTest({ ...marked, controlId: 'P4', organisation: '0000000000' }),
      negativeTest({ ...marked, controlId: 'P1' }),
      Buffer.from(`nothing of HL7 about ${name} 199708062386`),
      Buffer.from(
        negativeTest({ ...marked, controlId: 'P5' })
          .toString()
          .replace('20221114153000', 'Markerina'),
      ),
    ]);
    expect(answers.map((ack) => ack?.code)).toEqual(['AA', 'AE', 'AA', 'AA', 'AA', 'AR', expect.any(String)]);
    await home.seen('delivery-held');
    const pages = await Promise.all(
      ['/metrics', '/health', '/ready'].map(async (path) => await (await fetch(sluss.console + path)).text()),
    );
    await sluss.stop();
    const everything = [...home.log, ...pages].join('\n');
    expect(everything).toContain('message-refused');
    expect(everything).not.toMatch(/hemligs|marker|19970806|970806/i);
    expect(JSON.stringify(answers)).not.toMatch(/hemligs|marker|19970806|970806/i);
  });
});
