import { createPrivateKey, type KeyObject, randomUUID, sign } from 'node:crypto';
import { Fault } from '../contracts/fault.ts';
import type { Oauth2 } from './fhir-config.ts';
import { readKeyFile } from './read-secret.ts';

/** Servers refuse more than five minutes, by their own clock. */
const LIFETIME_S = 180;

/**
 * Makes a signed assertion that says who we are, good for one use within three minutes.
 * @param now ms since the epoch.
 * @throws Fault `party-stopped` — the key cannot be used
 * @see RFC 7523 §3; SMART App Launch, client authentication by asymmetric keys
 */
export function makeClientAssertion(
  order: Oauth2 & { readonly key: NonNullable<Oauth2['key']> },
  now: number,
  resolvePath: (path: string) => string,
): string {
  const { file, kid } = order.key;
  const key = readPrivateKey(readKeyFile(file, resolvePath), file);
  const alg = algorithmOf(key);
  if (alg === null || alg !== (order.key.alg ?? alg)) {
    throw new Fault('party-stopped', {
      detail: `the key does not fit ${order.key.alg ?? 'RS384 or ES384'}`,
      where: file,
    });
  }
  const claims = {
    iss: order.clientId,
    sub: order.clientId,
    aud: order.audience ?? order.tokenUrl,
    exp: Math.floor(now / 1000) + LIFETIME_S,
    jti: randomUUID(),
  };
  const signed = `${encode({ alg, kid, typ: 'JWT' })}.${encode(claims)}`;
  const signature = sign('sha384', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' });
  return `${signed}.${signature.toString('base64url')}`;
}

function readPrivateKey(text: string, file: string): KeyObject {
  try {
    if (text.trimStart().startsWith('{')) return createPrivateKey({ key: JSON.parse(text), format: 'jwk' });
    return createPrivateKey(text);
  } catch {
    // The cause would quote the key.
    throw new Fault('party-stopped', { detail: 'the file holds no private key', where: file });
  }
}

function algorithmOf(key: KeyObject): 'RS384' | 'ES384' | null {
  if (key.asymmetricKeyType === 'rsa') return 'RS384';
  return key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'secp384r1' ? 'ES384' : null;
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
