import type { Fault, FaultRecord } from '../contracts/fault.ts';
import type { Draft, Mapped, Skipped, Statement } from '../contracts/mapper.ts';
import type { TrailEntry } from './trail.ts';

/** What became of one result. A result with a fault has neither a statement nor drafts. */
export interface ResultOutcome {
  readonly at: string | null;
  readonly statement: Statement | null;
  readonly drafts: readonly Draft[];
  readonly skipped: Skipped | null;
  /** Keys of what it brings; also where it is no result. */
  readonly provides: readonly string[];
  readonly faults: readonly Fault[];
  /** Each body that was made, also of a result with faults; [] unless the run's trail is on. */
  readonly made: readonly MadeBody[];
}

/** A body, and what made which element of it. */
export interface MadeBody extends Pick<Draft, 'target' | 'operation' | 'party'> {
  /** JSON; of an HL7 message the fields by location. */
  readonly body: string;
  readonly trail: readonly TrailEntry[];
  /** What it needs and its message does not provide: why it is not sent for now; null = nothing. */
  readonly lacks: string | null;
  /** `file:line:col` of its entry of `deliver:`. */
  readonly where: string;
}

/** A delivery that an answer gives rise to; without a body it could not be made, and its draft says why. */
export interface FollowUp {
  readonly draft: Draft;
  readonly body: MadeBody | null;
}

/** What all results of a message come to. */
export function gatherOutcomes(outcomes: readonly ResultOutcome[], warnings: readonly FaultRecord[]): Mapped {
  return {
    statements: outcomes.map(({ statement }) => statement).filter((statement) => statement !== null),
    drafts: outcomes.flatMap(({ drafts }) => drafts),
    skipped: outcomes.map(({ skipped }) => skipped).filter((skipped) => skipped !== null),
    provides: [...new Set(outcomes.flatMap(({ provides }) => provides))],
    faults: onceEach(outcomes.flatMap(({ faults }) => faults.map(({ record }) => record))),
    warnings: onceEach(warnings),
  };
}

/** What is wrong with PID is met again by every result of the message; it is one fault. */
function onceEach(records: readonly FaultRecord[]): FaultRecord[] {
  if (records.length < 2) return [...records];
  return [...new Map(records.map((record) => [JSON.stringify(record), record])).values()];
}
