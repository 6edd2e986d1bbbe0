import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Target, Verdict } from '../../src/contracts/target.ts';
import { makeResultBundle } from '../simulators/fhir/fhir-world.ts';
import { createManualClock, faultOf, hostOf, makeDelivery, NORTH, SOUTH, untilDone } from './covid-world.ts';
import { createFhirTargetWorld, type FhirTargetWorld, makeSigningKey } from './fhir-world.ts';

const rsa = makeSigningKey('rsa', 'north-1');
const ec = makeSigningKey('ec', 'south-1');
const SCOPE = 'system/*.write';
const clock = createManualClock(Date.now());
const pem = (key: typeof rsa): string => String(key.privateKey.export({ type: 'pkcs8', format: 'pem' }));

let world: FhirTargetWorld;
let northKey: string;
let southKey: string;
let target: Target;

beforeAll(async () => {
  world = await createFhirTargetWorld({
    mtls: false,
    clock,
    oauth: {
      tokenLifetimeS: 300,
      clients: [
        { clientId: 'north-client', jwks: { keys: [rsa.jwk] }, scopes: [SCOPE] },
        { clientId: 'south-client', jwks: { keys: [ec.jwk] }, scopes: [SCOPE] },
        { clientId: 'secret client', secret: 'p%+: å', scopes: [SCOPE, 'system/Patient.write'] },
      ],
    },
  });
  northKey = await world.write('north.pem', pem(rsa));
  southKey = await world.write('south.json', JSON.stringify(ec.privateKey.export({ format: 'jwk' })));
});
beforeEach(() => {
  target = world.open(config());
});
afterEach(async () => {
  world.server.faults.clear();
  world.server.tokens?.revokeAll();
  await target.stop();
});
afterAll(() => world.stop());

const order = (clientId: string, proof: object) => ({
  oauth2: { tokenUrl: world.server.tokenUrl, clientId, scope: SCOPE, ...proof },
});
const config = (north: object = {}) => ({
  auth: order('north-client', { key: { file: northKey, kid: 'north-1', alg: 'RS384' }, ...north }),
  parties: { south: { auth: order('south-client', { key: { file: southKey, kid: 'south-1' } }) } },
});
const send = (party: string, filler: string, by = target): Promise<Verdict> =>
  by.send(makeDelivery(party, makeResultBundle(`${party}-${filler}`, filler), 'transaction'), untilDone());
const issued = (client: string): number => world.server.tokens?.issued(client) ?? 0;

describe('access tokens', () => {
  it('are fetched by a signed assertion, RS384 from PEM and ES384 from a JWK, and used until they end', async () => {
    const before = [issued('north-client'), issued('south-client')];
    for (const filler of ['a-1', 'a-2', 'a-3']) {
      expect(faultOf(await send('north', filler))).toBeNull();
      expect(faultOf(await send('south', filler))).toBeNull();
    }
    expect([issued('north-client'), issued('south-client')]).toEqual(before.map((count) => count + 1));
  });

  it('are never another party’s, however deliveries are interleaved', async () => {
    const before = world.server.ledger.writes().length;
    const verdicts = await Promise.all(
      Array.from({ length: 100 }, (_, index) => {
        // Some are lost on the way, so that tokens change in between.
        if (index % 25 === 0) world.server.tokens?.revokeAll();
        return send(index % 2 === 0 ? 'north' : 'south', `mix-${index % 2 === 0 ? 'north' : 'south'}-${index}`);
      }),
    );
    expect(verdicts.filter((verdict) => faultOf(verdict) !== null)).toEqual([]);
    const mixed = world.server.ledger.writes().slice(before);
    expect(mixed).toHaveLength(200);
    const strayed = mixed.filter(({ client, identifiers }) => {
      return client !== (/\|(mix-)?north/.test(identifiers[0] ?? '') ? 'north-client' : 'south-client');
    });
    expect(strayed).toEqual([]);
  });

  it('are not shared by two parties even under one client', async () => {
    const both = world.open({ auth: config().auth });
    const before = issued('north-client');
    await send('north', 's-1', both);
    await send('south', 's-2', both);
    expect(issued('north-client')).toBe(before + 2);
  });

  it('are fetched once for all who wait', async () => {
    const before = issued('north-client');
    const verdicts = await Promise.all(Array.from({ length: 20 }, (_, index) => send('north', `once-${index}`)));
    expect(verdicts.every(({ ok }) => ok)).toBe(true);
    expect(issued('north-client')).toBe(before + 1);
  });

  it('are fetched anew before they end', async () => {
    await send('north', 'b-1');
    const before = issued('north-client');
    clock.advance(269_000);
    await send('north', 'b-2');
    expect(issued('north-client')).toBe(before);
    clock.advance(2000);
    expect(faultOf(await send('north', 'b-3'))).toBeNull();
    expect(issued('north-client')).toBe(before + 1);
    expect(world.server.ledger.requests().filter(({ status }) => status === 401)).toHaveLength(0);
  });

  it('that are not taken are fetched anew once within the attempt', async () => {
    await send('north', 'c-1');
    const before = issued('north-client');
    world.server.tokens?.revokeAll();
    expect(faultOf(await send('north', 'c-2'))).toBeNull();
    expect(issued('north-client')).toBe(before + 1);
  });

  it.each([
    [401, 'login', 'target-unauthorized'],
    [400, 'security', 'target-unauthorized'],
    [403, 'expired', 'target-forbidden'],
  ] as const)('that are refused twice (HTTP %i %s) end the attempt as %s', async (status, issue, code) => {
    await send('north', 'd-1');
    const before = issued('north-client');
    const seen = world.server.ledger.requests().filter(({ path }) => path === '/fhir').length;
    world.server.faults.add({ fault: { kind: 'status', status, issue } });
    expect(faultOf(await send('north', 'd-2'))).toEqual({ code, detail: `HTTP ${status} ${issue}` });
    expect(issued('north-client')).toBe(before + 1);
    expect(world.server.ledger.requests().filter(({ path }) => path === '/fhir')).toHaveLength(seen + 2);
  });

  it('that do not permit it leave the operation forbidden, and are not asked for again', async () => {
    const auth = order('secret client', { clientSecret: { file: await world.write('s', 'p%+: å\n') } });
    const narrow = world.open({ auth: { oauth2: { ...auth.oauth2, scope: 'system/Patient.write' } } });
    const before = issued('secret client');
    expect(faultOf(await send('north', 'e-1', narrow))).toEqual({
      code: 'target-forbidden',
      detail: 'HTTP 403 forbidden at Bundle.entry[1]',
    });
    expect(issued('secret client')).toBe(before + 1);
  });

  it.each(['header', 'body'])('are fetched by a secret in the %s', async (secretIn) => {
    const clientSecret = { file: await world.write('secret', 'p%+: å\n') };
    const by = world.open({ auth: order('secret client', { clientSecret, secretIn }) });
    expect(faultOf(await send('north', 'f-1', by))).toBeNull();
  });

  it('take their secret from the environment', async () => {
    const variables: Record<string, string> = {};
    const own = hostOf(world.host.parties, clock, variables);
    const by = world.open({ auth: order('secret client', { clientSecret: { env: 'CLIENT_SECRET' } }) }, own);
    expect(faultOf(await send('north', 'g-1', by))).toEqual({
      code: 'party-stopped',
      detail: 'the environment variable CLIENT_SECRET is not set',
    });
    variables.CLIENT_SECRET = 'p%+: å';
    expect(faultOf(await send('north', 'g-1', by))).toBeNull();
  });

  it('come over the party’s certificate where that is asked for besides', async () => {
    const both = await createFhirTargetWorld({
      clock,
      oauth: { clients: [{ clientId: 'north-client', jwks: { keys: [rsa.jwk] }, scopes: [SCOPE] }] },
    });
    const { oauth2 } = config().auth;
    const by = both.open({ auth: { oauth2: { ...oauth2, tokenUrl: both.server.tokenUrl }, mtls: true } });
    for (const party of ['north', 'south']) expect(faultOf(await send(party, `h-${party}`, by))).toBeNull();
    const shown = both.server.ledger.requests().map(({ path, organisation }) => [path, organisation]);
    expect(shown).toEqual([
      ['/token', NORTH],
      ['/fhir', NORTH],
      ['/token', SOUTH],
      ['/fhir', SOUTH],
    ]);
    await both.stop();
  });
});

describe('access tokens that cannot be had', () => {
  const fails = async (change: object): Promise<unknown> => {
    const by = world.open(config(change));
    const before = world.server.ledger.requests().filter(({ path }) => path === '/fhir').length;
    const fault = faultOf(await send('north', 'fails', by));
    expect(world.server.ledger.requests().filter(({ path }) => path === '/fhir')).toHaveLength(before);
    return fault;
  };
  const key = (change: object) => ({ key: { file: northKey, kid: 'north-1', ...change } });

  it.each([
    ['an unknown client', { clientId: 'nobody' }, 'HTTP 401 invalid_client'],
    ['an unknown key', { key: { kid: 'other' } }, 'HTTP 401 invalid_client'],
    ['a scope that was not agreed', { scope: 'system/*.read' }, 'HTTP 400 invalid_scope'],
    ['another audience', { audience: 'https://elsewhere' }, 'HTTP 401 invalid_client'],
  ])('for %s pause the party', async (_what, change, detail) => {
    const given = 'key' in change ? key(change.key as object) : change;
    expect(await fails(given)).toEqual({ code: 'target-unauthorized', detail: `token endpoint: ${detail}` });
  });

  it('for want of a usable key stop the party', async () => {
    const file = await world.write('no-key.pem', 'secret words');
    const stopped = (detail: string) => ({ code: 'party-stopped', detail });
    expect(await fails(key({ file: `${world.folder}/none` }))).toEqual(stopped('the file cannot be read (ENOENT)'));
    expect(await fails(key({ file }))).toEqual(stopped('the file holds no private key'));
    expect(await fails(key({ alg: 'ES384' }))).toEqual(stopped('the key does not fit ES384'));
  });

  it.each([
    [503, { 'retry-after': '9' }, '', 'target-busy', 'HTTP 503', 9000],
    [500, {}, '', 'target-failing', 'HTTP 500', null],
    [429, {}, '', 'target-busy', 'HTTP 429', null],
    [400, {}, '{"error":"temporarily_unavailable"}', 'target-busy', 'HTTP 400 temporarily_unavailable', null],
    [400, {}, '{"error":"Andersson"}', 'target-unauthorized', 'HTTP 400', null],
    [404, {}, '', 'target-unauthorized', 'HTTP 404', null],
    [200, {}, '<html></html>', 'target-failing', 'no usable token', null],
    [200, {}, '{"access_token":"a\\nb","token_type":"bearer"}', 'target-failing', 'no usable token', null],
    [200, {}, '{"access_token":"a","token_type":"mac"}', 'target-failing', 'no usable token', null],
  ] as const)(
    'because the endpoint answers %i %j %j: %s',
    async (status, headers, text, code, detail, retryAfterMs) => {
      const body = { type: 'application/json', text };
      world.server.faults.add({ place: 'token', fault: { kind: 'status', status, headers, body }, times: 1 });
      const verdict = await send('north', 'endpoint');
      expect(verdict).toMatchObject({ ok: false, retryAfterMs, response: null });
      expect(faultOf(verdict)).toEqual({ code, detail: `token endpoint: ${detail}` });
      expect(faultOf(await send('north', 'endpoint'))).toBeNull();
    },
  );

  it('because the connection broke are the world’s fault', async () => {
    world.server.faults.add({ place: 'token', fault: { kind: 'drop' }, times: 1 });
    expect(faultOf(await send('north', 'drop'))).toMatchObject({ code: 'target-unreachable' });
    expect(faultOf(await send('north', 'drop'))).toBeNull();
  });

  it('in time end the attempt, and those who come later share no broken fetch', async () => {
    const own = createManualClock(Date.now());
    const by = world.open(config(), hostOf(world.host.parties, own));
    world.server.faults.add({ place: 'token', fault: { kind: 'stall' }, times: 1 });
    const before = world.server.ledger.requests().length;
    const sent = send('north', 'slow', by);
    await world.server.ledger.waitFor(before + 1);
    own.advance(30_000);
    expect(faultOf(await sent)).toEqual({ code: 'target-timeout', detail: 'token endpoint: 30 s' });
    expect(own.waiting()).toBe(0);
  });
});
