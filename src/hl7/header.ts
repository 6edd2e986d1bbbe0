import { Fault } from '../contracts/fault.ts';
import { type Delimiters, STANDARD_DELIMITERS } from './delimiters.ts';

/**
 * What MSH says, read without decoding the rest. Texts are raw (still escaped), '' where empty or absent, and hold one
 * character a byte (U+0000 to U+00FF), so that an acknowledgement can give them back byte for byte; only of a UTF-16
 * message are they its characters.
 */
export interface Header {
  readonly delimiters: Delimiters;
  /** MSH-3 to MSH-6 whole, with their components, as an acknowledgement turns them round. */
  readonly sendingApplication: string;
  readonly sendingFacility: string;
  readonly receivingApplication: string;
  readonly receivingFacility: string;
  /** MSH-7 raw. */
  readonly sentAt: string;
  /** MSH-9.1, MSH-9.2, MSH-9.3. */
  readonly messageCode: string;
  readonly triggerEvent: string;
  readonly structure: string;
  /** MSH-10. */
  readonly controlId: string;
  /** MSH-11.1. */
  readonly processingId: string;
  /** MSH-12.1. */
  readonly version: string;
  /** MSH-15 and MSH-16: AL NE ER SU or ''. */
  readonly acceptAck: string;
  readonly applicationAck: string;
  /** MSH-18, first repetition, raw: a name of table 0211, or ''. */
  readonly charset: string;
}

const LF = 0x0a;
const CR = 0x0d;
/** How much of a UTF-16 message is decoded at first to find its MSH. */
const UTF16_LOOK_BYTES = 8192;

/**
 * Reads MSH from the first segment of a message and looks at nothing behind it. Takes a byte order mark, leading blank
 * lines and any line end (CR, LF, CRLF), any delimiters that are printable ASCII, and an MSH-2 of one to five characters.
 * @throws Fault `not-hl7` — there is no MSH, or its delimiters are letters, digits, or not all different
 * @see HL7 v2.5.1 §2.14.9
 */
export function readHeader(bytes: Uint8Array): Header {
  const segment = firstSegment(bytes);
  if (!segment.startsWith('MSH')) throw new Fault('not-hl7');
  const delimiters = readDelimiters(segment);
  const fields = segment.split(delimiters.field);
  // Of the other segments field n is element n; MSH-1 is the separator itself, so MSH-n is element n - 1.
  const field = (number: number): string => fields[number - 1] ?? '';
  const type = field(9).split(delimiters.component);
  return {
    delimiters,
    sendingApplication: field(3),
    sendingFacility: field(4),
    receivingApplication: field(5),
    receivingFacility: field(6),
    sentAt: field(7),
    messageCode: type[0] ?? '',
    triggerEvent: type[1] ?? '',
    structure: type[2] ?? '',
    controlId: field(10),
    processingId: upTo(field(11), delimiters.component),
    version: upTo(field(12), delimiters.component),
    acceptAck: field(15),
    applicationAck: field(16),
    charset: upTo(field(18), delimiters.repetition),
  };
}

/**
 * Which byte order a UTF-16 text has, by its mark or by its first letter (M of MSH, F of FHS, B of BHS); null = it is
 * not UTF-16.
 */
export function utf16Order(bytes: Uint8Array): 'le' | 'be' | null {
  const first = bytes[0] ?? -1;
  const second = bytes[1] ?? -1;
  if ((first === 0xff && second === 0xfe) || (isOpening(first) && second === 0)) return 'le';
  if ((first === 0xfe && second === 0xff) || (first === 0 && isOpening(second))) return 'be';
  return null;
}

function isOpening(byte: number): boolean {
  return byte === 0x4d || byte === 0x46 || byte === 0x42;
}

function firstSegment(bytes: Uint8Array): string {
  const order = utf16Order(bytes);
  if (order !== null) {
    const decoder = new TextDecoder(`utf-16${order}`);
    const text = decoder.decode(bytes.subarray(0, UTF16_LOOK_BYTES)).trimStart();
    const isWhole = bytes.length <= UTF16_LOOK_BYTES || /[\r\n]/.test(text);
    return /^[^\r\n]*/.exec(isWhole ? text : decoder.decode(bytes).trimStart())?.[0] ?? '';
  }
  let start = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  while (bytes[start] === CR || bytes[start] === LF || bytes[start] === 0x20 || bytes[start] === 0x09) start++;
  if (bytes[start] !== 0x4d) return '';
  let end = start;
  while (end < bytes.length && bytes[end] !== CR && bytes[end] !== LF) end++;
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1');
}

/** Nearly every message declares one of these; comparing eight characters is cheaper than checking them. */
const USUAL: readonly (readonly [opening: string, Delimiters])[] = [
  ['MSH|^~\\&|', STANDARD_DELIMITERS],
  ['MSH|^~\\&#|', { ...STANDARD_DELIMITERS, truncation: '#' }],
];

function readDelimiters(segment: string): Delimiters {
  for (const [opening, delimiters] of USUAL) if (segment.startsWith(opening)) return delimiters;
  const field = segment[3] ?? '';
  const next = segment.indexOf(field, 4);
  const encoding = segment.slice(4, next < 0 ? undefined : next);
  const all = field + encoding;
  const areUsable = /^[!-/:-@[-`{-~]{2,6}$/.test(all) && new Set(all).size === all.length;
  if (!areUsable) throw new Fault('not-hl7', { at: 'MSH-2' });
  const component = encoding[0] ?? '';
  // An MSH-2 of one character leaves repetitions the usual one, unless that is taken.
  const repetition = encoding[1] ?? '~';
  if (encoding.length === 1 && all.includes('~')) throw new Fault('not-hl7', { at: 'MSH-2' });
  return {
    field,
    component,
    repetition,
    escape: encoding[2] ?? null,
    subcomponent: encoding[3] ?? null,
    truncation: encoding[4] ?? null,
  };
}

function upTo(text: string, delimiter: string): string {
  const end = text.indexOf(delimiter);
  return end < 0 ? text : text.slice(0, end);
}
