import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { frameMessage, MllpDecoder } from '../../src/hl7/mllp.ts';
import { within } from './engine-process.ts';

const PATIENCE_MS = 30_000;

/** The listener of a laboratory system: what comes back to it, and what it answers. */
export interface Lis extends AsyncDisposable {
  readonly port: number;
  /** Every frame that came, each byte one character (ISO 8859-1). */
  readonly frames: readonly string[];
  /** MSA-1 of the next answers; null = it stays silent. */
  answer: string | null;
  /** Resolves with the first `count` frames. */
  received(count: number): Promise<readonly string[]>;
}

export async function startLis(): Promise<Lis> {
  const frames: string[] = [];
  const sockets = new Set<Socket>();
  let waiting: (() => void)[] = [];
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    const decoder = new MllpDecoder(64 << 20);
    socket.on('data', (chunk: Buffer) => {
      for (const event of decoder.push(chunk)) {
        if (event.kind !== 'message') throw new Error(`a LIS was sent ${event.kind}`);
        const frame = Buffer.from(event.bytes).toString('latin1');
        frames.push(frame);
        if (lis.answer !== null) socket.write(acknowledge(lis.answer, frame));
      }
      const woken = waiting;
      waiting = [];
      for (const wake of woken) wake();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const look = async (count: number) => {
    while (frames.length < count) await new Promise<void>((resolve) => waiting.push(resolve));
    return frames.slice(0, count);
  };
  const lis: Lis = {
    port: (server.address() as AddressInfo).port,
    frames,
    answer: 'AA',
    received: (count) =>
      within(PATIENCE_MS, look(count), () => `frame ${count} at the LIS; there are ${frames.length}`),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
  return lis;
}

function acknowledge(code: string, frame: string): Uint8Array {
  const controlId = frame.split('|')[9] ?? '';
  return frameMessage(Buffer.from(`MSH|^~\\&|LIS||SLUSS||20221114||ACK|A|P|2.5.1\rMSA|${code}|${controlId}\r`));
}
