import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type Installation, install, negativeTest, portOf, sendAll } from '../installation.ts';
import { runCommand } from './kit.ts';

let home: Installation;
beforeEach(async () => {
  home = await install();
});
afterEach(() => home.tearDown());

describe('sluss simulate covidbevis', () => {
  it('makes certificates, listens, and prints a configuration that works as it stands', async () => {
    const pki = join(home.folder, 'other-pki');
    const simulating = runCommand(['simulate', 'covidbevis', '--port', '0', '--pki', pki]);
    while (!simulating.out().includes('Ctrl-C')) await new Promise((resolve) => setImmediate(resolve));
    const yaml = simulating.out().slice(simulating.out().indexOf('parties:'), simulating.out().indexOf('\n\nCtrl-C'));
    const printed = parse(yaml);
    const own = parse(readFileSync(home.configFile, 'utf8'));
    own.parties = printed.parties;
    Object.assign(own.targets, printed.targets);
    writeFileSync(home.configFile, JSON.stringify(own));

    const sluss = await home.start();
    const [ack] = await sendAll(portOf(sluss, 'lab-nord'), [negativeTest({ controlId: 'M1' })]);
    expect(ack?.code).toBe('AA');
    await home.seen('delivery-delivered', 3);
    await sluss.stop();
    simulating.ask();
    expect((await simulating.done).code).toBe(0);
  });
});
