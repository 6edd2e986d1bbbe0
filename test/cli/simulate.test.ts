import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
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
    const ledger = join(home.folder, 'seen.ndjson');
    const simulating = runCommand(['simulate', 'covidbevis', '--port', '0', '--pki', pki, '--ledger', ledger]);
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

    const rows = readFileSync(ledger, 'utf8').trimEnd().split('\n');
    expect(rows).toHaveLength(1);
    const row = JSON.parse(rows[0] ?? '');
    expect(row).toMatchObject({ kind: 'accepted', operation: 'observation', repeat: 0, answered: true });
    expect(simulating.out()).toContain(`✓ test-certificate      region-nord  ${row.identifier}`);
    expect(row.personHash).toMatch(/^[0-9a-f]{64}$/);
    // The hash alone would be found by hashing every personnummer there is.
    expect(rows[0]).not.toContain(createHash('sha256').update('199708062386').digest('hex'));
  });

  it('fails on order, as often as it was told, and shows and keeps what it refused', async () => {
    const ledger = join(home.folder, 'seen.ndjson');
    const fails = ['--fail', 'status=503,times=1,retry-after=5s', '--fail', 'drop,times=1,party=region-nord'];
    const { simulating, ask } = await simulate('covidbevis', [...fails, '--ledger', ledger]);

    expect(await ask('/ping')).toMatchObject({ status: 503, retryAfter: '5' });
    await expect(ask('/ping')).rejects.toThrow();
    expect(await ask('/ping')).toMatchObject({ status: 200 });

    simulating.ask();
    await simulating.done;
    expect(simulating.out().split('\n').slice(-3)).toEqual([
      '✗ ping                  region-nord  503 Ordered failure',
      '✗ ping                  region-nord  connection closed',
      '✓ ping                  region-nord',
    ]);
    const rows = readFileSync(ledger, 'utf8').trimEnd().split('\n');
    expect(rows.map((row) => JSON.parse(row))).toMatchObject([{ kind: 'refused', status: 503, path: '/ping' }]);
  });

  it('refuses an order it does not know, and starts nothing', async () => {
    const { code, err, out } = await runCommand(['simulate', 'covidbevis', '--fail', 'status=503,partie=x']).done;
    expect(code).toBe(1);
    expect(err).toContain('“partie” is not known');
    expect(err).toContain('With: times, probability, retry-after, operation, party.');
    expect(out).not.toContain('listens');
  });

  it('refuses an operation where a connection is refused before it has one', async () => {
    const fail = 'refuse-tls,operation=recovery';
    const { code, err } = await runCommand(['simulate', 'covidbevis', '--fail', fail]).done;
    expect(code).toBe(1);
    expect(err).toContain('leave operation=… out');
  });
});

describe('sluss simulate fhir', () => {
  it('fails on order, and its ledger names no identifier', async () => {
    const ledger = join(home.folder, 'seen.ndjson');
    const { simulating, ask } = await simulate('fhir', ['--fail', 'status=503,times=1,method=PUT', '--ledger', ledger]);
    const patient = {
      resourceType: 'Patient',
      id: 'p19121212',
      identifier: [{ system: 'urn:x', value: '191212121212' }],
    };
    const put = () => ask('/fhir/Patient/p19121212', 'PUT', JSON.stringify(patient));
    expect(await put()).toMatchObject({ status: 503 });
    expect(await put()).toMatchObject({ status: 201 });
    expect(await ask('/fhir/Patient/p19121212?_format=json')).toMatchObject({ status: 200 });

    simulating.ask();
    await simulating.done;
    expect(simulating.out().split('\n').slice(-3)).toEqual([
      '✗ PUT /fhir/Patient     region-nord  503',
      '✓ PUT /fhir/Patient     region-nord  201',
      '✓ GET /fhir/Patient     region-nord  200',
    ]);
    const text = readFileSync(ledger, 'utf8');
    expect(
      text
        .trimEnd()
        .split('\n')
        .map((row) => JSON.parse(row).kind),
    ).toEqual(['refused', 'write', 'accepted', 'accepted']);
    expect(text).not.toContain('19121212');
  });

  it('refuses a party where it asks nobody who they are', async () => {
    const { code, err } = await runCommand(['simulate', 'fhir', '--open', '--fail', 'drop,party=region-nord']).done;
    expect(code).toBe(1);
    expect(err).toContain('never strikes with --open');
  });
});

describe('sluss simulate lis', () => {
  it('takes what comes back, by the configuration it prints, and prints a line of it', async () => {
    const simulating = runCommand(['simulate', 'lis', '--port', '0']);
    while (!simulating.out().includes('Ctrl-C')) await new Promise((resolve) => setImmediate(resolve));
    const printed = parse(/^targets:\n.*$/m.exec(simulating.out())?.[0] ?? '');
    const own = parse(readFileSync(home.configFile, 'utf8'));
    Object.assign(own.targets, printed.targets);
    writeFileSync(home.configFile, JSON.stringify(own));
    const sluss = await home.start();
    await sendAll(portOf(sluss, 'lab-nord'), [negativeTest({ controlId: 'B1' })]);
    await home.seen('delivery-delivered', 5);
    await sluss.stop();
    simulating.ask();
    expect((await simulating.done).code).toBe(0);
    const { uvci } = home.standIn.ledger.entries()[0] ?? {};
    const line = simulating.out().split('\n').at(-1);
    expect(line).toMatch(new RegExp(`^← ORU\\^R01 {2}B1 {2}${uvci} {2}(MAILBOX|BY-PROVIDER) {2}PDF of \\d+ kB$`));
  });
});

/** A stand-in that listens, and one way to ask it as region-nord. */
async function simulate(kind: 'covidbevis' | 'fhir', args: readonly string[]) {
  const pki = join(home.folder, 'other-pki');
  const simulating = runCommand(['simulate', kind, '--port', '0', '--pki', pki, ...args]);
  while (!simulating.out().includes('Ctrl-C')) await new Promise((resolve) => setImmediate(resolve));
  const { port } = new URL(/https:\S+/.exec(simulating.out())?.[0] ?? '');
  const [ca, cert, key] = ['ca.crt', 'region-nord.crt', 'region-nord.key'].map((file) => readFileSync(join(pki, file)));
  const headers = { 'content-type': kind === 'fhir' ? 'application/fhir+json' : 'application/json' };
  const ask = (path: string, method = 'GET', body = '') =>
    new Promise<{ status: number | undefined; retryAfter: string | undefined }>((done, fail) => {
      const options = { host: 'localhost', port, path, method, headers, ca, cert, key, agent: false } as const;
      const asking = request(options, (answer) => {
        answer
          .resume()
          .once('end', () => done({ status: answer.statusCode, retryAfter: answer.headers['retry-after'] }));
      });
      asking.once('error', fail).end(body);
    });
  return { simulating, ask };
}

describe('the help of simulate fhir', () => {
  it('says how to reach it with a client certificate', async () => {
    const { out } = await runCommand(['simulate', 'fhir', '--help']).done;
    expect(out).toContain('--cert .sluss/pki/region-nord.crt');
    expect(out).toContain('--key .sluss/pki/region-nord.key https://localhost:8544/fhir/Observation');
  });
});
