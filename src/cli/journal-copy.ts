import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { readSecret, type SecretReference } from '../config/secret.ts';
import type { JournalCopy } from '../journal/postgres/copy.ts';
import { copyJournalTo, type JournalPlace, placeOf } from '../open-journal.ts';
import { findJournal } from './open-operations.ts';
import { type ExitCode, paint, type Terminal } from './terminal.ts';

interface CopyCommand {
  readonly config: string;
  readonly from?: string;
  readonly to?: string;
  readonly passwordFile?: string;
  readonly passwordEnv?: string;
  readonly node?: string;
  readonly json?: true;
}

/** `sluss journal copy`: a SQLite journal into a PostgreSQL database, compared row by row. */
async function copy(options: CopyCommand, terminal: Terminal): Promise<ExitCode> {
  const { from, to } = await findBoth(options, terminal);
  let told = '';
  const copied = await copyJournalTo(to, {
    from,
    node: options.node ?? null,
    now: Date.now(),
    onChunk(table) {
      if (table !== told) terminal.complain(`copying ${table}`);
      told = table;
    },
  });
  if (options.json) terminal.print(JSON.stringify({ from, to: to.journal, ...copied }, null, 2));
  else show(copied, terminal);
  return copied.differences.length === 0 ? 0 : 1;
}

/** One of the two may be the configuration's. */
async function findBoth(options: CopyCommand, terminal: Terminal): Promise<{ from: string; to: JournalPlace }> {
  const { from, to } = options;
  const configured = from === undefined || to === undefined ? await findJournal(options, terminal) : null;
  const source = from === undefined ? configured! : placeOf(from);
  const target = to === undefined ? configured! : withPassword(placeOf(to), options, terminal);
  if (source.journalServer !== null) throw new Error('what is copied is a file: name it with --from');
  if (target.journalServer === null) throw new Error('it is copied to a database: name it with --to postgres://…');
  return { from: source.journal, to: target };
}

function withPassword(place: JournalPlace, { passwordFile, passwordEnv }: CopyCommand, { env }: Terminal) {
  if (place.journalServer === null) return place;
  const reference: SecretReference | null =
    passwordFile !== undefined ? { file: passwordFile } : passwordEnv !== undefined ? { env: passwordEnv } : null;
  if (reference === null) return place;
  const password = readSecret(reference, { env, resolvePath: (path) => resolve(path), makeSecret: null });
  return { ...place, journalServer: { ...place.journalServer, password } };
}

function show({ tables, differences }: JournalCopy, terminal: Terminal): void {
  const wide = Math.max(...tables.map(({ name }) => name.length));
  for (const { name, rows, copied, digest } of tables) {
    const before = copied === rows ? '' : `, ${rows - copied} of them before`;
    terminal.print(`${name.padEnd(wide)}  ${String(rows).padStart(9)}  ${digest.slice(0, 16)}${before}`);
  }
  for (const { name, states } of tables) {
    const counts = Object.entries(states)
      .sort()
      .map(([state, count]) => `${count} ${state}`);
    if (counts.length > 0) terminal.print(`${name}: ${counts.join(', ')}`);
  }
  if (differences.length === 0) {
    terminal.print(`${paint(terminal, 'green', 'the same on both sides')}: nodes may start on the copy`);
    return;
  }
  for (const difference of differences) terminal.complain(`${paint(terminal, 'red', 'error')}  ${difference}`);
  terminal.complain('No node will start on it. Empty the database, and copy again.');
}

export function addJournal(program: Command, terminal: Terminal, finish: (code: ExitCode) => void): void {
  const journal = program.command('journal').description('move the journal from its file to a database');
  journal
    .command('copy')
    .description('copy a SQLite journal into an empty PostgreSQL database, and compare')
    .option('-c, --config <file>', 'configuration file', 'sluss.yaml')
    .option('--from <file>', 'the journal’s file (default: the configuration’s)')
    .option('--to <url>', 'postgres://… (default: the configuration’s)')
    .addOption(new Option('--password-file <file>', 'file with the password of --to').conflicts('passwordEnv'))
    .option('--password-env <name>', 'environment variable with it')
    .option('--node <name>', 'which node starts first (default: this machine)')
    .option('--json', 'print the report as JSON')
    .addHelpText(
      'after',
      `
Stop the engine first. The file is only read, and stays as it is. The database
has to be empty; rows are copied with their numbers, some thousand in each
transaction. If it is cut off, the same command goes on where it stopped, as
long as the file has not changed. At the end every row of both is read and
compared; until they are the same no node opens the copy.

Then point journal: at the database, keep the installation's secret, and start.
What was in flight is judged as after a crash. Put the file away: an engine that
is started on it would send again what the nodes have sent.

The exit code is 0 if both are the same, else 1.

Examples:
  sluss journal copy --to postgres://sluss@db/sluss --password-file /run/pw
  sluss journal copy --from journal.db -c cluster.yaml`,
    )
    .action(async (options: CopyCommand) => finish(await copy(options, terminal)));
}
