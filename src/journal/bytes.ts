/**
 * Copies the byte arrays inside plain data into one buffer of its own, which can be transferred to another thread. The
 * caller's buffers stay his: a slice of a pool would else be cloned with all of its pool, or torn out of his hands.
 */
export function ownBytes<T>(value: T): { readonly value: T; readonly buffer: ArrayBuffer } {
  const buffer = new ArrayBuffer(countBytes(value));
  let used = 0;
  const copy = (part: unknown): unknown => {
    if (part instanceof Uint8Array) {
      const own = new Uint8Array(buffer, used, part.byteLength);
      own.set(part);
      used += part.byteLength;
      return own;
    }
    if (Array.isArray(part)) return part.map(copy);
    if (part === null || typeof part !== 'object') return part;
    const made: Record<string, unknown> = {};
    for (const key of Object.keys(part)) made[key] = copy((part as Record<string, unknown>)[key]);
    return made;
  };
  return { value: copy(value) as T, buffer };
}

/** How many bytes the byte arrays inside plain data hold. */
export function countBytes(value: unknown): number {
  if (value instanceof Uint8Array) return value.byteLength;
  if (value === null || typeof value !== 'object') return 0;
  let count = 0;
  for (const part of Object.values(value)) count += countBytes(part);
  return count;
}
