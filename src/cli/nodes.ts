import type { Command } from 'commander';
import type { SeenNode } from '../journal/postgres/nodes.ts';
import { openReader } from '../open-journal.ts';
import { findJournal, type JournalOptions } from './open-operations.ts';
import { addJournalOptions } from './operator.ts';
import { type ExitCode, paint, type Terminal } from './terminal.ts';

interface NodesOptions extends JournalOptions {
  readonly json?: true;
}

/** What ought to be the same on all nodes, but for the time that an upgrade takes. */
const FACTS = ['version', 'configuration', 'mapping'] as const satisfies readonly (keyof SeenNode)[];

/** `sluss nodes`: who shares the journal, what each runs, and what it alone does. */
async function nodes(options: NodesOptions, terminal: Terminal): Promise<ExitCode> {
  const reader = await openReader(await findJournal(options, terminal));
  try {
    if (reader.listNodes === undefined) {
      terminal.print(options.json ? '[]' : 'the journal is a file, and one engine’s own: no nodes share it');
      return 0;
    }
    const seen = await reader.listNodes();
    if (options.json) terminal.print(JSON.stringify(seen, null, 2));
    else show(seen, terminal);
    return 0;
  } finally {
    await reader.close();
  }
}

function show(seen: readonly SeenNode[], terminal: Terminal) {
  if (seen.length === 0) terminal.print('no node has opened the journal yet');
  for (const node of seen) {
    const { name, isAlive, startedAt, seenAt, holds } = node;
    const state = isAlive ? paint(terminal, 'green', 'runs') : paint(terminal, 'yellow', 'gone');
    terminal.print(`${paint(terminal, 'bold', name)}  ${state}`);
    terminal.print(`  since ${time(startedAt)}, last seen ${time(seenAt)}`);
    terminal.print(`  version ${node.version}, configuration ${node.configuration}, mappings ${node.mapping}`);
    if (isAlive && holds.length > 0) terminal.print(`  alone: ${holds.join(', ')}`);
  }
  const alive = seen.filter(({ isAlive }) => isAlive);
  const differing = FACTS.filter((fact) => new Set(alive.map((node) => node[fact])).size > 1);
  if (differing.length === 0) return;
  terminal.print(paint(terminal, 'yellow', `the nodes that run differ in: ${differing.join(', ')}`));
}

const time = (at: number) => new Date(at).toISOString().slice(0, 19).replace('T', ' ');

export function addNodes(program: Command, terminal: Terminal, finish: (code: ExitCode) => void): void {
  addJournalOptions(program.command('nodes').description('who shares the journal, what each runs, what it alone does'))
    .option('--json', 'print them as JSON')
    .addHelpText(
      'after',
      `
A node is one engine of those that share a journal in PostgreSQL. One that has
given no sign of life for the length of its lease is gone: the others see its
deliveries through. Configuration and mappings are told by their hashes; during
an upgrade they differ, and afterwards they should not. Times are UTC, by the
server's clock.

Examples:
  sluss nodes
  sluss nodes --json`,
    )
    .action(async (options: NodesOptions) => finish(await nodes(options, terminal)));
}
