import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createAuthority, writeCertificate } from '../../src/simulators/pki.ts';

const NOW = Date.UTC(2026, 0, 15, 12);
const authority = await createAuthority({ name: 'Pki test CA', now: NOW });

describe('throw-away authority', () => {
  it('issues a server certificate for its names that its own certificate verifies', async () => {
    const issued = await authority.issueServer({ names: ['localhost', '127.0.0.1', '::1'] });
    const leaf = new X509Certificate(issued.cert);
    const ca = new X509Certificate(issued.ca);
    expect(leaf.verify(ca.publicKey)).toBe(true);
    expect(leaf.checkIssued(ca)).toBe(true);
    expect(leaf.checkPrivateKey(createPrivateKey(issued.key))).toBe(true);
    expect(leaf.checkHost('localhost')).toBe('localhost');
    expect(leaf.checkIP('127.0.0.1')).toBe('127.0.0.1');
    expect(leaf.checkIP('::1')).toBe('::1');
    expect(leaf.ca).toBe(false);
    expect(ca.ca).toBe(true);
  });

  it.each([
    ['serialNumber', 'serialNumber=162321000016'],
    ['serialNumber-plain', 'serialNumber=2321000016'],
    ['organizationIdentifier', 'organizationIdentifier=NTRSE-2321000016'],
    ['organizationIdentifier-plain', 'organizationIdentifier=2321000016'],
    ['organizationalUnit', 'OU=2321000016'],
  ] as const)('puts the organisationsnummer in the subject as %s', async (subjectForm, line) => {
    const issued = await authority.issueClient({
      organisation: 'Vårdgivare, Åre "Ö" AB',
      organisationNumber: '2321000016',
      subjectForm,
    });
    const lines = new X509Certificate(issued.cert).subject.split('\n');
    expect(lines).toContain(line);
    expect(new X509Certificate(issued.cert).toLegacyObject().subject.O).toBe('Vårdgivare, Åre "Ö" AB');
  });

  it('gives the validity that was ordered', async () => {
    const issued = await authority.issueClient({
      organisation: 'A',
      organisationNumber: '2321000016',
      validFrom: NOW,
      validTo: NOW + 1000,
    });
    const leaf = new X509Certificate(issued.cert);
    expect([leaf.validFromDate.getTime(), leaf.validToDate.getTime()]).toEqual([NOW, NOW + 1000]);
  });

  it('writes keys that only their owner may read', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'pki-'));
    try {
      const issued = await authority.issueServer({ names: ['localhost'] });
      const paths = await writeCertificate(join(folder, 'new'), 'server', issued);
      expect((await stat(paths.key)).mode & 0o777).toBe(0o600);
      expect(await readFile(paths.cert, 'utf8')).toBe(issued.cert);
      expect(await readFile(paths.ca, 'utf8')).toBe(authority.cert);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
