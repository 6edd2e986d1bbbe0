import type { Socket } from 'node:net';
import { Fault } from '../contracts/fault.ts';
import type { Host } from '../contracts/plugin.ts';
import type { Ack, Inbound, Intake } from '../contracts/source.ts';
import { holdsBatch } from '../hl7/batch.ts';
import { frameMessage, MllpDecoder, type MllpEvent } from '../hl7/mllp.ts';
import { answerFrame, splitFrame } from './batch-frame.ts';

/** How long the last answers may take to leave when we end a connection. */
const FLUSH_MS = 5_000;
/** How long it is listened to after that, so that closing it does not destroy the last answer on its way. */
const LINGER_MS = 1_000;
/** A smaller chunk is not worth giving back at once. */
const LARGE_CHUNK_BYTES = 16 * 1024;
/** A peer that sends this much and not one frame does not speak MLLP. */
const MAX_JUNK_BYTES = 1024 * 1024;

export interface ConnectionParts {
  readonly settings: {
    readonly maxMessageBytes: number;
    readonly maxBatchMessages: number;
    readonly readAhead: number;
    readonly idleTimeoutMs: number;
    readonly partialFrameTimeoutMs: number;
    readonly frameTimeoutMs: number;
    readonly answerTimeoutMs: number;
    readonly missingCrToleranceMs: number;
  };
  readonly host: Pick<Host, 'name' | 'log' | 'clock'>;
  readonly intake: Intake;
  readonly sender: string | null;
}

/** The place of one answer among those of its connection; `null` once it is known that none is due. */
interface Slot {
  answer: Uint8Array | null | 'awaited';
  isWritten: boolean;
  /** Answers owed beside this one that came due before it was written. */
  readonly behind: (() => void)[];
}

/**
 * One sender's connection: frames are handed over in order of arrival without waiting for each other, at most
 * `readAhead` of them, and answered in the same order. While that many wait, or the sender does not read its answers,
 * nothing more is read from it.
 */
export class MllpConnection {
  /** Resolves once the socket is closed. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #parts: ConnectionParts;
  readonly #decoder: MllpDecoder;
  readonly #address: string;
  readonly #origin: string;
  /** Events not handed over yet, because too many wait before them. */
  readonly #events: MllpEvent[] = [];
  readonly #slots: Slot[] = [];
  /** Answers owed beside the immediate ones that are on their way. */
  #replies = 0;
  /** `open` reads; `ending` takes nothing new, writes what is due and closes; `ended` has closed its side. */
  #phase: 'open' | 'ending' | 'ended' = 'open';
  /** A batch is being handed over; what comes behind it must wait, or it would be admitted among its messages. */
  #isFeedingBatch = false;
  #isCorked = false;
  /** Not even what was read already is handed over any more. */
  #isStopped = false;
  #lastHeardAt: number;
  /** When the frame under way began, later by what nothing was read meanwhile. */
  #frameBeganAt = 0;
  /** Since when nothing is read. */
  #pausedAt = 0;
  /** Since when the sender has not taken its answers; null = it takes them. */
  #blockedAt: number | null = null;
  /** Its frame took too long: what it sends from then on is not listened to. */
  #isTooSlow = false;
  #wake: { at: number; cancel: () => void } | null = null;
  readonly #told = new Set<string>();
  #frames = 0;

  constructor(socket: Socket, parts: ConnectionParts) {
    this.#socket = socket;
    this.#parts = parts;
    this.#decoder = new MllpDecoder(parts.settings.maxMessageBytes);
    this.#address = `${socket.remoteAddress ?? '?'}:${socket.remotePort ?? '?'}`;
    this.#origin = `mllp ${this.#address}`;
    this.#lastHeardAt = parts.host.clock.now();
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
    socket.on('data', (chunk: Buffer) => this.#hear(chunk));
    socket.on('end', () => this.#hearEnd());
    socket.on('drain', () => {
      this.#blockedAt = null;
      this.#pump();
    });
    socket.on('error', (error) => this.#log('debug', 'connection-error', { error: codeOf(error) }));
    socket.on('close', () => this.#afterClose());
    this.#log('debug', 'connection-opened');
    this.#schedule();
  }

  /** Takes nothing new; closes once the answers under way are written. */
  stop(): void {
    this.#isStopped = true;
    this.#events.length = 0;
    this.#beginEnding();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #hear(chunk: Buffer): void {
    // What comes while we are ending is read and dropped: unread bytes would make the close destroy our last answer.
    if (this.#phase !== 'open' || this.#isTooSlow) return;
    this.#lastHeardAt = this.#parts.host.clock.now();
    const wasInFrame = this.#decoder.isInFrame;
    const heard = this.#decoder.push(chunk);
    if (!wasInFrame || heard.length > 0) this.#frameBeganAt = this.#lastHeardAt;
    if (heard.length === 0) free(chunk);
    for (const event of heard) this.#events.push(event);
    if (this.#decoder.junk > MAX_JUNK_BYTES) {
      this.#log('warn', 'connection-not-mllp', { count: this.#decoder.junk });
      this.stop();
    }
    this.#pump();
    this.#schedule();
  }

  #hearEnd(): void {
    if (this.#phase !== 'open') return;
    for (const event of this.#decoder.giveUp()) this.#events.push(event);
    this.#pump();
  }

  /** Hands over what may be handed over now, and decides whether more is read. */
  #pump(): void {
    const { readAhead } = this.#parts.settings;
    while (this.#events.length > 0 && this.#slots.length < readAhead && !this.#isFeedingBatch) {
      this.#take(this.#events.shift() as MllpEvent);
    }
    if (this.#phase !== 'open') return;
    if ((this.#socket.readableEnded || this.#isTooSlow) && this.#events.length === 0) this.#beginEnding();
    const isFull = this.#slots.length >= readAhead || this.#isFeedingBatch || this.#socket.writableNeedDrain;
    this.#forgivePause();
    if (isFull) this.#socket.pause();
    else this.#socket.resume();
  }

  /** Time in which we do not listen is not the sender's. */
  #forgivePause(): void {
    const now = this.#parts.host.clock.now();
    if (this.#socket.isPaused()) this.#frameBeganAt += now - this.#pausedAt;
    this.#pausedAt = now;
  }

  #take(event: MllpEvent): void {
    switch (event.kind) {
      case 'junk':
        this.#tellOnce('junk-skipped', { count: event.count });
        return;
      case 'message':
        if (!event.isClosed) this.#tellOnce('frame-unclosed');
        if (holdsBatch(event.bytes)) this.#takeBatch(event.bytes);
        else this.#takeFrame(event.bytes, null);
        return;
      case 'incomplete':
        this.#log('warn', 'frame-incomplete', { bytes: event.bytes.length });
        this.#takeFrame(event.bytes, new Fault('frame-incomplete', { detail: this.#slowness() }));
        return;
      case 'oversize': {
        const { maxMessageBytes } = this.#parts.settings;
        this.#log('warn', 'frame-too-large', { bytes: maxMessageBytes });
        this.#takeFrame(event.prefix, new Fault('frame-too-large', { detail: `limit ${maxMessageBytes} bytes` }));
        this.stop();
        return;
      }
    }
  }

  #slowness(): string | null {
    return this.#isTooSlow ? `limit ${this.#parts.settings.frameTimeoutMs / 1_000} s a frame` : null;
  }

  #takeFrame(bytes: Uint8Array, fault: Fault | null): void {
    const slot = this.#openSlot();
    this.#parts.intake(this.#inbound(bytes, fault, slot)).then(
      (ack) => {
        if (ack !== null && !ack.isFinal && ack.messageId === null) this.#keepOrder(slot);
        this.#settle(slot, ack === null || ack.bytes.length === 0 ? null : ack.bytes);
      },
      (error: unknown) => this.#break(error),
    );
  }

  /**
   * Behind a message that could not be stored others came without waiting for its answer: whatever of them is not handed
   * over yet would overtake it when it comes again. So nothing more is taken, and the sender begins anew from there.
   */
  #keepOrder(slot: Slot): void {
    if (this.#slots.at(-1) !== slot || this.#events.length > 0) this.stop();
  }

  #takeBatch(bytes: Uint8Array): void {
    const { settings, host, intake } = this.#parts;
    const frame = splitFrame(bytes, settings.maxBatchMessages);
    if (frame === null) {
      this.#takeFrame(bytes, new Fault('too-many', { detail: `limit ${settings.maxBatchMessages} messages` }));
      return;
    }
    const slot = this.#openSlot();
    this.#isFeedingBatch = true;
    answerFrame(frame, {
      handOver: (message) => (this.#isStopped ? null : intake(this.#inbound(message, null, slot))),
      readAhead: settings.readAhead,
      now: () => host.clock.now(),
      onFed: () => {
        this.#isFeedingBatch = false;
        this.#pump();
      },
      onProblem: (problem) => this.#log('warn', 'batch-flawed', { detail: problem }),
    }).then(
      (answer) => this.#settle(slot, answer),
      (error: unknown) => this.#break(error),
    );
  }

  #inbound(bytes: Uint8Array, fault: Fault | null, slot: Slot): Inbound {
    this.#frames += 1;
    const { sender } = this.#parts;
    return { bytes, origin: this.#origin, sender, fault, reply: (ack) => this.#reply(slot, ack) };
  }

  /** An answer owed beside the immediate one: behind that, on this connection or not at all. */
  async #reply(slot: Slot, ack: Ack): Promise<boolean> {
    this.#replies += 1;
    try {
      if (!slot.isWritten && this.#phase !== 'ended') {
        await new Promise<void>((resolve) => slot.behind.push(resolve));
      }
      if (this.#phase === 'ended' || !this.#socket.writable) return false;
      return await new Promise((resolve) => this.#write(frameMessage(ack.bytes), (error) => resolve(!error)));
    } finally {
      this.#replies -= 1;
      this.#endIfAnswered();
    }
  }

  #openSlot(): Slot {
    const slot: Slot = { answer: 'awaited', isWritten: false, behind: [] };
    this.#slots.push(slot);
    return slot;
  }

  #settle(slot: Slot, answer: Uint8Array | null): void {
    slot.answer = answer;
    for (let first = this.#slots[0]; first !== undefined && first.answer !== 'awaited'; first = this.#slots[0]) {
      this.#slots.shift();
      if (first.answer !== null) this.#write(frameMessage(first.answer));
      first.isWritten = true;
      for (const goOn of first.behind) goOn();
    }
    this.#lastHeardAt = this.#parts.host.clock.now();
    this.#pump();
    this.#endIfAnswered();
    this.#schedule();
  }

  /** Answers that become due together leave in one packet. */
  #write(frame: Uint8Array, onFlushed: (error?: Error | null) => void = () => {}): void {
    if (!this.#socket.writable) return;
    if (!this.#isCorked) {
      this.#isCorked = true;
      this.#socket.cork();
      // Runs after every promise that is due now, so after all answers of one commit.
      process.nextTick(() => {
        this.#isCorked = false;
        this.#socket.uncork();
      });
    }
    this.#socket.write(frame, onFlushed);
    if (!this.#socket.writableNeedDrain || this.#blockedAt !== null) return;
    this.#blockedAt = this.#parts.host.clock.now();
    this.#schedule();
  }

  #beginEnding(): void {
    if (this.#phase !== 'open') return;
    this.#phase = 'ending';
    this.#socket.resume();
    this.#endIfAnswered();
  }

  #endIfAnswered(): void {
    if (this.#phase !== 'ending' || this.#slots.length > 0 || this.#replies > 0) return;
    this.#phase = 'ended';
    this.#destroyIn(FLUSH_MS);
    this.#socket.end(() => this.#destroyIn(LINGER_MS));
  }

  #destroyIn(delayMs: number): void {
    this.#wake?.cancel();
    if (this.#socket.destroyed) return;
    const { clock } = this.#parts.host;
    const at = clock.now() + delayMs;
    this.#wake = { at, cancel: clock.wakeAt(at, () => this.#socket.destroy()) };
  }

  /** Intake promised never to reject; a connection without answers must not stay open as if all were well. */
  #break(error: unknown): void {
    this.#log('error', 'intake-broken', { error: error instanceof Error ? error.name : 'unknown' });
    this.#socket.destroy();
  }

  #afterClose(): void {
    this.#wake?.cancel();
    this.#wake = null;
    const wasOpen = this.#phase === 'open';
    this.#phase = 'ended';
    this.#events.length = 0;
    for (const slot of this.#slots) for (const goOn of slot.behind) goOn();
    // The connection broke inside a frame: nobody can be told, but whoever looks for the message shall find a trace.
    const unfinished = wasOpen ? this.#decoder.giveUp().find((event) => event.kind === 'incomplete') : undefined;
    if (unfinished !== undefined) this.#take(unfinished);
    this.#log('debug', 'connection-closed', { count: this.#frames });
  }

  /** Wakes when silence becomes meaningful. A timer that turns out to be early is cheaper than one a chunk. */
  #schedule(): void {
    const due = this.#nextDueAt();
    if (due === null || this.#phase !== 'open') return;
    if (this.#wake !== null && this.#wake.at <= due) return;
    this.#wake?.cancel();
    const cancel = this.#parts.host.clock.wakeAt(due, () => {
      this.#wake = null;
      this.#afterSilence();
      this.#schedule();
    });
    this.#wake = { at: due, cancel };
  }

  #nextDueAt(): number | null {
    const times = [this.#silenceEndsAt(), this.#blockedAt === null ? null : this.#blockedUntil()];
    const due = times.filter((at) => at !== null);
    return due.length === 0 ? null : Math.min(...due);
  }

  #blockedUntil(): number {
    return (this.#blockedAt ?? 0) + this.#parts.settings.answerTimeoutMs;
  }

  #frameEndsAt(): number {
    return this.#frameBeganAt + this.#parts.settings.frameTimeoutMs;
  }

  #silenceEndsAt(): number | null {
    const { settings } = this.#parts;
    if (this.#decoder.lacksOnlyFinalCr) return this.#lastHeardAt + settings.missingCrToleranceMs;
    if (this.#decoder.isInFrame) {
      return Math.min(this.#lastHeardAt + settings.partialFrameTimeoutMs, this.#frameEndsAt());
    }
    // Answers under way: settling them begins the silence anew.
    return settings.idleTimeoutMs > 0 && this.#slots.length === 0 ? this.#lastHeardAt + settings.idleTimeoutMs : null;
  }

  #afterSilence(): void {
    const now = this.#parts.host.clock.now();
    if (this.#blockedAt !== null && this.#blockedUntil() <= now) {
      this.#log('warn', 'answers-not-taken', { bytes: this.#socket.writableLength });
      this.#blockedAt = null;
      this.#socket.destroy();
      return;
    }
    // Whom we do not listen to is not silent.
    if (this.#socket.isPaused()) this.#lastHeardAt = now;
    this.#forgivePause();
    const due = this.#silenceEndsAt();
    if (due === null || due > now) return;
    if (this.#decoder.isInFrame) {
      this.#isTooSlow = !this.#decoder.lacksOnlyFinalCr && this.#frameEndsAt() <= now;
      const ended = this.#decoder.endWithoutCr();
      for (const event of ended.length > 0 ? ended : this.#decoder.giveUp()) this.#events.push(event);
      this.#pump();
    } else if (this.#slots.length === 0) {
      this.#log('debug', 'connection-idle');
      this.#beginEnding();
    }
  }

  #tellOnce(event: string, fields: { count?: number } = {}): void {
    this.#log(this.#told.has(event) ? 'debug' : 'warn', event, fields);
    this.#told.add(event);
  }

  #log(level: 'debug' | 'warn' | 'error', event: string, fields = {}): void {
    this.#parts.host.log[level](event, { channel: this.#parts.host.name, address: this.#address, ...fields });
  }
}

/**
 * Gives the memory of a part of a large frame back, of which the decoder has a copy: until the collector came by, the frame
 * would be there twice.
 */
function free({ buffer, byteLength }: Buffer): void {
  if (byteLength >= LARGE_CHUNK_BYTES && byteLength === buffer.byteLength && buffer instanceof ArrayBuffer)
    buffer.transfer(0);
}

function codeOf(error: Error): string {
  return (error as NodeJS.ErrnoException).code ?? error.name;
}
