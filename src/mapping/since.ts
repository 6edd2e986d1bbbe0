import { Temporal } from 'temporal-polyfill';
import { Fault } from '../contracts/fault.ts';
import { readLocalDay } from './instant.ts';
import { compilePart } from './rule.ts';
import { Found, foundText, type Scope } from './scope.ts';
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
      if (readDate(date) !== date) keyNode.fail('Expected a date', 'such as 2021-07-01');
      return { date, value: Found.made(value.literal()) };
    })
    .sort((a, b) => (a.date < b.date ? 1 : -1));
  const time = compilePart(of ?? node.fail('since needs of: the time whose day counts'), around);
  const where = node.where;
  return (scope) => {
    const found = time(scope);
    if (found === null) return null;
    const day = dayOf(foundText(found, scope.run), scope);
    if (day === null)
      throw new Fault('mapping-incomplete', { at: found.at, where, detail: 'a date or time is needed' });
    return steps.find(({ date }) => date <= day)?.value ?? null;
  };
}

/** The local day of a time with offset, or a date itself; null = neither. */
function dayOf(text: string, scope: Scope): string | null {
  return readLocalDay(text, scope.run.zone)?.toString() ?? readDate(text);
}

function readDate(text: string): string | null {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return null;
  try {
    return Temporal.PlainDate.from(text, { overflow: 'reject' }).toString();
  } catch {
    return null;
  }
}
