import type { z } from 'zod';
import { closestName } from '../contracts/closest-name.ts';
import type { SourcePlugin, TargetPlugin } from '../contracts/plugin.ts';
import type { AckDialect } from '../contracts/source.ts';
import type { AnyPlugin, ChannelConfiguration, ConfigProblem, TargetConfiguration } from './configuration.ts';
import { issuesToProblems } from './issue.ts';
import { type channel, type target, targetLimits } from './schema.ts';
import type { YamlFile } from './yaml-file.ts';

/** Keys of a target that the engine reads itself. */
export const ENGINE_KEYS: readonly string[] = ['kind', ...Object.keys(targetLimits.shape)];

/** The two ends of the engine as the file states them, before any plugin has looked at its part. */
export interface Ends {
  readonly targets: Readonly<Record<string, z.output<typeof target>>>;
  readonly channels: Readonly<Record<string, z.output<typeof channel>>>;
}

/** What can be read of targets and channels in a file that has mistakes elsewhere. */
export function looseShape(value: unknown): Ends {
  const isMap = (one: unknown): one is Record<string, unknown> => typeof one === 'object' && one !== null;
  const maps = (one: unknown) => Object.fromEntries(Object.entries(isMap(one) ? one : {}).filter(([, v]) => isMap(v)));
  const top = isMap(value) ? value : {};
  return { targets: maps(top.targets), channels: maps(top.channels) } as Ends;
}

/** Hands each target and source to its plugin's schema. */
export function readEnds(shape: Ends, yaml: YamlFile, plugins: readonly AnyPlugin[], problems: ConfigProblem[]) {
  const check = (kind: AnyPlugin['kind'], value: unknown, path: readonly string[], engineKeys: readonly string[]) =>
    checkAgainstPlugin({ kind, value, path, engineKeys, yaml, plugins, problems });
  const targets: TargetConfiguration[] = [];
  for (const [name, value] of Object.entries(shape.targets)) {
    const found = check('target', value, ['targets', name], ENGINE_KEYS);
    if (found === null) continue;
    const { concurrency, rate, timeout, retry, giveUpAfter, giveUpFailures, breaker, pauseProbe } = value;
    const limits = {
      concurrency,
      rate: rate ?? null,
      timeoutMs: timeout,
      retry: { minMs: retry?.min, maxMs: retry?.max },
      giveUp: { afterFailures: giveUpFailures, afterMs: giveUpAfter },
      breakAfterDeliveries: breaker?.deliveries,
      breakerProbeMs: breaker?.probe,
      pauseProbeMs: pauseProbe,
    };
    targets.push({ name, plugin: found.plugin as TargetPlugin, config: found.config, limits });
  }
  const channels: ChannelConfiguration[] = [];
  for (const [name, value] of Object.entries(shape.channels)) {
    const found = check('source', value.source, ['channels', name, 'source'], ['kind']);
    if (found === null) continue;
    const {
      mappings,
      parties,
      charset,
      zone,
      limits,
      acknowledge,
      ackDialect,
      answerWithin,
      return: returnTo,
      quietAfter,
    } = value;
    channels.push({
      name,
      source: { plugin: found.plugin as SourcePlugin, config: found.config },
      mappings,
      parties,
      charset: { default: charset?.default ?? null, force: charset?.force ?? null },
      zone: zone ?? null,
      limits,
      acknowledge,
      answerWithinMs: answerWithin,
      ackDialect: dialectOf(ackDialect),
      targets: yaml.place(['channels', name, 'targets']),
      returnTo: returnTo ?? null,
      quietAfterMs: quietAfter === 'usual' ? null : quietAfter,
      mappingsPlace: yaml.place(['channels', name, 'mappings']),
      with: yaml.place(['channels', name, 'with']),
    });
  }
  return { targets, channels };
}

/** The schema leaves codes that are not named undefined. */
function dialectOf(read: z.output<typeof channel>['ackDialect']): AckDialect {
  const { codes = {}, err, msa3 } = read ?? {};
  const named = Object.entries(codes).filter(([, code]) => code !== undefined);
  return { codes: Object.fromEntries(named) as AckDialect['codes'], err, msa3 };
}

function checkAgainstPlugin(parts: {
  readonly kind: AnyPlugin['kind'];
  readonly value: unknown;
  readonly path: readonly string[];
  readonly engineKeys: readonly string[];
  readonly yaml: YamlFile;
  readonly plugins: readonly AnyPlugin[];
  readonly problems: ConfigProblem[];
}): { plugin: AnyPlugin; config: unknown } | null {
  const { kind, value, path, engineKeys, yaml, plugins, problems } = parts;
  if (typeof value !== 'object' || value === null || !('kind' in value) || typeof value.kind !== 'string') return null;
  const named = value.kind;
  const plugin = plugins.find((one) => one.kind === kind && one.name === named);
  if (plugin === undefined) {
    const known = plugins.filter((one) => one.kind === kind).map((one) => one.name);
    const meant = closestName(named, known);
    const hint = meant === null ? `There are ${known.join(', ')}.` : `Did you mean “${meant}”?`;
    problems.push(yaml.problemAt([...path, 'kind'], `There is no ${kind} of kind “${named}”. ${hint}`));
    return null;
  }
  const own = Object.fromEntries(Object.entries(value).filter(([key]) => !engineKeys.includes(key)));
  const parsed = plugin.config.safeParse(own);
  if (parsed.success) return { plugin, config: parsed.data };
  const checked = { yaml, schema: plugin.config, prefix: path, alsoKnown: engineKeys };
  problems.push(...issuesToProblems(parsed.error, checked));
  return null;
}
