import { resolve } from 'node:path';
import type { Command } from 'commander';
import { backUpJournal } from '../journal/backup.ts';
import { findJournal, type JournalOptions } from './open-operations.ts';
import { addJournalOptions } from './operator.ts';
import type { ExitCode, Terminal } from './terminal.ts';

/** `sluss backup`: a copy of the journal, looked through. */
async function backup(
  to: string,
  options: JournalOptions & { readonly json?: true },
  terminal: Terminal,
): Promise<ExitCode> {
  const { journal, journalServer } = await findJournal(options, terminal);
  if (journalServer !== null) {
    throw new Error(
      `${journal} is backed up with PostgreSQL's own tools: pg_basebackup, or WAL archiving for any moment`,
    );
  }
  const made = backUpJournal(journal, resolve(to));
  if (options.json) {
    terminal.print(JSON.stringify({ file: resolve(to), ...made }, null, 2));
    return 0;
  }
  const last = made.lastReceivedAt === null ? '' : `, the last of ${new Date(made.lastReceivedAt).toISOString()}`;
  const size = `${(made.bytes / 1_000_000).toFixed(1)} MB`;
  terminal.print(`${to}: ${size}, ${made.messages} messages and ${made.deliveries} deliveries${last}; sound`);
  return 0;
}

export function addBackup(program: Command, terminal: Terminal, finish: (code: ExitCode) => void): void {
  const command = program.command('backup').description('copy the journal into a file, and look the copy through');
  addJournalOptions(command.argument('<file>', 'a file that does not exist yet'))
    .option('--json', 'print what was copied as JSON')
    .addHelpText(
      'after',
      `
The engine may run: it goes on, and what comes meanwhile is not in the copy.
The copy is a whole journal of its own, readable by its owner alone, and holds
patient data. It was checked by the database's own integrity check, and its
messages were counted. It needs as much room as the journal.

To restore: stop the engine, put the copy in the journal's place, remove what
is called like it with -wal and -shm behind, start. Keep the installation's
secret with it: without that every result is a new one to the receivers.

The exit code is 0 if there is a sound copy, else 1, and then there is none.

Examples:
  sluss backup /backup/sluss-$(date +%F).db
  sluss backup copy.db --journal /var/lib/sluss/journal.db`,
    )
    .action(async (to: string, options: JournalOptions & { json?: true }) =>
      finish(await backup(to, options, terminal)),
    );
}
