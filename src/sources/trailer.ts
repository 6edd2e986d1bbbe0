import type { BatchEvent } from '../hl7/batch.ts';

/** Says what is wrong with the end of a batch or file, in words without a value of the message; null = nothing. */
export function describeTrailer(trailer: Extract<BatchEvent, { kind: 'trailer' }>): string | null {
  const { segment, declared, counted, isClosed } = trailer;
  if (!isClosed) return `${segment} is missing after ${counted}`;
  return declared === null || declared === counted ? null : `${segment}-1 says ${declared} but ${counted} came`;
}
