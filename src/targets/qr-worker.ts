import { parentPort } from 'node:worker_threads';
import { PNG } from 'pngjs';
import decodeQr from 'qr/decode.js';

/** Larger pictures are no QR code of a certificate; their pixels would only fill the memory. */
const MAX_PIXELS = 4_000_000;

/** What the thread is asked, and answers: the text of the code; null = none could be read. */
export interface QrQuestion {
  readonly id: number;
  readonly png: Uint8Array;
}
export interface QrReply {
  readonly id: number;
  readonly text: string | null;
}

const port = parentPort;
if (port === null) throw new Error('qr-worker.ts is started by qr-reader.ts, as a worker thread');
port.on('message', ({ id, png }: QrQuestion) => {
  const reply: QrReply = { id, text: readText(png) };
  port.postMessage(reply);
});

function readText(png: Uint8Array): string | null {
  try {
    const bytes = Buffer.from(png.buffer, png.byteOffset, png.byteLength);
    if (bytes.length < 24 || bytes.readUInt32BE(16) * bytes.readUInt32BE(20) > MAX_PIXELS) return null;
    const { data, width, height } = PNG.sync.read(bytes);
    return decodeQr({ data, width, height });
  } catch {
    return null;
  }
}
