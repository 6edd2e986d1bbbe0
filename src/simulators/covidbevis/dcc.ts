import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { deflateSync } from 'node:zlib';
import { encode as encodeBase45 } from 'base45';
import { encode, Tagged } from 'cborg';

/** COSE header labels and CWT claims (RFC 9052, RFC 8392); -260 is the health certificate claim. */
const ALGORITHM = 1;
const KEY_ID = 4;
const ES256 = -7;
const ISSUER = 1;
const EXPIRES_AT = 4;
const ISSUED_AT = 6;
const HEALTH_CERTIFICATE = -260;
const COSE_SIGN1 = 18;

/** Signs EU digital covid certificates with a key that lives as long as the process and that no verifier trusts. */
export interface DccSigner {
  readonly publicKey: KeyObject;
  /** First 8 bytes of the SHA-256 of the public key. */
  readonly keyId: Uint8Array;
  /** The text of the QR code, `HC1:…`. Times in seconds since the epoch. */
  sign(dcc: Readonly<Record<string, unknown>>, issuedAtS: number, expiresAtS: number): string;
}

/** Makes a signer with a throw-away ES256 key. */
export function createDccSigner(): DccSigner {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const keyId = createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest()
    .subarray(0, 8);
  const bytes = (value: unknown): Uint8Array => encode(value);
  const header = bytes(
    new Map<number, unknown>([
      [ALGORITHM, ES256],
      [KEY_ID, keyId],
    ]),
  );
  return {
    publicKey,
    keyId,
    sign(dcc, issuedAtS, expiresAtS) {
      const payload = bytes(
        new Map<number, unknown>([
          [ISSUER, 'SE'],
          [EXPIRES_AT, expiresAtS],
          [ISSUED_AT, issuedAtS],
          [HEALTH_CERTIFICATE, new Map([[1, dcc]])],
        ]),
      );
      const toSign = bytes(['Signature1', header, new Uint8Array(0), payload]);
      const signature = sign('sha256', toSign, { key: privateKey, dsaEncoding: 'ieee-p1363' });
      const message = bytes(new Tagged(COSE_SIGN1, [header, new Map(), payload, new Uint8Array(signature)]));
      return `HC1:${encodeBase45(deflateSync(message, { level: 9 }))}`;
    },
  };
}

const LETTERS: Readonly<Record<string, string>> = {
  Å: 'AA',
  Ä: 'AE',
  Ö: 'OE',
  Ø: 'OE',
  Æ: 'AE',
  Ü: 'UE',
  ß: 'SS',
  ẞ: 'SS',
};

/** A name as ICAO 9303 has it in the machine-readable zone: `Åke O'Brien` → `AAKE<OBRIEN`; at most 80 characters. */
export function transliterateName(name: string): string {
  const letters = [...name.normalize('NFC').toUpperCase()].map((letter) => LETTERS[letter] ?? letter).join('');
  return letters
    .normalize('NFD')
    .replace(/[\u0300-\u036f'’`]/g, '')
    .replace(/[^A-Z]+/g, '<')
    .replace(/^<+|<+$/g, '')
    .slice(0, 80);
}
