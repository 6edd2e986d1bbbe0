import { createHash, createPublicKey, type KeyObject, verify, X509Certificate } from 'node:crypto';
import { inflateSync } from 'node:zlib';
import { decode as decodeBase45 } from 'base45';
import { decode, encode } from 'cborg';

/** A certificate is a few hundred bytes; what inflates to more is none. */
const MAX_BYTES = 64 * 1024;
/** COSE header labels and algorithms (RFC 9052, RFC 9053), CWT claims (RFC 8392); -260 is the health certificate. */
const ALGORITHM = 1;
const KEY_ID = 4;
const ES256 = -7;
const PS256 = -37;
const HEALTH_CERTIFICATE = -260;
const COSE_SIGN1 = 18;

/** What an EU digital covid certificate says. */
export interface HealthCertificate {
  /** `{ ver, nam, dob, t | r | v }`, as it is written. */
  readonly dcc: Readonly<Record<string, unknown>>;
  readonly keyId: Uint8Array | null;
  readonly algorithm: number | null;
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
}

/** A key that may have signed certificates. */
export interface TrustedKey {
  /** First 8 bytes of the SHA-256 of the certificate; of the key itself where no certificate came with it. */
  readonly keyId: Buffer;
  readonly key: KeyObject;
}

/**
 * Reads the text of a QR code, `HC1:…`. Null where it is no such certificate; its signature is not looked at.
 * @see eHealth Network: electronic health certificates, volume 3 (HC1, base45, zlib, COSE_Sign1, CBOR)
 */
export function readHealthCertificate(text: string): HealthCertificate | null {
  try {
    if (!text.startsWith('HC1:')) return null;
    const packed = Buffer.from(decodeBase45(text.slice(4)));
    const message = packed[0] === 0x78 ? inflateSync(packed, { maxOutputLength: MAX_BYTES }) : packed;
    const [header, unprotectedHeader, payload, signature] = readParts(message);
    const claims = decode(payload, { useMaps: true, tags: TAGS }) as Map<number, unknown>;
    const certificate = claims.get(HEALTH_CERTIFICATE);
    const dcc = certificate instanceof Map ? toObject(certificate.get(1)) : null;
    if (dcc === null || typeof dcc !== 'object') return null;
    const labels = header.length === 0 ? new Map() : (decode(header, { useMaps: true }) as Map<number, unknown>);
    const keyId = labels.get(KEY_ID) ?? unprotectedHeader.get(KEY_ID);
    const algorithm = labels.get(ALGORITHM) ?? unprotectedHeader.get(ALGORITHM);
    return {
      dcc: dcc as Record<string, unknown>,
      keyId: keyId instanceof Uint8Array ? keyId : null,
      algorithm: typeof algorithm === 'number' ? algorithm : null,
      signed: encode(['Signature1', header, new Uint8Array(0), payload]),
      signature,
    };
  } catch {
    return null;
  }
}

/** True where one of the keys signed it; keys that bear the certificate's key id are tried, else all. */
export function isSignedBy(certificate: HealthCertificate, keys: readonly TrustedKey[]): boolean {
  const { keyId, algorithm, signed, signature } = certificate;
  const named = keys.filter((one) => keyId !== null && one.keyId.equals(keyId));
  return (named.length > 0 ? named : keys).some(({ key }) => {
    const type = key.asymmetricKeyType;
    if (algorithm === ES256 && type === 'ec')
      return verify('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, signature);
    if (algorithm === PS256 && type === 'rsa')
      return verify('sha256', signed, { key, padding: RSA_PSS, saltLength: 32 }, signature);
    return false;
  });
}

/** Reads a trust list: PEM certificates or public keys, one after the other. @throws Error where there is none */
export function readTrustList(pem: string): TrustedKey[] {
  const blocks = pem.match(/-----BEGIN ([A-Z ]+)-----[^-]*-----END \1-----/g) ?? [];
  const keys = blocks.map((block): TrustedKey => {
    const certificate = block.startsWith('-----BEGIN CERTIFICATE') ? new X509Certificate(block) : null;
    const key = certificate?.publicKey ?? createPublicKey(block);
    const named = certificate?.raw ?? key.export({ type: 'spki', format: 'der' });
    return { key, keyId: createHash('sha256').update(named).digest().subarray(0, 8) };
  });
  if (keys.length === 0) throw new Error('the trust list holds no certificate and no public key in PEM');
  return keys;
}

const RSA_PSS = 6;

type Parts = [header: Uint8Array, unprotectedHeader: Map<number, unknown>, payload: Uint8Array, signature: Uint8Array];

function readParts(message: Uint8Array): Parts {
  const parts = decode(message, { useMaps: true, tags: TAGS }) as unknown[];
  const [header, unprotectedHeader, payload, signature] = parts;
  const isBytes = (value: unknown) => value instanceof Uint8Array;
  if (!isBytes(header) || !isBytes(payload) || !isBytes(signature)) throw new Error('not COSE_Sign1');
  return [header, unprotectedHeader instanceof Map ? unprotectedHeader : new Map(), payload, signature] as Parts;
}

/** The message may be tagged as COSE_Sign1 or CWT, and times as date and time; what they hold is what counts. */
const TAGS = Object.fromEntries([0, 1, COSE_SIGN1, 61].map((tag) => [tag, (inner: () => unknown) => inner()]));

/** Objects without prototypes' surprises: names of a certificate are data. */
function toObject(value: unknown): unknown {
  if (value instanceof Map) {
    return Object.assign(
      Object.create(null),
      Object.fromEntries([...value].map(([key, one]) => [String(key), toObject(one)])),
    );
  }
  return Array.isArray(value) ? value.map(toObject) : value;
}
