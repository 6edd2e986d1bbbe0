import type { AnyPlugin } from './configuration.ts';
import { keysAt } from './keys-at.ts';

const NAME = /^[a-z][a-z0-9-]*$/;

/**
 * Looks whether an imported value is a plugin.
 * @param taken plugins that are there already
 * @param reserved keys that the engine itself reads at a target
 * @throws Error in words for people
 */
export function checkPlugin(value: unknown, taken: readonly AnyPlugin[], reserved: readonly string[]): AnyPlugin {
  if (typeof value !== 'object' || value === null) throw new Error('its default export is not a plugin');
  const plugin = value as Partial<AnyPlugin>;
  if (plugin.kind !== 'source' && plugin.kind !== 'target') throw new Error('its kind is neither source nor target');
  if (typeof plugin.name !== 'string' || !NAME.test(plugin.name)) {
    throw new Error('its name does not consist of small letters, digits and hyphens');
  }
  if (typeof plugin.create !== 'function') throw new Error('it has no function create');
  if (typeof plugin.config?.safeParse !== 'function' || plugin.config.def === undefined) {
    throw new Error('its config is not a schema of zod 4');
  }
  if (taken.some((one) => one.kind === plugin.kind && one.name === plugin.name)) {
    throw new Error(`there is a ${plugin.kind} of the name ${plugin.name} already`);
  }
  const clash = keysAt(plugin.config, []).find((key) => reserved.includes(key));
  if (clash !== undefined) throw new Error(`its key ${clash} is one that the engine reads itself`);
  return plugin as AnyPlugin;
}
