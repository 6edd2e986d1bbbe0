import { createHmac, hash } from 'node:crypto';
import type { Pieces } from './json-pieces.ts';

/**
 * fhir/ is FHIR R4 as a language: identifiers, JSON, resource checks. It must never know I/O, a clock or randomness.
 */

const LENGTH = 25;

/**
 * An identifier in `[0-9A-Z]` that says nothing about a person: base-36 HMAC-SHA-256 of the parts, 25 characters
 * (129 bits). Equal parts under one secret always give the same identifier, so a request can safely be repeated.
 */
export function deriveIdentifier(secret: Uint8Array, parts: readonly string[]): string {
  const number = BigInt(`0x${deriveKey(secret, parts)}`);
  return number.toString(36).toUpperCase().padStart(50, '0').slice(-LENGTH);
}

/**
 * HMAC-SHA-256 of the parts as 64 hex digits; where one part ends and the next begins makes a difference, but not where
 * the pieces of one part do.
 */
export function deriveKey(secret: Uint8Array, parts: readonly (string | Pieces)[]): string {
  if (!parts.every((part) => typeof part === 'string')) return deriveLongKey(secret, parts);
  const text = JSON.stringify(parts);
  if (text.length > MAX_SHORT_CHARACTERS) return createHmac('sha256', secret).update(text).digest('hex');
  const { inner, outer } = padsOf(secret);
  const bytes = inner.write(text, BLOCK_BYTES, 'utf8');
  outer.write(hash('sha256', inner.subarray(0, BLOCK_BYTES + bytes), 'binary'), BLOCK_BYTES, 'latin1');
  return hash('sha256', outer, 'hex');
}

/** Escaped and hashed a slice at a time, so that what is long is not there once more. */
function deriveLongKey(secret: Uint8Array, parts: readonly (string | Pieces)[]): string {
  const hmac = createHmac('sha256', secret);
  for (const [index, part] of parts.entries()) {
    hmac.update(index === 0 ? '["' : ',"');
    for (const piece of typeof part === 'string' ? [part] : part) {
      for (let from = 0; from < piece.length; ) {
        // Both halves of a character go together.
        const isCut = (piece.charCodeAt(from + SLICE_CHARACTERS - 1) & 0xfc00) === 0xd800;
        const to = from + SLICE_CHARACTERS + (isCut ? 1 : 0);
        hmac.update(JSON.stringify(piece.slice(from, to)).slice(1, -1));
        from = to;
      }
    }
    hmac.update('"');
  }
  return hmac.update(']').digest('hex');
}

const SLICE_CHARACTERS = 32_768;

// HMAC out of two plain hashes (RFC 2104): an object of class Hmac takes twice as long for the name of a resource (1.4
// instead of 0.7 µs), and less than the hashing only where a body is long.
const BLOCK_BYTES = 64;
const DIGEST_BYTES = 32;
const MAX_SHORT_CHARACTERS = 20_000;
const MAX_BYTES_A_CHARACTER = 3;

/** What is hashed first and second: a block made of the secret, and room for what follows it. */
interface Pads {
  readonly inner: Buffer;
  readonly outer: Buffer;
}

const pads = new WeakMap<Uint8Array, Pads>();

function padsOf(secret: Uint8Array): Pads {
  const known = pads.get(secret);
  if (known !== undefined) return known;
  const key = secret.length > BLOCK_BYTES ? hash('sha256', secret, 'buffer') : secret;
  const inner = Buffer.alloc(BLOCK_BYTES + MAX_SHORT_CHARACTERS * MAX_BYTES_A_CHARACTER);
  const outer = Buffer.alloc(BLOCK_BYTES + DIGEST_BYTES);
  for (let index = 0; index < BLOCK_BYTES; index += 1) {
    const byte = key[index] ?? 0;
    inner[index] = byte ^ 0x36;
    outer[index] = byte ^ 0x5c;
  }
  const made = { inner, outer };
  pads.set(secret, made);
  return made;
}
