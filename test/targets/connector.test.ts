import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { SecureVersion } from 'node:tls';
import { Agent, request } from 'undici';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Authority, createAuthority, type IssuedCertificate } from '../../src/simulators/pki.ts';
import { classifyError } from '../../src/targets/classify.ts';
import { createConnector } from '../../src/targets/connector.ts';

let authority: Authority;
let issued: IssuedCertificate;
const cleanUps: (() => void)[] = [];

beforeAll(async () => {
  authority = await createAuthority({ name: 'Connector CA', now: Date.now() });
  issued = await authority.issueServer({ names: ['localhost'] });
});
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0)) cleanUp();
});

async function listen(version: SecureVersion, closeAfter = Number.POSITIVE_INFINITY, wantsCertificate = true) {
  let requests = 0;
  const server = createServer(
    {
      cert: issued.cert,
      key: issued.key,
      ca: authority.cert,
      requestCert: wantsCertificate,
      rejectUnauthorized: wantsCertificate,
      minVersion: version,
      maxVersion: version,
    },
    (incoming, response) => {
      requests += 1;
      if (requests > closeAfter) incoming.socket.destroy();
      else response.end('fine');
    },
  );
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUps.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `https://localhost:${(server.address() as AddressInfo).port}`;
}

function createAgent(tls: { cert?: string; key?: string } = {}): Agent {
  const agent = new Agent({ allowH2: false, connect: createConnector({ ca: authority.cert, ...tls }) });
  cleanUps.push(() => void agent.destroy());
  return agent;
}

const post = (url: string, dispatcher: Agent) => request(url, { method: 'POST', body: '{}', dispatcher });

describe('connector', () => {
  it.each([
    ['TLSv1.2', 'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE'],
    ['TLSv1.3', 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED'],
  ] as const)('tells a refused certificate by its alert, %s', async (version, detail) => {
    const url = await listen(version);
    for (let time = 1; time <= 5; time++) {
      const error = await post(url, createAgent()).catch((cause: unknown) => cause);
      expect(classifyError(error).fault.record).toMatchObject({ code: 'tls-refused', detail });
    }
  });

  it('takes a connection that was closed without an alert for what it is', async () => {
    const url = await listen('TLSv1.3', 0, false);
    const error = await post(url, createAgent()).catch((cause: unknown) => cause);
    expect(classifyError(error).fault.code).toBe('target-unreachable');
  });

  it('still sees a kept connection end, and opens another', async () => {
    const client = await authority.issueClient({ organisation: 'N', organisationNumber: '2321000016' });
    const url = await listen('TLSv1.3', 1);
    const agent = createAgent({ cert: client.cert, key: client.key });
    const first = await post(url, agent);
    expect(await first.body.text()).toBe('fine');
    const error = await post(url, agent).catch((cause: unknown) => cause);
    expect(classifyError(error).fault.code).toBe('target-unreachable');
  });

  it('refuses to speak TLS 1.1', async () => {
    const url = await listen('TLSv1.2');
    const agent = new Agent({
      allowH2: false,
      connect: createConnector({ ca: authority.cert, maxVersion: 'TLSv1.1' }),
    });
    cleanUps.push(() => void agent.destroy());
    await expect(post(url, agent)).rejects.toThrow();
  });
});
