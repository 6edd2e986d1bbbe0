/**
 * hl7/ is HL7 v2 as a language: bytes ↔ values. Frames, character sets, header, message, paths, escapes, date-times,
 * batches, acknowledgements. It must never know I/O, a clock or randomness: everything here is a pure function of its
 * arguments.
 */

/** The five delimiters a message declares in MSH-1 and MSH-2; `truncation` (v2.7) where it is declared. */
export interface Delimiters {
  readonly field: string;
  readonly component: string;
  readonly repetition: string;
  /** null where MSH-2 ends before it. */
  readonly escape: string | null;
  readonly subcomponent: string | null;
  readonly truncation: string | null;
}

export const STANDARD_DELIMITERS: Delimiters = {
  field: '|',
  component: '^',
  repetition: '~',
  escape: '\\',
  subcomponent: '&',
  truncation: null,
};

/** What stands in MSH-2. */
export function encodingCharacters(of: Delimiters): string {
  // The first null ends MSH-2, so what is null leaves no gap.
  return [of.component, of.repetition, of.escape ?? '', of.subcomponent ?? '', of.truncation ?? ''].join('');
}
