import { listedAt } from './functions/listed-at.ts';
import { readSwedishIdentity } from './functions/swedish-identity.ts';
import { daysBetween, minutesBetween, yearsBetween } from './functions/time-distance.ts';
import type { Found, Run } from './scope.ts';
import type { Table } from './table.ts';

/** What a function is called with: everything its `from` or `all` found, and the table beside it, where there is one. */
export interface FunctionCall {
  readonly found: readonly Found[];
  readonly table: Table | null;
  readonly run: Run;
  /** `file:line:col` of the call. */
  readonly where: string;
}

/**
 * A pure function that mapping files may call. It gives a plain value (members are read as `$name.member`), or null.
 * @throws Fault
 */
export type MappingFunction = (call: FunctionCall) => unknown;

/** What a mapping may call; YAML can call nothing else. */
export const FUNCTIONS: Readonly<Record<string, MappingFunction>> = {
  'days-between': daysBetween,
  'listed-at': listedAt,
  'minutes-between': minutesBetween,
  'swedish-identity': readSwedishIdentity,
  'years-between': yearsBetween,
};
