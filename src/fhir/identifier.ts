import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';

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

/** HMAC-SHA-256 of the parts as 64 hex digits; where one part ends and the next begins makes a difference. */
export function deriveKey(secret: Uint8Array, parts: readonly string[]): string {
  return createHmac('sha256', keyOf(secret)).update(JSON.stringify(parts)).digest('hex');
}

/** Making a key object out of bytes costs several times the HMAC itself. */
const keys = new WeakMap<Uint8Array, KeyObject>();

function keyOf(secret: Uint8Array): KeyObject {
  const known = keys.get(secret);
  if (known !== undefined) return known;
  const key = createSecretKey(secret);
  keys.set(secret, key);
  return key;
}
