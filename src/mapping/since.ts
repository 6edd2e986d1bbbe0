import { Fault } from '../contracts/fault.ts';
import { readDate, readDay } from './day.ts';
import { compilePart } from './rule.ts';
import { Found, foundText } from './scope.ts';
import type { Evaluate, Surroundings } from './surroundings.ts';
import type { YamlNode } from './yaml-node.ts';

/**
 * Compiles `since: { 2021-07-01: 72, 2022-02-01: 48 }` with `of: $sampled`: the value that holds on the day of that
 * time, in the run's zone; before the first date, or without a time, nothing. So what a rule makes of an old sample stays
 * what it was when the law changes.
 * @throws ProblemError
 */
export function compileSince(node: YamlNode, of: YamlNode | null, around: Surroundings): Evaluate {
  const steps = [...node.entries()]
    .map(([date, { keyNode, value }]) => {
      const from = readDate(date) ?? keyNode.fail('Expected a date', 'such as 2021-07-01');
      return { from, value: Found.made(value.literal()) };
    })
    .sort((a, b) => b.from - a.from);
  const time = compilePart(of ?? node.fail('since needs of: the time whose day counts'), around);
  const where = node.where;
  return (scope) => {
    const found = time(scope);
    if (found === null) return null;
    const day = readDay(foundText(found, scope.run), scope.run.zone);
    if (day === null)
      throw new Fault('mapping-incomplete', { at: found.at, where, detail: 'a date or time is needed' });
    return steps.find(({ from }) => from <= day)?.value ?? null;
  };
}
