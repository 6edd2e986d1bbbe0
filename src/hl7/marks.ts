/** Finds two kinds of byte in a chunk without looking twice at any byte, however they are mixed. */
export class Marks {
  readonly #bytes: Uint8Array;
  readonly #one: number;
  readonly #other: number;
  #nextOne = -1;
  #nextOther = -1;

  constructor(bytes: Uint8Array, one: number, other: number) {
    this.#bytes = bytes;
    this.#one = one;
    this.#other = other;
  }

  /** Where the first of either is, at or behind `from`; the length of the chunk where there is none. `from` never falls. */
  next(from: number): number {
    if (this.#nextOne < from) this.#nextOne = this.#find(this.#one, from);
    if (this.#nextOther < from) this.#nextOther = this.#find(this.#other, from);
    return Math.min(this.#nextOne, this.#nextOther);
  }

  #find(byte: number, from: number): number {
    const found = this.#bytes.indexOf(byte, from);
    return found < 0 ? this.#bytes.length : found;
  }
}

/** True for a byte that can be MSH-1: printable ASCII, neither letter nor digit nor blank. */
export function isSeparator(byte: number): boolean {
  const isLetterOrDigit = (byte >= 0x30 && byte <= 0x39) || ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a);
  return byte > 0x20 && byte < 0x7f && !isLetterOrDigit;
}
