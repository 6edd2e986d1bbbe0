import { closeSync, openSync, readSync } from 'node:fs';
import { BatchSplitter } from '../hl7/batch.ts';

const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;
const CHUNK_BYTES = 1024 * 1024;

export interface FileMessage {
  readonly file: string;
  /** From 1. */
  readonly number: number;
  readonly bytes: Uint8Array;
}

/**
 * Every message of a file, batch or not, each as it is read; a file that holds none is one message as it is. `-` is the
 * standard input.
 * @throws Error in words where it cannot be read
 */
export function* readMessages(file: string): Generator<FileMessage> {
  const splitter = new BatchSplitter(MAX_MESSAGE_BYTES);
  let number = 0;
  let kept: Uint8Array[] = [];
  let keptBytes = 0;
  for (const chunk of readChunks(file)) {
    if (number === 0 && keptBytes <= MAX_MESSAGE_BYTES) {
      kept.push(chunk);
      keptBytes += chunk.length;
    }
    for (const event of splitter.push(chunk)) {
      if (event.kind !== 'message') continue;
      kept = [];
      yield { file, number: ++number, bytes: event.bytes };
    }
  }
  for (const event of splitter.end())
    if (event.kind === 'message') yield { file, number: ++number, bytes: event.bytes };
  if (number === 0) yield { file, number: 1, bytes: Buffer.concat(kept) };
}

/** All of them at once. */
export function readMessageFile(file: string): FileMessage[] {
  return [...readMessages(file)];
}

function* readChunks(file: string): Generator<Uint8Array> {
  const fail = (error: unknown): never => {
    throw new Error(`${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`);
  };
  let opened = 0;
  try {
    if (file !== '-') opened = openSync(file, 'r');
  } catch (error) {
    fail(error);
  }
  try {
    for (;;) {
      // Messages may be views of it, so it is not used again.
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      let read = 0;
      try {
        read = readSync(opened, chunk, 0, CHUNK_BYTES, null);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        // A terminal's or a pipe's end; and a pipe that has nothing yet.
        if (code === 'EOF') return;
        if (code === 'EAGAIN') {
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
          continue;
        }
        fail(error);
      }
      if (read === 0) return;
      yield chunk.subarray(0, read);
    }
  } finally {
    if (file !== '-') closeSync(opened);
  }
}
