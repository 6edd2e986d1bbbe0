import { randomBytes } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ConfigError, type Configuration, problemText } from './config/configuration.ts';
import { type Environment, loadConfiguration } from './config/load.ts';
import { createConsole } from './console/console.ts';
import type { Clock } from './contracts/clock.ts';
import type { Journal } from './contracts/journal.ts';
import type { Log } from './contracts/log.ts';
import type { Host } from './contracts/plugin.ts';
import type { Source } from './contracts/source.ts';
import type { Status } from './contracts/status.ts';
import { createDiskReserve, type DiskReserve } from './engine/disk-reserve.ts';
import { createEngine } from './engine/engine.ts';
import { type Channel, RETURN_OPERATION, type TargetPlace } from './engine/settings.ts';
import { findCharset } from './hl7/charset.ts';
import { openSqliteJournal } from './journal/sqlite.ts';
import { createLog, type LogDestination } from './log.ts';
import { createMappingLoader, type LoadMappings, watchMappings } from './mappings.ts';
import { BUILT_IN_PLUGINS } from './plugins.ts';
import { startFailureText, withStartFailure } from './start-failure.ts';
import { systemClock } from './system-clock.ts';
import { createParties, type LiveParties, type PartyConfig, partyConfig } from './targets/parties.ts';
import { readVersion } from './version.ts';

/** Certificates are looked at this often. */
const CERTIFICATES_EVERY_MS = 5_000;

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
  readonly log: Log;
  readonly clock: Clock;
  readonly parties: LiveParties;
  readonly reserve: DiskReserve;
  readonly targets: readonly TargetPlace[];
  readonly channels: readonly Channel[];
  readonly loadMappings: LoadMappings;
  /** Frees what was made. */
  dispose(): Promise<void>;
}

/** A running Sluss. */
export interface Sluss {
  readonly status: Status;
  /** Where it listens, by channel. */
  readonly sources: readonly { readonly channel: string; readonly address: string }[];
  /** What became of each message, to read. */
  readonly journal: Pick<Journal, 'readMessage' | 'readDeliveries' | 'readHistory' | 'readOverview'>;
  /** `http://127.0.0.1:9464`; null = there is no console. */
  readonly console: string | null;
  /** Takes nothing new, lets what is under way end, closes everything. Safe to call twice. */
  stop(): Promise<void>;
}

/** What a configuration says, with its parties; its sources and targets are not made yet. */
export interface Installation extends Pick<Assembly, 'configuration' | 'log' | 'clock' | 'parties' | 'reserve'> {
  /** @throws Error where it cannot be made, a certificate is missing for example */
  makeTarget(named: Configuration<PartyConfig>['targets'][number]): TargetPlace;
  makeSource(named: Configuration<PartyConfig>['channels'][number]): Source;
}

/**
 * Reads a configuration and makes what it names.
 * @param mayMakeSecret false = only looking: no file is made
 * @throws ConfigError with every problem at its line · Error where something it names cannot be made
 */
export async function assemble(file: string, around: Surroundings, mayMakeSecret: boolean): Promise<Assembly> {
  const { makeTarget, makeSource, ...installation } = await readInstallation(file, around, mayMakeSecret);
  const { configuration, parties } = installation;
  const targets = configuration.targets.map((target) =>
    make(configuration, ['targets', target.name], () => makeTarget(target)),
  );
  checkReturns(configuration, targets);
  const channels = configuration.channels.map((channel): Channel => {
    const { name, parties: permitted, charset, limits, acknowledge, answerWithinMs, ackDialect, returnTo } = channel;
    const path = ['channels', name, 'source'];
    const source = make(configuration, path, () => makeSource(channel));
    const describe = (why: string) => problemText(configuration.problemAt(path, `${path.join('.')}: ${why}.`));
    return {
      name,
      source: withStartFailure(source, describe),
      parties: permitted,
      charset,
      limits,
      acknowledge,
      answerWithinMs,
      dialect: ackDialect,
      returnTo,
    };
  });
  return {
    ...installation,
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
    makeSecret: mayMakeSecret ? () => randomBytes(32).toString('base64url') : null,
  });
  const { level, pretty } = configuration.log;
  const log = createLog({ level, pretty, colours: around.colours, destination: around.logTo, clock });
  const resolvePath = (path: string) => resolve(dirname(configuration.file), path);
  const readVariable = (name: string) => around.env[name] ?? null;
  const parties = createParties(configuration.parties, {
    clock,
    log,
    readFile: (path) => readFileSync(resolvePath(path)),
    readVariable,
    locate: (party, path) =>
      problemText(configuration.problemAt(certificatePath(configuration, party, path), '')).trimEnd(),
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
  const hostOf = (name: string): Host => ({ name, log, clock, parties, hasRoom, readVariable, resolvePath });
  return {
    configuration,
    log,
    clock,
    parties,
    reserve,
    makeTarget: ({ name, plugin, config, limits }) => ({ name, limits, target: plugin.create(config, hostOf(name)) }),
    makeSource: ({ name, source }) => source.plugin.create(source.config, hostOf(name)),
  };
}

/**
 * Starts Sluss: configuration, certificates and mappings first, then the journal, the console, the engine and, last of
 * all, the sources.
 * @throws ConfigError where nothing was started · Error where something could not start; all is stopped again by then
 */
export async function startSluss(file: string, around: Surroundings): Promise<Sluss> {
  const assembly = await assemble(file, around, true);
  const { configuration, log, clock, parties, reserve, targets, channels } = assembly;
  /** What has been started, to be undone in the opposite order. */
  const undo: (() => Promise<void>)[] = [() => assembly.dispose()];
  const stop = async () => {
    for (let next = undo.pop(); next !== undefined; next = undo.pop()) await next();
  };
  try {
    const { mapper, problems } = assembly.loadMappings();
    if (mapper === null) throw new ConfigError(problems);
    const { maxQueued, maxQueuedBytes } = configuration.journalLimits;
    const path = configuration.journal;
    const journal = await openSqliteJournal({ path, now: clock.now(), log, maxQueued, maxQueuedBytes });
    undo.push(() => journal.close());
    await reserve.start();
    undo.push(async () => reserve.stop());
    const engine = createEngine({
      version: readVersion(),
      journal,
      mapper,
      channels,
      targets,
      parties,
      clock,
      random: around.random ?? Math.random,
      log,
      settings: configuration.engine,
      reserve,
    });
    // From here on the engine stops the targets, after what is under way to them.
    undo.splice(0, 1, async () => parties.stop());
    const window = configuration.console;
    const page = window === null ? null : createConsole({ ...window, status: engine, clock });
    const address =
      (await page?.start().catch((error: unknown) => {
        const text = `console: ${startFailureText(error)}.`;
        throw new Error(problemText(configuration.problemAt(['console'], text)), { cause: error });
      })) ?? null;
    if (page !== null) undo.push(() => page.stop());
    if (address !== null) log.info('console-open', { address });
    undo.push(() => engine.stop());
    await engine.start();
    const sources = engine.sources();
    parties.start(CERTIFICATES_EVERY_MS);
    const watching = await watchMappings({
      folders: configuration.mappings,
      load: assembly.loadMappings,
      engine,
      clock,
      log,
    });
    undo.push(() => watching.stop());
    let stopped: Promise<void> | null = null;
    return {
      status: engine,
      journal,
      sources,
      console: address,
      stop() {
        stopped ??= stop();
        return stopped;
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
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
