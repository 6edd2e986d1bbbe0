/** The smallest buffer made for what is gathered. */
const FIRST_BYTES = 4096;
/** A buffer of this size is outgrown by far: what of the next is not written to takes no memory, what is outgrown does. */
const LARGE_BYTES = 1 << 20;

/**
 * Gathers the pieces of something that comes in several chunks into one run of bytes. Each byte is copied a bounded
 * number of times however small the pieces are, and what lies whole in one chunk is not copied at all.
 */
export class Gathered {
  readonly #mostBytes: number;
  #held: Buffer = Buffer.alloc(0);
  #length = 0;

  /** @param mostBytes more than these are seldom gathered */
  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  /** Bytes gathered so far. */
  get length(): number {
    return this.#length;
  }

  add(chunk: Uint8Array, start: number, end: number): void {
    const needed = this.#length + end - start;
    if (needed > this.#held.length) {
      const growth = this.#held.length < LARGE_BYTES ? 2 : 16;
      const wanted = Math.min(this.#mostBytes, Math.max(FIRST_BYTES, this.#held.length * growth));
      const grown = Buffer.allocUnsafeSlow(Math.max(wanted, needed));
      this.#held.copy(grown, 0, 0, this.#length);
      this.#held = grown;
    }
    this.#held.set(chunk.subarray(start, end), this.#length);
    this.#length = needed;
  }

  /** Everything gathered with this last piece, and begins anew. The result may be a view of the chunk. */
  take(chunk: Uint8Array, start: number, end: number): Uint8Array {
    if (this.#length === 0) return chunk.subarray(start, end);
    this.add(chunk, start, end);
    const all = this.#held.subarray(0, this.#length);
    this.drop();
    return all;
  }

  /** Forgets what was gathered. */
  drop(): void {
    this.#held = Buffer.alloc(0);
    this.#length = 0;
  }
}
