import { readInstant } from '../instant.ts';
import { foundText } from '../scope.ts';
import type { FunctionCall } from '../functions.ts';

/** Minutes from the first time to the second, below 0 where that is the earlier; null where there are not two times with offset. */
export function minutesBetween({ found, run }: FunctionCall): number | null {
  if (found.length !== 2) return null;
  const [from, to] = found.map((one) => readInstant(foundText(one, run)));
  if (from == null || to == null) return null;
  return (to.epochMilliseconds - from.epochMilliseconds) / 60_000;
}
