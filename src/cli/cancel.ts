import type { Command } from 'commander';
import type { DeliveryActed, Thing } from '../contracts/operations.ts';
import { showActed } from './acted.ts';
import { addBulkOptions, type ChoiceOptions, choose, inBites, readThing } from './chosen.ts';
import { findJournal, openOperations } from './open-operations.ts';
import { addOperatorOptions, type OperatorOptions, readOperator } from './operator.ts';
import type { ExitCode, Terminal } from './terminal.ts';

type CancelOptions = ChoiceOptions & OperatorOptions;

/** `sluss cancel`. */
export async function cancel(things: readonly Thing[], options: CancelOptions, terminal: Terminal): Promise<ExitCode> {
  const journal = await findJournal(options, terminal);
  const chosen = await choose(things, ['message', 'delivery'], options, journal, terminal);
  if (chosen === null) return 0;
  await using open = await openOperations(options, terminal, false);
  const by = readOperator(options, terminal);
  const ends: DeliveryActed[] = [];
  await inBites(
    chosen,
    (bite) => open.operations.cancel(bite, by),
    (some) => ends.push(...some),
  );
  return showActed(ends, terminal);
}

export function addCancel(program: Command, terminal: Terminal, finish: (code: ExitCode) => void): void {
  const command = program
    .command('cancel')
    .description('give up what waits, is held or lacks a request')
    .argument('[ids...]', 'messages (17) or single deliveries (d42)', readThing);
  addBulkOptions(addOperatorOptions(command, true))
    .addHelpText('after', HELP)
    .action(async (things: Thing[], options: CancelOptions) => finish(await cancel(things, options, terminal)));
}

const HELP = `
Deliveries of a message (or one delivery) are cancelled, also those that lack a
request (sluss list --lacking); what is in flight is not. A message that is
held itself is settled by it: nothing more is to be done about it. A request
that the message brought is taken back: results that come from then on, and
corrections, lack it again. The same result, stated again, does not bring back
what was cancelled; sluss replay does.

A running engine does it at once; without one the journal itself is written.
Who and why stay in the history (sluss show).

The exit code is 0 if everything asked for was cancelled, 1 if something was
not, 2 if the configuration has mistakes.

Examples:
  sluss cancel 17 --why 'sample mixed up, the laboratory sends a new one'
  sluss cancel d42 --why 'certificate handed out on paper'
  sluss cancel 17 23 --why 'wants no certificate any more; 23 had the request'
  sluss cancel --all-held --channel test --why 'test messages' --yes`;
