import { randomBytes } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ConfigError, type Configuration, problemText } from './config/configuration.ts';
import { type Environment, loadConfiguration } from './config/load.ts';
import type { Clock } from './contracts/clock.ts';
import type { Journal } from './contracts/journal.ts';
import type { Host } from './contracts/plugin.ts';
import type { Source } from './contracts/source.ts';
import { createDiskReserve, type DiskReserve } from './engine/disk-reserve.ts';
import { type Channel, RETURN_OPERATION, type TargetPlace } from './engine/settings.ts';
import { findCharset } from './hl7/charset.ts';
import { createLog, type LeveledLog, type LogDestination } from './log.ts';
import { createMappingLoader, type LoadMappings } from './mappings.ts';
import { checkJournalUrl } from './open-journal.ts';
import { BUILT_IN_PLUGINS } from './plugins.ts';
import { withStartFailure } from './start-failure.ts';
import { systemClock } from './system-clock.ts';
import { createParties, type LiveParties, type PartyConfig, partyConfig } from './targets/parties.ts';

/** What the process hands in. */
export interface Surroundings {
  readonly env: Environment;
  readonly logTo: LogDestination;
  /** Coloured log lines, where they are for people. */
  readonly colours: boolean;
  readonly clock?: Clock;
  /** [0, 1) */
  readonly random?: () => number;
}

/** Everything that a configuration names, made but not started: no socket, no journal. */
export interface Assembly {
  readonly configuration: Configuration<PartyConfig>;
  readonly log: LeveledLog;
  readonly clock: Clock;
  readonly parties: LiveParties;
  readonly reserve: DiskReserve;
  readonly targets: readonly TargetPlace[];
  readonly channels: readonly Channel[];
  readonly loadMappings: LoadMappings;
  readonly installation: Installation;
  /** Frees what was made. */
  dispose(): Promise<void>;
}

/** What a configuration says, with its parties; its sources and targets are not made yet. */
export interface Installation extends Pick<Assembly, 'configuration' | 'log' | 'clock' | 'parties' | 'reserve'> {
  /** @throws Error where it cannot be made, a certificate is missing for example */
  makeTarget(named: Configuration<PartyConfig>['targets'][number]): TargetPlace;
  makeSource(named: Configuration<PartyConfig>['channels'][number]): Source;
  /** From now on what is told of is looked up in this configuration. */
  adopt(configuration: Configuration<PartyConfig>): void;
  /** From now on this journal says which of the processes that share it may do what only one may. */
  share(journal: Pick<Journal, 'hold' | 'letGo'>): void;
}

/**
 * Reads a configuration and makes what it names.
 * @param mayMakeSecret false = only looking: no file is made
 * @throws ConfigError with every problem at its line · Error where something it names cannot be made
 */
export async function assemble(file: string, around: Surroundings, mayMakeSecret: boolean): Promise<Assembly> {
  const installation = await readInstallation(file, around, mayMakeSecret);
  const { configuration, log, clock, parties, reserve, makeTarget, makeSource } = installation;
  const targets = configuration.targets.map((target) =>
    make(configuration, ['targets', target.name], () => makeTarget(target)),
  );
  checkReturns(configuration, targets);
  const channels = configuration.channels.map((channel) =>
    make(configuration, ['channels', channel.name, 'source'], () => toChannel(channel, makeSource(channel))),
  );
  return {
    installation,
    configuration,
    log,
    clock,
    parties,
    reserve,
    targets,
    channels,
    loadMappings: createMappingLoader(configuration, targets, parties),
    async dispose() {
      parties.stop();
      await Promise.allSettled(targets.map(({ target }) => target.stop()));
    },
  };
}

/** Reads a configuration and the certificates of its parties. Otherwise as `assemble`. @throws ConfigError */
export async function readInstallation(
  file: string,
  around: Surroundings,
  mayMakeSecret: boolean,
): Promise<Installation> {
  const clock = around.clock ?? systemClock;
  const configuration = await loadConfiguration({
    file,
    env: around.env,
    party: partyConfig,
    plugins: BUILT_IN_PLUGINS,
    importPlugin,
    isCharset: (name) => findCharset(name) !== null,
    isFolder: (path) => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true,
    checkJournalUrl,
    makeSecret: mayMakeSecret ? () => randomBytes(32).toString('base64url') : null,
  });
  let inForce = configuration;
  const { level, pretty } = configuration.log;
  const log = createLog({ level, pretty, colours: around.colours, destination: around.logTo, clock });
  const resolvePath = (path: string) => resolve(dirname(configuration.file), path);
  const readVariable = (name: string) => around.env[name] ?? null;
  const parties = createParties(configuration.parties, {
    clock,
    log,
    readFile: (path) => readFileSync(resolvePath(path)),
    readVariable,
    locate: (party, path) => problemText(inForce.problemAt(certificatePath(inForce, party, path), '')).trimEnd(),
  });
  const reserve = createDiskReserve({
    readFreeBytes: async () => {
      const { bavail, bsize } = await statfs(dirname(configuration.journal));
      return bavail * bsize;
    },
    reserveBytes: configuration.journalLimits.reserveBytes,
    clock,
    log,
  });
  const { hasRoom } = reserve;
  let shared: Pick<Journal, 'hold' | 'letGo'> | null = null;
  const hostOf = (kind: string, name: string): Host => ({
    name,
    log,
    clock,
    parties,
    hasRoom,
    hold: async () => (await shared?.hold(`${kind} ${name}`).catch(() => false)) ?? true,
    letGo: async () => await shared?.letGo(`${kind} ${name}`).catch(() => {}),
    readVariable,
    resolvePath,
  });
  return {
    configuration,
    log,
    clock,
    parties,
    reserve,
    makeTarget: ({ name, plugin, config, limits }) => ({
      name,
      limits,
      target: plugin.create(config, hostOf('target', name)),
    }),
    makeSource({ name, source: { plugin, config } }) {
      const path = ['channels', name, 'source'];
      const describe = (why: string) => problemText(inForce.problemAt(path, `${path.join('.')}: ${why}.`));
      return withStartFailure(plugin.create(config, hostOf('channel', name)), describe);
    },
    adopt(next) {
      inForce = next;
    },
    share(journal) {
      shared = journal;
    },
  };
}

/** A channel of the configuration as the engine sees it. */
export function toChannel(named: Configuration<PartyConfig>['channels'][number], source: Source): Channel {
  const { name, parties, charset, limits, acknowledge, answerWithinMs, ackDialect: dialect, returnTo } = named;
  const { quietAfterMs, zone } = named;
  const listened = { quietAfterMs, zone };
  return { name, source, parties, charset, limits, acknowledge, answerWithinMs, dialect, returnTo, ...listened };
}

/** Leads to the key of a party's certificate that names this file, or else to the certificate as a whole. */
export function certificatePath(configuration: Configuration<PartyConfig>, party: string, file: string | null) {
  const certificate = configuration.parties[party]?.certificate ?? {};
  const fileOf = (value: unknown) => (typeof value === 'object' ? (value as { file?: unknown } | null)?.file : value);
  const named = Object.entries(certificate).find(([, value]) => fileOf(value) === file);
  return ['parties', party, 'certificate', ...(named === undefined ? [] : [named[0]])];
}

/** What a plugin says against its configuration on creation is a problem of the configuration. */
function make<Made>(configuration: Configuration<unknown>, path: readonly string[], create: () => Made): Made {
  try {
    return create();
  } catch (error) {
    const text = `“${path.join('.')}” cannot be made: ${error instanceof Error ? error.message : String(error)}`;
    throw new ConfigError([configuration.problemAt(path, text)]);
  }
}

/** Acknowledgements may only go back to a target that knows what to do with them. @throws ConfigError */
function checkReturns(configuration: Configuration<unknown>, targets: readonly TargetPlace[]) {
  const wrong = configuration.channels.flatMap(({ name, returnTo }) => {
    const place = targets.find((one) => one.name === returnTo);
    if (place === undefined || Object.hasOwn(place.target.operations, RETURN_OPERATION)) return [];
    const text = `“channels.${name}.return”: the target “${returnTo}” takes no acknowledgements.`;
    return [configuration.problemAt(['channels', name, 'return'], text)];
  });
  if (wrong.length > 0) throw new ConfigError(wrong);
}

/** The default export of a module named in a configuration file: a path that starts with a dot, or a package's name. */
async function importPlugin(specifier: string, from: string): Promise<unknown> {
  const path = /^\.{0,2}\//.test(specifier)
    ? resolve(dirname(from), specifier)
    : createRequire(from).resolve(specifier);
  const module = (await import(pathToFileURL(path).href)) as { default?: unknown };
  return module.default;
}
