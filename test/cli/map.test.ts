import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { runCommand } from './kit.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const CONVERSATIONS = join(ROOT, 'fixtures/conversations');
const CORPUS = resolve(ROOT, '../shared/corpus');
const fileOf = (name: string, file = 'in.hl7') => join(CONVERSATIONS, name, file);
const COVID = ['--mapping', 'se-covid-certificates'];

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluss-map-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const map = (...args: string[]) => runCommand(['map', ...args]).done;
/** With the configuration of the fixtures, none of whose certificates exist. */
const mapConfigured = (...args: string[]) =>
  runCommand(['map', '-c', join(ROOT, 'fixtures/sluss.yaml'), ...args], { SLUSS_HOME: folder }).done;

describe('sluss map', () => {
  it('shows what a message becomes, without any configuration', async () => {
    const { code, out, err } = await map(fileOf('naat-negative-personnummer'), ...COVID);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toContain('mapped on channel none, 1 delivery; answer AA');
    expect(out).toContain('covidbevis/test-certificate for none from OBX[1] by se-covid-certificates');
    expect(out).toContain('"code": "260415000"');
  });

  it('takes the first channel whose mapping takes the message, and makes no file', async () => {
    const { code, out } = await mapConfigured(fileOf('two-results'));
    expect(code).toBe(0);
    expect(out).toContain('mapped on channel lab-nord, 2 deliveries; answer AA');
    expect(out).toContain('covidbevis/test-certificate for region-nord');
    expect(readdirSync(folder)).toEqual([]);
  });

  it('takes the channel it is told, and says which there are', async () => {
    const { out } = await mapConfigured(fileOf('request-in-z-segment'), '--channel', 'lab-syd');
    expect(out).toContain('mapped on channel lab-syd');
    const { code, err } = await mapConfigured(fileOf('two-results'), '--channel', 'lab-ost');
    expect(code).toBe(1);
    expect(err).toContain('there is no channel lab-ost; there is lab-nord, lab-syd, folder-nord');
  });

  it('shows and explains an HL7 message by its fields, and finds what differs in it', async () => {
    const mapping = (text: string) => `mapping: forward
match: { type: ORU^R01 }
zone: UTC
each: OBSERVATION
lane: PID-3.1
result: { key: [OBR-3.1, OBX-3.1], rank: MSH-7, digest: [] }
deliver:
  - to: lis/message
    message:
      type: ORU^R01^ORU_R01
      segments:
        - segment: OBX
          fields: { OBX-3: { from: OBX-3 }, OBX-5: '${text}' }
`;
    for (const [name, text] of [
      ['one', 'a|b'],
      ['other', 'c'],
    ] as const) {
      mkdirSync(join(folder, name));
      writeFileSync(join(folder, name, 'forward.yaml'), mapping(text));
    }
    const args = [fileOf('two-results'), '--mappings', join(folder, 'one'), '--mapping', 'forward'];
    const { code, out } = await map(...args);
    expect(code).toBe(0);
    expect(out).toContain('2 deliveries; answer AA');
    expect(out).toContain('"OBX[1]-5": "a\\\\F\\\\b"');
    const explained = (await map(...args, '--explain')).out;
    expect(explained).toMatch(/OBX\[1\]-3 "94500-6.*"\n {6}OBX\[1\]-3 94500-6.*\n {6}.*forward\.yaml:13:/);
    const { out: diff } = await map(...args, '--diff', join(folder, 'other'));
    expect(diff).toContain('OBX[1]-5');
    expect(diff).not.toContain('OBX[1]-3');
  });

  it('says what is wrong, where in the message and in which line, and ends with 1', async () => {
    const { code, out } = await map(fileOf('rat-without-device'), ...COVID);
    expect(code).toBe(1);
    expect(out).toContain('refused on channel none; answer AE');
    expect(out).toMatch(/fault {4}field-required at OBX\[1\]-18\.1\n {11}A required field is missing\.\n/);
    expect(out).toMatch(/\n {11}mappings\/resources\/se-covid-device\.yaml:\d+:\d+/);
    expect(out).not.toContain('resourceType');
  });

  it('says why a result is left out', async () => {
    const { code, out } = await map(fileOf('rat-positive'), ...COVID);
    expect(code).toBe(0);
    expect(out).toContain('skipped on channel none; answer AA');
    expect(out).toContain('skipped  positive-antigen at OBX[1]');
  });

  it('says what is no message, and does not answer an acknowledgement', async () => {
    const file = join(folder, 'x.hl7');
    writeFileSync(file, 'hello');
    const { code, out } = await map(file, fileOf('acknowledgement-comes-in'));
    expect(code).toBe(1);
    expect(out).toContain('not-hl7');
    expect(out).toContain('skipped on channel none; answer none');
    expect(out).toContain('2 messages: 1 refused, 1 skipped');
  });

  it('maps every message of a batch', async () => {
    const { out, code } = await map(fileOf('batch-one-bad'), ...COVID);
    expect(code).toBe(1);
    expect(out).toMatch(/in\.hl7 #3/);
  });

  it('shows the first messages of many in full, of the others what is wrong, and says what is cut', async () => {
    const good = readFileSync(fileOf('naat-negative-personnummer'), 'latin1').trim();
    const bad = good.replace(/OBX\|1\|[^|]*\|[^|]*/, 'OBX|1|CWE|nobody-knows^^L');
    const many = join(folder, 'many.hl7');
    writeFileSync(many, [...Array<string>(24).fill(good), bad, bad].join('\r'), 'latin1');
    const { out, code } = await map(many, ...COVID);
    expect(code).toBe(1);
    expect(out.match(/#\d+ /g)?.length).toBe(22);
    expect(out).toContain('#26 ');
    expect(out).not.toContain('#21 ');
    expect(out).toMatch(
      /26 messages: 24 mapped, 2 held\n {2}2 with code-unmapped\nShown are the first 20 in full, of the others/,
    );
    expect(JSON.parse((await map(many, ...COVID, '--json')).out)).toHaveLength(26);
    const one = await map(many, ...COVID, '--message', '25');
    expect(one.out.match(/#\d+ /g)).toEqual(['#25 ']);
    expect((await map(many, ...COVID, '--message', '27')).err).toContain('there is no message #27');
  });

  it('cuts a document where people read it, and says so', async () => {
    const file = join(folder, 'pdf.hl7');
    const data = 'JVBERi0x'.repeat(4_000);
    const segments = [
      'MSH|^~\\&|L|H|S|X|2024||ORU^R01|1|P|2.5.1',
      'PID|1||1^^^L',
      'OBR|1||F|R',
      `OBX|1|ED|R||^application^pdf^Base64^${data}||||||F`,
    ];
    writeFileSync(file, segments.join('\r'));
    const { out } = await map(file);
    expect(out).toMatch(/"JVBERi.*… \(32000 characters\)"/);
    expect(out).toContain('A long text is cut above; --bundle and --json print all of it.');
    expect((await map(file, '--bundle')).out).toContain(data);
  });

  it('names the overlay’s line for what an overlay makes, leaves out, or fails to make', async () => {
    const mine = join(folder, 'mappings');
    cpSync(join(ROOT, 'mappings'), mine, { recursive: true });
    const overlay = (set: string) => `mapping: lab\nextends: oru-r01\nresources:\n  observation:\n    set:\n${set}`;
    const lab = join(mine, 'lab.yaml');
    const file = join(folder, 'one.hl7');
    const segments = [
      'MSH|^~\\&|L|H|S|X|2024||ORU^R01|1|P|2.5.1',
      'PID|1||1^^^L',
      'OBR|1||F|R',
      'OBX|1|NM|K^Kalium^L||4.1|mmol/L|||||F',
    ];
    writeFileSync(file, segments.join('\r'));
    const args = ['--mappings', mine];
    writeFileSync(
      lab,
      overlay(
        '      method: { set: { text: { value: by hand } } }\n      category: null\n      note:\n        - set: { text: { value: x } }\n',
      ),
    );
    const diff = await map(file, ...args, '--diff', 'lab');
    expect(diff.out).toMatch(/\+ \S+\.method\n.*\n {6}\S*lab\.yaml:6:15/);
    expect(diff.out).toMatch(/- \S+\.category\n.*\n {6}\S*lab\.yaml:7:17/);
    expect(diff.out).toMatch(/\+ \S+\.note\n.*\n {6}\S*lab\.yaml:9:9/);
    for (const [rule, place] of [
      ['      status: { from: OBX-3.1 }\n', 'lab.yaml:6:15'],
      ['      code: { set: { text: { from: OBX-20 } } }\n', 'lab.yaml:6:13'],
      ['      code: { first: [{ from: OBX-20, as: CodeableConcept }] }\n', 'lab.yaml:6:13'],
    ] as const) {
      writeFileSync(lab, overlay(rule));
      const { out } = await map(file, ...args, '--mapping', 'lab');
      expect(out).toMatch(/fault {4}mapping-incomplete/);
      expect(out).toContain(place);
      expect(out).not.toMatch(/(oru-r01|observation)\.yaml:\d+/);
    }
  });

  it('prints the bodies alone, one document each', async () => {
    const { out } = await mapConfigured(fileOf('two-results'), '--bundle');
    const documents = out.split(/^}$/m).filter((text) => text.trim() !== '');
    expect(documents.map((text) => JSON.parse(`${text}}`).resourceType)).toEqual(['Observation', 'Observation']);
  });

  it('gives everything as JSON', async () => {
    const [message] = JSON.parse((await mapConfigured(fileOf('two-results-one-skipped'), '--json', '--explain')).out);
    expect(message).toMatchObject({ state: 'mapped', answer: 'AA', channel: 'lab-nord', number: 1, faults: [] });
    expect(message.deliveries[0]).toMatchObject({ target: 'covidbevis', party: 'region-nord', sent: true });
    expect(message.deliveries[0].elements).toContainEqual({
      element: 'valueCodeableConcept.coding[0].code',
      value: '260415000',
      rule: expect.stringMatching(/^mappings\/resources\/se-covid-observation\.yaml:\d+:\d+$/),
      sources: [{ at: expect.stringMatching(/^OBX\[\d\]-5$/), raw: expect.stringContaining('260415000') }],
      rows: [expect.stringContaining('se-covid-outcomes.yaml'), expect.stringContaining('se-covid-outcome-codes.yaml')],
    });
    expect(message.skipped).toContainEqual(expect.objectContaining({ at: expect.stringContaining('OBX') }));
  });

  it('explains each element by its rule, its field and its table row, and names what nobody used', async () => {
    const { out } = await map(fileOf('naat-negative-personnummer'), '--explain');
    expect(out).toMatch(/entry\[\d\] Patient\n/);
    expect(out).toMatch(
      / {4}gender "\w+"\n {6}PID-8(\.1)? [MF]\n {6}mappings\/resources\/patient\.yaml:\d+:\d+\n {6}row mapp/,
    );
    expect(out).toMatch(/Fields that nothing used\n/);
    expect(out).toMatch(/ {4}OBX-1 +1$/m);
  });

  it('shows what was made and held back to whoever asks why', async () => {
    const { out } = await map(fileOf('rat-without-device'), ...COVID, '--explain');
    expect(out).toContain('by se-covid-certificates (not sent)');
  });

  it('compares two folders of mappings, and names the line that makes the difference', async () => {
    const mine = join(folder, 'mappings');
    cpSync(join(ROOT, 'mappings'), mine, { recursive: true });
    const file = join(mine, 'resources/patient.yaml');
    writeFileSync(file, readFileSync(file, 'utf8').replace(/^ {2}gender:/m, '  active: { value: false }\n  gender:'));
    const { out } = await map(fileOf('naat-negative-personnummer'), '--diff', mine);
    expect(out).toMatch(/\+ entry\[\d\]\.resource\.active\n {6}\+ false\n {6}\S*patient\.yaml:\d+:20/);
    const same = await map(fileOf('naat-negative-personnummer'), '--diff', join(ROOT, 'mappings'));
    expect(same.out).toContain('no difference');
  });

  it('tells ids that differ because their keys do in one line', async () => {
    const mine = join(folder, 'mappings');
    cpSync(join(ROOT, 'mappings'), mine, { recursive: true });
    writeFileSync(join(mine, 'lab.yaml'), 'mapping: lab\nextends: oru-r01\nsettings: { sender: { value: X } }\n');
    const { out } = await map(fileOf('naat-negative-personnummer'), '--mappings', mine, '--diff', 'lab');
    expect(out).toMatch(/^\S+ #1\n {2}~ \d+ ids and references, as their keys differ$/);
  });

  it('compares with another mapping by its name', async () => {
    const { out } = await map(fileOf('naat-negative-personnummer'), '--diff', 'se-covid-certificates');
    expect(out).toContain('- fhir/transaction');
    expect(out).toContain('+ covidbevis/test-certificate');
  });

  it('tells mistakes of the mappings with their line, and ends with 2', async () => {
    cpSync(join(ROOT, 'mappings'), join(folder, 'm'), { recursive: true });
    writeFileSync(join(folder, 'm/resources/patient.yaml'), 'resource: patient\nsummery: x\n');
    const { code, err } = await map(fileOf('two-results'), '--mappings', join(folder, 'm'));
    expect(code).toBe(2);
    expect(err).toMatch(/patient\.yaml:2:1 Unknown key "summery" \(did you mean "summary"\?\)/);
    expect(err).not.toMatch(/\bat .*\.ts:/);
  });

  it('says so where a file cannot be read', async () => {
    const { code, err } = await map(join(folder, 'none.hl7'));
    expect(code).toBe(1);
    expect(err).toContain('none.hl7 cannot be read (ENOENT)');
  });

  it('maps again when a mapping or the message is saved, and bears a mapping with mistakes', async () => {
    const mine = join(folder, 'mappings');
    cpSync(join(ROOT, 'mappings'), mine, { recursive: true });
    const message = join(folder, 'in.hl7');
    cpSync(fileOf('naat-negative-personnummer'), message);
    const running = runCommand(['map', message, '--mappings', mine, ...COVID, '--watch']);
    await vi.waitFor(() => expect(running.out()).toContain('mapped on channel none'), 10_000);
    writeFileSync(message, readFileSync(message, 'latin1').replaceAll('260415000', 'X'), 'latin1');
    await vi.waitFor(() => expect(running.out()).toContain('code-unmapped'), 10_000);
    writeFileSync(join(mine, 'messages/se-covid-certificates.yaml'), 'mapping: [');
    await vi.waitFor(() => expect(running.err()).toContain('se-covid-certificates.yaml:1:'), 10_000);
    running.ask();
    expect((await running.done).code).toBe(2);
  });

  it('takes every file of the corpus, and every bundle it makes is valid', async () => {
    if (!existsSync(CORPUS)) {
      console.warn(`no corpus at ${CORPUS}: not tried`);
      return;
    }
    const files = readdirSync(CORPUS, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.hl7'));
    expect(files.length).toBeGreaterThan(50);
    const { out } = await map(...files.map((file) => join(CORPUS, file)), '--json', '--explain');
    const all: { state: string; faults: { code: string }[] }[] = JSON.parse(out);
    expect(all.length).toBeGreaterThanOrEqual(files.length);
    const codes = new Set(all.flatMap(({ faults }) => faults.map(({ code }) => code)));
    expect([...codes].filter((code) => code === 'mapping-incomplete' || code === 'internal')).toEqual([]);
  });
});
