import type { Command } from 'commander';
import type { Replayed } from '../contracts/operations.ts';
import { addBulkOptions, type ChoiceOptions, choose, inBites, readMessageId } from './chosen.ts';
import { findJournal, openOperations } from './open-operations.ts';
import { addOperatorOptions, type OperatorOptions, readOperator } from './operator.ts';
import { type ExitCode, paint, type Terminal } from './terminal.ts';

type ReplayOptions = ChoiceOptions & OperatorOptions & { readonly onlyIfMended?: true };

const TELL = 40;

const TEXTS: Readonly<Record<Exclude<Replayed['result'], 'replayed'>, string>> = {
  unchanged: 'left as it is: it would not be mended, or was never a message that could be mapped',
  pruned: 'not done: its bytes are not kept any more',
  'no-channel': 'not done: its channel is not configured',
  'not-found': 'not found',
};

/** `sluss replay`: maps stored messages again. */
export async function replay(ids: readonly number[], options: ReplayOptions, terminal: Terminal): Promise<ExitCode> {
  const journal = await findJournal(options, terminal);
  const named = ids.map((message) => ({ message }));
  const chosen = await choose(named, ['message'], options, journal, terminal);
  if (chosen === null) return 0;
  await using open = await openOperations(options, terminal, true);
  const by = readOperator(options, terminal);
  const ends: Replayed[] = [];
  await inBites(
    chosen.flatMap((thing) => ('message' in thing ? [thing.message] : [])),
    (bite) => open.operations.replay(bite, by, options.onlyIfMended === true),
    (some) => ends.push(...some),
  );
  showReplayed(ends, terminal);
  const isAnyQueued = ends.some(({ deliveries }) => deliveries.some(({ state }) => state === 'waiting'));
  if (isAnyQueued && !open.isRunning) terminal.print('It is sent as soon as the engine runs.');
  return ends.every(({ result, state }) => result === 'replayed' && state !== 'held') ? 0 : 1;
}

function showReplayed(ends: readonly Replayed[], terminal: Terminal): void {
  for (const end of ends.slice(0, TELL))
    terminal.print(`${String(end.messageId).padEnd(10)}  ${describe(end, terminal)}`);
  if (ends.length <= TELL) return;
  terminal.print(`… and ${ends.length - TELL} more`);
  const counts = new Map<string, number>();
  for (const { result, state } of ends) {
    const key = result === 'replayed' ? `${state}` : result;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  terminal.print([...counts].map(([key, count]) => `${count} ${key}`).join(', '));
}

function describe({ result, state, faults, deliveries, overtakenBy }: Replayed, terminal: Terminal): string {
  if (result !== 'replayed') return paint(terminal, result === 'unchanged' ? 'yellow' : 'red', TEXTS[result]);
  const counts = new Map<string, number>();
  for (const { state: one } of deliveries) counts.set(one, (counts.get(one) ?? 0) + 1);
  const made = [...counts].map(([one, count]) => `${count} ${one}`);
  const parts = [
    paint(terminal, state === 'held' ? 'red' : 'green', state ?? ''),
    ...(faults[0] === undefined ? [] : [faults[0].code]),
    made.length === 0 ? 'nothing new to send' : made.join(', '),
    ...(overtakenBy.length === 0 ? [] : [`overtaken by message ${overtakenBy.join(', ')}`]),
  ];
  return parts.join('; ');
}

export function addReplay(program: Command, terminal: Terminal, finish: (code: ExitCode) => void): void {
  const command = program
    .command('replay')
    .description('map stored messages again with the mappings in force')
    .argument('[ids...]', 'messages', readMessageId);
  addBulkOptions(addOperatorOptions(command, false))
    .option('--only-if-mended', 'leave what would still be held as it is')
    .addHelpText(
      'after',
      `
What comes out takes the place of what of the message waits or is held, and is
compared with what is known of its results: what was delivered is not sent
again unless it says something else now, and what newer messages overtook is
cancelled as stale, and told by which.

A running engine does it, with the mappings it has in force (it takes saved
files by itself). Without one the journal is written with the files as they
are. Who and why stay in the history (sluss show).

The exit code is 0 if every message was mapped again and none is held, 1 if
not, 2 if the configuration or the mappings have mistakes.

Examples:
  sluss replay 17 --why 'row added for COVPCR2'
  sluss replay --all-held --fault code-unmapped --only-if-mended
  sluss replay --all-held --fault code-unmapped --only-if-mended --yes`,
    )
    .action(async (ids: number[], options: ReplayOptions) => finish(await replay(ids, options, terminal)));
}
