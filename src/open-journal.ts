import { hostname } from 'node:os';
import { dirname, resolve } from 'node:path';
import { type Configuration, controlPath, withoutUser } from './config/configuration.ts';
import { journalFile, journalServer, POSTGRES_URL } from './config/schema.ts';
import type { Clock } from './contracts/clock.ts';
import type { Journal } from './contracts/journal.ts';
import type { Log } from './contracts/log.ts';
import { type PostgresAddress, parsePostgresUrl } from './journal/postgres/address.ts';
import type { CopyOptions, JournalCopy } from './journal/postgres/copy.ts';
import type { NodeFacts } from './journal/postgres/nodes.ts';
import type { PostgresJournal } from './journal/postgres.ts';
import { openJournalReader, type RemoteJournalReader } from './journal/reader.ts';
import { openSqliteJournal } from './journal/sqlite.ts';

/** Where a journal is, as a configuration says it. */
export type JournalPlace = Pick<
  Configuration<unknown>,
  'file' | 'journal' | 'journalServer' | 'journalLimits' | 'control'
>;

/** A journal that is named by itself: its file, or the URL of its database. */
export function placeOf(name: string): JournalPlace {
  const isServer = POSTGRES_URL.test(name);
  const { queue: maxQueued, queueSize: maxQueuedBytes } = journalFile.parse({ file: name });
  const journalLimits = { reserveBytes: 0, maxQueued, maxQueuedBytes };
  const file = resolve(isServer ? 'sluss.yaml' : name);
  const common = { file, journalLimits, control: controlPath(file) };
  if (!isServer) return { ...common, journal: file, journalServer: null };
  const { lease: leaseMs } = journalServer.parse({ url: name });
  return { ...common, journal: withoutUser(name), journalServer: { url: name, password: null, node: null, leaseMs } };
}

/**
 * Opens the journal that a configuration names.
 * @throws Error in words, without user or password
 */
export async function openJournal(
  configuration: JournalPlace,
  { clock, log, facts }: { readonly clock: Clock; readonly log?: Log; readonly facts?: NodeFacts },
): Promise<Journal & Partial<PostgresJournal>> {
  const { journal, journalServer, journalLimits } = configuration;
  const { maxQueued, maxQueuedBytes } = journalLimits;
  const common = { now: clock.now(), maxQueued, maxQueuedBytes, ...(log === undefined ? {} : { log }) };
  if (journalServer === null) return await openSqliteJournal({ path: journal, ...common });
  const { node, leaseMs } = journalServer;
  // Loaded only where there is a server.
  const { openPostgresJournal } = await import('./journal/postgres.ts');
  try {
    const more = facts === undefined ? {} : { facts };
    return await openPostgresJournal({ address: addressOf(configuration), node, leaseMs, clock, ...common, ...more });
  } catch (error) {
    throw new Error(`the journal ${journal} cannot be opened: ${whyOf(error)}`, { cause: error });
  }
}

/**
 * Copies a journal that is a file into a database; `node` is the name of the engine that will start on it.
 * @throws Error in words, without user or password
 */
export async function copyJournalTo(
  to: JournalPlace,
  options: Omit<CopyOptions, 'to' | 'node'> & { readonly node: string | null },
): Promise<JournalCopy> {
  const { copyJournal } = await import('./journal/postgres/copy.ts');
  const node = options.node ?? to.journalServer?.node ?? hostname();
  try {
    return await copyJournal({ ...options, to: addressOf(to), node });
  } catch (error) {
    throw new Error(`the journal cannot be copied to ${to.journal}: ${whyOf(error)}`, { cause: error });
  }
}

/** Opens a journal to look at. @throws Error in words if there is none, or another version of Sluss wrote it */
export async function openReader(place: JournalPlace): Promise<RemoteJournalReader> {
  if (place.journalServer === null) {
    const reads = Object.entries(openJournalReader(place.journal));
    return Object.fromEntries(
      reads.map(([name, read]) => [name, async (...args: never[]) => (read as (...of: never[]) => unknown)(...args)]),
    ) as RemoteJournalReader;
  }
  const { openPostgresReader } = await import('./journal/postgres/journal-reader.ts');
  try {
    return await openPostgresReader(addressOf(place));
  } catch (error) {
    throw new Error(`the journal ${place.journal} cannot be read: ${whyOf(error)}`, { cause: error });
  }
}

function whyOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  return error.message || ((error as { code?: string }).code ?? error.name);
}

/** Where the server of a shared journal is. @throws Error in words, without user or password */
function addressOf({ file, journalServer }: Pick<JournalPlace, 'file' | 'journalServer'>): PostgresAddress {
  const { url, password } = journalServer!;
  const address = parsePostgresUrl(url, { password });
  const path = (name: string | null) => (name === null ? null : resolve(dirname(file), name));
  const { rootFile, certFile, keyFile } = address.tls;
  return {
    ...address,
    tls: { ...address.tls, rootFile: path(rootFile), certFile: path(certFile), keyFile: path(keyFile) },
  };
}

/** What is wrong with the URL of a shared journal; null = nothing. */
export function checkJournalUrl(url: string): string | null {
  try {
    parsePostgresUrl(url);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}
