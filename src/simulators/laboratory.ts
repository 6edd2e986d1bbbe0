import type { Socket } from 'node:net';
import type { SecureVersion } from 'node:tls';
import { Client, type Connection, isKnownVersion, Message } from 'node-hl7-client';

const VT = 0x0b;
const FS = 0x1c;
const CR = 0x0d;

export interface LaboratoryOptions {
  readonly host: string;
  readonly port: number;
  /** PEM texts; null or absent = plain TCP. */
  readonly tls?: {
    readonly ca: string;
    readonly cert?: string;
    readonly key?: string;
    readonly servername?: string;
    readonly maxVersion?: SecureVersion;
  } | null;
  /** Longest wait for one answer, connecting included; absent = 10 s. */
  readonly timeoutMs?: number;
}

export interface LaboratoryAnswer {
  /** The acknowledgement as it came, without its frame. */
  readonly ackBytes: Uint8Array;
  /** The same, each byte one character (ISO 8859-1). */
  readonly ackText: string;
  /** MSA-1; '' = there was none. */
  readonly code: string;
  readonly durationMs: number;
  /** Who wrote the message: the library, or its socket by hand, where the library would not write these bytes. */
  readonly sentBy: 'library' | 'socket';
  /** True where node-hl7-client itself made the same of the answer: MSA-1 and MSA-2. */
  readonly understood: boolean;
}

/** A laboratory's sending system. One message is under way at a time; further ones wait their turn. */
export interface Laboratory {
  /**
   * Sends one message (or batch, or anything else) and waits for its answer. A string is sent as UTF-8; bytes leave as
   * they are.
   * @throws Error when there is no connection, it is closed, or no answer comes in time; the next send connects anew
   */
  send(message: Uint8Array | string): Promise<LaboratoryAnswer>;
  /** Frames that came and answer nothing that was sent, such as application acknowledgements of the enhanced mode. */
  readonly unasked: readonly string[];
  close(): Promise<void>;
}

/**
 * Makes a sender on node-hl7-client, a foreign implementation, held the way that works: no queue of its own, one message
 * in flight, answers correlated by MSA-2, a time limit of ours, and a fresh connection after any failure.
 *
 * The library thinks in strings: it is given each byte as one character and told to write latin1, so bytes leave as they
 * came. What it cannot parse, or would write differently (it trims and re-joins batches), and what it would refuse for
 * its version goes out framed by hand on the library's own socket. It reads answers as UTF-8 and takes a split answer for
 * a whole one, so answers are read from the socket beside it.
 */
export function createLaboratory(options: LaboratoryOptions): Laboratory {
  const timeoutMs = options.timeoutMs ?? 10_000;
  const unasked: string[] = [];
  let line: Line | null = null;
  let last: Promise<unknown> = Promise.resolve();

  async function sendNow(bytes: Buffer): Promise<LaboratoryAnswer> {
    const startedAt = performance.now();
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    });
    try {
      const text = bytes.toString('latin1');
      const version = readField(text, 'MSH', 12);
      // The library pins one HL7 version to a connection.
      if (line !== null && (line.closed || line.version !== version)) hangUp();
      line ??= openLine(options, version, (frame) => unasked.push(frame));
      const { ackBytes, sentBy, understood } = await Promise.race([line.exchange(text), tooLate]);
      const ackText = Buffer.from(ackBytes).toString('latin1');
      const code = readField(ackText, 'MSA', 1);
      return { ackBytes, ackText, code, durationMs: performance.now() - startedAt, sentBy, understood };
    } catch (error) {
      hangUp();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  function hangUp(): void {
    line?.close();
    line = null;
  }

  return {
    unasked,
    send(message) {
      const bytes = typeof message === 'string' ? Buffer.from(message, 'utf8') : Buffer.from(message);
      const sent = last.then(() => sendNow(bytes));
      last = sent.catch(() => undefined);
      return sent;
    },
    async close() {
      await last;
      hangUp();
    },
  };
}

type Exchange = Pick<LaboratoryAnswer, 'ackBytes' | 'sentBy' | 'understood'>;

interface Waiting {
  readonly id: string;
  readonly sentBy: Exchange['sentBy'];
  readonly resolve: (exchange: Exchange) => void;
  readonly reject: (error: Error) => void;
}

/** One connection of the library. */
interface Line {
  readonly version: string;
  readonly closed: boolean;
  exchange(text: string): Promise<Exchange>;
  close(): void;
}

function openLine(options: LaboratoryOptions, version: string, onUnasked: (frame: string) => void): Line {
  let waiting: Waiting | null = null;
  /** What the library made of the last answer: `code id`. */
  let read = '';
  let closed = false;
  const fail = (error: Error) => {
    closed = true;
    waiting?.reject(error);
    waiting = null;
  };

  const pinned = isKnownVersion(version) ? version : '2.5.1';
  const client = new Client({
    host: options.host,
    version: pinned,
    ipv4: true,
    ipv6: true,
    ...(options.tls ? { tls: options.tls } : {}),
  });
  const connection = client.createConnection(
    {
      version: pinned,
      port: options.port,
      encoding: 'latin1',
      waitAck: false,
      enqueueMessage: () => {
        throw new Error('not connected');
      },
      flushQueue: () => {},
    },
    (response) => {
      const message = response.getMessage() as Message;
      read = `${message.get('MSA.1').toString()} ${message.get('MSA.2').toString()}`;
    },
  );
  // What it cannot read shows as an answer that was not understood.
  connection.on('data.error', () => {});
  const socket = socketOf(connection);
  const connected = new Promise<void>((resolve, reject) => {
    connection.once('connect', () => resolve());
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the connection was closed')));
  });
  connected.catch(() => {});
  socket.once('error', fail);
  socket.once('close', () => fail(new Error('the connection was closed before the answer came')));

  const takeFrame = (frame: Buffer) => {
    const text = frame.toString('latin1');
    const code = readField(text, 'MSA', 1);
    const id = readField(text, 'MSA', 2);
    const asked = waiting !== null && (waiting.id === '' || id === '' || id === waiting.id);
    if (!asked || waiting === null) return onUnasked(text);
    const { resolve, sentBy } = waiting;
    waiting = null;
    resolve({ ackBytes: frame, sentBy, understood: read === `${code} ${id}` });
  };
  let rest = Buffer.alloc(0);
  // After the library's own listener, so that `read` is up to date.
  socket.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    for (let end = rest.indexOf(FRAME_END); end >= 0; end = rest.indexOf(FRAME_END)) {
      const start = rest.subarray(0, end).lastIndexOf(VT) + 1;
      const frame = Buffer.from(rest.subarray(start, end));
      rest = rest.subarray(end + FRAME_END.length);
      takeFrame(frame);
    }
  });

  return {
    version,
    get closed() {
      return closed;
    },
    async exchange(text) {
      await connected;
      if (closed) throw new Error('the connection was closed');
      read = '';
      const message = toMessage(text, pinned);
      const answered = new Promise<Exchange>((resolve, reject) => {
        const sentBy = message === null ? 'socket' : 'library';
        waiting = { id: readField(text, 'MSH', 10), sentBy, resolve, reject };
      });
      answered.catch(() => {});
      if (message !== null) await connection.sendMessage(message);
      else socket.write(Buffer.concat([Buffer.of(VT), Buffer.from(text, 'latin1'), FRAME_END]));
      return await answered;
    },
    close() {
      closed = true;
      void connection.close().catch(() => {});
    },
  };
}

const FRAME_END = Buffer.of(FS, CR);

/** Null where the library would refuse the message, or write other characters than these. */
function toMessage(text: string, version: string): Message | null {
  if (!text.startsWith('MSH')) return null;
  try {
    const message = new Message({ text });
    if (message.get('MSH.12').toString() !== version) return null;
    if (message.toString().replace(/\r+$/, '') !== text.replace(/\r+$/, '')) return null;
    // It leaves out the last segment's end.
    message.toString = () => text;
    return message;
  } catch {
    return null;
  }
}

/** The library hides its socket; without it neither a failure to connect nor the answer's bytes can be seen. */
function socketOf(connection: Connection): Socket {
  const socket = (connection as unknown as { _socket: Socket | undefined })._socket;
  if (socket === undefined) throw new Error('node-hl7-client has no socket: is it another version than 4.0.0?');
  return socket;
}

/** First component of a field, raw; '' = absent. Delimiters as the text's own MSH declares them. */
function readField(text: string, segment: string, field: number): string {
  const start = text.search(/MSH[^\w\s]/);
  const separator = start < 0 ? '|' : (text[start + 3] ?? '|');
  const component = start < 0 ? '^' : (text[start + 4] ?? '^');
  const line = text.split(/[\r\n]+/).find((one) => one.startsWith(segment + separator));
  const fields = line?.split(separator) ?? [];
  return fields[segment === 'MSH' ? field - 1 : field]?.split(component)[0]?.trim() ?? '';
}
