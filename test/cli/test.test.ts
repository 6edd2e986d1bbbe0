import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runCommand } from './kit.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const CONVERSATIONS = join(ROOT, 'fixtures/conversations');

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluss-test-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const runTest = (...args: string[]) =>
  runCommand(['test', '-c', join(ROOT, 'fixtures/sluss.yaml'), ...args], { SLUSS_HOME: folder }).done;
const copy = (name: string) => {
  const to = join(folder, 'conversations', name);
  cpSync(join(CONVERSATIONS, name), to, { recursive: true });
  return to;
};

describe('sluss test', () => {
  it('runs the cases of the mapping files', async () => {
    const { code, out } = await runTest();
    expect(code).toBe(0);
    expect(out).toMatch(/^\d+ of \d+ cases passed$/);
  });

  it('runs conversations, of several messages too, and agrees with the goldens of this repository', async () => {
    for (const name of ['two-results', 'resent', 'withdrawn-before-delivery', 'batch-one-bad']) copy(name);
    const { code, out } = await runTest(join(folder, 'conversations'));
    expect(out).toContain('4 of 4 conversations passed');
    expect(code).toBe(0);
  });

  it('says which rule made what differs', async () => {
    const sent = join(copy('naat-negative-personnummer'), 'sent.json');
    writeFileSync(sent, readFileSync(sent, 'utf8').replace('260415000', '260373001'));
    const { code, out } = await runTest(join(folder, 'conversations'));
    expect(code).toBe(1);
    expect(out).toMatch(
      /✗ \S*naat-negative-personnummer\n {2}~ \[0\]\.body\.valueCodeableConcept\.coding\[0\]\.code\n {6}- "260373001"\n {6}\+ "260415000"\n {6}mappings\/resources\/se-covid-observation\.yaml:\d+:\d+\n/,
    );
    expect(out).toContain('0 of 1 conversations passed');
  });

  it('says where an answer is another', async () => {
    const home = copy('rat-without-device');
    writeFileSync(join(home, 'ack.hl7'), 'MSH|^~\\&|A|B|C|D|2022||ACK|1|P|2.5.1\rMSA|AA|N0007\r');
    const { code, out } = await runTest(join(folder, 'conversations'));
    expect(code).toBe(1);
    expect(out).toMatch(/ack\.hl7: expected AA; got AE, OBX\^1\^18\S* A required field is missing/);
  });

  it('writes what is sent now, and nothing where nothing changed', async () => {
    const home = join(folder, 'mine/first');
    mkdirSync(home, { recursive: true });
    cpSync(join(CONVERSATIONS, 'two-results/in.hl7'), join(home, 'in.hl7'));
    const before = await runTest(join(folder, 'mine'));
    expect(before.code).toBe(1);
    expect(before.out).toContain('sent.json yet; --update writes it');
    const update = await runTest(join(folder, 'mine'), '--update');
    expect(update.out).toContain('wrote sent.json');
    expect(JSON.parse(readFileSync(join(home, 'sent.json'), 'utf8'))).toEqual(
      JSON.parse(readFileSync(join(CONVERSATIONS, 'two-results/sent.json'), 'utf8')),
    );
    expect((await runTest(join(folder, 'mine'))).code).toBe(0);
    expect((await runTest(join(folder, 'mine'), '--update')).out).not.toContain('wrote');
  });

  it('tells a case that ends otherwise with its line', async () => {
    const mine = join(folder, 'mappings');
    cpSync(join(ROOT, 'mappings'), mine, { recursive: true });
    const file = join(mine, 'messages/se-covid-certificates.yaml');
    writeFileSync(file, readFileSync(file, 'utf8').replace('skipped: [not-requested]', 'skipped: [withdrawn]'));
    const args = ['test', '--mappings', mine, '--mapping', 'se-covid-certificates'];
    for (const { code, out } of [await runCommand(args).done, await runTest('--mappings', mine)]) {
      expect(code).toBe(1);
      expect(out).toMatch(
        /✗ \S*se-covid-certificates\.yaml:\d+:\d+ Case ".*": skipped expected withdrawn, got not-req/,
      );
    }
  });

  it('says so where there is no such folder', async () => {
    expect((await runTest(join(folder, 'none'))).err).toContain('none is no folder');
  });
});
