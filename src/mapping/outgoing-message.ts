import { endSegment } from '../hl7/ack.ts';
import { type Charset, encodeExactly } from '../hl7/charset.ts';
import { type Delimiters, encodingCharacters } from '../hl7/delimiters.ts';
import type { DraftSegment } from '../hl7/draft-segment.ts';

/** Segments that say when the message was made: they differ though the message says the same. */
const PASSING = ['EVN'];

/** An HL7 message that rules have made, all but for its control id. */
export class OutgoingMessage {
  readonly #header: DraftSegment;
  readonly #segments: readonly DraftSegment[];
  readonly #delimiters: Delimiters;
  readonly #charset: Charset;

  constructor(header: DraftSegment, segments: readonly DraftSegment[], delimiters: Delimiters, charset: Charset) {
    this.#header = header;
    this.#segments = segments;
    this.#delimiters = delimiters;
    this.#charset = charset;
  }

  /** What it says, whenever it is said: all but MSH and EVN, with its type. */
  get lasting(): string {
    const lasting = this.#segments.filter(({ name }) => !PASSING.includes(name)).map(({ text }) => text);
    return [this.#header.field(9), ...lasting].join('\r');
  }

  /** The message, without frame; null where its character set lacks one of its characters. */
  write(controlId: string): Uint8Array | null {
    this.#header.put({ field: 10, component: null, subcomponent: null }, controlId);
    const { field } = this.#delimiters;
    // MSH-1 is the separator itself.
    const rest = this.#header.text.split(field).slice(3).join(field);
    const header = `MSH${field}${encodingCharacters(this.#delimiters)}${field}${rest}`;
    const text = [header, ...this.#segments.map((segment) => segment.text)].map((one) => endSegment(one, field));
    return encodeExactly(text.join(''), this.#charset);
  }
}
