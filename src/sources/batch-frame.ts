import { createHash } from 'node:crypto';
import type { Ack } from '../contracts/source.ts';
import { type BatchEvent, BatchSplitter } from '../hl7/batch.ts';
import { BatchAck } from '../hl7/batch-ack.ts';
import { describeTrailer } from './trailer.ts';

/** What one frame with several messages holds. */
export interface BatchFrame {
  readonly bytes: Uint8Array;
  readonly events: readonly BatchEvent[];
  readonly messages: number;
}

export interface BatchFrameParts {
  /** Hands one message over; null = no more are taken. */
  readonly handOver: (bytes: Uint8Array) => Promise<Ack | null> | null;
  /** Messages that may wait for their answer. */
  readonly readAhead: number;
  /** ms since the epoch, for the answer's time. */
  readonly now: () => number;
  /** Every message was handed over; their answers may still be awaited. */
  readonly onFed: () => void;
  /** Something about the batch is not as it declares, in words without a value of it. */
  readonly onProblem: (problem: string) => void;
}

export function splitFrame(bytes: Uint8Array): BatchFrame {
  const splitter = new BatchSplitter(bytes.length);
  return { bytes, events: [...splitter.push(bytes), ...splitter.end()], messages: splitter.messages };
}

/** Hands the messages of a frame over in their order and gives the answer to all of them; null = not all were taken. */
export async function answerFrame(frame: BatchFrame, parts: BatchFrameParts): Promise<Uint8Array | null> {
  const replies: Promise<Ack | null>[] = [];
  for (const event of frame.events) {
    if (event.kind !== 'message') continue;
    await replies[replies.length - parts.readAhead];
    const reply = parts.handOver(event.bytes);
    if (reply === null) return null;
    replies.push(reply);
  }
  parts.onFed();

  // Derived from what it answers: the same batch again gets the same answer, time apart.
  const controlId = createHash('sha256').update(frame.bytes).digest('hex').slice(0, 20);
  const answer = new BatchAck({ controlId, sentAt: parts.now() });
  const pieces: Uint8Array[] = [];
  let next = 0;
  for (const event of frame.events) {
    if (event.kind === 'header') pieces.push(answer.open(event.segment, event.bytes));
    else if (event.kind === 'message') pieces.push(answer.answer((await replies[next++])?.bytes ?? null));
    else if (event.kind === 'stray') parts.onProblem(`${event.lines} lines belong to no message`);
    else if (event.kind === 'trailer') {
      const problem = describeTrailer(event);
      if (problem !== null) parts.onProblem(problem);
      pieces.push(answer.close(event.segment, problem));
    }
  }
  pieces.push(answer.end());
  return Buffer.concat(pieces);
}
