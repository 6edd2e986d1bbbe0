import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { readHeader } from '../hl7/header.ts';
import { type Message, parseMessage } from '../hl7/message.ts';
import { frameMessage, MllpDecoder } from '../hl7/mllp.ts';

const MAX_FRAME_BYTES = 64 << 20;

/** What a LIS makes of a message that came back to it. Texts are as they stand in the message; '' = nothing stands there. */
export interface CameBack {
  /** `ORU^R01^ORU_R01` */
  readonly type: string;
  readonly controlId: string;
  /** OBR-3 or TXA-15: the laboratory's own number of the order. */
  readonly fillerNumber: string;
  /** The certificate's identifier: OBX-5 of UVCI, or TXA-12. */
  readonly uvci: string;
  /** OBX-5.1 of HANDOVER: `MAILBOX` or `BY-PROVIDER`. */
  readonly handover: string;
  /** The document of OBX-5 (ED), decoded; null = there is none. */
  readonly document: Buffer | null;
}

/** The listener of a laboratory system: takes what comes back to it, and acknowledges. */
export interface Lis {
  /** Every frame that came, each byte one character (ISO 8859-1). */
  readonly frames: readonly string[];
  /** MSA-1 of the next answers; null = it stays silent. */
  answer: string | null;
  /** @param port on the loopback address; 0 = any. @returns the port */
  start(port: number): Promise<number>;
  stop(): Promise<void>;
}

/** @param onFrame called with each frame, once it was answered */
export function createLis(onFrame: (frame: string) => void = () => {}): Lis {
  const frames: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    const decoder = new MllpDecoder(MAX_FRAME_BYTES);
    socket.on('data', (chunk: Buffer) => {
      for (const event of decoder.push(chunk)) {
        if (event.kind !== 'message') continue;
        const frame = Buffer.from(event.bytes).toString('latin1');
        frames.push(frame);
        if (lis.answer !== null) socket.write(acknowledge(lis.answer, event.bytes));
        onFrame(frame);
      }
    });
  });
  const lis: Lis = {
    frames,
    answer: 'AA',
    async start(port) {
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
      return (server.address() as AddressInfo).port;
    },
    async stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
  return lis;
}

/** @throws Fault `not-hl7` */
export function readCameBack(frame: string): CameBack {
  const { delimiters, controlId } = readHeader(Buffer.from(frame, 'latin1'));
  const message = parseMessage(frame, delimiters);
  const results = message.segments.filter(({ name }) => name === 'OBX');
  const partsOf = (code: string) => {
    const found = results.find((one) => one.firstRepetition(3)?.split(delimiters.component)[0] === code);
    return found?.firstRepetition(5)?.split(delimiters.component) ?? [];
  };
  const base64 = partsOf('CERTIFICATE')[4];
  return {
    type: fieldOf(message, 'MSH', 9),
    controlId,
    fillerNumber: fieldOf(message, 'OBR', 3) || fieldOf(message, 'TXA', 15),
    uvci: partsOf('UVCI')[0] ?? fieldOf(message, 'TXA', 12),
    handover: partsOf('HANDOVER')[0] ?? '',
    document: base64 === undefined ? null : Buffer.from(base64, 'base64'),
  };
}

function fieldOf({ segments }: Message, segment: string, field: number): string {
  return segments.find(({ name }) => name === segment)?.firstRepetition(field) ?? '';
}

function acknowledge(code: string, bytes: Uint8Array): Uint8Array {
  const { controlId, version } = readHeader(bytes);
  return frameMessage(Buffer.from(`MSH|^~\\&|LIS||SLUSS||||ACK|A|P|${version}\rMSA|${code}|${controlId}\r`, 'latin1'));
}
