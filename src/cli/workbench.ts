import { existsSync, statSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Installation, readInstallation } from '../assembly.ts';
import { type ChannelConfiguration, ConfigError, type ConfigProblem } from '../config/configuration.ts';
import type { Operation } from '../contracts/target.ts';
import type { FindOperation } from '../engine/outcome.ts';
import { type Channel, PART_LIMITS, type TargetPlace } from '../engine/settings.ts';
import { compileMappings } from '../mapping/compile.ts';
import { readMappingFiles } from '../mapping/load.ts';
import type { ExplainingMapper } from '../mapping/mapper.ts';
import { namedOperations } from '../mapping/named-operations.ts';
import type { Problem } from '../mapping/problem.ts';
import { parseYaml, type SourceFile } from '../mapping/yaml-node.ts';
import { createMappingLoader, type FailedCase, failCases } from '../mappings.ts';
import type { JournalPlace } from '../open-journal.ts';
import type { Terminal } from './terminal.ts';

/** The mappings that come with Sluss; they stand two folders above this file, in `src` and in `dist`. */
export const PACKAGED_MAPPINGS = fileURLToPath(new URL('../../mappings', import.meta.url));

const DEFAULT_CONFIG = 'sluss.yaml';
const DEFAULT_MAPPING = 'oru-r01';
/** Without a configuration every message is of this channel and this party. */
const NOBODY = 'none';

/** What is taken for an operation where the target is not there to be asked. */
const ANY_OPERATION: Operation = { summary: '', inDoubt: 'hold', onCorrection: 'hold' };

/** Which mappings a command is about. */
export interface BenchOptions {
  readonly config?: string;
  readonly channel?: string;
  /** A message mapping by its name, instead of the channels' own. */
  readonly mapping?: string;
  /** Folder of mapping files, instead of those of the configuration, or of the packaged ones. */
  readonly mappings?: string;
  /** Without any configuration, even where there is one. */
  readonly packaged?: true;
  /** Without a configuration: the character set where MSH-18 is empty; null = strictly what HL7 says. */
  readonly charset?: string | null;
}

/** A channel as far as mapping and answering go. */
export type BenchChannel = Omit<Channel, 'source' | 'quietAfterMs' | 'zone'>;

/** Mappings that were compiled, ready to be asked what a message becomes. */
export interface Bench {
  readonly mapper: ExplainingMapper;
  readonly channels: readonly BenchChannel[];
  readonly findOperation: FindOperation;
  /** Cases of the files that end otherwise than they say. */
  failedCases(): readonly FailedCase[];
  /** How many cases there are. */
  readonly caseCount: number;
}

export interface Workbench {
  /** Reads and compiles the mapping files as they are now. @throws ConfigError with every problem */
  load(): Bench;
  /** The same with another folder of mapping files, or another mapping in place of the channels' own. */
  loadOther(other: string): Bench;
  /** Folders of the mapping files, and the configuration file where there is one. */
  readonly watched: readonly string[];
  /** Folders of the mapping files. */
  readonly folders: readonly string[];
  /** The journal of the configuration; null where there is no configuration. */
  readonly journal: JournalPlace | null;
  /** `file:line:col` of a fault or a trail, as a person standing here would write it. */
  locate(where: string): string;
  /** Absolute path of a mapping file, as faults and trails name it. */
  resolve(file: string): string;
  dispose(): Promise<void>;
}

/**
 * Opens the mappings of a configuration; without one (and without ./sluss.yaml) the packaged ones, with a party of
 * no name. Makes no file, opens no socket.
 * @param secret instead of the installation's own
 * @throws ConfigError
 */
export async function openWorkbench(
  options: BenchOptions,
  terminal: Terminal,
  secret: Uint8Array | null = null,
): Promise<Workbench> {
  const isHere = options.packaged !== true && existsSync(DEFAULT_CONFIG);
  const config = options.config ?? (isHere ? DEFAULT_CONFIG : null);
  if (options.mappings !== undefined) requireFolder(options.mappings);
  return config === null
    ? openPackaged(options, secret ?? new Uint8Array(32))
    : await openConfigured(config, options, terminal, secret);
}

async function openConfigured(
  config: string,
  options: BenchOptions,
  terminal: Terminal,
  secret: Uint8Array | null,
): Promise<Workbench> {
  // What the parts log while they are made (a certificate that has ended) is not what was asked for.
  const around = { env: terminal.env, colours: false, logTo: { write: () => {} } };
  const installation = await readInstallation(config, around, false);
  const { configuration, parties } = installation;
  const targets = makeTargets(installation);
  const dispose = async () => {
    parties.stop();
    await Promise.allSettled(targets.map(({ target }) => target.stop()));
  };
  const from = resolve(configuration.file, '..');
  const chosen = configuration.channels.filter(({ name }) => options.channel === undefined || name === options.channel);
  if (chosen.length === 0) {
    await dispose();
    const names = configuration.channels.map(({ name }) => name).join(', ');
    throw new Error(`there is no channel ${options.channel}; there is ${names}`);
  }
  const load = (folders: readonly string[], mapping: string | null): Bench => {
    // `with:` speaks of the channel's own mapping; another may have no such settings.
    const channels =
      mapping === null
        ? chosen
        : chosen.map((channel) => ({ ...channel, mappings: [mapping], with: null, targets: null }));
    const { mapper, problems, failedCases } = createMappingLoader(
      { ...configuration, mappings: folders, channels, secret: secret ?? configuration.secret },
      targets,
      parties,
    )();
    if (mapper === null) throw new ConfigError(problems);
    const findOperation: FindOperation = (target, operation) =>
      targets.find(({ name }) => name === target)?.target.operations[operation] ?? null;
    const caseCount = countCases(readMappingFiles(folders, from));
    return { mapper, channels: channels.map(toBenchChannel), findOperation, failedCases, caseCount };
  };
  const folders = options.mappings === undefined ? configuration.mappings : [resolve(options.mappings)];
  return {
    load: () => load(folders, options.mapping ?? null),
    loadOther: (other) => (isFolder(other) ? load([resolve(other)], options.mapping ?? null) : load(folders, other)),
    watched: [...folders, configuration.file],
    folders,
    journal: configuration,
    locate: (where) => locateFrom(from, where),
    resolve: (file) => resolve(from, file),
    dispose,
  };
}

function openPackaged(options: BenchOptions, secret: Uint8Array): Workbench {
  if (options.channel !== undefined) throw new Error('--channel needs a configuration (-c)');
  const from = process.cwd();
  const folder = resolve(options.mappings ?? PACKAGED_MAPPINGS);
  const load = (at: string, mapping: string): Bench => {
    const channel: BenchChannel & { mappings: string[] } = {
      name: NOBODY,
      mappings: [mapping],
      parties: [NOBODY],
      charset: { default: options.charset ?? null, force: null },
      limits: PART_LIMITS,
      acknowledge: 'taken',
      answerWithinMs: 0,
      dialect: { codes: {}, err: 'auto', msa3: true },
      returnTo: null,
    };
    const files = readMappingFiles([at], from);
    const setup = {
      operations: namedOperations(files),
      parties: [{ id: NOBODY, name: NOBODY, organisationNumber: '' }],
      secret,
    };
    const own = {
      ...channel,
      zone: null,
      overrides: readYaml(`party: { value: ${NOBODY} }`),
      targets: null,
      node: null,
    };
    const { mapper, problems } = compileMappings(files, { ...setup, channels: [own] });
    if (mapper === null) throw new ConfigError(problems.map((problem) => toConfigProblem(problem, from)));
    const failedCases = () => failCases(files, { ...setup, channels: [] }, from);
    const findOperation: FindOperation = () => ANY_OPERATION;
    return { mapper, channels: [channel], findOperation, failedCases, caseCount: countCases(files) };
  };
  const mapping = options.mapping ?? DEFAULT_MAPPING;
  return {
    load: () => load(folder, mapping),
    loadOther: (other) => (isFolder(other) ? load(resolve(other), mapping) : load(folder, other)),
    watched: [folder],
    folders: [folder],
    journal: null,
    locate: (where) => locateFrom(from, where),
    resolve: (file) => resolve(from, file),
    dispose: async () => {},
  };
}

function toBenchChannel(channel: ChannelConfiguration): BenchChannel {
  const { name, parties, charset, limits, acknowledge, answerWithinMs, ackDialect, returnTo } = channel;
  return { name, parties, charset, limits, acknowledge, answerWithinMs, dialect: ackDialect, returnTo };
}

/**
 * The targets, for their operations. To see what a message becomes nothing has to be reachable: where one cannot be made
 * (its certificates are not here), every operation that the mappings name will do; `sluss check` says what it lacks.
 */
function makeTargets({ configuration, makeTarget }: Installation): TargetPlace[] {
  return configuration.targets.map((named) => {
    try {
      return makeTarget(named);
    } catch {
      const files = readMappingFiles(configuration.mappings, '.');
      const names = namedOperations(files)[named.name] ?? [];
      const operations = Object.fromEntries(names.map((name) => [name, ANY_OPERATION]));
      const send = () => Promise.reject(new Error('this target could not be made'));
      return { name: named.name, limits: named.limits, target: { operations, send, stop: async () => {} } };
    }
  });
}

function countCases(files: readonly SourceFile[]): number {
  const counts = files.map((file) => {
    const root = parseYaml(file).root;
    const tests = root?.isMap ? root.entries().get('tests')?.value : undefined;
    return tests?.isList ? tests.items().length : 0;
  });
  return counts.reduce((sum, count) => sum + count, 0);
}

function readYaml(text: string) {
  return parseYaml({ path: 'built in', text }).root;
}

function toConfigProblem({ file, line, column, message, hint }: Problem, from: string): ConfigProblem {
  return { file: resolve(from, file), line, column, text: hint === null ? message : `${message} (${hint})` };
}

function locateFrom(from: string, where: string): string {
  const [, file = where, place = ''] = /^(.*?)((?::\d+)*)$/.exec(where) ?? [];
  const path = resolve(from, file);
  const near = relative(process.cwd(), path);
  return (near.startsWith('..') && near.length > path.length ? path : near) + place;
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function requireFolder(path: string): void {
  if (!isFolder(path)) throw new Error(`${path} is no folder`);
}
