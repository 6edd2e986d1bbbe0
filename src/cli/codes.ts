import { readFileSync, writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { addRow, RowError } from '../mapping/add-row.ts';
import { readMappingFiles } from '../mapping/load.ts';
import { type JournalPlace, openReader, placeOf } from '../open-journal.ts';
import { addBenchOptions } from './bench-options.ts';
import { type Coding, type HeldReport, listHeldCodes } from './held-codes.ts';
import { showReasons } from './held-messages.ts';
import { addOperatorOptions, type OperatorOptions } from './operator.ts';
import { cutText } from './page.ts';
import { release } from './release-held.ts';
import { type ExitCode, paint, type Terminal } from './terminal.ts';
import { type BenchOptions, openWorkbench, type Workbench } from './workbench.ts';

export interface CodesOptions extends BenchOptions {
  readonly journal?: string;
  readonly json?: true;
}

/** `sluss codes`: the codes that nobody mapped, found by mapping what is held again. */
export async function codes(options: CodesOptions, terminal: Terminal): Promise<ExitCode> {
  const workbench = await openWorkbench(options, terminal);
  try {
    const reader = await openReader(journalOf(options, workbench));
    try {
      const report = await listHeldCodes(reader, workbench.load());
      if (options.json) terminal.print(JSON.stringify(report, null, 2));
      else show(report, terminal);
      return 0;
    } finally {
      await reader.close();
    }
  } finally {
    await workbench.dispose();
  }
}

function journalOf({ journal }: CodesOptions, workbench: Workbench): JournalPlace {
  const place = journal === undefined ? workbench.journal : placeOf(journal);
  if (place === null) throw new Error('which journal? --journal <file>, or a configuration (-c)');
  return place;
}

function show({ codes: all, held, releasable, remaining }: HeldReport, terminal: Terminal): void {
  for (const { sender, table, alternates, messages, firstSeen, lastSeen, ...coding } of all) {
    const name = nameOf(coding);
    terminal.print(`${paint(terminal, 'bold', cutText(name, 30))}  ${cutText(coding.text, 76 - name.length)}`);
    for (const one of alternates) terminal.print(`  also ${cutText(`${nameOf(one)}  ${one.text}`.trimEnd(), 72)}`);
    terminal.print(`  table ${table}, from ${sender}`);
    const days = firstSeen.slice(0, 10) === lastSeen.slice(0, 10) ? '' : ` to ${lastSeen.slice(0, 16)}`;
    terminal.print(paint(terminal, 'dim', `  ${counted(messages)}, ${firstSeen.slice(0, 16)}${days}`));
  }
  if (all.length > 0) terminal.print('');
  terminal.print(`${counted(held)} held, ${all.length} ${all.length === 1 ? 'code' : 'codes'} without a row`);
  showReasons(remaining, terminal);
  if (releasable > 0)
    terminal.print(`${counted(releasable)} would no longer be held: sluss codes release lets them go`);
}

const nameOf = ({ code, system }: Coding) => `${code}${system === '' ? '' : ` (${system})`}`;

const counted = (messages: number) => `${messages} ${messages === 1 ? 'message' : 'messages'}`;

interface NewRow {
  readonly table: string;
  readonly system: string;
  readonly code: string;
  /** null = the code is known, and becomes nothing. */
  readonly to: string | null;
}

/** `sluss codes map`: writes a row into a table's file; what does not compile is taken back. */
export async function mapCode(row: NewRow, options: CodesOptions, terminal: Terminal): Promise<ExitCode> {
  const workbench = await openWorkbench(options, terminal);
  try {
    const file = findTableFile(row.table, workbench);
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, addRowTo(file, text, row));
    try {
      workbench.load();
    } catch (error) {
      writeFileSync(file, text);
      throw error;
    }
    terminal.print(`${workbench.locate(file)}: ${row.code} (${row.system}) → ${row.to ?? 'nothing'}`);
    terminal.print('A running engine takes the table as it is now for what comes in. What is held already is');
    terminal.print('let go by sluss codes release, or when the sender sends it again.');
    return 0;
  } finally {
    await workbench.dispose();
  }
}

function addRowTo(file: string, text: string, { system, code, to }: NewRow): string {
  try {
    return addRow(text, system, code, to);
  } catch (error) {
    if (error instanceof RowError) throw new Error(`${file}: ${error.message}`);
    throw error;
  }
}

function findTableFile(table: string, workbench: Workbench): string {
  const folders = workbench.folders;
  const files = readMappingFiles(folders, '/');
  const isTable = new RegExp(`^table:\\s*["']?${table.replace(/[^\w-]/g, '\\$&')}["']?\\s*(#.*)?$`, 'm');
  const found = files.find(({ text }) => isTable.test(text));
  if (found === undefined) throw new Error(`there is no table ${table} in ${folders.join(', ')}`);
  return `/${found.path}`;
}

export function addCodes(program: Command, terminal: Terminal, finish: (code: ExitCode) => void): void {
  const group = program
    .command('codes')
    .description('codes that nobody mapped: list them, map them, let go what they hold');
  addBenchOptions(group.command('list', { isDefault: true }).description('the codes that hold messages'))
    .option('--journal <file>', 'journal file (default: the configuration’s)')
    .option('--json', 'print the list as JSON')
    .addHelpText(
      'after',
      `
Maps what is held again with the mappings as they are now, and lists what they
miss: code, system and text as the sender writes them, with the field's other
codings, the table, how many messages; and for what else messages stay held.
A row for any coding of the field will do. The engine may run meanwhile;
nothing is written.

Examples:
  sluss codes
  sluss codes -c /etc/sluss/sluss.yaml --json | jq '.codes[].code'`,
    )
    .action(async (options: CodesOptions) => finish(await codes(options, terminal)));
  addBenchOptions(
    group
      .command('map')
      .description('add a row to a table')
      .argument('<table>', 'name of the table')
      .argument('<system>', 'coding system as the sender writes it; * = any')
      .argument('<code>', 'the sender’s code')
      .argument('[to]', 'what the row gives'),
  )
    .option('--nothing', 'the code is known, and has no translation: it is no miss any more, and makes nothing')
    .addHelpText(
      'after',
      `
Writes one line into the table's file; comments and order stay. A row that the
mappings cannot take is taken back, and the mistake is told.

Examples:
  sluss codes map se-covid-tests L COVPCR2 naat
  sluss codes map se-covid-outcomes '*' ej-pavisad negative -c sluss.yaml
  sluss codes map known-tests L HEMOLYS --nothing`,
    )
    .action(
      async (
        table: string,
        system: string,
        code: string,
        to: string | undefined,
        options: CodesOptions & { readonly nothing?: true },
      ) => {
        if ((to === undefined) === (options.nothing === undefined))
          throw new Error('either what the row gives, or --nothing');
        finish(await mapCode({ table, system, code, to: to ?? null }, options, terminal));
      },
    );
  addOperatorOptions(group.command('release').description('map again what the mappings held'), false)
    .addHelpText(
      'after',
      `
A running engine does it, once it has the saved files in force; without one the
journal itself is written, and what comes out as mapped is sent when the engine
runs. What stays held is counted by its reason (a code that still has no row, a
result that had been delivered, an attempt in doubt), with what to do about it.

Examples:
  sluss codes release
  sluss codes release -c /etc/sluss/sluss.yaml --why 'rows added'`,
    )
    .action(async (options: OperatorOptions) => finish(await release(options, terminal)));
}
