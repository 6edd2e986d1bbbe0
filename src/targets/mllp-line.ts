import type { Socket } from 'node:net';
import type { SecureContextOptions } from 'node:tls';
import type { Connection } from 'node-hl7-client';
import { MllpDecoder } from '../hl7/mllp.ts';

/** An answer larger than this is none. */
const MAX_ANSWER_BYTES = 1 << 20;
/** The library wants one version for a connection and looks at the header of what it writes; it needs no other of ours. */
const VERSION = '2.5.1';
const ENVELOPE = `MSH|^~\\&|||||||||P|${VERSION}`;

export interface LineOptions {
  readonly host: string;
  readonly port: number;
  /** null = plain TCP. */
  readonly tls: (SecureContextOptions & { readonly servername?: string }) | null;
}

/** One connection to a receiver of HL7 messages; after any failure it is closed, and another has to be opened. */
export interface Line {
  readonly isClosed: boolean;
  /** Resolves when the bytes were handed to the connection whole. @throws Error when it breaks before */
  write(bytes: Uint8Array): Promise<void>;
  /**
   * Writes a message and resolves with the first frame that `isAnswer` takes; other frames are dropped.
   * @throws Error when the connection breaks before
   */
  ask(bytes: Uint8Array, isAnswer: (frame: Uint8Array) => boolean): Promise<Uint8Array>;
  close(): void;
}

/**
 * Connects by node-hl7-client, held the way that works: no queue of its own, no reconnecting, its socket watched. The
 * library thinks in strings: it is given each byte as one character and told to write latin1, so bytes leave as they are.
 * It takes a split answer for a whole one, so answers are read from the socket beside it. It is loaded here, at the
 * first connection: it costs a quarter of a second and much memory.
 * @throws Error when there is no connection, or the signal aborts first
 */
export async function openLine(options: LineOptions, signal: AbortSignal): Promise<Line> {
  const { Client, Message } = await import('node-hl7-client');
  signal.throwIfAborted();
  const { host, port, tls } = options;
  const client = new Client({ host, version: VERSION, ipv4: true, ipv6: true, ...(tls === null ? {} : { tls }) });
  const connection = client.createConnection(
    {
      version: VERSION,
      port,
      encoding: 'latin1',
      waitAck: false,
      enqueueMessage: () => {
        throw new Error('not connected');
      },
      flushQueue: () => {},
    },
    () => {},
  );
  // What it cannot read is read by us.
  connection.on('data.error', () => {});
  const socket = socketOf(connection);
  let failure: Error | null = null;
  let waiting: { isAnswer: (frame: Uint8Array) => boolean; resolve: (frame: Uint8Array) => void } | null = null;
  const broken = Promise.withResolvers<never>();
  broken.promise.catch(() => {});
  const fail = (error: Error) => {
    failure ??= error;
    broken.reject(failure);
    void connection.close().catch(() => {});
    socket.destroy();
  };
  socket.on('error', fail);
  socket.once('close', () => fail(codedError('the connection was closed', 'ECONNRESET')));
  const decoder = new MllpDecoder(MAX_ANSWER_BYTES);
  socket.on('data', (chunk: Buffer) => {
    for (const event of decoder.push(chunk)) {
      if (event.kind !== 'message' || waiting?.isAnswer(event.bytes) !== true) continue;
      waiting.resolve(event.bytes);
      waiting = null;
    }
  });

  const callOff = () => fail(signal.reason instanceof Error ? signal.reason : new Error('called off'));
  signal.addEventListener('abort', callOff, { once: true });
  try {
    const connected = new Promise<void>((resolve) => connection.once('connect', () => resolve()));
    await Promise.race([connected, broken.promise]);
  } finally {
    signal.removeEventListener('abort', callOff);
  }

  async function write(bytes: Uint8Array): Promise<void> {
    if (failure !== null) throw failure;
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
    const message = new Message({ text: ENVELOPE });
    message.toString = () => text;
    await Promise.race([connection.sendMessage(message), broken.promise]);
    // Behind it in the socket's queue: when this one is through, so is the message.
    await Promise.race([new Promise<void>((resolve) => socket.write('', () => resolve())), broken.promise]);
  }

  return {
    get isClosed() {
      return failure !== null;
    },
    write,
    async ask(bytes, isAnswer) {
      const answered = new Promise<Uint8Array>((resolve) => {
        waiting = { isAnswer, resolve };
      });
      await write(bytes);
      return await Promise.race([answered, broken.promise]);
    },
    close: () => fail(codedError('the connection was closed', 'ECONNRESET')),
  };
}

function codedError(text: string, code: string): Error {
  return Object.assign(new Error(text), { code });
}

/** The library hides its socket; without it neither a failure to connect nor the answer's bytes can be seen. */
function socketOf(connection: Connection): Socket {
  const socket = (connection as unknown as { _socket: Socket | undefined })._socket;
  if (socket === undefined) throw new Error('node-hl7-client has no socket: is it another version than 4.0.0?');
  return socket;
}
