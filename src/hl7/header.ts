import type { Delimiters } from './delimiters.ts';

/** What MSH says, read without decoding the rest. Texts are raw (still escaped), '' where empty or absent. */
export interface Header {
  readonly delimiters: Delimiters;
  /** MSH-3 to MSH-6 whole, with their components, as an acknowledgement turns them round. */
  readonly sendingApplication: string;
  readonly sendingFacility: string;
  readonly receivingApplication: string;
  readonly receivingFacility: string;
  /** MSH-7 raw. */
  readonly sentAt: string;
  /** MSH-9.1, MSH-9.2, MSH-9.3. */
  readonly messageCode: string;
  readonly triggerEvent: string;
  readonly structure: string;
  /** MSH-10. */
  readonly controlId: string;
  /** MSH-11.1. */
  readonly processingId: string;
  /** MSH-12.1. */
  readonly version: string;
  /** MSH-15 and MSH-16: AL NE ER SU or ''. */
  readonly acceptAck: string;
  readonly applicationAck: string;
  /** MSH-18, first repetition, raw: a name of table 0211, or ''. */
  readonly charset: string;
}
