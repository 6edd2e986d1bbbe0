/** Chance that comes out the same for the same seed. */
export interface Randomness {
  /** [0, 1) */
  next(): number;
  /** A whole number, both ends included. */
  between(least: number, most: number): number;
  pick<Thing>(among: readonly Thing[]): Thing;
  /** True so often, of 1. */
  chance(share: number): boolean;
}

/** @param seed any integer */
export function createRandomness(seed: number): Randomness {
  let state = seed | 0;
  const next = () => {
    // mulberry32
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  const between = (least: number, most: number) => least + Math.floor(next() * (most - least + 1));
  return {
    next,
    between,
    pick: (among) => among[between(0, among.length - 1)] as (typeof among)[number],
    chance: (share) => next() < share,
  };
}
