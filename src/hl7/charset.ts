import { isAscii, isUtf8 } from 'node:buffer';
import { StringDecoder } from 'node:string_decoder';
import iconv from 'iconv-lite';
import { Fault } from '../contracts/fault.ts';
import { utf16Order } from './header.ts';

/** A character set this engine reads and writes. */
export interface Charset {
  /** Its name in table 0211 where it has one, such as `8859/1` or `UNICODE UTF-8`; else its usual name. */
  readonly name: string;
  readonly form: 'ascii' | 'latin1' | 'utf8' | 'utf16' | 'single-byte' | 'multi-byte';
  /** Name for the library that knows its table; '' where none is needed. */
  readonly table: string;
}

/** What a channel says about character sets. Both are names as MSH-18 would hold them. */
export interface CharsetPolicy {
  /** In force where MSH-18 is empty; null = ASCII, as the standard has it. */
  readonly default: string | null;
  /** In force whatever MSH-18 says; null = MSH-18 is believed. */
  readonly force: string | null;
}

/** From here on it matters how much memory a text takes. */
const LARGE_BYTES = 100_000;

const charset = (name: string, form: Charset['form'], table = ''): Charset => ({ name, form, table });

export const ASCII: Charset = charset('ASCII', 'ascii');
const UTF8: Charset = charset('UNICODE UTF-8', 'utf8');

/** Names are compared without case, blanks and punctuation, so `ISO-8859-1`, `iso8859/1` and `ISO8859-1` are one. */
const BY_NAME: ReadonlyMap<string, Charset> = buildNames();

function buildNames(): Map<string, Charset> {
  const names = new Map<string, Charset>();
  const add = (made: Charset, ...spellings: string[]): void => {
    for (const spelling of [made.name, ...spellings]) names.set(plainName(spelling), made);
  };
  add(ASCII, 'US-ASCII', 'ISO IR6', 'ISO 646');
  add(UTF8, 'UTF-8', 'UNICODE UTF8');
  add(charset('UNICODE UTF-16', 'utf16'), 'UTF-16');
  add(charset('8859/1', 'latin1'), 'ISO 8859/1', 'LATIN1', 'ISO IR100');
  for (const part of [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 16]) {
    add(charset(`8859/${part}`, 'single-byte', `iso-8859-${part}`), `ISO 8859/${part}`);
  }
  add(charset('8859/15', 'single-byte', 'iso-8859-15'), 'ISO 8859/15', 'LATIN9');
  for (const page of [1250, 1251, 1252, 1253, 1254, 1257]) {
    add(charset(`WINDOWS-${page}`, 'single-byte', `windows-${page}`), `CP${page}`);
  }
  for (const page of [437, 850, 865]) add(charset(`CP${page}`, 'single-byte', `cp${page}`), `IBM${page}`);
  add(charset('GB 18030-2000', 'multi-byte', 'gb18030'), 'GB 18030');
  add(charset('KS X 1001', 'multi-byte', 'euc-kr'), 'EUC-KR');
  add(charset('BIG-5', 'multi-byte', 'big5'));
  return names;
}

function plainName(name: string): string {
  return name.toUpperCase().replace(/[^A-Z0-9]/g, '');
}

/** The character set of this name, or null. For checking a configuration; a message is resolved by `resolveCharset`. */
export function findCharset(name: string): Charset | null {
  return BY_NAME.get(plainName(name)) ?? null;
}

/**
 * Decides in which character set a message is, from the first repetition of MSH-18 (`Header.charset`) and the channel's policy.
 * @throws Fault `charset-unknown` at MSH-18 — the name is none of those supported
 * @see HL7 v2.5.1 §2.15.9.18, table 0211
 */
export function resolveCharset(msh18: string, policy: CharsetPolicy): Charset {
  const name = policy.force ?? (msh18.trim() === '' ? policy.default : msh18);
  if (name === null) return ASCII;
  const found = findCharset(name);
  if (found === null) throw new Fault('charset-unknown', { at: 'MSH-18' });
  return found;
}

/**
 * Decodes a whole message, strictly: what comes out is what was sent, without replacement characters. Drops a byte
 * order mark.
 * @throws Fault `charset-undecodable` at MSH-18; its detail is the name of the set and the offset of the first bad byte
 */
export function decodeText(bytes: Uint8Array, charset: Charset): string {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const body = hasUtf8Mark(all) && charset.form !== 'utf16' ? all.subarray(3) : all;
  // Most messages are pure ASCII, which every set but UTF-16 shares; checking that runs at memory speed.
  if (charset.form !== 'utf16' && isAscii(body)) return body.toString('latin1');
  switch (charset.form) {
    case 'ascii':
      throw undecodable(charset, offsetOfNonAscii(all, all.length - body.length));
    case 'latin1':
      return body.toString('latin1');
    case 'utf8':
      if (!isUtf8(body)) throw undecodable(charset, all.length - body.length + offsetOfNonUtf8(body));
      // The slower way gives one byte a letter where that is enough: half the memory.
      return body.length > LARGE_BYTES ? new StringDecoder('utf8').end(body) : body.toString('utf8');
    case 'utf16':
      return decodeStrictly(all, charset, `utf-16${utf16Order(all) ?? 'be'}`);
    case 'single-byte': {
      const text = iconv.decode(body, charset.table, { stripBOM: false });
      const bad = text.indexOf('\ufffd');
      if (bad >= 0) throw undecodable(charset, all.length - body.length + bad);
      return text;
    }
    case 'multi-byte':
      return decodeStrictly(body, charset, charset.table);
  }
}

/**
 * Decodes a message from its MSH on, as `decodeText` does. Two bytes a letter, or one, shows in the first two bytes, and
 * is believed more than any name: read the other way every segment would be lost, and nobody would hear of it.
 * @throws Fault `charset-undecodable` at MSH-18
 */
export function decodeMessage(bytes: Uint8Array, charset: Charset): string {
  if ((charset.form === 'utf16') !== (utf16Order(bytes) !== null)) throw undecodable(charset, 0);
  return decodeText(bytes, charset);
}

/**
 * Encodes text that we write ourselves. A character the set does not have becomes `?`, so this is for our own words (an
 * acknowledgement's user message) and never for a value of a message.
 */
export function encodeText(text: string, charset: Charset): Uint8Array {
  switch (charset.form) {
    case 'utf8':
      return Buffer.from(text, 'utf8');
    case 'ascii':
      return Buffer.from(text.replace(/[^\x00-\x7f]/gu, '?'), 'latin1');
    case 'latin1':
      return Buffer.from(text.replace(/[^\x00-\xff]/gu, '?'), 'latin1');
    case 'utf16':
      return iconv.encode(text, 'utf-16be', { addBOM: true });
    default:
      return iconv.encode(text, charset.table);
  }
}

/** As `encodeText`, for values that must arrive as they are: null where the set lacks one of the characters. */
export function encodeExactly(text: string, charset: Charset): Uint8Array | null {
  if (!text.isWellFormed()) return null;
  if (charset.form === 'utf8' || charset.form === 'utf16') return encodeText(text, charset);
  if (charset.form === 'ascii') return /^[\x00-\x7f]*$/.test(text) ? Buffer.from(text, 'latin1') : null;
  if (charset.form === 'latin1') return /^[\x00-\xff]*$/.test(text) ? Buffer.from(text, 'latin1') : null;
  const bytes = iconv.encode(text, charset.table);
  return iconv.decode(bytes, charset.table, { stripBOM: false }) === text ? bytes : null;
}

function decodeStrictly(bytes: Uint8Array, charset: Charset, label: string): string {
  try {
    return new TextDecoder(label, { fatal: true }).decode(bytes);
  } catch {
    throw undecodable(charset, null);
  }
}

function undecodable(charset: Charset, offset: number | null): Fault {
  const detail = offset === null ? charset.name : `${charset.name}, byte ${offset}`;
  return new Fault('charset-undecodable', { at: 'MSH-18', detail });
}

function hasUtf8Mark(bytes: Buffer): boolean {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
}

function offsetOfNonAscii(bytes: Buffer, from: number): number {
  let offset = from;
  while ((bytes[offset] ?? 0x80) < 0x80) offset++;
  return offset;
}

/** Narrows by halves: a valid text cut at the start of a character is valid, one that holds the bad byte is not. */
function offsetOfNonUtf8(bytes: Buffer): number {
  const startOfCharacter = (at: number): number => {
    let start = at;
    while (start > 0 && ((bytes[start] ?? 0) & 0xc0) === 0x80) start--;
    return start;
  };
  let good = 0;
  let bad = bytes.length;
  while (bad - good > 1) {
    const middle = (good + bad) >>> 1;
    if (isUtf8(bytes.subarray(0, startOfCharacter(middle)))) good = middle;
    else bad = middle;
  }
  const start = startOfCharacter(good);
  const lead = bytes[start] ?? 0;
  const end = start + (lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4);
  return isUtf8(bytes.subarray(start, end)) ? end : start;
}
