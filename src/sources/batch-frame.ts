import { createHash } from 'node:crypto';
import type { Ack } from '../contracts/source.ts';
import { type BatchEvent, BatchSplitter } from '../hl7/batch.ts';
import { BatchAck } from '../hl7/batch-ack.ts';
import { describeTrailer } from './trailer.ts';

/** As much of a frame is split before it is asked whether there are too many messages. */
const SLICE_BYTES = 1024 * 1024;
/** What is wrong with a batch is told this often; more of it says nothing new. */
const MAX_PROBLEMS = 10;

/** What one frame with several messages holds. */
export interface BatchFrame {
  readonly bytes: Uint8Array;
  readonly events: readonly BatchEvent[];
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

/** Null where the frame holds more than `maxMessages`, or as many envelopes around fewer. */
export function splitFrame(bytes: Uint8Array, maxMessages: number): BatchFrame | null {
  const splitter = new BatchSplitter(bytes.length);
  const events: BatchEvent[] = [];
  const isTooMuch = (): boolean => splitter.messages > maxMessages || events.length > 4 * maxMessages + 10;
  for (let at = 0; at < bytes.length && !isTooMuch(); at += SLICE_BYTES) {
    for (const event of splitter.push(bytes.subarray(at, at + SLICE_BYTES))) events.push(event);
  }
  for (const event of splitter.end()) events.push(event);
  return isTooMuch() ? null : { bytes, events };
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
  let problems = 0;
  const report = (problem: string): void => {
    problems += 1;
    if (problems <= MAX_PROBLEMS) parts.onProblem(problem);
  };
  for (const event of frame.events) {
    if (event.kind === 'header') pieces.push(answer.open(event.segment, event.bytes));
    else if (event.kind === 'message') {
      const ack = await replies[next++];
      pieces.push(answer.answer(ack == null || ack.bytes.length === 0 ? null : ack.bytes));
    } else if (event.kind === 'stray') report(`${event.lines} lines belong to no message`);
    else if (event.kind === 'trailer') {
      const problem = describeTrailer(event);
      if (problem !== null) report(problem);
      pieces.push(answer.close(event.segment, problem));
    }
  }
  pieces.push(answer.end());
  return Buffer.concat(pieces);
}
