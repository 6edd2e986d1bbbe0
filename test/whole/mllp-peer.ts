import { connect, type Socket } from 'node:net';
import { frameMessage, MllpDecoder } from '../../src/hl7/mllp.ts';
import { type ParsedAck, parseAck } from '../../src/hl7/parse-ack.ts';
import { within } from './engine-process.ts';

const PATIENCE_MS = 30_000;

/** A connection that sends what it is told, and keeps every frame that comes back. */
export interface MllpPeer extends Disposable {
  readonly socket: Socket;
  readonly answers: readonly Uint8Array[];
  /** Resolves with the first `count` answers. @throws Error when the connection closes before */
  answered(count: number): Promise<readonly Uint8Array[]>;
  /** Sends a message and resolves with the answer to the frame that came last. */
  exchange(message: Uint8Array): Promise<ParsedAck | null>;
  readonly closed: Promise<void>;
}

export async function connectPeer(port: number): Promise<MllpPeer> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  const decoder = new MllpDecoder(64 << 20);
  const answers: Uint8Array[] = [];
  let isClosed = false;
  let waiting: (() => void)[] = [];
  const wake = () => {
    const woken = waiting;
    waiting = [];
    for (const one of woken) one();
  };
  socket.on('data', (chunk: Buffer) => {
    for (const event of decoder.push(chunk)) if (event.kind === 'message') answers.push(event.bytes);
    wake();
  });
  socket.on('error', () => {});
  const closed = new Promise<void>((resolve) =>
    socket.once('close', () => {
      isClosed = true;
      resolve();
      wake();
    }),
  );
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', () => resolve());
    socket.once('error', reject);
  });
  const look = async (count: number) => {
    while (answers.length < count) {
      if (isClosed) throw new Error(`the connection was closed after ${answers.length} of ${count} answers`);
      await new Promise<void>((resolve) => waiting.push(resolve));
    }
    return answers.slice(0, count);
  };
  const answered = (count: number) =>
    within(PATIENCE_MS, look(count), () => `answer ${count}; there are ${answers.length}`);
  return {
    socket,
    answers,
    answered,
    async exchange(message) {
      const count = answers.length + 1;
      socket.write(frameMessage(message));
      return parseAck((await answered(count))[count - 1] as Uint8Array);
    },
    closed,
    [Symbol.dispose]: () => socket.destroy(),
  };
}
