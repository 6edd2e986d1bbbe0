import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runCommand } from './kit.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const CORPUS = resolve(ROOT, '../shared/corpus');

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluss-init-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const SAMPLE = [
  'MSH|^~\\&|LIS|Sankt Görans lab^2321000016^L|SLUSS|X|20220301101500||ORU^R01^ORU_R01|S1|P|2.5.1',
  'PID|1||A1^^^LABPAT^MR||Åkesson^Örjan||19700203|M|||Storgatan 1^^Åre',
  'OBR|1||F1|K1^Kalium^99LAB|||202203010815|||||||||||||||||W',
  'OBX|1|NM|K1^Kalium^99LAB||4.19|mmol/L|||||ZZ',
  'OBX|2|CWE|M1^Svar^LN||S1^Påvisad^99SVAR||||||F|||||||||||ZQ',
].join('\r');

async function init(text: string | Buffer = Buffer.from(SAMPLE, 'latin1'), ...more: string[]) {
  const sample = join(folder, 'sample.hl7');
  writeFileSync(sample, text);
  const site = join(folder, 'site');
  const ran = await runCommand(['init', sample, '--folder', site, ...more]).done;
  const read = (path: string) => readFileSync(join(site, path), 'utf8');
  return { ...ran, site, sample, read };
}

/** What `sluss check` says is wrong. */
async function errorsOf(site: string): Promise<string[]> {
  return JSON.parse((await runCommand(['check', '-c', join(site, 'sluss.yaml'), '--json']).done).out).errors;
}

describe('sluss init', () => {
  it('writes what passes the check but for the certificate, and maps the sample', async () => {
    const { code, out, site, sample, read } = await init();
    expect(code).toBe(0);
    expect(readdirSync(join(site, 'mappings'))).toEqual(['sankt-gorans-lab.yaml']);
    expect(out).toMatch(/\d+ questions stand in them, marked "# \?"\./);
    const errors = await errorsOf(site);
    expect(errors).toEqual([expect.stringMatching(/sluss\.yaml:\d+:\d+ party sankt-gorans-lab: .*ENOENT/)]);
    const mapped = await runCommand(['map', sample, '-c', join(site, 'sluss.yaml')]).done;
    expect(mapped.out).toContain('on channel sankt-gorans-lab');
    expect(read('sluss.yaml')).not.toContain('undefined');
  });

  it('fills in what is known', async () => {
    const { read } = await init();
    const config = read('sluss.yaml');
    expect(config).toContain('organisationsnummer: 232100-0016');
    expect(config).toContain('charset: { default: 8859/1 }');
    expect(config).toContain("name: 'Sankt Görans lab'");
    expect(read('mappings/sankt-gorans-lab.yaml')).toContain('extends: oru-r01');
  });

  it('asks what is not: coding systems, codes without a row, the zone, fields nobody uses', async () => {
    const overlay = (await init()).read('mappings/sankt-gorans-lab.yaml');
    expect(overlay).toContain("'99LAB': http://… # 2 times, for example OBR-4 K1 Kalium");
    expect(overlay).toContain("'99SVAR': http://… # once, for example OBX-5 S1 Påvisad");
    expect(overlay).toMatch(/tables have no row[\s\S]*observation-status:[\s\S]*ZZ: … # OBX-11(\.1)?, once/);
    expect(overlay).toContain('LABPAT');
    expect(overlay).toContain('# ? Times in the sample bear no offset, so');
    expect(overlay).toMatch(/Nothing uses these fields[\s\S]*OBX-22/);
  });

  it('does not ask about values of HL7’s own tables', async () => {
    const standard = SAMPLE.replace(
      'OBX|1|NM|K1^Kalium^99LAB||4.19|mmol/L|||||ZZ',
      'OBX|1|NM|K1^K^99LAB||4.19||||||B',
    ).replace('Storgatan 1^^Åre', 'Storgatan 1^^Åre^^^^H');
    expect((await init(standard)).read('mappings/sankt-gorans-lab.yaml')).not.toContain(
      'What do these mean? The table obs',
    );
    rmSync(join(folder, 'site'), { recursive: true });
    expect((await init(standard)).read('mappings/sankt-gorans-lab.yaml')).not.toContain('address-');
  });

  it('takes the zone from the offsets of the sample', async () => {
    const of = async (offset: string) => {
      const overlay = (await init(SAMPLE.replace('20220301101500|', `20220301101500${offset}|`), '--name', 'x')).read(
        'mappings/x.yaml',
      );
      rmSync(join(folder, 'site'), { recursive: true });
      return overlay;
    };
    expect(await of('-0500')).toMatch(
      /# \? Times bear the offset -0500, as in this zone\. .*\nzone: America\/New_York/,
    );
    expect(await of('+0100')).toContain('\nzone: Europe/Stockholm');
    expect(await of('+1245')).toContain('# ? Times bear the offset +1245. In which zone are those that bear none?');
  });

  it('begins a second sender beside the first: its own mapping, another port, the configuration untouched', async () => {
    const { read, site } = await init();
    const before = read('sluss.yaml');
    const second = await init(
      SAMPLE.replace('Sankt Görans lab', 'A laboratory whose name goes on for very long indeed'),
    );
    expect(second.code).toBe(0);
    expect(readdirSync(join(site, 'mappings')).sort()).toEqual([
      'a-laboratory-whose-name-goes-on-for-very.yaml',
      'sankt-gorans-lab.yaml',
    ]);
    expect(second.read('mappings/a-laboratory-whose-name-goes-on-for-very.yaml')).toContain(
      "sender: { value: 'A laboratory whose name goes on for very long indeed' }",
    );
    expect(read('sluss.yaml')).toBe(before);
    expect(second.out).toContain('sluss.yaml is there already, and was not changed. Add to it:');
    expect(second.out).toMatch(/sluss map \S+ -c \S+ --channel a-laboratory-whose-name-goes-on-for-very --explain/);
    expect(second.out).toContain('source: { kind: mllp, host: 127.0.0.1, port: 2576 }');
  });

  it('quotes no name and no number of a person', async () => {
    const { read, out } = await init();
    const all = read('sluss.yaml') + read('mappings/sankt-gorans-lab.yaml') + out;
    for (const secret of ['Åkesson', 'Örjan', '19700203', 'Storgatan', 'A1^', '4.19'])
      expect(all).not.toContain(secret);
  });

  it('bears names that YAML or a terminal would take for something else', async () => {
    for (const name of ["a: b # 'c'", 'null', '\x1b[31m[x]', '- y', '12']) {
      const { code, site } = await init(SAMPLE.replace('Sankt Görans lab', name), '--name', 'lab');
      expect(code).toBe(0);
      const errors = await errorsOf(site);
      expect(errors.filter((error) => !/sluss\.yaml:\d+:\d+ party lab: /.test(error))).toEqual([]);
      rmSync(site, { recursive: true });
    }
  });

  it('overwrites nothing', async () => {
    const { site } = await init();
    const before = readFileSync(join(site, 'sluss.yaml'), 'utf8');
    writeFileSync(join(site, 'sluss.yaml'), `${before}# mine\n`);
    const again = await init();
    expect(again.code).toBe(1);
    expect(again.err).toMatch(/sluss\.yaml and \S+sankt-gorans-lab\.yaml would be overwritten/);
    expect(readFileSync(join(site, 'sluss.yaml'), 'utf8')).toContain('# mine');
  });

  it('says what it cannot begin with', async () => {
    expect((await init('hello')).err).toContain('holds no HL7 v2 message');
    expect((await init(SAMPLE.replace('ORU^R01^ORU_R01', 'ADT^A01'))).err).toContain('is ADT^A01');
    expect((await init(Buffer.from(SAMPLE), '--name', 'Two words')).err).toContain('cannot be a name');
  });

  it('makes a beginning for senders of the corpus', async () => {
    if (!existsSync(CORPUS)) {
      console.warn(`no corpus at ${CORPUS}: not tried`);
      return;
    }
    const files = readdirSync(join(CORPUS, 'general'), { recursive: true, encoding: 'utf8' });
    // Each costs a second or more; these are of every source.
    const some = files.filter((one) => one.endsWith('.hl7')).filter((_, index) => index % 5 === 0);
    for (const [index, file] of some.entries()) {
      const site = join(folder, String(index));
      const sample = join(CORPUS, 'general', file);
      const { code, err } = await runCommand(['init', sample, '--folder', site, '--name', 'lab']).done;
      if (code !== 0) {
        expect(err).toMatch(/is \w+\^\w*; a mapping for ORU\^R01/);
        continue;
      }
      const errors = await errorsOf(site);
      expect(errors.filter((error) => !/sluss\.yaml:\d+:\d+ party lab: /.test(error))).toEqual([]);
    }
  });
});
