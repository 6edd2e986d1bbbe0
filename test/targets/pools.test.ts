import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Fault } from '../../src/contracts/fault.ts';
import { type Authority, createAuthority } from '../../src/simulators/pki.ts';
import { classifyError } from '../../src/targets/classify.ts';
import { createPools, type Pools } from '../../src/targets/pools.ts';
import { createManualClock, type Files, NORTH, partiesOf, SOUTH } from './covid-world.ts';

let authority: Authority;
let server: Server;
let url: string;
/** What the server saw: the common name of each connection, and of each request. */
const connected: string[] = [];
const asked: string[] = [];
let hold: Promise<void> | null = null;

const nameOf = (socket: unknown): string => String((socket as TLSSocket).getPeerCertificate().subject.CN);

beforeAll(async () => {
  authority = await createAuthority({ name: 'Pools CA', now: Date.now() });
  const { cert, key } = await authority.issueServer({ names: ['localhost'] });
  const options = { cert, key, ca: authority.cert, requestCert: true, rejectUnauthorized: true };
  server = createServer(options, async (incoming, response) => {
    asked.push(nameOf(incoming.socket));
    if (incoming.url === '/hold') await hold;
    response.end(nameOf(incoming.socket));
  });
  server.on('secureConnection', (socket) => connected.push(nameOf(socket)));
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `https://localhost:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const issue = (name: string, number: string, more: { validFrom?: number; validTo?: number } = {}) =>
  authority.issueClient({ organisation: name, organisationNumber: number, ...more });
const limits = () => ({ connectTimeoutMs: 10_000, ca: authority.cert });
const ask = async (pools: Pools, party: string, path = '/') => {
  const { body } = await request(url + path, { dispatcher: pools.of(party) });
  return body.text();
};

describe('pools', () => {
  it('gives each party connections of its own, and keeps them', async () => {
    const parties = partiesOf({
      north: { number: NORTH, issued: await issue('North', NORTH) },
      south: { number: SOUTH, issued: await issue('South', SOUTH) },
    });
    const pools = createPools(parties, limits());
    const before = connected.length;
    const orders = Array.from({ length: 60 }, (_, index) => (index % 2 === 0 ? 'north' : 'south'));
    const answers = await Promise.all(orders.map((party) => ask(pools, party)));
    expect(answers).toEqual(orders.map((party) => (party === 'north' ? 'North' : 'South')));
    const opened = connected.slice(before);
    expect(new Set(opened)).toEqual(new Set(['North', 'South']));
    expect(opened.length).toBeLessThanOrEqual(orders.length);
    expect(pools.of('north')).toBe(pools.of('north'));
    expect(pools.of('north')).not.toBe(pools.of('south'));
    await pools.stop();
  });

  it('goes over to a renewed certificate, and lets what is under way end under the old one', async () => {
    const files: Files = new Map();
    const parties = partiesOf({ north: { number: NORTH, issued: await issue('Old', NORTH) } }, { files });
    const pools = createPools(parties, limits());
    let release = () => {};
    hold = new Promise((resolve) => {
      release = resolve;
    });
    const arrived = asked.length + 1;
    const underway = ask(pools, 'north', '/hold');
    while (asked.length < arrived) await once(server, 'request');
    const renewed = await issue('New', NORTH);
    files.set('north.cert.pem', renewed.cert).set('north.key.pem', renewed.key);
    const old = pools.of('north');
    parties.refresh();
    expect(await ask(pools, 'north')).toBe('New');
    expect(old.closed).toBe(true);
    release();
    expect(await underway).toBe('Old');
    await pools.stop();
  });

  it('gives no pool to a party that is stopped, not even the one it had', async () => {
    const clock = createManualClock(Date.now());
    const issued = await issue('North', NORTH, { validTo: Date.now() + 3_600_000 });
    const pools = createPools(partiesOf({ north: { number: NORTH, issued } }, { clock }), limits());
    const pool = pools.of('north');
    expect(await ask(pools, 'north')).toBe('North');
    clock.advance(3_600_000);
    expect(() => pools.of('north')).toThrow(Fault);
    expect(pool.closed).toBe(true);
    expect(() => pools.of('nobody')).toThrow(Fault);
    await pools.stop();
  });

  it('refuses a server of another name or authority', async () => {
    const parties = partiesOf({ north: { number: NORTH, issued: await issue('North', NORTH) } });
    const strict = createPools(parties, { ...limits(), ca: null });
    const port = new URL(url).port;
    const named = createPools(parties, limits());
    const failures = await Promise.all([
      request(url, { dispatcher: strict.of('north') }).catch(classifyError),
      request(`https://127.0.0.1:${port}`, { dispatcher: named.of('north') }).catch(classifyError),
    ]);
    expect(failures.map((failure) => 'fault' in failure && failure.fault.record)).toMatchObject([
      { code: 'tls-refused', detail: expect.stringMatching(/SELF_SIGNED|UNABLE_TO/) },
      { code: 'tls-refused', detail: 'ERR_TLS_CERT_ALTNAME_INVALID' },
    ]);
    await strict.stop();
    await named.stop();
  });
});
