import { encodeTime, endSegment } from './ack.ts';

/** What the answer to a batch states about itself. */
export interface BatchAckContent {
  /** FHS-11 and BHS-11 of the answer. */
  readonly controlId: string;
  /** ms since the epoch; written in UTC. */
  readonly sentAt: number;
}

interface Envelope {
  readonly field: string;
  readonly encoding: string;
  /** FHS-3 to FHS-6 and FHS-11 (or BHS) of the batch that is answered. */
  readonly fields: readonly string[];
}

const PLAIN: Envelope = { field: '|', encoding: '^~\\&', fields: [] };

/**
 * Writes the answer to a batch piece by piece, in the order of what came, so that the answer to a file of any size needs
 * no memory: each call gives the bytes to append. Each FHS and BHS that came is answered by one with the addresses
 * turned round; messages that came bare are answered inside a BHS of ours. Never throws.
 * @see HL7 v2.5.1 §2.10.3, §2.15.2 (BHS), §2.15.6 (FHS)
 */
export class BatchAck {
  readonly #content: BatchAckContent;
  #file: { envelope: Envelope; batches: number } | null = null;
  #batch: { envelope: Envelope; acks: number } | null = null;

  constructor(content: BatchAckContent) {
    this.#content = content;
  }

  /** An FHS or BHS came (its bytes without line end). */
  open(segment: 'FHS' | 'BHS', answered: Uint8Array): Uint8Array {
    return segment === 'FHS' ? this.#openFile(readEnvelope(answered)) : this.#openBatch(readEnvelope(answered));
  }

  /** The answer to one message; null where none is due. */
  answer(ack: Uint8Array | null): Uint8Array {
    const opening = this.#batch === null ? this.#openBatch(this.#file?.envelope ?? PLAIN) : EMPTY;
    const batch = this.#batch;
    if (ack === null || batch === null) return opening;
    batch.acks += 1;
    return Buffer.concat([opening, ack]);
  }

  /** A BTS or FTS came, or was missing. `comment` says what was wrong with it, in words of ours; null = nothing. */
  close(segment: 'BTS' | 'FTS', comment: string | null): Uint8Array {
    return segment === 'BTS' ? this.#closeBatch(comment) : this.#closeFile(comment);
  }

  /** Nothing more came. */
  end(): Uint8Array {
    return Buffer.concat([this.#closeBatch(null), this.#closeFile(null)]);
  }

  #openFile(envelope: Envelope): Buffer {
    const closing = this.end();
    this.#file = { envelope, batches: 0 };
    return Buffer.concat([closing, this.#header('FHS', envelope)]);
  }

  #openBatch(envelope: Envelope): Buffer {
    const closing = this.#closeBatch(null);
    this.#batch = { envelope, acks: 0 };
    if (this.#file !== null) this.#file.batches += 1;
    return Buffer.concat([closing, this.#header('BHS', envelope)]);
  }

  #closeBatch(comment: string | null): Uint8Array {
    const batch = this.#batch;
    if (batch === null) return EMPTY;
    this.#batch = null;
    return trailer('BTS', batch.acks, comment, batch.envelope);
  }

  #closeFile(comment: string | null): Uint8Array {
    const closing = this.#closeBatch(null);
    const file = this.#file;
    if (file === null) return closing;
    this.#file = null;
    return Buffer.concat([closing, trailer('FTS', file.batches, comment, file.envelope)]);
  }

  #header(segment: 'FHS' | 'BHS', envelope: Envelope): Buffer {
    const { field, encoding } = envelope;
    const of = (number: number): string => envelope.fields[number - 1] ?? '';
    const time = encodeTime(this.#content.sentAt);
    const fields = [segment, encoding, of(5), of(6), of(3), of(4), time, '', '', '', this.#content.controlId, of(11)];
    return line(fields, field);
  }
}

const EMPTY = new Uint8Array(0);

/** FHS and BHS have their separator, encoding characters and addresses where MSH has them. */
function readEnvelope(bytes: Uint8Array): Envelope {
  const text = Buffer.from(bytes).toString('latin1');
  const field = text[3] ?? PLAIN.field;
  const fields = text.split(field);
  const encoding = fields[1] ?? '';
  // Without usable encoding characters the answer has its own, and takes nothing over that would mean something else in them.
  return /^[!-/:-@[-`{-~]{1,5}$/.test(encoding) ? { field, encoding, fields } : PLAIN;
}

function trailer(segment: 'BTS' | 'FTS', count: number, comment: string | null, envelope: Envelope): Buffer {
  const fields = [segment, String(count)];
  const delimiters = envelope.field + envelope.encoding;
  if (comment !== null)
    fields.push([...comment].map((letter) => (delimiters.includes(letter) ? ' ' : letter)).join(''));
  return line(fields, envelope.field);
}

function line(fields: readonly string[], separator: string): Buffer {
  const segment = fields.join(separator).replace(new RegExp(`\\${separator}+$`), '');
  return Buffer.from(endSegment(segment, separator), 'latin1');
}
