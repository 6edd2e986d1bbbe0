import { type FieldSet, MAX_SET_FIELD } from '../hl7/message.ts';
import { findSegmentsAt, type Path } from '../hl7/path.ts';
import type { Scope } from './scope.ts';

/**
 * Fields of one segment, of which a rule makes nothing where all are empty. Most rules of a general mapping are about
 * what a message does not say, and one look at these passes a whole element over (see DECISIONS.md, 57).
 */
export interface FieldNeed extends FieldSet {
  readonly group: string | null;
  readonly segment: string;
}

/** What a rule needs, one of these at least; null = nobody can say. */
export type FieldNeeds = readonly FieldNeed[] | null;

/** The need of a rule that reads this path and nothing else. */
export function needOf({ group, segment, field }: Path): FieldNeeds {
  if (field === null || field > MAX_SET_FIELD) return null;
  return [{ group, segment, low: field < 32 ? 1 << field : 0, high: field < 32 ? 0 : 1 << (field - 32) }];
}

/** What a rule needs that makes something where any of its parts does. */
export function needOfAny(parts: readonly FieldNeeds[]): FieldNeeds {
  const joined = new Map<string, FieldNeed>();
  for (const part of parts) {
    if (part === null) return null;
    for (const need of part) {
      const key = `${need.group}.${need.segment}`;
      const { low = 0, high = 0 } = joined.get(key) ?? {};
      joined.set(key, { ...need, low: low | need.low, high: high | need.high });
    }
  }
  return [...joined.values()];
}

/** False if a rule with these needs can make nothing of what the message says; then it need not be asked. */
export function mayMakeSomething(needs: FieldNeeds, scope: Scope): boolean {
  if (needs === null) return true;
  for (const need of needs)
    for (const segment of findSegmentsAt(need, scope.group)) if (segment.isAnyFilled(need)) return true;
  return false;
}
