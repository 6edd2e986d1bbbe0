import { hash } from 'node:crypto';
import { FAULTS, type FaultRecord } from '../contracts/fault.ts';
import type { Outcome, OutcomeDraft } from '../contracts/journal.ts';
import type { Draft, Mapped, Skipped } from '../contracts/mapper.ts';
import type { Operation } from '../contracts/target.ts';

/** What the engine knows of a target's operation; null where there is none of that name. */
export type FindOperation = (target: string, operation: string) => Operation | null;

/** What every outcome without drafts has in common. */
const nothing = {
  mappingVersion: null,
  statements: [],
  drafts: [],
  skipped: [],
  provides: [],
  faults: [],
  warnings: [],
} as const;

/** Stored, to be mapped from there. */
export const RECEIVED: Outcome = { ...nothing, state: 'received' };

export function refusedOutcome(fault: FaultRecord): Outcome {
  return { ...nothing, state: 'refused', faults: [fault] };
}

export function skippedOutcome(reason: string): Outcome {
  return { ...nothing, state: 'skipped', skipped: [{ reason, at: null }] };
}

/** The mapper threw: nobody knows what the message says, so a person looks at it. */
export function brokenOutcome(mappingVersion: string, detail: string): Outcome {
  return { ...nothing, state: 'held', mappingVersion, faults: [{ code: 'internal', at: null, where: null, detail }] };
}

/** What would be refused is kept for a person instead, where nobody is told of a refusal. */
export function heldInstead(outcome: Outcome): Outcome {
  return outcome.state === 'refused' ? { ...outcome, state: 'held' } : outcome;
}

/**
 * The state a message earns by what the mapper made of it. A fault of the message refuses it whole, before anything of
 * it leaves; every other fault holds what it concerns, and the drafts beside it go on.
 */
export function mappedToOutcome(
  mapped: Mapped,
  mappingVersion: string,
  parties: readonly string[],
  findOperation: FindOperation,
): Outcome {
  if (mapped.faults.some(isOfMessage)) {
    // What a refused message states is not taken either: its mended successor must not find itself known already.
    const { skipped, faults, warnings } = mapped;
    return { ...nothing, state: 'refused', mappingVersion, skipped, faults, warnings };
  }
  const drafts = mapped.drafts.map((draft) => readyDraft(draft, parties, findOperation));
  // What lacks something may never go, so nobody is troubled with it; the journal knows whether another message brought it.
  const toSend = drafts.filter(
    ({ waived, needs }) => waived === null && (needs === null || mapped.provides.includes(needs.key)),
  );
  const faults = [...mapped.faults, ...toSend.flatMap((draft) => draft.held ?? [])];
  const { statements, skipped, provides, warnings } = mapped;
  const rest = { mappingVersion, statements, drafts, skipped, provides, faults, warnings };
  if (faults.length > 0) return { ...rest, state: 'held' };
  if (toSend.length > 0) return { ...rest, state: 'mapped' };
  if (mapped.skipped.length > 0) return { ...rest, state: 'skipped' };
  if (mapped.statements.length > 0 || provides.length > 0) return { ...rest, state: 'mapped' };
  const noResults: Skipped = { reason: 'no-results', at: null };
  return { ...rest, state: 'skipped', skipped: [noResults] };
}

/**
 * Gives a draft its operation's rules. A draft that names what the channel may not use is held: the mapper's word is
 * never enough to send under a party the channel does not list.
 */
export function readyDraft(draft: Draft, parties: readonly string[], findOperation: FindOperation): OutcomeDraft {
  const operation = findOperation(draft.target, draft.operation);
  const held = (code: 'mapping-incomplete' | 'party-not-permitted', detail: string): FaultRecord => ({
    code,
    at: null,
    where: null,
    detail,
  });
  if (operation === null) {
    const fault = held('mapping-incomplete', `no operation ${draft.operation} at target ${draft.target}`);
    return { ...draft, inDoubt: 'hold', onCorrection: 'hold', held: fault };
  }
  const { inDoubt, onCorrection } = operation;
  const permitted = parties.includes(draft.party);
  return { ...draft, inDoubt, onCorrection, held: permitted ? draft.flaw : held('party-not-permitted', draft.party) };
}

/** True where the sender has to mend something. */
export function isOfMessage(fault: FaultRecord): boolean {
  return FAULTS[fault.code].blame === 'message';
}

/** Hex SHA-256: with the channel, what makes two messages the same. */
export function hashContent(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex');
}
