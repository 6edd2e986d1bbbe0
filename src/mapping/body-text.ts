import { decodeMessage, resolveCharset } from '../hl7/charset.ts';
import { type Header, readHeader } from '../hl7/header.ts';
import { parseMessage } from '../hl7/message.ts';
import { locateSegment } from '../hl7/path.ts';

/**
 * What a delivery carries as JSON: a body that is JSON as it is, an HL7 message as an object of its fields, raw, by
 * location (`"OBX[1]-3": "K^Potassium^L"`), so that both are shown, compared and explained alike.
 */
export function bodyText(bytes: Uint8Array): string {
  const header = headerOf(bytes);
  if (header === null) return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  const fields: Record<string, string> = {};
  for (const segment of parseMessage(textOf(bytes, header), header.delimiters).segments) {
    // MSH-1 and MSH-2 are the delimiters.
    for (let number = segment.name === 'MSH' ? 3 : 1; number <= segment.lastField; number += 1) {
      const field = segment.field(number) ?? '';
      if (field !== '') fields[`${locateSegment(segment)}-${number}`] = field;
    }
  }
  return JSON.stringify(fields);
}

function headerOf(bytes: Uint8Array): Header | null {
  // JSON begins otherwise; asking is cheaper than a fault.
  if (bytes[0] === 0x7b || bytes[0] === 0x5b) return null;
  try {
    return readHeader(bytes);
  } catch {
    return null;
  }
}

function textOf(bytes: Uint8Array, header: Header): string {
  try {
    return decodeMessage(bytes, resolveCharset(header.charset, { default: 'UNICODE UTF-8', force: null }));
  } catch {
    // A set that is agreed upon and not named: to people this is what most often reads right.
    return Buffer.from(bytes).toString('latin1');
  }
}
