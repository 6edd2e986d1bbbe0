import type { LogFields } from '../contracts/log.ts';
import type { Host } from '../contracts/plugin.ts';

/** However often it happens, it is said this often. */
const EVERY_MS = 60_000;

/** A warning that whoever connects could bring about as often as he likes: said at once, then at most once a minute, with the count. */
export function createRareWarning(
  host: Pick<Host, 'log' | 'clock'>,
  event: string,
): (fields: Omit<LogFields, 'count'>) => void {
  let saidAt = Number.NEGATIVE_INFINITY;
  let count = 0;
  return (fields) => {
    count += 1;
    const now = host.clock.now();
    if (Math.abs(now - saidAt) < EVERY_MS) return;
    host.log.warn(event, { ...fields, count });
    saidAt = now;
    count = 0;
  };
}
