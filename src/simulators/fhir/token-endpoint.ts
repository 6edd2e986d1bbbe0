import { createPublicKey, type JsonWebKey, randomBytes, timingSafeEqual, verify } from 'node:crypto';
import type { Clock } from '../../contracts/clock.ts';

/** A client that may ask for tokens: by signed assertion, by secret, or by either. */
export interface KnownClient {
  readonly clientId: string;
  /** Public keys for private_key_jwt, each with its `kid`. */
  readonly jwks?: { readonly keys: readonly JsonWebKey[] };
  readonly secret?: string;
  /** What it may ask for, such as `system/*.write`. */
  readonly scopes: readonly string[];
}

/** An answer of the token endpoint. */
interface TokenAnswer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Grant {
  readonly clientId: string;
  readonly scopes: readonly string[];
}

/** Issues and knows bearer tokens. */
export interface TokenEndpoint {
  /** Answers one request. @param basic the Authorization header; null = none. */
  issue(form: URLSearchParams, basic: string | null): TokenAnswer;
  /** Whose a token is; `expired` where it was, null where it never was. */
  look(token: string): Grant | 'expired' | null;
  /** Makes every token that was issued worthless. */
  revokeAll(): void;
  /** How many tokens were issued to a client. */
  issued(clientId: string): number;
}

const ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const MAX_ASSERTION_MS = 300_000;

class TokenError extends Error {
  readonly status: number;
  constructor(code: string, status = 400) {
    super(code);
    this.status = status;
  }
}

/**
 * The token endpoint of SMART backend services: client credentials, with a signed assertion or a secret.
 * @param url its own address, which assertions must name.
 * @see SMART App Launch 2.x, backend services; RFC 6749 §4.4, RFC 7523
 */
export function createTokenEndpoint(
  options: { readonly clients: readonly KnownClient[]; readonly lifetimeS: number; readonly clock: Clock },
  url: () => string,
): TokenEndpoint {
  const clients = new Map(options.clients.map((one) => [one.clientId, one]));
  const tokens = new Map<string, Grant & { readonly expiresAt: number }>();
  const used = new Map<string, number>();
  const counts = new Map<string, number>();
  const { clock, lifetimeS } = options;

  const known = (clientId: string | null): KnownClient => {
    const client = clientId === null ? undefined : clients.get(clientId);
    if (client === undefined) throw new TokenError('invalid_client', 401);
    return client;
  };

  function authenticate(form: URLSearchParams, basic: string | null): KnownClient {
    if (form.has('client_assertion')) {
      if (form.get('client_assertion_type') !== ASSERTION) throw new TokenError('invalid_request');
      return checkAssertion(form.get('client_assertion') ?? '');
    }
    const found = /^Basic ([A-Za-z0-9+/=]+)$/.exec(basic ?? '');
    const pair = found
      ? Buffer.from(found[1] ?? '', 'base64')
          .toString('utf8')
          .split(':')
      : null;
    const decode = (text: string | undefined) => decodeURIComponent((text ?? '').replaceAll('+', ' '));
    const client = known(pair ? decode(pair[0]) : form.get('client_id'));
    const secret = pair ? decode(pair[1]) : (form.get('client_secret') ?? '');
    if (client.secret === undefined || !isSame(secret, client.secret)) throw new TokenError('invalid_client', 401);
    return client;
  }

  function checkAssertion(assertion: string): KnownClient {
    const [head = '', body = '', signature = ''] = assertion.split('.');
    const header = readPart(head);
    const claims = readPart(body);
    const client = known(typeof claims.iss === 'string' ? claims.iss : null);
    const now = clock.now();
    const jwk = client.jwks?.keys.find(
      (one) => one.kid === header.kid && (one.kty === 'RSA') === (header.alg === 'RS384'),
    );
    const isKnownForm = header.alg === 'RS384' || header.alg === 'ES384';
    const expiresAt = Number(claims.exp) * 1000;
    const jti = `${client.clientId} ${String(claims.jti)}`;
    const holds =
      isKnownForm &&
      jwk !== undefined &&
      claims.sub === claims.iss &&
      claims.aud === url() &&
      expiresAt > now &&
      expiresAt <= now + MAX_ASSERTION_MS &&
      typeof claims.jti === 'string' &&
      !used.has(jti) &&
      verify(
        'sha384',
        Buffer.from(`${head}.${body}`),
        { key: createPublicKey({ key: jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' },
        Buffer.from(signature, 'base64url'),
      );
    if (!holds) throw new TokenError('invalid_client', 401);
    for (const [one, until] of used) if (until <= now) used.delete(one);
    used.set(jti, expiresAt);
    return client;
  }

  return {
    issue(form, basic) {
      const headers = { 'cache-control': 'no-store', pragma: 'no-cache' };
      try {
        if (form.get('grant_type') !== 'client_credentials') throw new TokenError('unsupported_grant_type');
        const client = authenticate(form, basic);
        const scopes = (form.get('scope') ?? '').split(' ').filter((one) => one !== '');
        if (scopes.length === 0 || !scopes.every((one) => client.scopes.includes(one))) {
          throw new TokenError('invalid_scope');
        }
        const token = randomBytes(24).toString('base64url');
        tokens.set(token, { clientId: client.clientId, scopes, expiresAt: clock.now() + lifetimeS * 1000 });
        counts.set(client.clientId, (counts.get(client.clientId) ?? 0) + 1);
        const body = { access_token: token, token_type: 'bearer', expires_in: lifetimeS, scope: scopes.join(' ') };
        return { status: 200, body, headers };
      } catch (error) {
        if (!(error instanceof TokenError)) throw error;
        return { status: error.status, body: { error: error.message }, headers };
      }
    },
    look(token) {
      const grant = tokens.get(token);
      if (grant === undefined) return null;
      return grant.expiresAt > clock.now() ? grant : 'expired';
    },
    revokeAll: () => tokens.clear(),
    issued: (clientId) => counts.get(clientId) ?? 0,
  };
}

/** `system/*.write`, `system/Observation.cruds` and the like. */
export function permits(scopes: readonly string[], type: string, access: 'read' | 'write'): boolean {
  return scopes.some((scope) => {
    const [, of, may = ''] = /^system\/([A-Za-z]+|\*)\.(\*|read|write|[cruds]+)$/.exec(scope) ?? [];
    if (of !== '*' && of !== type) return false;
    return may === '*' || may === access || (/^[cruds]+$/.test(may) && may.includes(access === 'read' ? 'r' : 'u'));
  });
}

function readPart(part: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // Falls through to the one answer there is.
  }
  throw new TokenError('invalid_client', 401);
}

function isSame(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}
