import type { Command } from 'commander';
import type { DeliveryActed, Thing } from '../contracts/operations.ts';
import { showActed } from './acted.ts';
import { addBulkOptions, type ChoiceOptions, choose, inBites, readThing } from './chosen.ts';
import { findJournal, openOperations } from './open-operations.ts';
import { addOperatorOptions, type OperatorOptions, readOperator } from './operator.ts';
import type { ExitCode, Terminal } from './terminal.ts';

type ReleaseOptions = ChoiceOptions & OperatorOptions;

/** `sluss release`. */
export async function release(
  things: readonly Thing[],
  options: ReleaseOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const journal = await findJournal(options, terminal);
  const chosen = await choose(things, ['delivery'], options, journal, terminal);
  if (chosen === null) return 0;
  await using open = await openOperations(options, terminal, false);
  const by = readOperator(options, terminal);
  const ends: DeliveryActed[] = [];
  await inBites(
    chosen,
    (bite) => open.operations.release(bite, by),
    (some) => ends.push(...some),
  );
  const code = showActed(ends, terminal);
  const isAnyReleased = ends.some(({ result }) => result === 'released');
  if (isAnyReleased && !open.isRunning) terminal.print('They are sent as soon as the engine runs.');
  return code;
}

export function addRelease(program: Command, terminal: Terminal, finish: (code: ExitCode) => void): void {
  const command = program
    .command('release')
    .description('let held deliveries go')
    .argument('[ids...]', 'messages (17) or single deliveries (d42)', readThing);
  addBulkOptions(addOperatorOptions(command, true))
    .addHelpText('after', HELP)
    .action(async (things: Thing[], options: ReleaseOptions) => finish(await release(things, options, terminal)));
}

const HELP = `
Sends what a person held up, or a fault did. What was overtaken by a newer
version of its result meanwhile is not sent: it is cancelled as stale, and told
by which message. What the mapping held (a code without a row) cannot be sent
as it is: mend the mapping and sluss replay it. What is in doubt may have
arrived: ask the receiver first.

A running engine does it at once; without one the journal itself is written.
Who and why stay in the history (sluss show).

The exit code is 0 if everything asked for was released, 1 if something was
not, 2 if the configuration has mistakes.

Examples:
  sluss release 17 --why 'receiver says it has nothing of this'
  sluss release d42 d43 --why 'checked with the laboratory'
  sluss release --all-held --fault given-up --target covidbevis --why 'mended'
  sluss release --all-held --channel lab-nord --why 'mended' --yes`;
