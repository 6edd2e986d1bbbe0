import { createPrivateKey } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, type SecureVersion, type TLSSocket } from 'node:tls';
import { Hl7Message } from '@medplum/core';
import { Hl7Client } from '@medplum/hl7';
import { Client, Message } from 'node-hl7-client';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Source } from '../../src/contracts/source.ts';
import { type Authority, createAuthority, type IssuedCertificate } from '../../src/simulators/pki.ts';
import { mllpSource } from '../../src/sources/mllp.ts';
import { createFakeIntake, createTestHost, type FakeIntake, framed, oru, Peer, type TestHost } from './harness.ts';

const cleanups: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Listening {
  readonly source: Source;
  readonly host: TestHost;
  readonly fake: FakeIntake;
  readonly port: number;
}

async function listen(more: object = {}, folder = '/'): Promise<Listening> {
  const fake = createFakeIntake();
  const host = createTestHost(folder);
  const source = mllpSource.create(mllpSource.config.parse({ port: 0, ...more }), host);
  await source.start(fake.intake);
  cleanups.push(async () => {
    const stopped = source.stop();
    host.clock.advance(10_000);
    await stopped;
  });
  return { source, host, fake, port: Number(new URL(source.address).port) };
}

/** One message by node-hl7-client: connected first, one in flight, its own queue never used. */
function sendByNodeHl7Client(port: number, text: string, tls?: object): Promise<string> {
  return new Promise((resolve, reject) => {
    const client = new Client({ host: '127.0.0.1', version: '2.5.1', ...(tls === undefined ? {} : { tls }) });
    const refuse = (): never => {
      throw new Error('not connected');
    };
    const options = { port, version: '2.5.1' as const, waitAck: false, enqueueMessage: refuse, flushQueue: () => {} };
    const connection = client.createConnection(options, (response) => {
      resolve(response.getMessage().toString());
    });
    cleanups.push(() => connection.close());
    connection.on('client.error', reject);
    connection.once('connect', () => {
      connection.sendMessage(new Message({ text: text.replace(/\r$/, '') })).catch(reject);
    });
  });
}

/** As much of simple-hl7 as is used here; it has no types of its own. */
interface SimpleHl7 {
  readonly Parser: new (options: { segmentSeperator: string }) => { parse(text: string): SimpleMessage };
  readonly Server: { createTcpClient(options: { host: string; port: number; keepalive: boolean }): SimpleClient };
}

interface SimpleMessage {
  getSegment(name: string): { getField(at: number): string } | undefined;
}

interface SimpleClient {
  send(message: SimpleMessage, answered: (error: Error | null, answer: SimpleMessage) => void): void;
  close(): void;
}

const simpleHl7 = createRequire(import.meta.url)('simple-hl7') as SimpleHl7;

function sendBySimpleHl7(client: SimpleClient, text: string): Promise<string> {
  const message = new simpleHl7.Parser({ segmentSeperator: '\r' }).parse(text);
  return new Promise((resolve, reject) => {
    client.send(message, (error, answer) => {
      const msa = answer?.getSegment('MSA');
      if (error === null && msa !== undefined) resolve(`${msa.getField(1)} ${msa.getField(2)}`);
      else reject(error ?? new Error('no MSA'));
    });
  });
}

/** The client is typed with a copy of @medplum/core of its own. */
function parse(text: string): Parameters<Hl7Client['sendAndWait']>[0] {
  return Hl7Message.parse(text) as unknown as Parameters<Hl7Client['sendAndWait']>[0];
}

describe('foreign senders', () => {
  it('answers node-hl7-client', async () => {
    const { port, fake } = await listen();
    const answer = await sendByNodeHl7Client(port, oru('N-1'));
    expect(answer).toContain('MSA|AA|N-1');
    expect(fake.calls.map((call) => call.text.replace(/\r$/, ''))).toEqual([oru('N-1').replace(/\r$/, '')]);
  });

  it('answers @medplum/hl7, one after the other and many at once', async () => {
    const { port, fake } = await listen();
    const client = new Hl7Client({ host: '127.0.0.1', port });
    cleanups.push(() => client.close());
    const first = await client.sendAndWait(parse(oru('M-0')));
    expect(first.getSegment('MSA')?.getField(2)?.toString()).toBe('M-0');
    const ids = Array.from({ length: 50 }, (_, index) => `M-${index + 1}`);
    const answers = await Promise.all(ids.map((id) => client.sendAndWait(parse(oru(id)))));
    expect(answers.map((answer) => answer.getSegment('MSA')?.getField(2)?.toString())).toEqual(ids);
    expect(answers.every((answer) => answer.getSegment('MSA')?.getField(1)?.toString() === 'AA')).toBe(true);
    expect(fake.calls).toHaveLength(51);
  });

  it.each([
    ['on one connection', true, 1],
    ['with a new connection for each message', false, 5],
  ])('answers simple-hl7, %s', async (_, keepalive, connections) => {
    const { port, fake } = await listen();
    const client = simpleHl7.Server.createTcpClient({ host: '127.0.0.1', port, keepalive });
    cleanups.push(() => client.close());
    const ids = ['S-1', 'S-2', 'S-3', 'S-4', 'S-5'];
    for (const id of ids) {
      expect(await sendBySimpleHl7(client, oru(id))).toBe(`AA ${id}`);
      // It forgets its connection only after it has told of the answer.
      await Promise.resolve();
    }
    expect(fake.calls.map(({ text }) => text.replace(/\r$/, ''))).toEqual(ids.map((id) => oru(id).replace(/\r$/, '')));
    expect(new Set(fake.calls.map(({ inbound }) => inbound.origin)).size).toBe(connections);
  });
});

describe('TLS', () => {
  let folder: string;
  let authority: Authority;
  let client: IssuedCertificate;
  let stranger: IssuedCertificate;
  const files = { cert: 'server.pem', key: 'server.key', ca: 'ca.pem' };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluss-mllp-'));
    authority = await createAuthority({ name: 'Listener test', now: Date.now() });
    const server = await authority.issueServer({ names: ['localhost', '127.0.0.1'] });
    client = await authority.issueClient({ organisation: 'Labbet', organisationNumber: '5560360793' });
    const other = await createAuthority({ name: 'Somebody else', now: Date.now() });
    stranger = await other.issueClient({ organisation: 'Labbet', organisationNumber: '5560360793' });
    await writeFile(join(folder, files.cert), server.cert);
    await writeFile(join(folder, files.key), server.key);
    await writeFile(join(folder, files.ca), authority.cert);
  });
  afterAll(() => rm(folder, { recursive: true }));

  function connect(port: number, shown: IssuedCertificate | null, version: SecureVersion = 'TLSv1.3'): Promise<Peer> {
    const identity = shown === null ? {} : { cert: shown.cert, key: shown.key };
    return new Promise((resolve, reject) => {
      const ca = authority.cert;
      const options = { host: '127.0.0.1', port, ca, servername: 'localhost', maxVersion: version, ...identity };
      const socket = connectTls(options, () => resolve(new Peer(socket)));
      socket.once('error', reject);
      cleanups.push(() => socket.destroy());
    });
  }

  it.each<SecureVersion>(['TLSv1.2', 'TLSv1.3'])('names the sender by its certificate over %s', async (version) => {
    const { source, port, fake } = await listen({ tls: files }, folder);
    expect(source.address).toBe(`mllps://127.0.0.1:${port}`);
    const peer = await connect(port, client, version);
    peer.write(framed(oru('1')) + framed(oru('2')));
    expect(await peer.codes(2)).toEqual(['AA 1', 'AA 2']);
    expect(fake.calls.map((call) => call.inbound.sender)).toEqual(['Labbet', 'Labbet']);
  });

  it.each([
    ['no certificate', () => null],
    ['a certificate of another authority', () => stranger],
  ])('refuses a sender with %s', async (_name, shown) => {
    const { port, fake, host } = await listen({ tls: files }, folder);
    const attempt = connect(port, shown(), 'TLSv1.2').then(async (peer) => {
      peer.write(framed(oru('1')));
      return peer.codes(1);
    });
    await expect(attempt).rejects.toThrow();
    expect(await host.logged('tls-handshake-failed')).toMatchObject({ level: 'warn', channel: 'lab' });
    expect(fake.calls).toEqual([]);
  });

  it('believes no name that nobody vouches for', async () => {
    const tls = { ...files, requireClientCertificate: false };
    const { port, fake } = await listen({ tls }, folder);
    for (const shown of [null, stranger, client]) {
      const peer = await connect(port, shown);
      peer.write(framed(oru('1')));
      expect(await peer.codes(1)).toEqual(['AA 1']);
    }
    expect(fake.calls.map((call) => call.inbound.sender)).toEqual([null, null, 'Labbet']);
  });

  it('waits for the answers of a sender that closed its side', async () => {
    const { port } = await listen({ tls: files }, folder);
    const peer = await connect(port, client);
    peer.socket.end(Buffer.from(framed(oru('1')) + framed(oru('2'))));
    expect(await peer.codes(2)).toEqual(['AA 1', 'AA 2']);
  });

  it('answers node-hl7-client over TLS', async () => {
    const { port, fake } = await listen({ tls: files }, folder);
    const tls = { ca: authority.cert, cert: client.cert, key: client.key, servername: 'localhost' };
    expect(await sendByNodeHl7Client(port, oru('T-1'), tls)).toContain('MSA|AA|T-1');
    expect(fake.calls[0]?.inbound.sender).toBe('Labbet');
  });

  it('shows a renewed certificate to those that connect from then on, and keeps what serves where the new one is unusable', async () => {
    const own = { cert: 'renewed.pem', key: 'renewed.key', ca: files.ca };
    const put = async (issued: { cert: string; key: string }): Promise<void> => {
      await writeFile(join(folder, own.key), issued.key);
      await writeFile(join(folder, own.cert), issued.cert);
    };
    const shownTo = (peer: Peer): string => (peer.socket as TLSSocket).getPeerCertificate().serialNumber;
    const [first, second] = await Promise.all([1, 2].map(() => authority.issueServer({ names: ['localhost'] })));
    await put(first!);
    const { port, host } = await listen({ tls: own }, folder);
    const before = await connect(port, client);
    const serial = shownTo(before);

    await writeFile(join(folder, own.cert), second!.cert);
    host.clock.advance(5_000);
    expect(await host.logged('listener-certificate-refused')).toMatchObject({ level: 'error', file: own.cert });
    expect(shownTo(await connect(port, client))).toBe(serial);
    await host.clock.armed(5_000);
    host.clock.advance(5_000);

    await put(second!);
    await host.clock.armed(5_000);
    host.clock.advance(5_000);
    await host.logged('listener-certificate-renewed');
    const after = await connect(port, client);
    expect(shownTo(after)).not.toBe(serial);
    for (const peer of [before, after]) {
      peer.write(framed(oru('1')));
      expect(await peer.codes(1)).toEqual(['AA 1']);
    }
    expect(host.lines.filter((line) => line.event === 'listener-certificate-refused')).toHaveLength(1);
  });

  it('closes handshakes that never end when it stops', async () => {
    const { source, port, host } = await listen({ tls: files }, folder);
    const { connectTo } = await import('./harness.ts');
    const silent = await connectTo(`tcp://127.0.0.1:${port}`);
    cleanups.push(() => silent.socket.destroy());
    const stopped = source.stop();
    host.clock.advance(5_000);
    await stopped;
  });

  it.each([{ env: 'SLUSS_TEST_PASSPHRASE' }, { file: 'passphrase' }])(
    'opens an encrypted key with the passphrase in %j',
    async (passphrase) => {
      const server = await authority.issueServer({ names: ['localhost'] });
      const key = createPrivateKey(server.key);
      const sealed = key.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'hemligt' });
      await writeFile(join(folder, 'sealed.pem'), server.cert);
      await writeFile(join(folder, 'sealed.key'), sealed);
      await writeFile(join(folder, 'passphrase'), 'hemligt\n');
      const { port } = await listen({ tls: { ...files, cert: 'sealed.pem', key: 'sealed.key', passphrase } }, folder);
      const peer = await connect(port, client);
      peer.write(framed(oru('1')));
      expect(await peer.codes(1)).toEqual(['AA 1']);
    },
  );

  it('does not start without the passphrase it needs', async () => {
    const tls = { ...files, passphrase: { env: 'SLUSS_TEST_NOT_SET' } };
    const source = mllpSource.create(mllpSource.config.parse({ port: 0, tls }), createTestHost(folder));
    const why = 'the environment variable SLUSS_TEST_NOT_SET is not set';
    await expect(source.start(createFakeIntake().intake)).rejects.toThrow(why);
  });

  it('does not start without its certificate', async () => {
    const host = createTestHost(folder);
    const tls = { ...files, cert: 'nowhere.pem' };
    const source = mllpSource.create(mllpSource.config.parse({ port: 0, tls }), host);
    await expect(source.start(createFakeIntake().intake)).rejects.toThrow(/nowhere\.pem/);
  });
});
