/**
 * sources/ is where messages come from: each source frames, hands over in order of arrival, and writes the answers. It
 * must never know the engine, the journal or the targets, and never decide an answer by itself.
 */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { z } from 'zod';
import { byteSize } from '../contracts/byte-size.ts';
import { duration, durationOrZero } from '../contracts/duration.ts';
import type { Host, SourcePlugin } from '../contracts/plugin.ts';
import type { Intake, Source } from '../contracts/source.ts';
import { type ConnectionParts, MllpConnection } from './mllp-connection.ts';
import { followIdentity, readIdentity, tlsConfig } from './mllp-tls.ts';
import { createRareWarning } from './rare-warning.ts';

/** How long answers under way may take when the source stops. */
const STOP_MS = 5_000;
const HANDSHAKE_MS = 10_000;
const KEEP_ALIVE_MS = 30_000;

const config = z
  .strictObject({
    host: z.string().default('127.0.0.1').describe('Address to listen on; `0.0.0.0` = every interface.'),
    port: z.int().min(0).max(65_535).describe('Port to listen on; 0 = any that is free.'),
    tls: tlsConfig.nullable().default(null).describe('TLS towards the senders; absent = plain TCP.'),
    maxMessage: byteSize('A larger frame is answered negatively and its connection closed.', '16 MB', {
      least: '1 kB',
      most: '1 GB',
    }),
    maxBatchMessages: z
      .int()
      .min(1)
      .default(10_000)
      .describe('A frame that holds a batch of more messages than these is refused whole.'),
    maxConnections: z.int().min(1).default(256).describe('Connections at a time; further ones are closed at once.'),
    maxConnectionsPerAddress: z
      .int()
      .min(1)
      .default(64)
      .describe('Of these, as many from one address; behind a proxy all of them are.'),
    readAhead: z
      .int()
      .min(1)
      .max(1_024)
      .default(32)
      .describe('Frames of one connection that may wait for their answer; then nothing more is read from it.'),
    idleTimeout: durationOrZero('Silence after which a connection is closed; 0 = never.', 0),
    partialFrameTimeout: duration(
      'Silence inside a frame after which the frame is given up and answered as incomplete.',
      '30s',
    ),
    frameTimeout: duration(
      'A frame that is not whole this long after its beginning is answered as incomplete and its connection closed, however steadily it comes.',
      '5m',
    ),
    answerTimeout: duration('A sender that does not take its answers for this long is disconnected.', '1m'),
    missingCrTolerance: duration(
      'Silence after FS at the end of a segment from which on the frame counts as ended without its final CR.',
      '200ms',
    ),
  })
  .refine((value) => value.tls?.requireClientCertificate !== true || value.tls.ca !== null, {
    path: ['tls', 'ca'],
    message: 'tls.ca is required to check client certificates; set requireClientCertificate: false to go without',
  });

type MllpSourceConfig = z.output<typeof config>;

/** Takes messages over MLLP, plain or TLS, from any number of senders. */
export const mllpSource: SourcePlugin<typeof config> = {
  kind: 'source',
  name: 'mllp',
  summary: 'Listens for HL7 v2 messages over MLLP, plain or over TLS with client certificates.',
  config,
  create: createMllpSource,
};

function createMllpSource(settings: MllpSourceConfig, host: Host): Source {
  const connections = new Set<MllpConnection>();
  const limits: ConnectionParts['settings'] = {
    maxMessageBytes: settings.maxMessage,
    maxBatchMessages: settings.maxBatchMessages,
    readAhead: settings.readAhead,
    idleTimeoutMs: settings.idleTimeout,
    partialFrameTimeoutMs: settings.partialFrameTimeout,
    frameTimeoutMs: settings.frameTimeout,
    answerTimeoutMs: settings.answerTimeout,
    missingCrToleranceMs: settings.missingCrTolerance,
  };
  let server: Server | null = null;
  let endServer = (): void => {};
  let address = `${scheme(settings)}://${bracket(settings.host)}:${settings.port}`;

  const accept = (socket: Socket, intake: Intake, sender: string | null): void => {
    // Refused by a limit.
    if (socket.destroyed) return;
    const connection = new MllpConnection(socket, { settings: limits, host, intake, sender });
    connections.add(connection);
    void connection.closed.then(() => connections.delete(connection));
  };

  return {
    get address() {
      return address;
    },

    async start(intake) {
      const { made, end } = await makeServer(settings, host, (socket, sender) => accept(socket, intake, sender));
      limitConnections(made, settings, host);
      await listen(made, settings).catch((error: unknown) => {
        end();
        throw error;
      });
      server = made;
      endServer = end;
      made.on('error', (error) => host.log.error('listener-broken', { channel: host.name, error: codeOf(error) }));
      address = `${scheme(settings)}://${bracket(settings.host)}:${(made.address() as AddressInfo).port}`;
      host.log.info('source-started', { channel: host.name, address });
    },

    async stop() {
      const stopping = server;
      if (stopping === null) return;
      server = null;
      endServer();
      const isClosed = new Promise<void>((resolve) => stopping.close(() => resolve()));
      const ends = [...connections].map((connection) => connection.closed);
      for (const connection of connections) connection.stop();
      await new Promise<void>((resolve) => {
        // The bound also covers peers in the middle of a TLS handshake, whom we do not know yet.
        const callOff = host.clock.wakeAt(host.clock.now() + STOP_MS, () => {
          for (const connection of connections) connection.destroy();
          resolve();
        });
        void Promise.all([isClosed, ...ends]).then(() => {
          callOff();
          resolve();
        });
      });
      host.log.info('source-stopped', { channel: host.name, address });
    },
  };
}

type Accept = (socket: Socket, sender: string | null) => void;

/** A server that does not listen yet, and what ends what goes with it. */
async function makeServer(
  settings: MllpSourceConfig,
  host: Host,
  accept: Accept,
): Promise<{ made: Server; end: () => void }> {
  // Half-open: a sender may close its side behind its last message and still wait for the answers.
  const options = { allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS };
  const { tls } = settings;
  if (tls === null) return { made: createServer(options, (socket) => accept(socket, null)), end: () => {} };
  const identity = await readIdentity(tls, host);
  const checks = {
    requestCert: tls.ca !== null,
    rejectUnauthorized: tls.requireClientCertificate,
    handshakeTimeout: HANDSHAKE_MS,
  };
  const made = createTlsServer({ ...options, ...identity, ...checks }, (socket) => accept(socket, nameSender(socket)));
  const tell = createRareWarning(host, 'tls-handshake-failed');
  made.on('tlsClientError', (error, socket) => {
    const address = `${socket.remoteAddress ?? '?'}:${socket.remotePort ?? '?'}`;
    tell({ channel: host.name, address, error: codeOf(error) });
  });
  return { made, end: followIdentity(made, tls, host, identity) };
}

/** Closes at once what comes above the limits; who connects in a loop is told of once a minute. */
function limitConnections(server: Server, settings: MllpSourceConfig, host: Host): void {
  const { maxConnections, maxConnectionsPerAddress } = settings;
  const told = createRareWarning(host, 'connection-limit');
  const toldOfAddress = createRareWarning(host, 'address-limit');
  const counts = new Map<string, number>();
  server.maxConnections = maxConnections;
  server.on('drop', () => told({ channel: host.name, detail: `limit ${maxConnections}` }));
  // Ahead of the listener that begins the handshake.
  server.prependListener('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? '?';
    const count = (counts.get(address) ?? 0) + 1;
    counts.set(address, count);
    socket.once('close', () => {
      const left = (counts.get(address) ?? 1) - 1;
      if (left === 0) counts.delete(address);
      else counts.set(address, left);
    });
    if (count <= maxConnectionsPerAddress) return;
    toldOfAddress({ channel: host.name, address, detail: `limit ${maxConnectionsPerAddress}` });
    socket.destroy();
  });
}

/** Common name in the certificate, if the certificate was checked; a name that nobody vouches for is none. */
function nameSender(socket: TLSSocket): string | null {
  if (!socket.authorized) return null;
  const names: unknown = socket.getPeerCertificate().subject?.CN;
  const [name] = Array.isArray(names) ? names : [names];
  return typeof name === 'string' && name !== '' ? name : null;
}

function listen(server: Server, settings: MllpSourceConfig): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(settings.port, settings.host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function scheme(settings: MllpSourceConfig): string {
  return settings.tls === null ? 'mllp' : 'mllps';
}

function bracket(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

function codeOf(error: Error): string {
  return (error as NodeJS.ErrnoException).code ?? error.name;
}
