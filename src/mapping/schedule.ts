import { Temporal } from 'temporal-polyfill';
import { Fault } from '../contracts/fault.ts';
import { compilePart } from './rule.ts';
import type { Evaluate, Surroundings } from './surroundings.ts';
import { foundText, type Scope } from './scope.ts';
import type { YamlNode } from './yaml-node.ts';

/** Gives ms since the epoch, or null where the rule finds no time to count from. @throws Fault */
export type Schedule = (scope: Scope) => number | null;

/**
 * Compiles `{ after: $sampled, days: 11 }` (the beginning of the 11th local day after) or `{ after: …, hours: 72 }`.
 * Days are calendar days in the run's zone, so a clock change does not shift them.
 * @throws ProblemError
 */
export function compileSchedule(node: YamlNode, around: Surroundings): Schedule {
  const keys = node.keys(['after', 'days', 'hours', 'because']);
  const after: Evaluate = compilePart(keys.get('after') ?? node.fail('A schedule needs after: …'), around);
  const days = keys.get('days')?.number() ?? null;
  const hours = keys.get('hours')?.number() ?? null;
  if ((days === null) === (hours === null)) node.fail('A schedule needs either days or hours');
  const where = node.where;
  return (scope) => {
    const found = after(scope);
    if (found === null) return null;
    const from = readInstant(foundText(found, scope.run));
    if (from === null)
      throw new Fault('mapping-incomplete', { at: found.at, where, detail: 'a time with offset is needed' });
    if (hours !== null) return from.epochMilliseconds + hours * 3_600_000;
    const day = from
      .toZonedDateTimeISO(scope.run.zone)
      .toPlainDate()
      .add({ days: days ?? 0 });
    return day.toZonedDateTime(scope.run.zone).epochMilliseconds;
  };
}

function readInstant(text: string): Temporal.Instant | null {
  try {
    return Temporal.Instant.from(text);
  } catch {
    return null;
  }
}
