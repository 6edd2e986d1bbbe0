import { isDeepStrictEqual } from 'node:util';
import type { ConfigProblem, Configuration } from './config/configuration.ts';

/**
 * What a running Sluss cannot take over from a changed configuration, each at its line in the new one; empty = all of it.
 * Everything else can: parties, targets, channels with their listeners, mappings, limits, the level of the log.
 */
export function findRestartOnly(inForce: Configuration<unknown>, next: Configuration<unknown>): ConfigProblem[] {
  const compared: [path: readonly string[], before: unknown, after: unknown][] = [
    [['journal'], journalOf(inForce), journalOf(next)],
    [['secret'], [...inForce.secret], [...next.secret]],
    [['console'], inForce.console, next.console],
    [['alarms'], [inForce.upkeep.alarms, inForce.webhook], [next.upkeep.alarms, next.webhook]],
    [['retention'], [inForce.upkeep.retention, inForce.upkeep.junk], [next.upkeep.retention, next.upkeep.junk]],
    [['alarms'], [inForce.upkeep.alarms, inForce.webhook], [next.upkeep.alarms, next.webhook]],
    [['retention'], [inForce.upkeep.retention, inForce.upkeep.junk], [next.upkeep.retention, next.upkeep.junk]],
    [['log', 'pretty'], inForce.log.pretty, next.log.pretty],
  ];
  return compared
    .filter(([, before, after]) => !isDeepStrictEqual(before, after))
    .map(([path]) => next.problemAt(path, `“${path.join('.')}” takes effect at a restart only.`));
}

function journalOf({ journal, journalServer, journalLimits, control }: Configuration<unknown>) {
  return [journal, journalServer, journalLimits, control];
}
