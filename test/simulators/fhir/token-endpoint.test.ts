import { generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Clock } from '../../../src/contracts/clock.ts';
import { createFhirWorld, type FhirWorld, issuesOf, type Json, makePatient } from './fhir-world.ts';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-384' });
const stranger = generateKeyPairSync('ec', { namedCurve: 'P-384' });
let now = Date.UTC(2026, 10, 22, 12);
const clock: Clock = { now: () => now, wakeAt: () => () => {} };

let world: FhirWorld;
beforeAll(async () => {
  world = await createFhirWorld({
    clock,
    oauth: {
      tokenLifetimeS: 60,
      clients: [
        {
          clientId: 'lab',
          jwks: {
            keys: [
              { ...rsa.publicKey.export({ format: 'jwk' }), kid: 'rsa-1' },
              { ...ec.publicKey.export({ format: 'jwk' }), kid: 'ec-1' },
            ],
          },
          scopes: ['system/*.write', 'system/Patient.read'],
        },
        { clientId: 'desk:1', secret: 'a+b %', scopes: ['system/Patient.rs'] },
      ],
    },
  });
});
afterAll(() => world.stop());

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

function makeAssertion(change: { header?: Json; claims?: Json; key?: typeof ec.privateKey } = {}): string {
  const header = { alg: 'ES384', kid: 'ec-1', typ: 'JWT', ...change.header };
  const claims = {
    iss: 'lab',
    sub: 'lab',
    aud: world.server.tokenUrl,
    exp: now / 1000 + 120,
    jti: randomUUID(),
    ...change.claims,
  };
  const signed = `${encode(header)}.${encode(claims)}`;
  const key = change.key ?? ec.privateKey;
  return `${signed}.${sign('sha384', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

function fetchToken(form: Record<string, string>, headers: Record<string, string> = {}) {
  const body = new URLSearchParams({ grant_type: 'client_credentials', scope: 'system/*.write', ...form });
  const type = { 'content-type': 'application/x-www-form-urlencoded' };
  return world.ask('POST', '/../token', body.toString(), { ...type, ...headers });
}

const withAssertion = (assertion: string, more = {}) =>
  fetchToken({
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: assertion,
    ...more,
  });

const bearing = (token: unknown) => ({ authorization: `Bearer ${String(token)}` });

describe('token endpoint', () => {
  it('issues a token for an ES384 assertion, which opens the server until it expires', async () => {
    const { status, json, headers } = await withAssertion(makeAssertion());
    expect([status, json.token_type, json.expires_in, headers['cache-control']]).toEqual([
      200,
      'bearer',
      60,
      'no-store',
    ]);
    const write = () => world.ask('POST', '/Patient', makePatient('token'), bearing(json.access_token));
    expect((await write()).status).toBe(201);
    expect(world.server.ledger.writes().at(-1)?.client).toBe('lab');
    now += 60_000;
    const expired = await write();
    expect([expired.status, issuesOf(expired.json)]).toEqual([401, [['expired', null]]]);
    expect(expired.headers['www-authenticate']).toContain('invalid_token');
  });

  it('takes RS384', async () => {
    const assertion = makeAssertion({ header: { alg: 'RS384', kid: 'rsa-1' }, key: rsa.privateKey });
    expect((await withAssertion(assertion)).status).toBe(200);
  });

  it('takes an assertion once', async () => {
    const assertion = makeAssertion();
    expect((await withAssertion(assertion)).status).toBe(200);
    expect((await withAssertion(assertion)).json).toEqual({ error: 'invalid_client' });
  });

  it.each([
    ['another audience', { claims: { aud: 'https://elsewhere' } }],
    ['one that has expired', { claims: { exp: 1 } }],
    ['one that lasts too long', { claims: { exp: now / 1000 + 3600 } }],
    ['another subject', { claims: { sub: 'other' } }],
    ['an unknown client', { claims: { iss: 'other', sub: 'other' } }],
    ['no jti', { claims: { jti: undefined } }],
    ['an unknown key', { header: { kid: 'none' } }],
    ['a key that is not the named one', { key: stranger.privateKey }],
    ['an algorithm that is not the key’s', { header: { alg: 'RS384' } }],
    ['no algorithm', { header: { alg: 'none' } }],
  ])('refuses %s', async (_what, change) => {
    const { status, json } = await withAssertion(makeAssertion(change));
    expect([status, json]).toEqual([401, { error: 'invalid_client' }]);
  });

  it('refuses scopes that were not agreed, other grants, and what is no assertion', async () => {
    expect((await withAssertion(makeAssertion(), { scope: 'system/*.read' })).json).toEqual({ error: 'invalid_scope' });
    expect((await withAssertion(makeAssertion(), { grant_type: 'password' })).json.error).toBe(
      'unsupported_grant_type',
    );
    expect((await withAssertion('x.y.z')).json).toEqual({ error: 'invalid_client' });
  });

  it('takes a secret, as HTTP Basic or in the form', async () => {
    const scope = { scope: 'system/Patient.rs' };
    const pair = (secret: string) => Buffer.from(`desk%3A1:${secret}`).toString('base64');
    expect((await fetchToken(scope, { authorization: `Basic ${pair('a%2Bb+%25')}` })).status).toBe(200);
    expect((await fetchToken(scope, { authorization: `Basic ${pair('wrong')}` })).status).toBe(401);
    expect((await fetchToken({ ...scope, client_id: 'desk:1', client_secret: 'a+b %' })).status).toBe(200);
    expect((await fetchToken({ ...scope, client_id: 'lab', client_secret: '' })).status).toBe(401);
  });

  it('lets a token do what its scopes say', async () => {
    const { json } = await fetchToken({ scope: 'system/Patient.rs', client_id: 'desk:1', client_secret: 'a+b %' });
    const headers = bearing(json.access_token);
    expect((await world.ask('GET', '/Patient', undefined, headers)).status).toBe(200);
    expect((await world.ask('GET', '/Observation', undefined, headers)).status).toBe(403);
    const write = await world.ask('POST', '/Patient', makePatient('scope'), headers);
    expect([write.status, issuesOf(write.json)]).toEqual([403, [['forbidden', null]]]);
  });

  it('lets nobody in without a token, nor with one that was revoked', async () => {
    expect((await world.ask('GET', '/Patient')).status).toBe(401);
    const { json } = await withAssertion(makeAssertion());
    world.server.tokens?.revokeAll();
    const got = await world.ask('GET', '/Patient', undefined, bearing(json.access_token));
    expect([got.status, issuesOf(got.json)]).toEqual([401, [['login', null]]]);
  });
});
