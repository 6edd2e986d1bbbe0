import type { Delimiters } from './delimiters.ts';

/** How many parts a message may have: segments, fields of each, repetitions of each of those. */
export interface PartLimits {
  readonly segments: number;
  readonly fields: number;
  readonly repetitions: number;
}

const LF = 0x0a;
const CR = 0x0d;

/**
 * Says which limit a message breaks first, `limit 20000 segments`; null = none. One pass over the bytes, before anything
 * is decoded or cut. In UTF-16 a character that has a delimiter for one of its bytes counts as one, which makes no
 * difference to limits of this size.
 */
export function findExcess(bytes: Uint8Array, delimiters: Delimiters, limits: PartLimits): string | null {
  const { segments: mostSegments, fields: mostFields, repetitions: mostRepetitions } = limits;
  // A part takes a byte at least, so that nearly every message needs no counting of its smallest parts.
  if (bytes.length <= Math.min(mostSegments, mostFields, mostRepetitions)) return null;
  const fieldMark = delimiters.field.charCodeAt(0);
  const repetitionMark = delimiters.repetition.charCodeAt(0);
  let segments = 0;
  let fields = 0;
  let repetitions = 1;
  let isLineStart = true;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === CR || byte === LF) {
      isLineStart = true;
      continue;
    }
    if (isLineStart) {
      isLineStart = false;
      fields = 0;
      repetitions = 1;
      if (++segments > mostSegments) return `limit ${mostSegments} segments`;
    }
    if (byte === fieldMark) {
      repetitions = 1;
      if (++fields > mostFields) return `limit ${mostFields} fields a segment`;
    } else if (byte === repetitionMark && ++repetitions > mostRepetitions) {
      return `limit ${mostRepetitions} repetitions a field`;
    }
  }
  return null;
}
