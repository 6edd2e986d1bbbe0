import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { z } from 'zod';
import { closestName } from '../contracts/closest-name.ts';
import {
  type AnyPlugin,
  ConfigError,
  type ConfigProblem,
  type Configuration,
  controlPath,
  type JournalServer,
  withoutUser,
} from './configuration.ts';
import { ENGINE_KEYS, looseShape, readEnds } from './ends.ts';
import { issuesToProblems } from './issue.ts';
import { checkPlugin } from './plugin-check.ts';
import { configurationSchema, journalFile, journalServer, POSTGRES_URL } from './schema.ts';
import { codeOf, readSecret, type SecretReference, type SecretSources } from './secret.ts';
import { readUpkeep, readWebhook } from './upkeep.ts';
import { readYaml, type YamlFile } from './yaml-file.ts';

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

export interface LoadParts<Party extends z.ZodType> {
  /** Path of `sluss.yaml`. */
  readonly file: string;
  readonly env: Environment;
  /** The schema of one care provider. */
  readonly party: Party;
  /** The built-in plugins. */
  readonly plugins: readonly AnyPlugin[];
  /** Imports an outside plugin named in the file; `from` is the file's path. @throws Error in words for people */
  readonly importPlugin: (specifier: string, from: string) => Promise<unknown>;
  /** Whether a character set of this name can be read; absent = not checked. */
  readonly isCharset?: (name: string) => boolean;
  /** Whether there is a folder of this absolute path; absent = not checked. */
  readonly isFolder?: (path: string) => boolean;
  /** What is wrong with the URL of a shared journal, in words without it; null = nothing. Absent = not checked. */
  readonly checkJournalUrl?: (url: string) => string | null;
  /** Makes the installation's secret where the file allows it; null = only looking. */
  readonly makeSecret: (() => string) | null;
}

type Shape = z.output<ReturnType<typeof configurationSchema>>;

/** HMAC-SHA-256 keys shorter than its output are weaker than it. */
const LEAST_SECRET_BYTES = 32;

/**
 * Reads and checks a configuration file whole.
 * @throws ConfigError with every problem that was found, each at its line
 */
export async function loadConfiguration<Party extends z.ZodType>(
  parts: LoadParts<Party>,
): Promise<Configuration<z.output<Party>>> {
  const file = resolve(parts.file);
  const yaml = readFile(file, parts.env);
  const problems: ConfigProblem[] = [...yaml.problems];
  const plugins = [...parts.plugins, ...(await importPlugins(yaml, file, parts, problems))];

  const schema = configurationSchema(parts.party);
  const parsed = schema.safeParse(yaml.value ?? {});
  if (yaml.problems.length > 0) throw new ConfigError(problems);
  if (!parsed.success) {
    problems.push(...issuesToProblems(parsed.error, { yaml, schema, prefix: [], alsoKnown: [] }));
  }
  // Even where the whole is refused, what its parts say to their plugins can be checked.
  const ends = readEnds(parsed.success ? parsed.data : looseShape(yaml.value), yaml, plugins, problems);
  if (!parsed.success) throw new ConfigError(inOrder(problems));

  const shape = parsed.data;
  const journal = readJournal(shape.journal);
  const resolvePath = (path: string) => resolve(dirname(file), path);
  checkChannels(shape, yaml, problems, parts.isCharset ?? (() => true));
  const isFolder = parts.isFolder ?? (() => true);
  for (const [index, path] of shape.mappings.entries()) {
    if (isFolder(resolvePath(path))) continue;
    problems.push(yaml.problemAt(['mappings', index], `There is no folder ${resolvePath(path)}.`));
  }
  const wrongUrl = 'url' in journal ? (parts.checkJournalUrl?.(journal.url) ?? null) : null;
  if (wrongUrl !== null) problems.push(yaml.problemAt(journalPath(shape.journal), `“journal”: ${wrongUrl}.`));
  if (problems.length > 0) throw new ConfigError(inOrder(problems));
  // Last, since it may make a file, and a configuration with mistakes must leave nothing behind.
  const secret = secretOf(shape.secret, yaml, { resolvePath, env: parts.env, makeSecret: parts.makeSecret });
  return {
    file,
    version: hash('sha256', JSON.stringify(yaml.value ?? null)).slice(0, 16),
    ...('url' in journal
      ? {
          journal: withoutUser(journal.url),
          journalServer: serverOf(journal, yaml, { resolvePath, env: parts.env, makeSecret: null }),
          control: resolvePath(journal.socket ?? controlPath(file)),
        }
      : {
          journal: resolvePath(journal.file),
          journalServer: null,
          control: controlPath(resolvePath(journal.file)),
        }),
    journalLimits: {
      reserveBytes: 'reserve' in journal ? journal.reserve : 0,
      maxQueued: journal.queue,
      maxQueuedBytes: journal.queueSize,
    },
    secret,
    mappings: shape.mappings.map(resolvePath),
    console: shape.console ?? null,
    log: shape.log,
    engine: { storeFirstBytes: shape.engine.storeFirst, graceMs: shape.engine.grace },
    upkeep: readUpkeep(shape.alarms, shape.retention),
    webhook: readWebhook(shape.alarms),
    parties: shape.parties,
    targets: ends.targets,
    channels: ends.channels,
    warnings: findUnused(shape, yaml),
    problemAt: (path, text) => yaml.problemAt(path, text),
  };
}

/** A text alone is a file, or a database. */
function readJournal(journal: Shape['journal']) {
  if (typeof journal !== 'string') return journal;
  return POSTGRES_URL.test(journal) ? journalServer.parse({ url: journal }) : journalFile.parse({ file: journal });
}

const journalPath = (journal: Shape['journal']) => (typeof journal === 'string' ? ['journal'] : ['journal', 'url']);

function serverOf(
  { url, password, node, lease }: z.output<typeof journalServer>,
  yaml: YamlFile,
  sources: SecretSources,
): JournalServer {
  try {
    const secret = password === undefined ? null : readSecret(password, sources);
    return { url, password: secret, node: node ?? null, leaseMs: lease };
  } catch (error) {
    const text = `“journal.password”: ${error instanceof Error ? error.message : String(error)}.`;
    throw new ConfigError([yaml.problemAt(['journal', 'password'], text)]);
  }
}

function readFile(file: string, env: Environment): YamlFile {
  try {
    return readYaml(file, readFileSync(file, 'utf8'), env);
  } catch (error) {
    throw new ConfigError([{ file, line: null, column: null, text: `cannot be read (${codeOf(error)}).` }]);
  }
}

async function importPlugins(
  yaml: YamlFile,
  file: string,
  parts: Pick<LoadParts<z.ZodType>, 'plugins' | 'importPlugin'>,
  problems: ConfigProblem[],
) {
  const named = (yaml.value as { plugins?: unknown } | undefined)?.plugins;
  const found: AnyPlugin[] = [];
  for (const [index, specifier] of (Array.isArray(named) ? named : []).entries()) {
    if (typeof specifier !== 'string') continue;
    try {
      found.push(checkPlugin(await parts.importPlugin(specifier, file), [...parts.plugins, ...found], ENGINE_KEYS));
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      problems.push(yaml.problemAt(['plugins', index], `The plugin ${specifier} cannot be used: ${why}.`));
    }
  }
  return found;
}

function secretOf(reference: SecretReference, yaml: YamlFile, sources: SecretSources): Uint8Array {
  try {
    const secret = readSecret(reference, sources);
    if (secret === null) return Buffer.alloc(LEAST_SECRET_BYTES);
    const bytes = Buffer.from(secret);
    if (bytes.length < LEAST_SECRET_BYTES) throw new Error(`it is shorter than ${LEAST_SECRET_BYTES} bytes`);
    return bytes;
  } catch (error) {
    throw new ConfigError([yaml.problemAt(['secret'], `“secret” cannot be used: ${(error as Error).message}.`)]);
  }
}

function checkChannels(shape: Shape, yaml: YamlFile, problems: ConfigProblem[], isCharset: (name: string) => boolean) {
  const known = Object.keys(shape.parties);
  for (const [name, channel] of Object.entries(shape.channels)) {
    for (const [index, party] of channel.parties.entries()) {
      if (known.includes(party)) continue;
      const meant = closestName(party, known);
      const hint = meant === null ? '' : ` Did you mean “${meant}”?`;
      problems.push(yaml.problemAt(['channels', name, 'parties', index], `There is no party “${party}”.${hint}`));
    }
    for (const key of ['default', 'force'] as const) {
      const charset = channel.charset[key];
      if (charset === undefined || isCharset(charset)) continue;
      const text = `“${charset}” is no character set that is known here. Names are those of MSH-18, such as 8859/1.`;
      problems.push(yaml.problemAt(['channels', name, 'charset', key], text));
    }
    const named = Object.entries(channel.targets).map(([called, target]) => [['targets', called], target] as const);
    for (const [key, target] of [...named, [['return'], channel.return ?? null] as const]) {
      if (target === null || Object.hasOwn(shape.targets, target)) continue;
      const meant = closestName(target, Object.keys(shape.targets));
      const hint = meant === null ? '' : ` Did you mean “${meant}”?`;
      problems.push(yaml.problemAt(['channels', name, ...key], `There is no target “${target}”.${hint}`));
    }
    if (channel.acknowledge !== 'settled' && yaml.place(['channels', name, 'answerWithin']) !== null) {
      const text = '“answerWithin” says something only beside acknowledge: settled.';
      problems.push(yaml.problemAt(['channels', name, 'answerWithin'], text));
    }
    if (channel.zone !== undefined && !isZone(channel.zone)) {
      const text = `“${channel.zone}” is no time zone. Zones have names such as Europe/Stockholm.`;
      problems.push(yaml.problemAt(['channels', name, 'zone'], text));
    }
  }
}

function isZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

function findUnused(shape: Shape, yaml: YamlFile): ConfigProblem[] {
  const used = new Set(Object.values(shape.channels).flatMap((channel) => channel.parties));
  return Object.keys(shape.parties)
    .filter((party) => !used.has(party))
    .map((party) => yaml.problemAtKey(['parties'], party, `No channel speaks for the party “${party}”.`));
}

function inOrder(problems: readonly ConfigProblem[]): ConfigProblem[] {
  return [...problems].sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
}
