import { Fault } from '../contracts/fault.ts';
import { offsetAt } from '../hl7/zone-offset.ts';
import { DAY_MS, startOfDay } from './day.ts';
import { readInstant } from './instant.ts';
import { compilePart } from './rule.ts';
import { foundText, type Scope } from './scope.ts';
import type { Evaluate, Surroundings } from './surroundings.ts';
import type { YamlNode } from './yaml-node.ts';

/** Gives ms since the epoch, or null where the rule finds no time to count from. @throws Fault */
export type Schedule = (scope: Scope) => number | null;

/**
 * Compiles `{ after: $sampled, days: 11 }` or `{ after: …, hours: 72 }`; the number may be a `$name` or a rule. Days are
 * calendar days in the run's zone, so a clock change does not shift them; they count to the beginning of that day, or to
 * its end where something is to end with it.
 * @throws ProblemError
 */
export function compileSchedule(node: YamlNode, around: Surroundings, edge: 'begin' | 'end'): Schedule {
  const keys = node.keys(['after', 'days', 'hours', 'because']);
  const after: Evaluate = compilePart(keys.get('after') ?? node.fail('A schedule needs after: …'), around);
  const days = compileNumber(keys.get('days'), around);
  const hours = compileNumber(keys.get('hours'), around);
  if ((days === null) === (hours === null)) node.fail('A schedule needs either days or hours');
  const where = node.where;
  return (scope) => {
    const found = after(scope);
    if (found === null) return null;
    const from = readInstant(foundText(found, scope.run));
    if (from === null)
      throw new Fault('mapping-incomplete', { at: found.at, where, detail: 'a time with offset is needed' });
    if (hours !== null) return Math.round(from + hours(scope) * 3_600_000);
    const { zone } = scope.run;
    const day = Math.floor((from + offsetAt(from, zone)) / DAY_MS);
    return startOfDay(day + (days?.(scope) ?? 0) + (edge === 'end' ? 1 : 0), zone);
  };
}

/** A number as it stands there, or what a `$name` or a rule gives. @throws ProblemError */
function compileNumber(node: YamlNode | undefined, around: Surroundings): ((scope: Scope) => number) | null {
  if (node === undefined) return null;
  const isName = node.isScalar && !node.isNull && node.text().startsWith('$');
  if (node.isScalar && !isName) {
    const number = node.number();
    if (!isCount(number)) node.fail('Expected a whole number, not below 0');
    return () => number;
  }
  const rule = compilePart(node, around);
  const where = node.where;
  return (scope) => {
    const found = rule(scope);
    const text = found === null ? '' : foundText(found, scope.run).trim();
    const number = text === '' ? Number.NaN : Number(text);
    if (!isCount(number)) throw new Fault('mapping-incomplete', { where, detail: 'a whole number is needed' });
    return number;
  };
}

/** More than a thousand years of hours would leave the calendar. */
function isCount(number: number): boolean {
  return Number.isInteger(number) && number >= 0 && number <= 10_000_000;
}
