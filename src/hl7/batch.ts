import { Gathered } from './gathered.ts';
import { isSeparator, Marks } from './marks.ts';

const LF = 0x0a;
const VT = 0x0b;
const CR = 0x0d;
const FS = 0x1c;
const NOTHING = new Uint8Array(0);
/** How much of a message that is too large is kept for the record. */
const PREFIX_BYTES = 4096;
/** The longest envelope segment that is read; the rest of a longer one is dropped. */
const MAX_ENVELOPE_BYTES = 16_384;
/** As many bytes tell what a line is: a byte order mark, VT, a segment's name and its separator. */
const LOOK_BYTES = 8;

export type EnvelopeName = 'FHS' | 'BHS' | 'BTS' | 'FTS';

/** What a file or a batch frame turned out to hold, in its order. */
export type BatchEvent =
  /** One message: the very bytes from its MSH up to the next message or envelope segment. */
  | { readonly kind: 'message'; readonly bytes: Uint8Array }
  /** A message above the limit: its first bytes. */
  | { readonly kind: 'oversize'; readonly prefix: Uint8Array }
  /** FHS or BHS, without its line end. */
  | { readonly kind: 'header'; readonly segment: 'FHS' | 'BHS'; readonly bytes: Uint8Array }
  /**
   * A batch (BTS) or file (FTS) ended. `declared` is what BTS-1 counts of messages or FTS-1 of batches, null where it
   * says nothing; `isClosed` is false where the trailer is missing, as in a file that was cut off.
   */
  | {
      readonly kind: 'trailer';
      readonly segment: 'BTS' | 'FTS';
      readonly declared: number | null;
      readonly counted: number;
      readonly isClosed: boolean;
    }
  /** Lines that belong to no message: before the first MSH, or behind a trailer. Told where they end. */
  | { readonly kind: 'stray'; readonly lines: number };

/**
 * Splits a batch (FHS, BHS, messages, BTS, FTS), or several messages one behind the other, into its messages, in bounded memory.
 * A line may end in CR, LF or CRLF, mixed too; blank lines, a byte order mark and MLLP envelopes around messages are
 * passed over. How the bytes are cut into chunks makes no difference. Messages may be views of the chunk.
 * @see HL7 v2.5.1 §2.10.3
 */
export class BatchSplitter {
  readonly #maxBytes: number;
  readonly #gathered: Gathered;
  /** What the bytes being read belong to; `rest` = what is dropped of an oversized message or envelope. */
  #item: 'none' | 'message' | 'rest' | EnvelopeName = 'none';
  #undecided: Uint8Array = NOTHING;
  #isLineStart = true;
  #isStart = true;
  #strayLines = 0;
  #file: { batches: number } | null = null;
  #batch: { messages: number } | null = null;
  #messages = 0;

  constructor(maxMessageBytes: number) {
    this.#maxBytes = maxMessageBytes;
    this.#gathered = new Gathered(maxMessageBytes);
  }

  /** Messages begun so far, oversized ones too. */
  get messages(): number {
    return this.#messages;
  }

  push(chunk: Uint8Array): BatchEvent[] {
    const bytes = this.#undecided.length === 0 ? chunk : Buffer.concat([this.#undecided, chunk]);
    this.#undecided = NOTHING;
    return this.#read(bytes, false);
  }

  /** Tells the last message, and which trailers are missing. */
  end(): BatchEvent[] {
    const bytes = this.#undecided;
    this.#undecided = NOTHING;
    const events = this.#read(bytes, true);
    this.#finish(NOTHING, 0, 0, events);
    if (this.#batch !== null) this.#closeBatch(null, false, events);
    if (this.#file !== null) this.#closeFile(null, false, events);
    this.#tellStray(events);
    return events;
  }

  #read(bytes: Uint8Array, isEnd: boolean): BatchEvent[] {
    const events: BatchEvent[] = [];
    const marks = new Marks(bytes, CR, LF);
    let start = 0;
    let at = 0;
    while (at < bytes.length) {
      if (this.#isLineStart) {
        if (!isEnd && bytes.length - at < LOOK_BYTES) {
          // A copy: a view would keep the chunk alive.
          this.#undecided = new Uint8Array(bytes.subarray(at));
          break;
        }
        const line = readLineStart(bytes, at, this.#isStart);
        this.#isStart = false;
        if (line.name !== null || line.endsFrame) {
          this.#finish(bytes, start, at, events);
          start = line.at;
          if (line.name !== null) {
            this.#begin(line.name, events);
          } else {
            // Behind FS the next frame may begin at once, without a line end.
            at = line.at;
            continue;
          }
        } else if (this.#item === 'none' && !isBlank(bytes[line.at])) this.#strayLines += 1;
        at = line.at;
      }
      const end = marks.next(at);
      this.#isLineStart = end < bytes.length;
      at = Math.min(end + 1, bytes.length);
      if (this.#isLineStart && isEnvelope(this.#item)) {
        this.#finish(bytes, start, end, events);
        start = at;
      }
    }
    this.#keep(bytes, start, bytes.length - this.#undecided.length, events);
    return events;
  }

  #begin(name: 'MSH' | EnvelopeName, events: BatchEvent[]): void {
    this.#tellStray(events);
    if (name !== 'MSH') {
      this.#item = name;
      return;
    }
    this.#item = 'message';
    this.#messages += 1;
    if (this.#batch !== null) this.#batch.messages += 1;
  }

  #keep(bytes: Uint8Array, start: number, end: number, events: BatchEvent[]): void {
    if (this.#item === 'none' || this.#item === 'rest') return;
    if (!this.#isTooLarge(bytes, start, end, events)) this.#gathered.add(bytes, start, end);
  }

  #finish(bytes: Uint8Array, start: number, end: number, events: BatchEvent[]): void {
    const item = this.#item;
    if (item !== 'none' && item !== 'rest' && !this.#isTooLarge(bytes, start, end, events)) {
      const content = this.#gathered.take(bytes, start, end);
      if (item === 'message') events.push({ kind: 'message', bytes: content });
      else this.#takeEnvelope(item, content, events);
    }
    this.#item = 'none';
  }

  #isTooLarge(bytes: Uint8Array, start: number, end: number, events: BatchEvent[]): boolean {
    const item = this.#item;
    const limit = item === 'message' ? this.#maxBytes : MAX_ENVELOPE_BYTES;
    if (this.#gathered.length + end - start <= limit) return false;
    const room = Math.max(0, Math.min(limit, PREFIX_BYTES) - this.#gathered.length);
    const whole = this.#gathered.take(bytes, start, Math.min(end, start + room));
    const prefix = new Uint8Array(whole.subarray(0, PREFIX_BYTES));
    if (isEnvelope(item)) this.#takeEnvelope(item, prefix, events);
    else events.push({ kind: 'oversize', prefix });
    this.#item = 'rest';
    return true;
  }

  #takeEnvelope(segment: EnvelopeName, bytes: Uint8Array, events: BatchEvent[]): void {
    switch (segment) {
      case 'FHS':
        if (this.#batch !== null) this.#closeBatch(null, false, events);
        if (this.#file !== null) this.#closeFile(null, false, events);
        this.#file = { batches: 0 };
        events.push({ kind: 'header', segment, bytes: new Uint8Array(bytes) });
        break;
      case 'BHS':
        if (this.#batch !== null) this.#closeBatch(null, false, events);
        this.#batch = { messages: 0 };
        if (this.#file !== null) this.#file.batches += 1;
        events.push({ kind: 'header', segment, bytes: new Uint8Array(bytes) });
        break;
      case 'BTS':
        this.#closeBatch(bytes, true, events);
        break;
      case 'FTS':
        if (this.#batch !== null) this.#closeBatch(null, false, events);
        this.#closeFile(bytes, true, events);
        break;
    }
  }

  #closeBatch(bytes: Uint8Array | null, isClosed: boolean, events: BatchEvent[]): void {
    const counted = this.#batch?.messages ?? this.#messages;
    events.push({ kind: 'trailer', segment: 'BTS', declared: readCount(bytes), counted, isClosed });
    this.#batch = null;
  }

  #closeFile(bytes: Uint8Array | null, isClosed: boolean, events: BatchEvent[]): void {
    const counted = this.#file?.batches ?? 0;
    events.push({ kind: 'trailer', segment: 'FTS', declared: readCount(bytes), counted, isClosed });
    this.#file = null;
  }

  #tellStray(events: BatchEvent[]): void {
    if (this.#strayLines > 0) events.push({ kind: 'stray', lines: this.#strayLines });
    this.#strayLines = 0;
  }
}

const MSH = Buffer.from('MSH');

/** True if these bytes are a batch or several messages, and not one: they begin with FHS or BHS, or hold a second MSH. */
export function holdsBatch(bytes: Uint8Array): boolean {
  let at = 0;
  while (at < bytes.length && isBlank(bytes[at])) at++;
  const { name } = readLineStart(bytes, at, at === 0);
  if (name === 'FHS' || name === 'BHS') return true;
  if (name !== 'MSH') return false;
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let next = all.indexOf(MSH, at + 4); next >= 0; next = all.indexOf(MSH, next + 3)) {
    if (isBlank(all[next - 1]) && isSeparator(all[next + 3] ?? 0)) return true;
  }
  return false;
}

interface LineStart {
  /** The segment that begins something here; null = a line of what is being read. */
  readonly name: 'MSH' | EnvelopeName | null;
  /** Where it begins, behind marks that belong to no segment. */
  readonly at: number;
  /** An MLLP envelope ended or began here. */
  readonly endsFrame: boolean;
}

function readLineStart(bytes: Uint8Array, start: number, isFirst: boolean): LineStart {
  let at = start;
  if (isFirst && bytes[at] === 0xef && bytes[at + 1] === 0xbb && bytes[at + 2] === 0xbf) at += 3;
  if (bytes[at] === FS && (isBlank(bytes[at + 1]) || bytes[at + 1] === VT || at + 1 >= bytes.length)) {
    return { name: null, at: at + 1, endsFrame: true };
  }
  const isFramed = bytes[at] === VT && nameAt(bytes, at + 1) !== null;
  if (isFramed) at += 1;
  return { name: nameAt(bytes, at), at, endsFrame: isFramed };
}

function nameAt(bytes: Uint8Array, at: number): LineStart['name'] {
  const initial = bytes[at];
  if (initial !== 0x4d && initial !== 0x46 && initial !== 0x42) return null;
  const separator = bytes[at + 3];
  const name = String.fromCharCode(bytes[at] ?? 0, bytes[at + 1] ?? 0, bytes[at + 2] ?? 0);
  if (name === 'BTS' || name === 'FTS') {
    return separator === undefined || isBlank(separator) || isSeparator(separator) ? name : null;
  }
  if (name !== 'MSH' && name !== 'FHS' && name !== 'BHS') return null;
  return isSeparator(separator ?? 0) ? name : null;
}

function isBlank(byte: number | undefined): boolean {
  return byte === CR || byte === LF;
}

function isEnvelope(item: string): item is EnvelopeName {
  return item === 'FHS' || item === 'BHS' || item === 'BTS' || item === 'FTS';
}

/** BTS-1 or FTS-1; null where it holds no count. */
function readCount(bytes: Uint8Array | null): number | null {
  if (bytes === null) return null;
  const text = Buffer.from(bytes).toString('latin1');
  const [, first = ''] = text.split(text[3] ?? '|');
  return /^\s*\d{1,9}\s*$/.test(first) ? Number(first) : null;
}
