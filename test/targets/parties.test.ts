import { execFileSync } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { FAULTS, Fault } from '../../src/contracts/fault.ts';
import { createAuthority, type SubjectForm } from '../../src/simulators/pki.ts';
import { createParties, type PartiesHost, type PartyConfig, partyConfig } from '../../src/targets/parties.ts';
import { createListLog, createManualClock, type Files, NORTH, readFrom, SOUTH } from './covid-world.ts';

const NOW = Date.UTC(2026, 0, 15, 12);
const DAY_MS = 86_400_000;
const authority = await createAuthority({ name: 'Parties CA', now: NOW });

let files: Files;
let clock: ReturnType<typeof createManualClock>;
let log: ReturnType<typeof createListLog>;
let variables: Record<string, string>;

beforeEach(() => {
  files = new Map();
  clock = createManualClock(NOW);
  log = createListLog();
  variables = {};
});

const host = (): PartiesHost => ({
  clock,
  log,
  readFile: (path) => readFrom(files, path),
  readVariable: (name) => variables[name] ?? null,
});
const north = (certificate: PartyConfig['certificate'] = { cert: 'n.cert', key: 'n.key' }): PartyConfig => ({
  name: 'Nord AB',
  organisationsnummer: NORTH,
  certificate,
});
async function putNorth(
  order: { number?: string; subjectForm?: SubjectForm; validFrom?: number; validTo?: number } = {},
) {
  const { number = NORTH, ...rest } = order;
  const issued = await authority.issueClient({ organisation: 'Nord AB', organisationNumber: number, ...rest });
  files.set('n.cert', issued.cert);
  files.set('n.key', issued.key);
  return issued;
}
const load = (certificate?: PartyConfig['certificate']) => createParties({ north: north(certificate) }, host());
const stopped = (call: () => unknown): { detail: string | null; where: string | null } => {
  try {
    call();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    expect(error.code).toBe('party-stopped');
    return { detail: error.detail, where: error.where };
  }
  throw new Error('nothing was thrown');
};

describe('parties', () => {
  it('gives a party its credentials, and says until when they are valid', async () => {
    const issued = await putNorth({ validTo: NOW + 30 * DAY_MS });
    const parties = load();
    expect(parties.get('north')).toEqual({ id: 'north', name: 'Nord AB', organisationNumber: NORTH });
    expect(parties.get('east')).toBeNull();
    expect(parties.credentials('north')).toMatchObject({ tls: { cert: issued.cert, key: issued.key } });
    expect(parties.list()).toMatchObject([{ fault: null, validTo: NOW + 30 * DAY_MS }]);
    expect(log.lines).toEqual([
      { level: 'info', event: 'certificate-loaded', fields: { party: 'north', file: 'n.cert', daysLeft: 30 } },
    ]);
  });

  it.each([
    'serialNumber',
    'serialNumber-plain',
    'organizationIdentifier',
    'organizationIdentifier-plain',
    'organizationalUnit',
  ] as const)('finds the organisationsnummer in the subject as %s', async (subjectForm) => {
    await putNorth({ subjectForm });
    expect(load().list()[0]?.fault).toBeNull();
  });

  it.each([
    ['no certificate file', () => files.delete('n.cert'), 'n.cert', 'the file cannot be read (ENOENT)'],
    ['no key file', () => files.delete('n.key'), 'n.key', 'the file cannot be read (ENOENT)'],
    [
      'junk as certificate',
      () => files.set('n.cert', 'junk'),
      'n.cert',
      'the certificate file holds no PEM certificate',
    ],
    [
      'broken PEM',
      () => files.set('n.cert', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'),
      'n.cert',
      'the certificate cannot be read',
    ],
    ['junk as key', () => files.set('n.key', 'junk'), 'n.key', 'the key cannot be read'],
    [
      'the key of another certificate',
      async () => files.set('n.key', (await authority.issueServer({ names: ['x'] })).key),
      'n.cert',
      'the key in n.key does not belong to the certificate in n.cert',
    ],
    [
      'another organisation’s certificate',
      () => putNorth({ number: SOUTH }),
      'n.cert',
      `the certificate is of organisationsnummer ${SOUTH}, not of the party's`,
    ],
    [
      'a certificate without organisationsnummer',
      () => putNorth({ subjectForm: 'none' }),
      'n.cert',
      'the certificate states no organisationsnummer',
    ],
    [
      'an expired certificate',
      () => putNorth({ validFrom: NOW - 2000, validTo: NOW - 1000 }),
      'n.cert',
      'the certificate expired on 2026-01-15T11:59:59.000Z',
    ],
    [
      'a certificate that is not valid yet',
      () => putNorth({ validFrom: NOW + 1000 }),
      'n.cert',
      'the certificate is not valid before 2026-01-15T12:00:01.000Z',
    ],
  ])('stops the party for %s, and says which file and why', async (_what, spoil, where, detail) => {
    await putNorth();
    await spoil();
    const parties = load();
    expect(stopped(() => parties.credentials('north'))).toEqual({ where, detail });
    expect(parties.list()[0]?.fault?.record).toMatchObject({ code: 'party-stopped', where, detail });
    expect(log.lines).toMatchObject([
      { level: 'error', event: 'certificate-unusable', fields: { file: where, detail } },
    ]);
    expect(FAULTS['party-stopped'].pauses).toBe('party');
  });

  it('logs where the configuration names the file that is to blame', async () => {
    await putNorth();
    files.delete('n.key');
    createParties({ north: north() }, { ...host(), locate: (party, file) => `c.yaml:1:2 ${party} ${file}` });
    expect(log.lines).toMatchObject([{ fields: { file: 'n.key', where: 'c.yaml:1:2 north n.key' } }]);
  });

  it('stops one party and lets the others run', async () => {
    await putNorth();
    const config = {
      north: north(),
      south: { ...north({ cert: 's.cert', key: 's.key' }), organisationsnummer: SOUTH },
    };
    const parties = createParties(config, host());
    expect(parties.list().map((status) => [status.party.id, status.fault?.code ?? null])).toEqual([
      ['north', null],
      ['south', 'party-stopped'],
    ]);
  });

  it('knows no other party', () => {
    expect(stopped(() => load().credentials('east')).detail).toBe('no such party is configured');
  });

  it('stops a party at the moment its certificate expires, and starts it when it becomes valid', async () => {
    await putNorth({ validFrom: NOW + 1000, validTo: NOW + 2000 });
    const parties = load();
    expect(parties.list()[0]?.validTo).toBe(NOW + 2000);
    expect(stopped(() => parties.credentials('north')).detail).toContain('not valid before');
    clock.advance(1000);
    expect(parties.credentials('north').version).toMatch(/^[0-9a-f]{16}$/);
    clock.advance(1000);
    expect(stopped(() => parties.credentials('north')).detail).toContain('expired on');
    for (let time = 1; time <= 2; time++) parties.refresh();
    expect(log.lines.map((line) => line.event)).toEqual(['certificate-unusable', 'certificate-unusable']);
  });

  it('takes a renewed certificate when its files change', async () => {
    await putNorth({ validTo: NOW + DAY_MS });
    const parties = load();
    const before = parties.credentials('north').version;
    parties.refresh();
    expect(parties.credentials('north').version).toBe(before);
    await putNorth({ validTo: NOW + 10 * DAY_MS });
    parties.refresh();
    expect(parties.credentials('north').version).not.toBe(before);
    expect(parties.list()[0]?.validTo).toBe(NOW + 10 * DAY_MS);
    expect(log.lines.map((line) => line.event)).toEqual(['certificate-loaded', 'certificate-renewed']);
  });

  it('keeps the old certificate while it is valid when the renewal is bad, and says so once', async () => {
    await putNorth({ validTo: NOW + DAY_MS });
    const parties = load();
    const before = parties.credentials('north').version;
    await putNorth({ number: SOUTH });
    for (let time = 1; time <= 3; time++) parties.refresh();
    expect(parties.credentials('north').version).toBe(before);
    expect(log.lines.filter((line) => line.level === 'error')).toMatchObject([
      { event: 'certificate-renewal-refused' },
    ]);
    clock.advance(DAY_MS);
    expect(stopped(() => parties.credentials('north')).detail).toContain(`of organisationsnummer ${SOUTH}`);
    await putNorth();
    parties.refresh();
    expect(parties.list()[0]?.fault).toBeNull();
  });

  it('keeps the old certificate while only half of the new pair is there', async () => {
    const old = await putNorth();
    const parties = load();
    await putNorth();
    const key = files.get('n.key') ?? '';
    files.set('n.key', old.key);
    parties.refresh();
    expect(parties.credentials('north')).toMatchObject({ tls: { cert: old.cert } });
    files.set('n.key', key);
    parties.refresh();
    expect(parties.credentials('north')).not.toMatchObject({ tls: { cert: old.cert } });
  });

  it('takes a renewal made ahead of time when its time comes', async () => {
    const old = await putNorth({ validTo: NOW + 2 * DAY_MS });
    const parties = load();
    await putNorth({ validFrom: NOW + DAY_MS, validTo: NOW + 9 * DAY_MS });
    parties.refresh();
    expect(parties.credentials('north')).toMatchObject({ tls: { cert: old.cert } });
    clock.advance(DAY_MS);
    parties.refresh();
    expect(parties.list()[0]?.validTo).toBe(NOW + 9 * DAY_MS);
  });

  it('keeps the certificate of an entry that stayed the same when others come and go', async () => {
    await putNorth();
    const parties = load();
    const { version } = parties.credentials('north');
    const south = await authority.issueClient({ organisation: 'Syd AB', organisationNumber: SOUTH });
    files.set('s.cert', south.cert);
    files.set('s.key', south.key);
    const southern: PartyConfig = {
      name: 'Syd AB',
      organisationsnummer: SOUTH,
      certificate: { cert: 's.cert', key: 's.key' },
    };
    parties.configure({ north: { ...north(), name: 'Nord HB' }, south: southern });
    expect(parties.credentials('north').version).toBe(version);
    expect(parties.get('north')?.name).toBe('Nord HB');
    expect(parties.credentials('south').version).not.toBe(version);
    parties.configure({ south: southern });
    expect(parties.get('north')).toBe(null);
    expect(stopped(() => parties.credentials('north'))).toMatchObject({ detail: 'no such party is configured' });
    // The same id for another care provider never speaks under the certificate of the one before.
    parties.configure({ north: { ...north(), organisationsnummer: SOUTH } });
    expect(stopped(() => parties.credentials('north')).detail).toContain('not of the party');
  });

  it('refreshes from time to time, until it is stopped', async () => {
    const parties = load();
    parties.start(60_000);
    await putNorth();
    clock.advance(59_999);
    expect(parties.list()[0]?.fault).not.toBeNull();
    clock.advance(1);
    expect(parties.list()[0]?.fault).toBeNull();
    parties.stop();
    expect(clock.waiting()).toBe(0);
  });

  it('opens an encrypted key with a passphrase from a file or from the environment', async () => {
    const issued = await putNorth();
    const encrypted = encryptKey(issued.key, 'hemligt');
    files.set('n.key', encrypted);
    files.set('n.pass', 'hemligt\n');
    files.set('other.pass', 'fel');
    variables.KEY_PASS = 'hemligt';
    const pair = { cert: 'n.cert', key: 'n.key' };
    expect(load({ ...pair, passphrase: { file: 'n.pass' } }).list()[0]?.fault).toBeNull();
    expect(load({ ...pair, passphrase: { env: 'KEY_PASS' } }).credentials('north').tls.passphrase).toBe('hemligt');
    const fault = (certificate: PartyConfig['certificate']) => load(certificate).list()[0]?.fault?.detail;
    expect(fault(pair)).toBe('the key is encrypted and no passphrase is configured');
    expect(fault({ ...pair, passphrase: { file: 'other.pass' } })).toContain('cannot be decrypted');
    expect(fault({ ...pair, passphrase: { env: 'NOT_SET' } })).toBe('the environment variable NOT_SET is not set');
    expect(JSON.stringify(log.lines)).not.toContain('hemligt');
  });

  it('takes PKCS#12', async () => {
    const issued = await putNorth();
    const container = await makePkcs12(issued.cert, issued.key, 'hemligt');
    if (container === null) return console.warn('not tested: PKCS#12, for there is no openssl to make one');
    files.set('n.p12', container);
    variables.GOOD = 'hemligt';
    variables.BAD = 'fel';
    const parties = load({ pkcs12: 'n.p12', passphrase: { env: 'GOOD' } });
    expect(parties.list()).toMatchObject([
      { fault: null, validTo: new X509Certificate(issued.cert).validToDate.getTime() },
    ]);
    expect(parties.credentials('north')).toMatchObject({ tls: { pfx: container, passphrase: 'hemligt' } });
    const wrong = load({ pkcs12: 'n.p12', passphrase: { env: 'BAD' } });
    expect(stopped(() => wrong.credentials('north'))).toEqual({
      where: 'n.p12',
      detail: 'the PKCS#12 file cannot be opened with the passphrase',
    });
    expect(stopped(() => load({ pkcs12: 'n.p12' }).credentials('north')).detail).toBe(
      'the PKCS#12 file has a passphrase and none is configured',
    );
    files.set('n.p12', issued.cert);
    const other = load({ pkcs12: 'n.p12', passphrase: { env: 'GOOD' } });
    expect(stopped(() => other.credentials('north')).detail).toBe('the file is no PKCS#12 that can be read');
  });

  it('tells PKCS#12 of old ciphers from a wrong passphrase', async () => {
    const issued = await putNorth();
    const container = await makePkcs12(issued.cert, issued.key, 'hemligt', ['-legacy']);
    if (container === null) return console.warn('not tested: old PKCS#12, for there is no openssl to make one');
    files.set('n.p12', container);
    variables.GOOD = 'hemligt';
    const old = load({ pkcs12: 'n.p12', passphrase: { env: 'GOOD' } });
    expect(stopped(() => old.credentials('north')).detail).toContain('encrypted in an old way');
  });

  it('wants a chain in order', async () => {
    const issued = await putNorth();
    files.set('n.cert', issued.cert + issued.ca);
    expect(load().list()[0]?.fault).toBeNull();
    const stranger = await createAuthority({ name: 'Stranger', now: NOW });
    files.set('n.cert', issued.cert + stranger.cert);
    expect(load().list()[0]?.fault?.detail).toContain('not in order');
  });
});

describe('party configuration', () => {
  const valid = { name: 'Nord AB', organisationsnummer: NORTH, certificate: { cert: 'a', key: 'b' } };

  it.each(['2321000016', '232100-0016', '162321000016'])('reads organisationsnummer %s', (organisationsnummer) => {
    expect(partyConfig.parse({ ...valid, organisationsnummer }).organisationsnummer).toBe(NORTH);
  });

  it.each([
    { ...valid, organisationsnummer: '2321000017' },
    { ...valid, organisationsnummer: '23210000' },
    { ...valid, certificate: { cert: 'a' } },
    { ...valid, certificate: { cert: 'a', key: 'b', passphrase: 'secret' } },
    { ...valid, colour: 'red' },
  ])('refuses %j', (config) => {
    expect(partyConfig.safeParse(config).success).toBe(false);
  });
});

function encryptKey(pem: string, passphrase: string): string {
  const key = createPrivateKey(pem);
  return key.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase }).toString();
}

async function makePkcs12(
  cert: string,
  key: string,
  passphrase: string,
  more: readonly string[] = [],
): Promise<Buffer | null> {
  const folder = await mkdtemp(join(tmpdir(), 'pkcs12-'));
  const path = (name: string) => join(folder, name);
  try {
    await writeFile(path('cert'), cert);
    await writeFile(path('key'), key, { mode: 0o600 });
    const order = ['pkcs12', '-export', '-in', path('cert'), '-inkey', path('key'), '-out', path('out')];
    execFileSync('openssl', [...order, ...more, '-passout', `pass:${passphrase}`], { stdio: 'ignore' });
    return await readFile(path('out'));
  } catch {
    return null;
  } finally {
    await rm(folder, { recursive: true });
  }
}
