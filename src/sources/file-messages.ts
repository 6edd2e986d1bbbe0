import { createHash } from 'node:crypto';
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { Fault } from '../contracts/fault.ts';
import type { Ack, Intake } from '../contracts/source.ts';
import { type BatchEvent, BatchSplitter } from '../hl7/batch.ts';
import { parseAck } from '../hl7/parse-ack.ts';
import { AnswerFile } from './answer-file.ts';
import type { Draft } from './durable-file.ts';
import { describeTrailer } from './trailer.ts';

/** How much of a file that is too large, or no HL7 at all, is handed over for the record. */
const PREFIX_BYTES = 4096;
/** What is wrong with a file is told this often; more of it says nothing new. */
const MAX_PROBLEMS = 10;
const CHUNK_BYTES = 256 * 1024;
/** A message takes at least its name, a separator and a line end. */
const LEAST_MESSAGE_BYTES = 5;

export interface FileParts {
  readonly intake: Intake;
  readonly maxMessageBytes: number;
  readonly maxFileBytes: number;
  readonly maxMessages: number;
  readonly readAhead: number;
  readonly now: () => number;
  /** True once nothing more is to be handed over. */
  readonly isStopping: () => boolean;
  /** Where the answers, the refused messages as they came, and the reasons for refusing them are written. */
  readonly answers: Draft;
  readonly refused: Draft;
  readonly reasons: Draft;
}

/** What became of a file. `again` = at least one message has no final answer: the whole file is to be handed over again. */
export type FileOutcome =
  | { readonly kind: 'again' }
  | {
      readonly kind: 'answered';
      readonly messages: number;
      readonly refused: number;
      /** What was wrong with the file besides its messages, in words without a value of it. */
      readonly problems: readonly string[];
    };

interface Pending {
  readonly event: BatchEvent;
  readonly reply: Promise<Ack | null> | null;
  readonly bytes: number;
}

/**
 * Hands the messages of one file over in their order, at most `readAhead` without their answer, and writes down what was
 * answered. Needs no more memory than those messages, whatever the size of the file.
 * @throws Error of the file system
 */
export async function takeMessages(path: string, parts: FileParts): Promise<FileOutcome> {
  const handle = await open(path, 'r');
  try {
    return await new FileReading(path, handle, parts).run();
  } finally {
    await handle.close();
  }
}

class FileReading {
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #parts: FileParts;
  readonly #splitter: BatchSplitter;
  readonly #pending: Pending[] = [];
  readonly #problems: string[] = [];
  #pendingBytes = 0;
  #handedOver = 0;
  #answered = 0;
  #refused = 0;
  #hasEnvelope = false;

  constructor(path: string, handle: FileHandle, parts: FileParts) {
    this.#path = path;
    this.#handle = handle;
    this.#parts = parts;
    this.#splitter = new BatchSplitter(parts.maxMessageBytes);
  }

  async run(): Promise<FileOutcome> {
    const { size, mtimeMs } = await this.#handle.stat();
    const file = `${basename(this.#path)}\0${size}\0${mtimeMs}`;
    const controlId = createHash('sha256').update(file).digest('hex').slice(0, 20);
    const answers = new AnswerFile(this.#parts.answers, { controlId, sentAt: this.#parts.now() });
    const fault = await this.#findFault(size);
    const isFinal = fault === null ? await this.#takeAll(answers) : await this.#takeRefused(fault, answers);
    await Promise.all(this.#pending.map((pending) => pending.reply));
    // What grew while it was read was not whole when it was taken.
    if (!isFinal || (await this.#handle.stat()).size !== size) return { kind: 'again' };
    await answers.end();
    return { kind: 'answered', messages: this.#answered, refused: this.#refused, problems: this.#problems };
  }

  /** Why the file is refused whole, before any message of it is taken; null = it is not. */
  async #findFault(size: number): Promise<Fault | null> {
    const { maxFileBytes, maxMessages } = this.#parts;
    if (size > maxFileBytes) return new Fault('frame-too-large', { detail: `limit ${maxFileBytes} bytes a file` });
    if (size / LEAST_MESSAGE_BYTES <= maxMessages) return null;
    const counted = new BatchSplitter(this.#parts.maxMessageBytes);
    await this.#readChunks((chunk) => {
      counted.push(chunk);
      return counted.messages <= maxMessages && !this.#parts.isStopping();
    });
    counted.end();
    return counted.messages > maxMessages ? new Fault('too-many', { detail: `limit ${maxMessages} messages` }) : null;
  }

  async #takeRefused(fault: Fault, answers: AnswerFile): Promise<boolean> {
    return this.#takeAsOne(await this.#readPrefix(), fault, answers);
  }

  /** Hands the file's bytes to `take` until that says false; true = all of them. */
  async #readChunks(take: (chunk: Uint8Array) => boolean | Promise<boolean>): Promise<boolean> {
    for (let position = 0; ; ) {
      // A buffer of its own for each chunk: messages are views of it.
      const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
      const { bytesRead } = await this.#handle.read(chunk, 0, CHUNK_BYTES, position);
      if (bytesRead === 0) return true;
      position += bytesRead;
      if (!(await take(chunk.subarray(0, bytesRead)))) return false;
    }
  }

  async #takeAll(answers: AnswerFile): Promise<boolean> {
    const isRead = await this.#readChunks((chunk) => this.#takeEvents(this.#splitter.push(chunk), answers));
    if (!isRead || !(await this.#takeEvents(this.#splitter.end(), answers))) return false;
    if (this.#splitter.messages === 0 && !this.#hasEnvelope) return this.#takeWithoutMessage(answers);
    return this.#settleUntil(0, answers);
  }

  /** No line of it begins a message. It may be HL7 in UTF-16, or no HL7: the receiver of messages decides, not we. */
  async #takeWithoutMessage(answers: AnswerFile): Promise<boolean> {
    const { size } = await this.#handle.stat();
    this.#problems.length = 0;
    if (size > this.#parts.maxMessageBytes) {
      return this.#takeAsOne(await this.#readPrefix(), new Fault('not-hl7'), answers);
    }
    return this.#takeAsOne(await readFile(this.#path), null, answers);
  }

  async #takeAsOne(bytes: Uint8Array, fault: Fault | null, answers: AnswerFile): Promise<boolean> {
    this.#handOver({ kind: 'message', bytes }, bytes, fault);
    return this.#settleUntil(0, answers);
  }

  /** False = there is no point in going on: a message was not taken, or we are stopping. */
  async #takeEvents(events: readonly BatchEvent[], answers: AnswerFile): Promise<boolean> {
    for (const event of events) {
      if (this.#parts.isStopping()) return false;
      if (event.kind === 'message') this.#handOver(event, event.bytes, null);
      else if (event.kind === 'oversize') this.#handOver(event, event.prefix, this.#tooLarge());
      else this.#pending.push({ event, reply: null, bytes: 0 });
      if (event.kind === 'header') this.#hasEnvelope = true;
      if (!(await this.#settleUntil(this.#parts.readAhead - 1, answers))) return false;
    }
    return true;
  }

  #tooLarge(): Fault {
    return new Fault('frame-too-large', { detail: `limit ${this.#parts.maxMessageBytes} bytes` });
  }

  #handOver(event: BatchEvent, bytes: Uint8Array, fault: Fault | null): void {
    this.#handedOver += 1;
    const origin = `folder ${basename(this.#path)} #${this.#handedOver}`;
    const reply = this.#parts.intake({ bytes, origin, sender: null, fault, reply: null });
    // Awaited in its turn; until then a rejection, which intake promised not to give, must not end the process.
    reply.catch(() => {});
    this.#pending.push({ event, reply, bytes: bytes.length });
    this.#pendingBytes += bytes.length;
  }

  /** Awaits answers until no more than `count` are pending, and not more bytes than one largest message. */
  async #settleUntil(count: number, answers: AnswerFile): Promise<boolean> {
    while (this.#pending.length > count || this.#pendingBytes > this.#parts.maxMessageBytes) {
      const pending = this.#pending.shift();
      if (pending === undefined) return true;
      this.#pendingBytes -= pending.bytes;
      if (!(await this.#settle(pending, answers))) return false;
    }
    return true;
  }

  async #settle({ event, reply }: Pending, answers: AnswerFile): Promise<boolean> {
    switch (event.kind) {
      case 'header':
        await answers.open(event.segment, event.bytes);
        return true;
      case 'trailer': {
        const problem = describeTrailer(event);
        if (problem !== null) this.#noteProblem(problem);
        await answers.close(event.segment, problem);
        return true;
      }
      case 'stray':
        this.#noteProblem(`${event.lines} lines belong to no message`);
        return true;
      default: {
        const ack = await reply;
        // A file counts as dealt with only where each of its messages is.
        if (ack !== null && !ack.isFinal) return false;
        this.#answered += 1;
        await answers.answer(ack === null || ack.bytes.length === 0 ? null : ack.bytes, this.#answered > 1);
        if (ack !== null && isRefusal(ack)) await this.#refuse(event, ack);
        return true;
      }
    }
  }

  #noteProblem(problem: string): void {
    if (this.#problems.length < MAX_PROBLEMS) this.#problems.push(problem);
  }

  async #refuse(event: BatchEvent, ack: Ack): Promise<void> {
    this.#refused += 1;
    if (event.kind === 'message') {
      const last = event.bytes.at(-1);
      await this.#parts.refused.append(event.bytes);
      if (last !== 0x0d && last !== 0x0a) await this.#parts.refused.append(Buffer.from('\r'));
    }
    const errors = parseAck(ack.bytes)?.errors ?? [];
    const lines = errors.length === 0 ? ['no reason given'] : errors.map((error) => error.text);
    const text = lines.map((line) => `message ${this.#answered}: ${ack.code}: ${line}\n`).join('');
    await this.#parts.reasons.append(Buffer.from(text));
  }

  async #readPrefix(): Promise<Uint8Array> {
    const prefix = Buffer.alloc(Math.min(PREFIX_BYTES, this.#parts.maxMessageBytes));
    const { bytesRead } = await this.#handle.read(prefix, 0, prefix.length, 0);
    return prefix.subarray(0, bytesRead);
  }
}

function isRefusal({ code }: Ack): boolean {
  return code !== 'AA' && code !== 'CA';
}
