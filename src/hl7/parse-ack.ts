import type { AckCode } from '../contracts/source.ts';
import { ASCII, decodeText, findCharset } from './charset.ts';
import type { Delimiters } from './delimiters.ts';
import { unescapeText } from './escape.ts';
import { type Header, readHeader, utf16Order } from './header.ts';

/** What a sender reads in an answer. */
export interface ParsedAck {
  readonly code: AckCode;
  /** MSA-2: the control id of the message that is answered, a character a byte like `Header.controlId`. */
  readonly controlId: string;
  /** What went wrong, for people: ERR-8, else ERR-7, else ERR-3 or ERR-1, else MSA-3. Empty where nothing did. */
  readonly errors: readonly ParsedAckError[];
}

interface ParsedAckError {
  /** Location as the answer states it, `PID^1^3` or `PID^1^3^2^1`; '' = the message as a whole. */
  readonly at: string;
  /** Code of table 0357, or ''. */
  readonly condition: string;
  /** ERR-5.1: the answering application's own code, or ''; from an engine of this kind a code of the fault table. */
  readonly applicationCode: string;
  readonly text: string;
}

const CODES: readonly string[] = ['AA', 'AE', 'AR', 'CA', 'CE', 'CR'] satisfies AckCode[];

/** Reads an acknowledgement of anybody's making; null where it is none (no MSH, no MSA, or an unknown code). Never throws. */
export function parseAck(bytes: Uint8Array): ParsedAck | null {
  let header: Header;
  try {
    header = readHeader(bytes);
  } catch {
    return null;
  }
  const { field } = header.delimiters;
  const segments = decodeLeniently(bytes, header)
    .split(/[\r\n]+/)
    .map((line) => line.split(field));
  const msa = segments.find((segment) => segment[0] === 'MSA');
  const code = CODES.find((known) => known === msa?.[1]?.trim()) as AckCode | undefined;
  if (msa === undefined || code === undefined) return null;
  const errors = segments
    .filter((segment) => segment[0] === 'ERR')
    .flatMap((err) => readErrors(err, header.delimiters));
  const text = plain(msa[3] ?? '', header.delimiters);
  if (errors.length === 0 && text !== '' && code !== 'AA' && code !== 'CA') {
    errors.push({ at: '', condition: '', applicationCode: '', text });
  }
  return { code, controlId: readControlId(bytes, field) ?? msa[2] ?? '', errors };
}

function readErrors(err: readonly string[], delimiters: Delimiters): ParsedAckError[] {
  const { component, repetition, subcomponent } = delimiters;
  const components = (field: number): string[] => (err[field] ?? '').split(component);
  if ((err[3] ?? '') !== '' || (err[8] ?? '') !== '' || (err[7] ?? '') !== '') {
    const [condition = '', name = ''] = components(3);
    const text = err[8] || err[7] || name || condition;
    const at = components(2).join('^');
    return [{ at, condition, applicationCode: components(5)[0] ?? '', text: plain(text, delimiters) }];
  }
  return (err[1] ?? '').split(repetition).flatMap((error) => {
    if (error === '') return [];
    const [segment = '', sequence = '', field = '', packed = ''] = error.split(component);
    const [condition = '', name = ''] = subcomponent === null ? [packed] : packed.split(subcomponent);
    const at = [segment, sequence, field].join('^').replace(/\^+$/, '');
    return [{ at, condition, applicationCode: '', text: plain(name || condition, delimiters) }];
  });
}

function plain(raw: string, delimiters: Delimiters): string {
  return unescapeText(raw, delimiters, (bytes) => Buffer.from(bytes).toString('latin1')).trim();
}

/** An answer is read for its code first of all: bytes that are wrong for its character set must not hide it. */
function decodeLeniently(bytes: Uint8Array, header: Header): string {
  try {
    const name = utf16Order(bytes) === null ? header.charset : 'UNICODE UTF-16';
    return decodeText(bytes, findCharset(name) ?? ASCII);
  } catch {
    return Buffer.from(bytes).toString('latin1');
  }
}

/** MSA-2 as bytes, so that it compares with what was sent; null where the answer is not one byte a delimiter. */
function readControlId(bytes: Uint8Array, field: string): string | null {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  const msa = text.split(/[\r\n]+/).find((line) => line.startsWith(`MSA${field}`));
  return msa?.split(field)[2] ?? null;
}
