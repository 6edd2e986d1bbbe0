import { isDate, isDateTime, isInstant, isTime } from './fhir-time.ts';

/** Says of a JSON value: the right kind and form, the right kind with a wrong form, or not even the right kind. */
export type PrimitiveFormat = (value: unknown) => 'fits' | 'format' | 'json-type';

const MAX_INTEGER = 2_147_483_647;
const MAX_STRING_CHARACTERS = 1_048_576;
const DECIMAL = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;
const INTEGER = /^-?(?:0|[1-9][0-9]*)$/;
const CODE = /^\S+(?:\s\S+)*$/;
const ID = /^[A-Za-z0-9\-.]{1,64}$/;
const UUID = /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const OID = /^urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+$/;
const CONTROL = /[\x00-\x08\x0b\x0c\x0e-\x1f]/;
const MIME_TYPE = /^[A-Za-z0-9!#$&^_.+-]+\/[A-Za-z0-9!#$&^_.+-]+(?:\s?;\s?[^\s;]+)*$/;
const CURRENCY = /^[A-Z]{3}$/;

/**
 * The forms of FHIR's primitive types by name, and of two value sets that are forms (`mimeType`, `currency`).
 * Numbers may be JavaScript's or JSON.rawJSON's (`exactNumber`), whose own digits are looked at.
 * @see HL7 FHIR 4.0.1, datatypes.html
 */
export const PRIMITIVE_FORMATS: ReadonlyMap<string, PrimitiveFormat> = new Map<string, PrimitiveFormat>([
  ['boolean', (value) => (typeof value === 'boolean' ? 'fits' : 'json-type')],
  ['decimal', (value) => checkNumber(value, DECIMAL, -Infinity, Infinity)],
  ['integer', (value) => checkNumber(value, INTEGER, -MAX_INTEGER - 1, MAX_INTEGER)],
  ['unsignedInt', (value) => checkNumber(value, INTEGER, 0, MAX_INTEGER)],
  ['positiveInt', (value) => checkNumber(value, INTEGER, 1, MAX_INTEGER)],
  ['string', text(isText)],
  ['markdown', text(isText)],
  ['xhtml', text(isText)],
  ['code', text((value) => isPrintable(value, 0x21) || (CODE.test(value) && !CONTROL.test(value)))],
  ['id', text((value) => ID.test(value))],
  ['uri', text(isUri)],
  ['url', text(isUri)],
  ['canonical', text(isUri)],
  ['oid', text((value) => OID.test(value))],
  ['uuid', text((value) => UUID.test(value))],
  ['date', text(isDate)],
  ['dateTime', text(isDateTime)],
  ['instant', text(isInstant)],
  ['time', text(isTime)],
  ['base64Binary', text(isBase64)],
  ['mimeType', text((value) => MIME_TYPE.test(value))],
  ['currency', text((value) => CURRENCY.test(value))],
]);

/** The value of a number in JSON, of JavaScript's kind or exact; null = it is none. Digits beyond a double are lost. */
export function toNumber(value: unknown): number | null {
  if (typeof value === 'number') return value;
  const digits = exactDigits(value);
  return digits === null || !DECIMAL.test(digits) ? null : Number(digits);
}

function text(fits: (value: string) => boolean): PrimitiveFormat {
  return (value) => (typeof value !== 'string' ? 'json-type' : fits(value) ? 'fits' : 'format');
}

function checkNumber(value: unknown, form: RegExp, low: number, high: number): ReturnType<PrimitiveFormat> {
  if (typeof value === 'number') {
    const isRight = Number.isFinite(value) && (form === DECIMAL || Number.isInteger(value));
    return isRight && value >= low && value <= high ? 'fits' : 'format';
  }
  const digits = exactDigits(value);
  if (digits === null || !DECIMAL.test(digits)) return 'json-type';
  const number = Number(digits);
  return form.test(digits) && number >= low && number <= high ? 'fits' : 'format';
}

const isRawJson = (JSON as unknown as { isRawJSON(value: unknown): value is { readonly rawJSON: string } }).isRawJSON;

function exactDigits(value: unknown): string | null {
  return isRawJson(value) ? value.rawJSON : null;
}

/** FHIR's string: something to read, at most 1 MB, no control characters, and no half of a surrogate pair. */
function isText(value: string): boolean {
  if (isPrintable(value, 0x20)) return value.charCodeAt(0) > 0x20 || /\S/.test(value);
  return value.length <= MAX_STRING_CHARACTERS && /\S/.test(value) && !CONTROL.test(value) && value.isWellFormed();
}

/** True of what is short and of ASCII from this character on; saves the expressions that nearly nothing needs. */
function isPrintable(value: string, from: number): boolean {
  if (value.length > 200) return false;
  for (let index = 0; index < value.length; index++) {
    const code = value.charCodeAt(index);
    if (code < from || code > 0x7e) return false;
  }
  return value !== '';
}

/** Nearly every URI of a resource names one of a few systems. Filled with the first that are right. */
const usualUris = new Set<string>();
const MAX_USUAL_URIS = 500;
const MAX_USUAL_CHARACTERS = 100;

function isUri(value: string): boolean {
  if (value.startsWith('urn:uuid:')) return UUID.test(value);
  if (usualUris.has(value)) return true;
  if (!isUsableUri(value)) return false;
  if (usualUris.size < MAX_USUAL_URIS && value.length <= MAX_USUAL_CHARACTERS) usualUris.add(value);
  return true;
}

function isUsableUri(value: string): boolean {
  if (!isPrintable(value, 0x21) && (value === '' || /\s/.test(value) || CONTROL.test(value))) return false;
  if (value.startsWith('urn:oid:')) return OID.test(value);
  // What people write for the two above.
  return !value.startsWith('oid:') && !value.startsWith('uuid:');
}

/** RFC 4648 §4, padded, without white space. A loop, for a regular expression would run out of stack on a document. */
function isBase64(value: string): boolean {
  if (value.length === 0 || value.length % 4 !== 0) return false;
  const padding = value.endsWith('==') ? 2 : value.endsWith('=') ? 1 : 0;
  for (let index = value.length - padding - 1; index >= 0; index--) {
    const code = value.charCodeAt(index);
    if (code < 128 ? BASE64_CODES[code] !== 1 : true) return false;
  }
  return true;
}

const BASE64_CODES = new Uint8Array(128);
for (const character of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/') {
  BASE64_CODES[character.charCodeAt(0)] = 1;
}
