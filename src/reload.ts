import { isDeepStrictEqual } from 'node:util';
import {
  type Assembly,
  assemble,
  certificatePath,
  type Installation,
  type Surroundings,
  toChannel,
} from './assembly.ts';
import { ConfigError, type ConfigProblem, type Configuration, problemText } from './config/configuration.ts';
import { faultText } from './contracts/fault.ts';
import type { Mapper } from './contracts/mapper.ts';
import type { NotOpened } from './engine/changeover.ts';
import type { Engine } from './engine/engine.ts';
import type { Channel, TargetPlace } from './engine/settings.ts';
import { type LoadMappings, reloadMappings } from './mappings.ts';
import { findRestartOnly } from './restart-only.ts';
import { startFailureText } from './start-failure.ts';
import type { PartyConfig } from './targets/parties.ts';
import { stampOf, watchQuietly } from './watch-quietly.ts';

type Read = Configuration<PartyConfig>;

/** Puts a changed configuration, or changed mappings, in force while the engine runs. */
export interface Reloads {
  /**
   * Reads the configuration again. What is the same in it lives on undisturbed; what has a mistake, or takes effect at a
   * restart only, is refused whole, and what was in force stays so. True = the newest is in force. Never rejects.
   */
  reload(): Promise<boolean>;
  /** Of the file that is in force. */
  configurationVersion(): string;
  stop(): Promise<void>;
}

/** A source or target with what it was made of. */
interface Made<Named, Thing> {
  readonly named: Named;
  readonly thing: Thing;
}

/** A configuration with what goes with it. */
interface InForce {
  readonly configuration: Read;
  readonly loadMappings: LoadMappings;
  mapper: Mapper;
}

/** Watches the configuration file and the folders of mappings. */
export async function startReloads(parts: {
  readonly file: string;
  readonly around: Surroundings;
  readonly assembly: Assembly;
  readonly mapper: Mapper;
  readonly engine: Engine;
  /** Stamps from before the configuration, and its mappings, were read. */
  readonly stamps: { readonly configuration: string; readonly mappings: string };
}): Promise<Reloads> {
  const { file, around, assembly, engine } = parts;
  const { installation, clock, log, parties } = assembly;
  let inForce: InForce = { ...assembly, mapper: parts.mapper };
  let targets = pair(assembly.configuration.targets, assembly.targets);
  let channels = pair(assembly.configuration.channels, assembly.channels);
  let last: Promise<boolean> = Promise.resolve(true);
  let hasEnded = false;

  /** What a configuration names, of what runs already as far as that is the same. */
  function build(configuration: Read) {
    return {
      targets: configuration.targets.map((named): Made<typeof named, TargetPlace> => {
        const known = targets.find((one) => isSameTarget(one.named, named));
        const place = known?.thing ?? installation.makeTarget(named);
        return { named, thing: { ...place, limits: named.limits } };
      }),
      channels: configuration.channels.map((named): Made<typeof named, Channel> => {
        const known = channels.find((one) => isSameSource(one.named, named));
        return { named, thing: toChannel(named, known?.thing.source ?? installation.makeSource(named)) };
      }),
    };
  }

  async function apply(next: InForce): Promise<readonly NotOpened[]> {
    const { configuration, mapper } = next;
    installation.adopt(configuration);
    parties.configure(configuration.parties);
    log.setLevel(configuration.log.level);
    const built = build(configuration);
    const failed = await engine.reconfigure({
      targets: built.targets.map(({ thing }) => thing),
      channels: built.channels.map(({ thing }) => thing),
      parties: Object.keys(configuration.parties),
      settings: configuration.engine,
      mapper,
    });
    targets = built.targets;
    channels = built.channels.filter(({ named }) => !failed.some(({ channel }) => channel === named.name));
    return failed;
  }

  async function change(): Promise<boolean> {
    const before = inForce;
    const next = await readNext(file, around, before.configuration);
    if (!('mapper' in next)) return refuse(next);
    if (hasEnded) return false;
    const failed = await apply(next);
    if (hasEnded) return false;
    if (failed.length > 0) {
      const lost = await apply(before);
      for (const { channel } of lost) log.error('channel-lost', { channel });
      return refuse(failed.map((one) => problemOf(one, next.configuration)));
    }
    inForce = next;
    await rewatch(before.configuration);
    engine.noteConfigurationProblem(null);
    log.info('configuration-in-force', { version: engine.mappingVersion(), detail: difference(before, next) });
    return true;
  }

  function refuse(problems: readonly ConfigProblem[]): boolean {
    for (const { file, line, column, text } of problems) {
      const where = line === null ? file : `${file}:${line}:${column ?? 1}`;
      log.error('configuration-refused', { where, detail: text });
    }
    engine.noteConfigurationProblem(problems.map(problemText).join('\n'));
    return false;
  }

  /** One after the other; never rejects. */
  function reload(): Promise<boolean> {
    last = last.then(change).catch((error: unknown) => {
      if (hasEnded) return false;
      const text = error instanceof Error ? error.message : 'unknown';
      return refuse([{ file, line: null, column: null, text: `cannot be put in force: ${text}` }]);
    });
    return last;
  }

  function loadMappings() {
    const loaded = inForce.loadMappings();
    inForce.mapper = loaded.mapper ?? inForce.mapper;
    return loaded;
  }

  const readFolders = () => reloadMappings({ load: loadMappings, engine, log });
  const watchFolders = (stamp: string) => {
    const { mappings } = inForce.configuration;
    const broken = () => log.error('mappings-not-watched', { count: mappings.length });
    return watchQuietly(mappings, stamp, clock, readFolders, broken);
  };
  async function rewatch(before: Read) {
    if (isDeepStrictEqual(before.mappings, inForce.configuration.mappings)) return;
    await folders.stop();
    folders = await watchFolders(stampOf(inForce.configuration.mappings));
    // What changed between the reading and the watch.
    readFolders();
  }
  let folders = await watchFolders(parts.stamps.mappings);
  const itself = await watchQuietly(
    [assembly.configuration.file],
    parts.stamps.configuration,
    clock,
    () => void reload(),
    () => log.error('configuration-not-watched'),
  );
  return {
    reload,
    configurationVersion: () => inForce.configuration.version,
    async stop() {
      hasEnded = true;
      await itself.stop();
      await folders.stop();
    },
  };
}

/** Reads a configuration as at a start, as `sluss check` does, and starts nothing; else what is wrong with it. */
async function readNext(file: string, around: Surroundings, before: Read): Promise<InForce | readonly ConfigProblem[]> {
  try {
    const next = await assemble(file, { ...around, logTo: { write: () => {} } }, false);
    try {
      const { mapper, problems } = next.loadMappings();
      const wrong = [...findRestartOnly(before, next.configuration), ...findUnusable(before, next), ...problems];
      if (mapper === null || wrong.length > 0) return wrong;
      return { configuration: next.configuration, loadMappings: next.loadMappings, mapper };
    } finally {
      await next.dispose();
    }
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

/**
 * Certificates of new or changed parties that cannot be used. At a start such a party is stopped and the others run; here
 * something works already, and shall go on working.
 */
function findUnusable(before: Read, { configuration, parties }: Assembly): ConfigProblem[] {
  return parties.list().flatMap(({ party: { id }, fault }) => {
    if (fault === null || isDeepStrictEqual(before.parties[id], configuration.parties[id])) return [];
    const path = certificatePath(configuration, id, fault.where);
    return [configuration.problemAt(path, `party ${id}: ${faultText(fault.record)}`)];
  });
}

function pair<Named extends { readonly name: string }, Thing extends { readonly name: string }>(
  names: readonly Named[],
  things: readonly Thing[],
): Made<Named, Thing>[] {
  return names.flatMap((named) => {
    const thing = things.find(({ name }) => name === named.name);
    return thing === undefined ? [] : [{ named, thing }];
  });
}

type NamedTarget = Parameters<Installation['makeTarget']>[0];
type NamedChannel = Parameters<Installation['makeSource']>[0];

function isSameTarget(one: NamedTarget, other: NamedTarget): boolean {
  return one.name === other.name && one.plugin === other.plugin && isDeepStrictEqual(one.config, other.config);
}

function isSameSource({ name, source }: NamedChannel, other: NamedChannel): boolean {
  const isSamePlugin = name === other.name && source.plugin === other.source.plugin;
  return isSamePlugin && isDeepStrictEqual(source.config, other.source.config);
}

/** The error's text names the place already, as at a start. */
function problemOf({ channel, error }: NotOpened, configuration: Read): ConfigProblem {
  const why = startFailureText(error instanceof Error ? (error.cause ?? error) : error);
  return configuration.problemAt(['channels', channel, 'source'], `channels.${channel}.source: ${why}.`);
}

/** What became different, by the names of the configuration: `channels +lab-syd ~lab-nord, parties -klinik-syd`. */
function difference(before: InForce, next: InForce): string {
  const [old, now] = [before.configuration, next.configuration];
  const parts = [
    changes('channels', byName(old.channels), byName(now.channels), (one, other) => isSameSource(one, other)),
    changes('targets', byName(old.targets), byName(now.targets), (one, other) => isDeepStrictEqual(one, other)),
    changes('parties', old.parties, now.parties, (one, other) => isDeepStrictEqual(one, other)),
  ].filter((text) => text !== '');
  return parts.length === 0 ? 'nothing opened, closed or replaced' : parts.join(', ');
}

function byName<Named extends { readonly name: string }>(all: readonly Named[]): Readonly<Record<string, Named>> {
  return Object.fromEntries(all.map((one) => [one.name, one]));
}

function changes<One>(
  what: string,
  before: Readonly<Record<string, One>>,
  after: Readonly<Record<string, One>>,
  isSame: (one: One, other: One) => boolean,
): string {
  const words = [
    ...Object.keys(after).flatMap((name) => {
      const [old, now] = [before[name], after[name] as One];
      if (old === undefined) return [`+${name}`];
      return isSame(old, now) ? [] : [`~${name}`];
    }),
    ...Object.keys(before).flatMap((name) => (Object.hasOwn(after, name) ? [] : [`-${name}`])),
  ];
  return words.length === 0 ? '' : [what, ...words].join(' ');
}
