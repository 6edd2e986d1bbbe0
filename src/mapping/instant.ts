import { Temporal } from 'temporal-polyfill';

/** Reads a FHIR time with offset; null = it is none. */
export function readInstant(text: string): Temporal.Instant | null {
  try {
    return Temporal.Instant.from(text);
  } catch {
    return null;
  }
}
