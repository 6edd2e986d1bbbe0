import { z } from 'zod';
import type { AnyPlugin } from './configuration.ts';
import { channel, configurationSchema, source, target } from './schema.ts';

/** JSON schema of `sluss.yaml` with these plugins, for editors: completion, hints and mistakes while typing. */
export function configurationJsonSchema(party: z.ZodType, plugins: readonly AnyPlugin[]): object {
  const targets = kinds('target', target, plugins);
  const sources = kinds('source', source, plugins);
  const whole = configurationSchema(party);
  const typed = whole.extend({
    targets: z.record(z.string(), targets).describe(whole.shape.targets.description ?? ''),
    channels: z
      .record(z.string(), channel.extend({ source: sources.describe(channel.shape.source.description ?? '') }))
      .describe(whole.shape.channels.description ?? ''),
  });
  const made = z.toJSONSchema(typed, { target: 'draft-7', io: 'input', unrepresentable: 'any' });
  return { ...made, title: 'Sluss configuration' };
}

/** One alternative a plugin: its own keys beside those that the engine reads. */
function kinds(kind: AnyPlugin['kind'], shared: z.ZodObject, plugins: readonly AnyPlugin[]): z.ZodType {
  const alternatives = plugins
    .filter((plugin) => plugin.kind === kind)
    .map(({ name, summary, config }) => {
      const own = config instanceof z.ZodObject ? config.shape : {};
      const keys = { ...shared.shape, ...own, kind: z.literal(name).describe(summary) };
      return z.strictObject(keys).describe(summary);
    });
  return z.union(alternatives);
}
