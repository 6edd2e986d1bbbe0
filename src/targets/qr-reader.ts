import { Worker } from 'node:worker_threads';
import type { QrQuestion, QrReply } from './qr-worker.ts';

/** Reads QR codes in a thread of its own: each takes 10 to 30 ms, in which no frame could be answered. */
export interface QrReader {
  /** The text of the code in a PNG; null = there is none that can be read. */
  read(png: Uint8Array): Promise<string | null>;
  stop(): Promise<void>;
}

/** Makes a reader; its thread starts with the first picture. */
export function createQrReader(): QrReader {
  const waiting = new Map<number, (text: string | null) => void>();
  let worker: Worker | null = null;
  let lastId = 0;

  function start(): Worker {
    // Node runs qr-worker.ts as it stands; the compiled package has qr-worker.js beside this file.
    const file = import.meta.url.endsWith('.ts') ? './qr-worker.ts' : './qr-worker.js';
    const started = new Worker(new URL(file, import.meta.url));
    started.on('message', ({ id, text }: QrReply) => {
      waiting.get(id)?.(text);
      waiting.delete(id);
    });
    // What cannot be read counts as not read; the next picture gets a new thread.
    const end = () => {
      if (worker === started) worker = null;
      for (const answer of waiting.values()) answer(null);
      waiting.clear();
    };
    started.on('error', end);
    started.on('exit', end);
    started.unref();
    return started;
  }

  return {
    read(png) {
      worker ??= start();
      lastId += 1;
      const question: QrQuestion = { id: lastId, png };
      const answered = new Promise<string | null>((resolve) => waiting.set(question.id, resolve));
      worker.postMessage(question);
      return answered;
    },
    async stop() {
      await worker?.terminate();
    },
  };
}
