import { type Delimiters, STANDARD_DELIMITERS } from './delimiters.ts';

/** HL7's explicit "there is no value": the sender says so, unlike an empty field, of which nothing is said. */
export const HL7_NULL = '""';

/** Field numbers from 1 to 63 as bits: `low` has those up to 31, `high` the rest less 32. */
export interface FieldSet {
  readonly low: number;
  readonly high: number;
}

/** The highest field number that a set can have. */
export const MAX_SET_FIELD = 63;

/** One segment of a message; fields are cut on first use. Texts are raw, that is, still escaped. */
export class Segment {
  readonly name: string;
  /** 1 for the first segment of this name in the message. */
  readonly occurrence: number;
  readonly #text: string;
  readonly #delimiters: Delimiters;
  readonly #isHeader: boolean;
  #fields: string[] | null = null;
  /** Which fields are not empty, of those a set can have; null = not looked at yet. */
  #filled: FieldSet | null = null;

  constructor(name: string, occurrence: number, text: string, delimiters: Delimiters) {
    this.name = name;
    this.occurrence = occurrence;
    this.#text = text;
    this.#delimiters = delimiters;
    this.#isHeader = name === 'MSH' || name === 'BHS' || name === 'FHS';
  }

  /** The whole segment as it came, without its terminator. */
  get text(): string {
    return this.#text;
  }

  /** Number of the last field there is. */
  get lastField(): number {
    const count = this.#cut().length;
    return this.#isHeader ? count : count - 1;
  }

  /**
   * The raw field, repetitions and all; null where the segment ends before it, '' where it is empty.
   * Field numbers are the standard's: MSH-1 is the field separator itself.
   */
  field(number: number): string | null {
    if (!this.#isHeader) return this.#cut()[number] ?? null;
    return number === 1 ? this.#delimiters.field : (this.#cut()[number - 1] ?? null);
  }

  /** True if at least one of these fields is not empty: a look at two numbers, whatever the segment's length. */
  isAnyFilled(fields: FieldSet): boolean {
    this.#filled ??= this.#lookForFilled();
    return ((this.#filled.low & fields.low) | (this.#filled.high & fields.high)) !== 0;
  }

  /** The field's repetitions, at least one where the field exists; [] where the segment ends before it. */
  repetitions(number: number): readonly string[] {
    const field = this.field(number);
    if (field === null) return [];
    if (this.#isHeader && number <= 2) return [field];
    return field.includes(this.#delimiters.repetition) ? field.split(this.#delimiters.repetition) : [field];
  }

  /** The first of them; null where the segment ends before it. */
  firstRepetition(number: number): string | null {
    const field = this.field(number);
    if (field === null || (this.#isHeader && number <= 2)) return field;
    const end = field.indexOf(this.#delimiters.repetition);
    return end < 0 ? field : field.slice(0, end);
  }

  #lookForFilled(): FieldSet {
    const fields = this.#cut();
    const shift = this.#isHeader ? 1 : 0;
    let low = this.#isHeader ? 1 << 1 : 0;
    let high = 0;
    for (let index = 1; index < fields.length && index + shift <= MAX_SET_FIELD; index += 1) {
      if (fields[index] === '') continue;
      const number = index + shift;
      if (number < 32) low |= 1 << number;
      else high |= 1 << (number - 32);
    }
    return { low, high };
  }

  #cut(): string[] {
    this.#fields ??= this.#text.split(this.#delimiters.field);
    return this.#fields;
  }
}

/** A decoded message: its segments in the order they came. Reading is lazy: a field nobody asks for costs nothing. */
export interface Message {
  readonly delimiters: Delimiters;
  readonly segments: readonly Segment[];
  /** How many lines were no segments of their own and were joined to the one before, as broken text is. */
  readonly continuations: number;
}

/**
 * Reads a message from its decoded text. CR, LF and CRLF all end segments, in any mixture, and blank lines are passed
 * over, and so are blanks before the first segment. A line that does not begin like a segment is the rest of a text
 * that a sender broke: it is joined to the segment before it with a line feed, so that nothing is lost, and counted.
 * Never throws for what follows MSH; the caller has read the header already.
 */
export function parseMessage(text: string, delimiters: Delimiters = STANDARD_DELIMITERS): Message {
  const segments: Segment[] = [];
  const occurrences = new Map<string, number>();
  const lines: string[] = [];
  let continuations = 0;
  for (const line of cutLines(text)) {
    if (beginsLikeSegment(line, delimiters.field)) lines.push(line);
    else if (lines.length > 0) {
      lines[lines.length - 1] += `\n${line}`;
      continuations += 1;
    }
  }
  for (const line of lines) {
    const name = line.slice(0, 3);
    const occurrence = (occurrences.get(name) ?? 0) + 1;
    occurrences.set(name, occurrence);
    segments.push(new Segment(name, occurrence, line, delimiters));
  }
  return { delimiters, segments, continuations };
}

function cutLines(text: string): string[] {
  // What readHeader passes over before MSH: a byte order mark and blanks.
  const message = text.replace(/^[\ufeff \t\r\n]+/, '');
  const lines = message.includes('\n') ? message.split(/[\r\n]+/) : message.split('\r');
  return lines.filter((line) => line !== '');
}

/** What may stand alone on its line: any other three capitals are a word of a broken text, such as `NEG`. */
const BARE_SEGMENTS: ReadonlySet<string> = new Set(
  'MSH SFT UAC DSC PID PD1 NK1 ARV PV1 PV2 ORC OBR CTD FT1 CTI TQ1 TQ2 OBX SPM NTE PRT EVN BLG TXA'.split(' '),
);

function beginsLikeSegment(line: string, fieldSeparator: string): boolean {
  return (
    isCapital(line.charCodeAt(0)) &&
    isCapitalOrDigit(line.charCodeAt(1)) &&
    isCapitalOrDigit(line.charCodeAt(2)) &&
    (line[3] === fieldSeparator || BARE_SEGMENTS.has(line))
  );
}

const isCapital = (code: number) => code >= 65 && code <= 90;
const isCapitalOrDigit = (code: number) => isCapital(code) || (code >= 48 && code <= 57);
