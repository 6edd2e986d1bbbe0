import { dirname, resolve } from 'node:path';
import type { Configuration } from './config/configuration.ts';
import type { Clock } from './contracts/clock.ts';
import type { Journal } from './contracts/journal.ts';
import type { Log } from './contracts/log.ts';
import { type PostgresAddress, parsePostgresUrl } from './journal/postgres/connection.ts';
import type { PostgresJournal } from './journal/postgres.ts';
import { openSqliteJournal } from './journal/sqlite.ts';

type Named = Pick<Configuration<unknown>, 'file' | 'journal' | 'journalServer' | 'journalLimits'>;

/**
 * Opens the journal that a configuration names.
 * @throws Error in words, without user or password
 */
export async function openJournal(
  configuration: Named,
  { clock, log }: { readonly clock: Clock; readonly log?: Log },
): Promise<Journal & Partial<PostgresJournal>> {
  const { journal, journalServer, journalLimits } = configuration;
  const { maxQueued, maxQueuedBytes } = journalLimits;
  const common = { now: clock.now(), maxQueued, maxQueuedBytes, ...(log === undefined ? {} : { log }) };
  if (journalServer === null) return await openSqliteJournal({ path: journal, ...common });
  const { node, leaseMs } = journalServer;
  // Loaded only where there is a server.
  const { openPostgresJournal } = await import('./journal/postgres.ts');
  try {
    return await openPostgresJournal({ address: addressOf(configuration), node, leaseMs, clock, ...common });
  } catch (error) {
    const why =
      error instanceof Error ? error.message || ((error as { code?: string }).code ?? error.name) : String(error);
    throw new Error(`the journal ${journal} cannot be opened: ${why}`, { cause: error });
  }
}

/** Where the server of a shared journal is. @throws Error in words, without user or password */
function addressOf({ file, journalServer }: Pick<Named, 'file' | 'journalServer'>): PostgresAddress {
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
