import { Gathered } from './gathered.ts';
import { isSeparator, Marks } from './marks.ts';

const VT = 0x0b;
const FS = 0x1c;
const CR = 0x0d;
const NOTHING = new Uint8Array(0);
/** How much of a frame that is too large is kept for the record. */
const PREFIX_BYTES = 4096;

/** What the bytes of one connection turned out to be, in their order. */
export type MllpEvent =
  /** A frame's content, without its envelope; it may be empty. `isClosed` = it ended with FS CR as it should. */
  | { readonly kind: 'message'; readonly bytes: Uint8Array; readonly isClosed: boolean }
  /** A frame above the limit: its first bytes, told once, when the limit was passed. Its rest is dropped unseen. */
  | { readonly kind: 'oversize'; readonly prefix: Uint8Array }
  /** A frame that was begun and not ended: another one began inside it, or nothing more came. */
  | { readonly kind: 'incomplete'; readonly bytes: Uint8Array }
  /** Bytes outside any frame, told when the next frame begins or nothing more comes. */
  | { readonly kind: 'junk'; readonly count: number };

/** Puts the envelope around a message: VT, the bytes, FS, CR. */
export function frameMessage(bytes: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(bytes.length + 3);
  frame[0] = VT;
  frame.set(bytes, 1);
  frame[bytes.length + 1] = FS;
  frame[bytes.length + 2] = CR;
  return frame;
}

/**
 * Takes the bytes of one connection as they come and tells its frames. How the bytes are cut into chunks makes no
 * difference. A frame ends at FS CR; an FS before anything else is data, except before VT, where the sender left the
 * final CR out. A VT inside a frame is data unless a message begins right behind it: then the unfinished frame is given
 * up, and never merged with the new one. Time grows with the number of bytes alone, memory is bounded by the limit. A
 * message may be a view of the chunk, so chunks must not be written to afterwards; of one that told nothing, nothing is
 * kept.
 * @see HL7 v2.5.1 appendix C; "MLLP Release 1" (transport specification)
 */
export class MllpDecoder {
  readonly #maxBytes: number;
  readonly #prefixBytes: number;
  readonly #gathered: Gathered;
  #state: 'between' | 'frame' | 'skipping' = 'between';
  /** The end of the last chunk, where what follows decides what it is: an FS, or a VT with a part of `MSH|`. */
  #undecided: Uint8Array = NOTHING;
  #junk = 0;
  /** Last byte known to belong to the frame's content. */
  #lastByte = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
    this.#gathered = new Gathered(maxBytes);
    this.#prefixBytes = Math.min(PREFIX_BYTES, maxBytes);
  }

  /** A frame was begun and has not ended. */
  get isInFrame(): boolean {
    return this.#state !== 'between';
  }

  /** The frame would be whole if the final CR had come: its last segment is closed and FS is there. */
  get lacksOnlyFinalCr(): boolean {
    return this.#state === 'frame' && this.#undecided[0] === FS && this.#lastByte === CR;
  }

  /** Bytes outside any frame since the last one ended, not told yet. */
  get junk(): number {
    return this.#junk;
  }

  push(chunk: Uint8Array): MllpEvent[] {
    const events: MllpEvent[] = [];
    const bytes = this.#undecided.length === 0 ? chunk : Buffer.concat([this.#undecided, chunk]);
    this.#undecided = NOTHING;
    const marks = new Marks(bytes, FS, VT);
    let at = 0;
    while (at < bytes.length) {
      at = this.#state === 'between' ? this.#findFrame(bytes, at, events) : this.#findEnd(bytes, at, marks, events);
    }
    return events;
  }

  /**
   * Ends the frame under way where it lacks only the final CR, for a sender that never sends one and waits. Where the
   * segment before FS is not closed, nothing is ended: it could be data, and half a message must not pass as whole.
   */
  endWithoutCr(): MllpEvent[] {
    if (!this.lacksOnlyFinalCr) return [];
    this.#undecided = NOTHING;
    return [this.#endFrame(NOTHING, 0, 0, false)];
  }

  /** Gives up what is under way because nothing more will come. A frame that lacks only the final CR is a message. */
  giveUp(): MllpEvent[] {
    const events = this.endWithoutCr();
    if (this.#state === 'frame') {
      this.#abandon(this.#undecided, 0, this.#undecided.length, events);
    }
    this.#undecided = NOTHING;
    this.#state = 'between';
    this.#tellJunk(events);
    return events;
  }

  #findFrame(bytes: Uint8Array, at: number, events: MllpEvent[]): number {
    const start = bytes.indexOf(VT, at);
    this.#junk += (start < 0 ? bytes.length : start) - at;
    if (start < 0) return bytes.length;
    this.#tellJunk(events);
    this.#state = 'frame';
    this.#lastByte = 0;
    return start + 1;
  }

  /** Goes from `at`, inside a frame, to its end or the end of the chunk; returns where to go on. */
  #findEnd(bytes: Uint8Array, at: number, marks: Marks, events: MllpEvent[]): number {
    let from = at;
    for (;;) {
      const mark = marks.next(from);
      if (mark === bytes.length) return this.#keep(bytes, at, mark, events);
      const meaning = meaningOf(bytes, mark);
      if (meaning === 'undecided') {
        const next = this.#keep(bytes, at, mark, events);
        // A copy: a view would keep the chunk alive, and Buffer's own slice is a view.
        this.#undecided = new Uint8Array(bytes.subarray(mark));
        return next;
      }
      if (meaning !== 'data') {
        this.#end(bytes, at, mark, meaning, events);
        // FS VT and VT MSH leave the VT to be found as the start of the next frame.
        return meaning === 'closed' ? mark + 2 : meaning === 'unclosed' ? mark + 1 : mark;
      }
      from = mark + 1;
    }
  }

  /** Keeps what a chunk holds of a frame that goes on in the next. Everything of the chunk is dealt with then. */
  #keep(bytes: Uint8Array, start: number, end: number, events: MllpEvent[]): number {
    if (end > start) this.#lastByte = bytes[end - 1] as number;
    if (this.#state === 'frame' && !this.#isTooLarge(bytes, start, end, events)) this.#gathered.add(bytes, start, end);
    return bytes.length;
  }

  #end(
    bytes: Uint8Array,
    start: number,
    end: number,
    how: 'closed' | 'unclosed' | 'abandoned',
    events: MllpEvent[],
  ): void {
    if (this.#state === 'frame' && !this.#isTooLarge(bytes, start, end, events)) {
      if (how === 'abandoned') this.#abandon(bytes, start, end, events);
      else events.push(this.#endFrame(bytes, start, end, how === 'closed'));
    }
    this.#state = 'between';
  }

  #endFrame(bytes: Uint8Array, start: number, end: number, isClosed: boolean): MllpEvent {
    this.#state = 'between';
    return { kind: 'message', bytes: this.#gathered.take(bytes, start, end), isClosed };
  }

  /** A VT with nothing behind it was not a frame: senders that double it would get two answers a message. */
  #abandon(bytes: Uint8Array, start: number, end: number, events: MllpEvent[]): void {
    const content = this.#gathered.take(bytes, start, end);
    if (content.length === 0) this.#junk += 1;
    else events.push({ kind: 'incomplete', bytes: content });
  }

  #isTooLarge(bytes: Uint8Array, start: number, end: number, events: MllpEvent[]): boolean {
    if (this.#gathered.length + end - start <= this.#maxBytes) return false;
    const missing = Math.max(0, this.#prefixBytes - this.#gathered.length);
    const whole = this.#gathered.take(bytes, start, Math.min(end, start + missing));
    // A copy, so that four kilobytes do not keep the whole of what was gathered alive.
    events.push({ kind: 'oversize', prefix: new Uint8Array(whole.subarray(0, this.#prefixBytes)) });
    this.#state = 'skipping';
    return true;
  }

  #tellJunk(events: MllpEvent[]): void {
    if (this.#junk > 0) events.push({ kind: 'junk', count: this.#junk });
    this.#junk = 0;
  }
}

function meaningOf(bytes: Uint8Array, mark: number): 'data' | 'undecided' | 'closed' | 'unclosed' | 'abandoned' {
  const next = bytes[mark + 1];
  if (next === undefined) return 'undecided';
  if (bytes[mark] === FS) return next === CR ? 'closed' : next === VT ? 'unclosed' : 'data';
  return meaningOfVt(bytes, mark);
}

const OPENINGS = ['MSH', 'FHS', 'BHS'].map((name) => Buffer.from(name));
const FIRST_LETTERS = new Set(OPENINGS.map((opening) => opening[0]));

/** A VT inside a frame begins a new one if a header segment with its separator stands right behind it. */
function meaningOfVt(bytes: Uint8Array, mark: number): 'data' | 'undecided' | 'abandoned' {
  if (!FIRST_LETTERS.has(bytes[mark + 1])) return 'data';
  const behind = Buffer.from(bytes.buffer, bytes.byteOffset + mark + 1, Math.min(4, bytes.length - mark - 1));
  const name = behind.subarray(0, 3);
  if (!OPENINGS.some((opening) => opening.subarray(0, name.length).equals(name))) return 'data';
  const separator = behind[3];
  if (separator === undefined) return 'undecided';
  return isSeparator(separator) ? 'abandoned' : 'data';
}
