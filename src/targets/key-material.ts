import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { Duplex } from 'node:stream';
import { createSecureContext, TLSSocket } from 'node:tls';
import type { Credentials } from '../contracts/party.ts';

/** Certificate files as they were read. */
export type KeyFiles =
  | { readonly cert: Uint8Array; readonly key: Uint8Array; readonly passphrase: string | null }
  | { readonly pkcs12: Uint8Array; readonly passphrase: string | null };

export interface KeyMaterial {
  readonly credentials: Credentials;
  /** The party's own certificate. */
  readonly leaf: X509Certificate;
  /** ms since the epoch: while the whole chain that was given is valid. */
  readonly validFrom: number;
  readonly validTo: number;
}

/** Why certificate files cannot be used; the text names no secret. */
export class UnusableKey extends Error {
  /** Which of the files is to blame. */
  readonly part: 'certificate' | 'key' | 'pair';

  constructor(why: string, part: UnusableKey['part'], cause?: unknown) {
    super(why, { cause });
    this.part = part;
  }
}

/** Stands for the files' content: equal files, equal version. */
export function versionOf(files: KeyFiles): string {
  const hash = createHash('sha256');
  for (const part of 'pkcs12' in files ? [files.pkcs12] : [files.cert, files.key]) hash.update(part).update('\0');
  return hash
    .update(files.passphrase ?? '')
    .digest('hex')
    .slice(0, 16);
}

/**
 * Reads certificate and key, and makes sure that they belong together.
 * @throws UnusableKey
 */
export function readKeyMaterial(files: KeyFiles): KeyMaterial {
  return 'pkcs12' in files ? readPkcs12(files.pkcs12, files.passphrase, versionOf(files)) : readPem(files);
}

function readPem(files: Extract<KeyFiles, { cert: Uint8Array }>): KeyMaterial {
  const cert = Buffer.from(files.cert).toString('latin1');
  const key = Buffer.from(files.key).toString('latin1');
  const chain = readChain(cert);
  const leaf = chain[0];
  if (leaf === undefined) throw new UnusableKey('the certificate file holds no PEM certificate', 'certificate');
  if (!leaf.checkPrivateKey(readKey(key, files.passphrase))) {
    throw new UnusableKey('the key does not belong to the certificate', 'pair');
  }
  const passphrase = files.passphrase === null ? {} : { passphrase: files.passphrase };
  return {
    credentials: { tls: { cert, key, ...passphrase }, version: versionOf(files) },
    leaf,
    validFrom: Math.max(...chain.map((one) => one.validFromDate.getTime())),
    validTo: Math.min(...chain.map((one) => one.validToDate.getTime())),
  };
}

function readChain(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  const chain = blocks.map((block) => {
    try {
      return new X509Certificate(block);
    } catch {
      throw new UnusableKey('the certificate cannot be read', 'certificate');
    }
  });
  chain.forEach((one, index) => {
    const issuer = chain[index + 1];
    if (issuer !== undefined && !one.checkIssued(issuer)) {
      throw new UnusableKey(
        'the certificates of the chain are not in order, the own one first and each issuer next',
        'certificate',
      );
    }
  });
  return chain;
}

function readKey(pem: string, passphrase: string | null) {
  try {
    return createPrivateKey({ key: pem, ...(passphrase === null ? {} : { passphrase }) });
  } catch (error) {
    const encrypted = pem.includes('ENCRYPTED');
    if (encrypted && passphrase === null) {
      throw new UnusableKey('the key is encrypted and no passphrase is configured', 'key');
    }
    const why = encrypted ? 'the key cannot be decrypted with the passphrase' : 'the key cannot be read';
    throw new UnusableKey(why, 'key', error);
  }
}

function readPkcs12(container: Uint8Array, passphrase: string | null, version: string): KeyMaterial {
  const pfx = Buffer.from(container);
  const tls = { pfx, ...(passphrase === null ? {} : { passphrase }) };
  const leaf = readLeaf(tls);
  if (leaf === undefined) throw new UnusableKey('the PKCS#12 file holds no certificate with its key', 'certificate');
  return {
    credentials: { tls, version },
    leaf,
    validFrom: leaf.validFromDate.getTime(),
    validTo: leaf.validToDate.getTime(),
  };
}

/** Authorities still write PKCS#12 with ciphers that OpenSSL 3 has put away (RC2, 40 bits). */
function whyNotOpened({ code, message }: NodeJS.ErrnoException, { passphrase }: { passphrase?: string }): string {
  if (code === 'ERR_CRYPTO_UNSUPPORTED_OPERATION')
    return 'the PKCS#12 file is encrypted in an old way: write it anew, as docs/covidbevis.md says';
  if (message !== 'mac verify failure') return 'the file is no PKCS#12 that can be read';
  if (passphrase === undefined) return 'the PKCS#12 file has a passphrase and none is configured';
  return 'the PKCS#12 file cannot be opened with the passphrase';
}

/** Node opens PKCS#12 only for TLS; a socket that is never connected says which certificate it would show. */
function readLeaf(tls: { pfx: Buffer; passphrase?: string }): X509Certificate | undefined {
  let socket: TLSSocket | null = null;
  try {
    const secureContext = createSecureContext(tls);
    socket = new TLSSocket(new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() }), { secureContext });
    return socket.getX509Certificate();
  } catch (error) {
    throw new UnusableKey(whyNotOpened(error as NodeJS.ErrnoException, tls), 'certificate', error);
  } finally {
    socket?.destroy();
  }
}
