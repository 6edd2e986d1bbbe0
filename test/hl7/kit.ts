import fc from 'fast-check';
import type { Delimiters } from '../../src/hl7/delimiters.ts';

const PUNCTUATION = [...'!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~'];

/** Any delimiters that `readHeader` takes: different printable characters that are no letters or digits. */
export const arbitraryDelimiters: fc.Arbitrary<Delimiters> = fc
  .shuffledSubarray(PUNCTUATION, { minLength: 5, maxLength: 6 })
  .map(([field = '', component = '', repetition = '', escaper = '', subcomponent = '', truncation = null]) => ({
    field,
    component,
    repetition,
    escape: escaper,
    subcomponent,
    truncation,
  }));
