import type { Command } from 'commander';
import { openReader } from '../open-journal.ts';
import { findJournal, type JournalOptions } from './open-operations.ts';
import { addJournalOptions } from './operator.ts';
import { describeScope } from './pause.ts';
import { type ExitCode, paint, type Terminal } from './terminal.ts';

interface PausesOptions extends JournalOptions {
  readonly history?: true;
  readonly json?: true;
}

/** How many acts --history shows. */
const LAST = 50;

/** `sluss pauses`: what people paused. */
async function pauses(options: PausesOptions, terminal: Terminal): Promise<ExitCode> {
  const reader = await openReader(await findJournal(options, terminal));
  try {
    const now = await reader.listPauses();
    const acts = options.history ? await reader.listActs(LAST) : [];
    if (options.json) {
      terminal.print(JSON.stringify(options.history ? { pauses: now, history: acts } : { pauses: now }, null, 2));
      return 0;
    }
    if (now.length === 0) terminal.print('nothing is paused');
    for (const one of now) {
      terminal.print(paint(terminal, 'bold', describeScope(one)));
      terminal.print(`  since ${time(one.since)} by ${one.by}${said(one.note)}`);
    }
    if (acts.length > 0) terminal.print('');
    for (const act of acts) {
      terminal.print(`${time(act.at)}  ${act.event.padEnd(7)}  ${describeScope(act)}, by ${act.by}${said(act.note)}`);
    }
    return 0;
  } finally {
    await reader.close();
  }
}

const time = (at: number) => new Date(at).toISOString().slice(0, 19).replace('T', ' ');
const said = (note: string | null) => (note === null ? '' : `: ${note}`);

export function addPauses(program: Command, terminal: Terminal, finish: (code: ExitCode) => void): void {
  addJournalOptions(program.command('pauses').description('what people paused, since when, who and why'))
    .option('--history', `the last ${LAST} times something was paused or resumed, too`)
    .option('--json', 'print them as JSON')
    .addHelpText(
      'after',
      `
Only what people paused: what the engine pauses by itself, because a receiver
refuses a certificate, is in its log and in /metrics. Times are UTC.

Examples:
  sluss pauses
  sluss pauses --history`,
    )
    .action(async (options: PausesOptions) => finish(await pauses(options, terminal)));
}
