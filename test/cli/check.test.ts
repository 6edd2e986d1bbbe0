import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Installation, install } from '../installation.ts';
import { runCommand } from './kit.ts';

let home: Installation;
beforeEach(async () => {
  home = await install();
});
afterEach(() => home.tearDown());

const check = (...more: string[]) => runCommand(['check', '-c', home.configFile, ...more]).done;

describe('sluss check', () => {
  it('says what it found in order, and leaves nothing behind', async () => {
    const { code, out, err } = await check();
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(/ok {2}configuration {3}2 channels, 2 targets/);
    expect(out).toMatch(/ok {2}certificate {5}region-nord, \d+ days left/);
    expect(out).toMatch(/ok {2}mappings {8}version [0-9a-f]{16}/);
    expect(existsSync(join(home.folder, 'secret'))).toBe(false);
    expect(existsSync(join(home.folder, 'journal.db'))).toBe(false);
  });

  it('tells every mistake of the configuration with its line, and exit code 2', async () => {
    home.configure((text) =>
      text.replace('parties: [region-nord]', 'partis: [region-nord]').replace('level: debug', 'level: loud'),
    );
    const { code, err } = await check();
    expect(code).toBe(2);
    expect(err).toMatch(/sluss\.yaml:5:15 “log.level” must be "debug" or "info" or "warn" or "error"\./);
    expect(err).toMatch(/sluss\.yaml:\d+:5 Unknown key “channels.lab-nord.partis”. Did you mean “parties”\?/);
  });

  it('tells which certificate cannot be used, and why', async () => {
    cpSync(join(home.folder, 'pki/klinik-syd.crt'), join(home.folder, 'pki/region-nord.crt'));
    const { code, err } = await check();
    expect(code).toBe(2);
    expect(err).toMatch(
      /sluss\.yaml:10:26 party region-nord: The care provider is stopped.*the key in pki\/region-nord\.key does not belong to the certificate in pki\/region-nord\.crt/,
    );
    expect(err).not.toContain('party klinik-syd');
  });

  it('tells a mistake in a mapping, and an unknown mapping where it is named', async () => {
    home.configure((text) => text.replace('mappings: [se-covid-certificates]', 'mappings: [se-covid-certificats]'));
    const { code, err } = await check();
    expect(code).toBe(2);
    expect(err).toMatch(/sluss\.yaml:\d+:\d+ .*se-covid-certificats.*did you mean "se-covid-certificates"/);
  });

  it('tells a folder of mappings that is missing where it is named', async () => {
    home.configure((text) => text.replace(/^mappings:.*$/m, 'mappings: [./mapings]'));
    for (const command of ['check', 'run']) {
      const { code, err } = await runCommand([command, '-c', home.configFile]).done;
      expect(code).toBe(2);
      expect(err).toContain(`sluss.yaml:3:12 There is no folder ${join(home.folder, 'mapings')}.`);
      expect(err).not.toContain('ENOENT');
    }
  });

  it('runs the cases of mappings only where these have no mistakes', async () => {
    const folder = join(home.folder, 'mappings');
    cpSync(join(import.meta.dirname, '../../mappings'), folder, { recursive: true });
    home.configure((text) => text.replace(/^mappings:.*$/m, 'mappings: [mappings]'));
    const file = join(folder, 'messages/se-covid-certificates.yaml');
    const wrong = readFileSync(file, 'utf8').replace(/^( +)expect: .*$/gm, '$1expect: { faults: [internal] }');
    writeFileSync(file, wrong);
    const cases = await check();
    expect(cases.code).toBe(2);
    expect(cases.err).toMatch(/error .*se-covid-certificates\.yaml:\d+:\d+ Case "/);
    writeFileSync(file, `${wrong}\nsurprise: 1\n`);
    const mistaken = await check();
    expect(mistaken.code).toBe(2);
    expect(mistaken.err).toContain('surprise');
    expect(mistaken.err).not.toContain('Case "');
  });

  it('warns of what is allowed and probably not meant', async () => {
    home.configure((text) => text.replace(/\n {2}lab-syd:[\s\S]*/, '\n'));
    const { code, err } = await check();
    expect(code).toBe(0);
    expect(err).toContain('No channel speaks for the party “klinik-syd”.');
  });

  it('gives its report as JSON', async () => {
    const good = JSON.parse((await check('--json')).out);
    expect(good).toMatchObject({ ok: true, errors: [] });
    writeFileSync(home.configFile, 'a: [');
    const bad = await check('--json');
    expect(bad.code).toBe(2);
    expect(JSON.parse(bad.out)).toMatchObject({ ok: false, errors: [expect.stringContaining('sluss.yaml:1:')] });
  });
});

describe('sluss check of folders', () => {
  const folder = (text: string): string => {
    const path = join(home.folder, 'own');
    mkdirSync(path);
    writeFileSync(join(path, 'lab.yaml'), text);
    return path;
  };
  const shipped = join(import.meta.dirname, '../../mappings');
  const overlay = (status: string) =>
    `mapping: lab\nextends: oru-r01\nresources: { observation: { set: { status: ${status} } } }\n`;

  it('finds nothing in the mappings that come with Sluss', async () => {
    const { code, out, err } = await runCommand(['check', shipped]).done;
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toContain('ok  mappings');
  });

  it('tells what is wrong with its place, and exit code 2', async () => {
    const own = folder(overlay('{ form: OBX-11 }'));
    const { code, err } = await runCommand(['check', shipped, own]).done;
    expect(code).toBe(2);
    expect(err).toContain(`error    ${own}/lab.yaml:3:46 Unknown key "form" (did you mean "from"?)`);
  });

  it('tells what lint finds; warnings alone are no mistake', async () => {
    const own = folder(overlay('{ from: OBX-11 }'));
    const warned = await runCommand(['check', shipped, own]).done;
    expect(warned.code).toBe(0);
    expect(warned.err).toMatch(/^warning {2}.*lab\.yaml:3:52 Observation\.status takes only codes/);
    writeFileSync(join(own, 'lab.yaml'), overlay('finnal'));
    const wrong = await runCommand(['check', shipped, own, '--json']).done;
    expect(wrong.code).toBe(2);
    expect(JSON.parse(wrong.out)).toMatchObject({
      ok: false,
      problems: [{ severity: 'error', file: `${own}/lab.yaml`, line: 3, column: 44 }],
    });
  });

  it('writes lines that GitHub shows beside the files', async () => {
    const own = folder(overlay('finnal'));
    const { out } = await runCommand(['check', shipped, own, '--format', 'github']).done;
    expect(out).toMatch(
      /^::error file=.*lab\.yaml,line=3,col=44::Observation\.status takes no "finnal": .* \(did you mean "final"\?\)$/,
    );
  });

  it('runs the cases; one that fails is a mistake, told with the rule that made what differs', async () => {
    const own = folder(`mapping: lab
extends: oru-r01
resources: { observation: { set: { status: { value: final } } } }
tests:
  - name: status
    message: |
      MSH|^~\\&|LIS|LAB|SLUSS|EHM|20240301101500||ORU^R01^ORU_R01|1|P|2.5.1
      PID|1||4711^^^LAB^MR||Berg^Alva
      OBR|1||F1|K^Potassium^L
      OBX|1|NM|K^Potassium^L||4.1|mmol/L|||||P
    expect:
      deliver:
        - to: fhir/transaction
          party: region-nord
          resources:
            - { resourceType: Observation, status: preliminary }
`);
    const failed = await runCommand(['check', shipped, own]).done;
    expect(failed.err).toContain(
      'lab.yaml:16:52 Case "status": Observation.status expected "preliminary", got "final", made by ',
    );
    expect(failed.err).toMatch(/made by .*own\/lab\.yaml:3:53$/m);
    expect(failed.code).toBe(2);
    const text = readFileSync(join(own, 'lab.yaml'), 'utf8');
    writeFileSync(join(own, 'lab.yaml'), text.replace('status: preliminary', 'status: final'));
    expect((await runCommand(['check', shipped, own]).done).code).toBe(0);
    writeFileSync(join(own, 'lab.yaml'), text.replace('party:', 'parti:'));
    expect((await runCommand(['check', shipped, own]).done).err).toContain(
      'lab.yaml:14:11 Unknown key "parti" (did you mean "party"?)',
    );
  });

  it('says which folder it cannot read', async () => {
    const { code, err } = await runCommand(['check', join(home.folder, 'nowhere')]).done;
    expect(code).toBe(1);
    expect(err).toContain('nowhere');
  });
});
