import type { Found, Run } from '../scope.ts';
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

/**
 * Attachment of ED (`source^type^subtype^encoding^data`): Base64 stays as it is, hexadecimal and plain text become
 * Base64. Null where there are no data, or Base64 that is none.
 * @see HL7 v2.5.1 §2.A.24
 */
export function readEncapsulated(found: Found, run: Run): Attachment | null {
  const part = partReader(found, run);
  const encoding = part(4).toLowerCase();
  const data = toBase64(part(5), encoding);
  return data === null ? null : { contentType: mimeOf(part(2), part(3)), data };
}

/** Attachment of RP (`pointer^application^type^subtype`): a URL. Null where the pointer is none. */
export function readPointer(found: Found, run: Run): Attachment | null {
  const part = partReader(found, run);
  const pointer = part(1);
  return /^[a-z][a-z0-9+.-]*:\S+$/i.test(pointer) ? { contentType: mimeOf(part(3), part(4)), url: pointer } : null;
}

function toBase64(data: string, encoding: string): string | null {
  if (data === '') return null;
  if (encoding === 'hex') {
    return /^(?:[0-9A-Fa-f]{2})+$/.test(data) ? Buffer.from(data, 'hex').toString('base64') : null;
  }
  if (encoding === 'a' || encoding === '') return Buffer.from(data, 'utf8').toString('base64');
  // Some senders break long Base64 with line breaks, escaped or not.
  const compact = data.replace(/\s+/g, '');
  return /^[A-Za-z0-9+/]*={0,2}$/.test(compact) && compact.length % 4 === 0 ? compact : null;
}

function mimeOf(type: string, subtype: string): string {
  if (/^[a-z]+\/[a-z0-9.+-]+$/i.test(subtype)) return subtype.toLowerCase();
  if (/^[a-z]+\/[a-z0-9.+-]+$/i.test(type)) return type.toLowerCase();
  return MIME[subtype.toLowerCase()] ?? MIME[type.toLowerCase()] ?? 'application/octet-stream';
}
