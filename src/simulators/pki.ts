/**
 * simulators/ holds stand-ins for the outside world: a throw-away certificate authority, the covid certificate service
 * and a sending laboratory. They speak only through the network and must never know the engine, its journal or its
 * targets; tests and the demo use them as they would use the real counterparts.
 */
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';

const KEY_ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const DAY_MS = 86_400_000;
/** X.520 attribute types that have no short name everywhere. */
const SERIAL_NUMBER = '2.5.4.5';
const ORGANIZATION_IDENTIFIER = '2.5.4.97';

/** PEM texts; `ca` is the authority that issued it. */
export interface IssuedCertificate {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** ms since the epoch; null = the authority's own span. */
export interface Validity {
  readonly validFrom?: number | null;
  readonly validTo?: number | null;
}

/**
 * Where the organisationsnummer stands in the subject: `serialNumber` = `16` and ten digits, `serialNumber-plain` = ten
 * digits, `organizationIdentifier` = `NTRSE-` and ten digits, `organizationIdentifier-plain` = ten digits,
 * `organizationalUnit` = ten digits as OU, `none` = nowhere.
 */
export type SubjectForm =
  | 'serialNumber'
  | 'serialNumber-plain'
  | 'organizationIdentifier'
  | 'organizationIdentifier-plain'
  | 'organizationalUnit'
  | 'none';

export interface ServerOrder extends Validity {
  /** DNS names and IP addresses; the first is the common name. */
  readonly names: readonly string[];
}

export interface ClientOrder extends Validity {
  readonly organisation: string;
  /** 10 digits. */
  readonly organisationNumber: string;
  readonly subjectForm?: SubjectForm;
}

export interface Authority {
  /** PEM of the authority's own certificate. */
  readonly cert: string;
  issueServer(order: ServerOrder): Promise<IssuedCertificate>;
  issueClient(order: ClientOrder): Promise<IssuedCertificate>;
}

/**
 * Makes a throw-away certificate authority (ECDSA P-256) for loopback TLS; its key never leaves memory. Names are as
 * ordered, keys and serial numbers are random. Everything it issues is valid from a day before `now` for 90 days, unless
 * the order says otherwise.
 * @param now ms since the epoch.
 */
export async function createAuthority(options: { name: string; now: number }): Promise<Authority> {
  const subject = new x509.Name([
    { CN: [text(options.name)] },
    { O: [text('Throw-away certificates, not for production')] },
  ]);
  const keys = await generateKeys();
  const span = { from: options.now - DAY_MS, to: options.now + 90 * DAY_MS };
  const own = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: makeSerialNumber(),
    name: subject,
    notBefore: new Date(span.from - DAY_MS * 3650),
    notAfter: new Date(span.to + DAY_MS * 3650),
    signingAlgorithm: KEY_ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const ca = withNewline(own.toString('pem'));

  const issue = async (
    name: x509.JsonNameParams,
    usage: x509.ExtendedKeyUsageType,
    validity: Validity,
    more: x509.Extension[],
  ) => {
    const leaf = await generateKeys();
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: makeSerialNumber(),
      subject: new x509.Name(name),
      issuer: subject,
      notBefore: new Date(validity.validFrom ?? span.from),
      notAfter: new Date(validity.validTo ?? span.to),
      signingAlgorithm: KEY_ALGORITHM,
      publicKey: leaf.publicKey,
      signingKey: keys.privateKey,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([usage]),
        await x509.SubjectKeyIdentifierExtension.create(leaf.publicKey),
        await x509.AuthorityKeyIdentifierExtension.create(keys.publicKey),
        ...more,
      ],
    });
    return { cert: withNewline(certificate.toString('pem')), key: await exportKey(leaf.privateKey), ca };
  };

  return {
    cert: ca,
    issueServer: (order) =>
      issue([{ CN: [text(order.names[0] ?? 'localhost')] }], x509.ExtendedKeyUsage.serverAuth, order, [
        new x509.SubjectAlternativeNameExtension(
          order.names.map((value) => ({ type: isIpAddress(value) ? 'ip' : 'dns', value })),
        ),
      ]),
    issueClient: (order) => issue(makeClientSubject(order), x509.ExtendedKeyUsage.clientAuth, order, []),
  };
}

/**
 * Writes `<name>.cert.pem`, `<name>.key.pem` and `<name>.ca.pem` into a folder, which is made where it is missing. Keys
 * are readable by their owner only.
 */
export async function writeCertificate(
  folder: string,
  name: string,
  issued: IssuedCertificate,
): Promise<{ cert: string; key: string; ca: string }> {
  const paths = {
    cert: join(folder, `${name}.cert.pem`),
    key: join(folder, `${name}.key.pem`),
    ca: join(folder, `${name}.ca.pem`),
  };
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFile(paths.key, issued.key, { mode: 0o600 });
  await writeFile(paths.cert, issued.cert, { mode: 0o644 });
  await writeFile(paths.ca, issued.ca, { mode: 0o644 });
  return paths;
}

function makeClientSubject(order: ClientOrder): x509.JsonNameParams {
  const number = order.organisationNumber;
  const forms: Record<SubjectForm, x509.JsonNameParams> = {
    serialNumber: [{ [SERIAL_NUMBER]: [text(`16${number}`)] }],
    'serialNumber-plain': [{ [SERIAL_NUMBER]: [text(number)] }],
    organizationIdentifier: [{ [ORGANIZATION_IDENTIFIER]: [text(`NTRSE-${number}`)] }],
    'organizationIdentifier-plain': [{ [ORGANIZATION_IDENTIFIER]: [text(number)] }],
    organizationalUnit: [{ OU: [text(number)] }],
    none: [],
  };
  return [
    { C: [{ printableString: 'SE' }] },
    { O: [text(order.organisation)] },
    ...forms[order.subjectForm ?? 'serialNumber'],
    { CN: [text(order.organisation)] },
  ];
}

/** As an object, because the library reads quotation marks and `#` in a bare string as syntax. */
const text = (value: string) => ({ utf8String: value });

async function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(KEY_ALGORITHM, true, ['sign', 'verify']);
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key)).toString('base64');
  return `-----BEGIN PRIVATE KEY-----\n${(der.match(/.{1,64}/g) ?? []).join('\n')}\n-----END PRIVATE KEY-----\n`;
}

/** 16 hex digits, positive: the first bit must not be set. */
function makeSerialNumber(): string {
  const bytes = webcrypto.getRandomValues(new Uint8Array(8));
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return Buffer.from(bytes).toString('hex');
}

const isIpAddress = (name: string): boolean => /^[\d.]+$/.test(name) || name.includes(':');
const withNewline = (pem: string): string => (pem.endsWith('\n') ? pem : `${pem}\n`);
