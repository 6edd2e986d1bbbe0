import { readFileSync } from 'node:fs';
import { BatchSplitter } from '../hl7/batch.ts';

const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

export interface FileMessage {
  readonly file: string;
  /** From 1. */
  readonly number: number;
  readonly bytes: Uint8Array;
}

/**
 * Every message of a file, batch or not; a file that holds none is one message as it is. `-` is the standard input.
 * @throws Error in words where it cannot be read
 */
export function readMessageFile(file: string): FileMessage[] {
  const bytes = readBytes(file);
  const splitter = new BatchSplitter(MAX_MESSAGE_BYTES);
  const found = [...splitter.push(bytes), ...splitter.end()].flatMap((event) =>
    event.kind === 'message' ? [event.bytes] : [],
  );
  const parts = found.length === 0 ? [bytes] : found;
  return parts.map((part, index) => ({ file, number: index + 1, bytes: part }));
}

function readBytes(file: string): Buffer {
  try {
    return readFileSync(file === '-' ? 0 : file);
  } catch (error) {
    throw new Error(`${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`);
  }
}
