import { readPart } from '../../hl7/path.ts';
import { type Found, type Run, textOf } from '../scope.ts';
import { partReader } from './coded.ts';

export interface Attachment {
  contentType?: string;
  data?: string;
  url?: string;
  title?: string;
}

/** ED.2 and ED.3 as senders write them → MIME type. */
const MIME: Readonly<Record<string, string>> = {
  pdf: 'application/pdf',
  'x-pdf': 'application/pdf',
  rtf: 'application/rtf',
  html: 'text/html',
  htm: 'text/html',
  xml: 'application/xml',
  'x-hl7-cda-level-one': 'text/xml',
  plain: 'text/plain',
  txt: 'text/plain',
  text: 'text/plain',
  jpeg: 'image/jpeg',
  jpg: 'image/jpeg',
  png: 'image/png',
  gif: 'image/gif',
  tiff: 'image/tiff',
  tif: 'image/tiff',
  dicom: 'application/dicom',
  basic: 'audio/basic',
  msword: 'application/msword',
  'octet-stream': 'application/octet-stream',
};

/** A document, and whether it came damaged: what could be read of it is there. */
interface Document {
  readonly attachment: Attachment;
  readonly isDamaged: boolean;
}

/**
 * Attachment of ED (`source^type^subtype^encoding^data`): Base64 stays as it is, hexadecimal and plain text become
 * Base64. Line breaks within Base64 go, padding that is missing is put back; where the end is cut off, what can be read
 * is kept. Null where there are no data, or data that are none.
 * @see HL7 v2.5.1 §2.A.24
 */
export function readEncapsulated(found: Found, run: Run): Document | null {
  const part = partReader(found, run);
  const read = toBase64(part(5), part(4).toLowerCase());
  if (read === null) return null;
  const { data, isDamaged } = read;
  return { attachment: { contentType: mimeOf(part(2), part(3)), data, ...titleOf(found, run) }, isDamaged };
}

/** Attachment of RP (`pointer^application^type^subtype`): a URL. Null where the pointer is none. */
export function readPointer(found: Found, run: Run): Document | null {
  const part = partReader(found, run);
  const pointer = part(1);
  if (!/^[a-z][a-z0-9+.-]*:\S+$/i.test(pointer)) return null;
  const contentType = mimeOf(part(3), part(4));
  return { attachment: { contentType, url: pointer, ...titleOf(found, run) }, isDamaged: false };
}

/** The name of the observation that the document is the value of. */
function titleOf({ cell }: Found, run: Run): { title?: string } {
  if (cell === null || cell.segment.name !== 'OBX') return {};
  const [raw = ''] = cell.segment.repetitions(3);
  const read = (component: number) => textOf({ ...cell, raw: readPart(raw, component, null, run.message) }, run).trim();
  const title = read(2) || read(9) || read(5) || read(1);
  return title === '' ? {} : { title };
}

function toBase64(data: string, encoding: string): { data: string; isDamaged: boolean } | null {
  if (data === '') return null;
  const whole = (text: string) => ({ data: text, isDamaged: false });
  if (encoding === 'hex') {
    return /^(?:[0-9A-Fa-f]{2})+$/.test(data) ? whole(Buffer.from(data, 'hex').toString('base64')) : null;
  }
  if (encoding === 'a' || encoding === '') return whole(Buffer.from(data, 'utf8').toString('base64'));
  // Some senders break long Base64 with line breaks, escaped or not.
  const compact = /\s/.test(data) ? data.replace(/\s+/g, '') : data;
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(compact)) return null;
  if (compact.length % 4 === 0) return whole(compact);
  const bytes = Buffer.from(compact, 'base64');
  return bytes.length === 0
    ? null
    : { data: bytes.toString('base64'), isDamaged: compact.replace(/=+$/, '').length % 4 === 1 };
}

function mimeOf(type: string, subtype: string): string {
  if (/^[a-z]+\/[a-z0-9.+-]+$/i.test(subtype)) return subtype.toLowerCase();
  if (/^[a-z]+\/[a-z0-9.+-]+$/i.test(type)) return type.toLowerCase();
  return MIME[subtype.toLowerCase()] ?? MIME[type.toLowerCase()] ?? 'application/octet-stream';
}
