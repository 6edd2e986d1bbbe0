import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Installation, install } from '../installation.ts';
import { runCommand } from './kit.ts';

let home: Installation;
beforeEach(async () => {
  home = await install();
});
afterEach(() => home.tearDown());

const partyCheck = (...more: string[]) => runCommand(['party', 'check', '-c', home.configFile, ...more]).done;

describe('sluss party check', () => {
  it('tells each certificate’s key, dates and organisationsnummer, and tries it at the service', async () => {
    const { code, out, err } = await partyCheck();
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(/^region-nord {2}Provtagning Nord, \d{10}$/m);
    expect(out).toMatch(/ok +organisation +(\d{10}), in .*\1/);
    expect(out).toMatch(/valid +until \d{4}-\d\d-\d\d, \d+ days left/);
    expect(out.match(/ok +covidbevis +answered 200/g)).toHaveLength(2);
  });

  it('tells who cannot be used and why, tries the others, and ends with 1', async () => {
    cpSync(join(home.folder, 'pki/klinik-syd.crt'), join(home.folder, 'pki/region-nord.crt'));
    const { code, out } = await partyCheck();
    expect(code).toBe(1);
    expect(out).toMatch(/no +certificate +.*region-nord\.key does not belong to the certificate/);
    expect(out.match(/ok +covidbevis +answered 200/g)).toHaveLength(1);
  });

  it('tells that the service does not know the certificate', async () => {
    home.standIn.faults.add({ fault: { kind: 'status', status: 401 } });
    const { code, out } = await partyCheck('region-nord');
    expect(code).toBe(1);
    expect(out).toMatch(/no +covidbevis +.*HTTP 401/);
    expect(out).not.toContain('klinik-syd');
  });

  it('connects to nobody when it is told not to, and prints JSON', async () => {
    home.standIn.faults.add({ fault: { kind: 'status', status: 401 } });
    const { code, out } = await partyCheck('--offline', '--json');
    expect(code).toBe(0);
    const [first] = JSON.parse(out);
    expect(first).toMatchObject({ party: 'region-nord', problem: null, tried: [] });
    expect(first.certificate.organisationNumbers).toEqual([first.organisationNumber]);
  });

  it('names the parties there are where one is unknown', async () => {
    const { code, err } = await partyCheck('region-norr');
    expect(code).toBe(1);
    expect(err).toContain('there is no party region-norr; there are region-nord, klinik-syd');
  });
});
