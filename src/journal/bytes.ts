/** Something of this size is worth not being there twice. */
const LARGE_BYTES = 1 << 20;

/** Buffers that are nobody else's any more. */
const given = new WeakSet<ArrayBuffer>();

/** From now on what `ownBytes` makes may take these bytes instead of a copy, and leave none; only where they are large. */
export function give({ buffer, byteLength }: Uint8Array): void {
  if (byteLength >= LARGE_BYTES && byteLength === buffer.byteLength && buffer instanceof ArrayBuffer) given.add(buffer);
}

/**
 * Copies the byte arrays inside plain data into one buffer of its own, which can be transferred to another thread. The
 * caller's buffers stay his: a slice of a pool would else be cloned with all of its pool, or torn out of his hands. Those
 * that were given are the further buffers.
 */
export function ownBytes<T>(value: T): { readonly value: T; readonly buffers: ArrayBuffer[] } {
  const isGiven = (part: Uint8Array): part is Uint8Array<ArrayBuffer> => given.has(part.buffer as ArrayBuffer);
  const buffer = new ArrayBuffer(countBytes(value, (part) => !isGiven(part)));
  const buffers = [buffer];
  let used = 0;
  const copy = (part: unknown): unknown => {
    if (part instanceof Uint8Array) {
      if (isGiven(part)) {
        if (!buffers.includes(part.buffer)) buffers.push(part.buffer);
        return part;
      }
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
  return { value: copy(value) as T, buffers };
}

/** How many bytes the byte arrays inside plain data hold. @param counts which of them count; by default all */
export function countBytes(value: unknown, counts: (part: Uint8Array) => boolean = () => true): number {
  if (value instanceof Uint8Array) return counts(value) ? value.byteLength : 0;
  if (value === null || typeof value !== 'object') return 0;
  let count = 0;
  for (const part of Object.values(value)) count += countBytes(part, counts);
  return count;
}
