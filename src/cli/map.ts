import { type Command, InvalidArgumentError } from 'commander';
import { ConfigError } from '../config/configuration.ts';
import { addBenchOptions } from './bench-options.ts';
import { judge } from './judge.ts';
import { type JudgedWriter, writeBodies, writeDiffs, writeJson, writeText } from './judged-writer.ts';
import { type FileMessage, readMessages } from './message-file.ts';
import { type ExitCode, paint, showProblem, type Terminal } from './terminal.ts';
import { watchFiles } from './watch-files.ts';
import { type BenchOptions, openWorkbench, type Workbench } from './workbench.ts';

export interface MapOptions extends BenchOptions {
  readonly json?: true;
  readonly bundle?: true;
  readonly explain?: true;
  readonly diff?: string;
  readonly watch?: true;
  /** Which message of a file alone, from 1. */
  readonly message?: number;
}

/** `sluss map`: what messages would become, and why; nothing is sent or stored. */
export async function map(files: readonly string[], options: MapOptions, terminal: Terminal): Promise<ExitCode> {
  const workbench = await openWorkbench(options, terminal);
  try {
    if (!options.watch) return mapOnce(files, options, workbench, terminal);
    return await mapAgainAndAgain(files, options, workbench, terminal);
  } finally {
    await workbench.dispose();
  }
}

function mapOnce(files: readonly string[], options: MapOptions, workbench: Workbench, terminal: Terminal): ExitCode {
  const bench = workbench.load();
  const writer = chooseWriter(options, workbench, terminal);
  let isGood = true;
  for (const message of chooseMessages(files, options.message)) {
    const judged = judge(message.bytes, bench);
    if (judged.state !== 'mapped' && judged.state !== 'skipped') isGood = false;
    writer.write({ message, judged });
  }
  writer.end();
  return isGood ? 0 : 1;
}

function chooseWriter(options: MapOptions, workbench: Workbench, terminal: Terminal): JudgedWriter {
  const isExplained = options.explain === true;
  if (options.diff !== undefined)
    return writeDiffs(workbench.loadOther(options.diff), options.json === true, workbench, terminal);
  if (options.json) return writeJson(isExplained, workbench, terminal);
  return options.bundle ? writeBodies(terminal) : writeText(isExplained, workbench, terminal);
}

/** One after the other, as they are read; none is kept. */
function* chooseMessages(files: readonly string[], only: number | undefined): Generator<FileMessage> {
  let isFound = false;
  for (const file of files)
    for (const message of readMessages(file)) {
      if (only !== undefined && message.number !== only) continue;
      isFound = true;
      yield message;
    }
  if (!isFound && only !== undefined) throw new Error(`there is no message #${only} in ${files.join(', ')}`);
}

/** Runs again on every save until it is asked to end. A mapping with mistakes is told, and the next save tried. */
async function mapAgainAndAgain(
  files: readonly string[],
  options: MapOptions,
  workbench: Workbench,
  terminal: Terminal,
): Promise<ExitCode> {
  const asked = terminal.untilAskedToEnd();
  let code: ExitCode = 0;
  const run = () => {
    if (terminal.colours) terminal.print('\x1b[2J\x1b[3J\x1b[H');
    try {
      code = mapOnce(files, options, workbench, terminal);
    } catch (error) {
      code = 2;
      complain(error, terminal);
    }
    terminal.complain(paint(terminal, 'dim', 'Waiting for the next save; Ctrl-C ends it.'));
  };
  const stop = await watchFiles([...workbench.watched, ...files], run);
  run();
  await asked;
  await stop();
  return code;
}

function complain(error: unknown, terminal: Terminal): void {
  const lines =
    error instanceof ConfigError
      ? error.problems.map(showProblem)
      : [error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)];
  for (const line of lines) terminal.complain(`${paint(terminal, 'red', 'error')}  ${line}`);
}

export function addMap(program: Command, terminal: Terminal, finish: (code: ExitCode) => void): void {
  addBenchOptions(
    program
      .command('map')
      .description('show what messages become and why; send nothing, store nothing')
      .argument('<files...>', 'HL7 files of one or more messages, or of a batch; - is the standard input'),
  )
    .option('--explain', 'for each element: rule, field, values, table row; then the fields nobody used')
    .option('--diff <other>', 'compare with another folder of mappings, or another mapping')
    .option('--watch', 'run again whenever a mapping or a message is saved')
    .option('--bundle', 'print the bodies alone, one JSON document for each delivery')
    .option('--message <number>', 'only this message of each file, counted from 1', readNumber)
    .option('--json', 'print everything as JSON')
    .addHelpText(
      'after',
      `
Prints for each message the answer it would get, what is wrong with it (with
the line of the mapping and the place in the message), and what it becomes.
Values of the message are shown: use it on messages that you may see.

Of a file with more than 20 messages the first 20 are shown in full, and of the
others those that would be refused or held; what is cut is said at the end.
--json and --bundle print all. Messages are read and mapped one by one.

Without -c and without ./sluss.yaml the mappings that come with Sluss are used
(--mapping says which, oru-r01 if nothing does), for a party called none.

The exit code is 0 if every message would be mapped or skipped, 1 if one would
be refused or held, 2 if the mappings or the configuration have mistakes.

Examples:
  sluss map result.hl7
  sluss map result.hl7 --explain | less
  sluss map result.hl7 -c sluss.yaml --channel lab-nord --watch
  sluss map *.hl7 --diff ../mappings-of-yesterday
  sluss map batch.hl7 --message 17
  sluss map batch.hl7 --bundle > bundles.json
  sluss map result.hl7 --json | jq '.[].deliveries[].body'`,
    )
    .action(async (files: string[], options: MapOptions) => finish(await map(files, options, terminal)));
}

function readNumber(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError('It must be a whole number from 1.');
  return number;
}
