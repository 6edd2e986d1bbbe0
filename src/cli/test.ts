import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Command } from 'commander';
import { parseExactJson } from '../fhir/exact-json.ts';
import { parseAck } from '../hl7/parse-ack.ts';
import { addBenchOptions } from './bench-options.ts';
import { type LocatedChange, showChange } from './diff-judged.ts';
import { findRule } from './explanation.ts';
import { isConversation, type Played, playConversation } from './play-conversation.ts';
import { diffValues } from './structural-diff.ts';
import { type ExitCode, nearPath, paint, showProblem, type Terminal } from './terminal.ts';
import { type Bench, type BenchOptions, openWorkbench, type Workbench } from './workbench.ts';

export interface TestOptions extends BenchOptions {
  readonly update?: true;
  readonly json?: true;
}

/**
 * Identifiers are derived with the installation's secret; with this one, which is good for nothing else, those in the
 * goldens are the same on every machine.
 */
const SECRET = 'the secret of the conversations: public, and good for nothing else';

/** One case, or one conversation, and what is not as it should be. */
interface Tested {
  readonly name: string;
  /** A line each on what has no structure to compare. */
  readonly complaints: readonly string[];
  readonly changes: readonly LocatedChange[];
  /** Goldens that `--update` wrote. */
  readonly written: readonly string[];
}

/** `sluss test`: the cases in mapping files, and the conversations in folders. */
export async function test(folders: readonly string[], options: TestOptions, terminal: Terminal): Promise<ExitCode> {
  for (const folder of folders) {
    if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) throw new Error(`${folder} is no folder`);
  }
  const workbench = await openWorkbench(options, terminal, Buffer.from(SECRET));
  try {
    const bench = workbench.load();
    const cases = runCases(bench);
    const tested: Tested[] = [cases];
    for (const folder of folders.flatMap(findConversations)) {
      const one = await runConversation(folder, options.update === true, bench, workbench);
      tested.push(one);
      if (!options.json) show(one, terminal);
    }
    const isGood = tested.every(isPassed);
    if (options.json) terminal.print(JSON.stringify(tested, null, 2));
    else showEnd(tested, `${cases.passed} of ${bench.caseCount} cases passed`, terminal);
    return isGood ? 0 : 1;
  } finally {
    await workbench.dispose();
  }
}

const isPassed = ({ complaints, changes }: Tested) => complaints.length === 0 && changes.length === 0;

/** One line a problem, and below it the rule that made what differs. */
function runCases(bench: Bench): Tested & { readonly passed: number } {
  const failed = bench.failedCases();
  const complaints = failed.map((one) => {
    const rule = one.rule === null ? '' : `\n      ${nearPath(one.rule)}`;
    return showProblem(one) + rule;
  });
  const passed = bench.caseCount - new Set(failed.map(({ ofCase }) => ofCase)).size;
  return { name: 'mappings', complaints, changes: [], written: [], passed };
}

/** Folders with `in.hl7`, at or below a folder. */
function findConversations(folder: string): string[] {
  const here = isConversation(folder) ? [folder] : [];
  const below = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .map((entry) => join(folder, entry.name))
    .sort();
  return [...here, ...below.flatMap(findConversations)];
}

async function runConversation(folder: string, update: boolean, bench: Bench, workbench: Workbench): Promise<Tested> {
  const name = relative('.', folder) || '.';
  let played: Played;
  try {
    played = await playConversation(folder, bench);
  } catch (error) {
    return { name, complaints: [error instanceof Error ? error.message : String(error)], changes: [], written: [] };
  }
  if (update) return { name, complaints: [], changes: [], written: writeGoldens(folder, played) };
  const golden = readGolden(join(folder, 'sent.json'));
  if (typeof golden === 'string') return { name, complaints: [golden], changes: [], written: [] };
  const changes = diffValues(golden, played.sent).map((change): LocatedChange => {
    const [, index = '', element = ''] = /^\[(\d+)\](?:\.body)?\.?(.*)$/.exec(change.path) ?? [];
    const maker = change.kind === 'removed' && element === '' ? null : (played.makers[Number(index)] ?? null);
    const rule = maker === null ? '' : findRule(maker, element, workbench.locate);
    return { ...change, delivery: 'sent.json', rule };
  });
  return { name, complaints: compareAnswers(folder, played), changes, written: [] };
}

/** The goldens' value, or what is wrong with the file. */
function readGolden(file: string): unknown {
  if (!existsSync(file)) return `there is no ${relative('.', file)} yet; --update writes it`;
  try {
    return parseExactJson(readFileSync(file, 'utf8'));
  } catch (error) {
    return `${relative('.', file)} is no JSON (${error instanceof Error ? error.message : ''})`;
  }
}

/** Where there are answers to compare with: code, place and text. Their ids and times are nobody's business here. */
function compareAnswers(folder: string, { acks }: Played): string[] {
  return acks.flatMap(({ file, bytes }) => {
    const path = join(folder, file);
    if (!existsSync(path)) return [];
    const [expected, got] = [describeAnswers(readFileSync(path)), describeAnswers(bytes)];
    return expected === got ? [] : [`${file}: expected ${expected}; got ${got}`];
  });
}

function describeAnswers(bytes: Uint8Array): string {
  const parts = Buffer.from(bytes)
    .toString('latin1')
    .split(/(?=MSH\|)/)
    .filter((text) => text.startsWith('MSH'));
  const described = parts.map((part) => {
    const ack = parseAck(Buffer.from(part, 'latin1'));
    if (ack === null) return 'no acknowledgement';
    return [ack.code, ...ack.errors.map(({ at, text }) => `${at} ${text}`.trim())].join(', ');
  });
  return described.length === 0 ? 'no answer' : described.join(' | ');
}

function writeGoldens(folder: string, { sent, acks }: Played): string[] {
  const files = [
    { file: 'sent.json', bytes: Buffer.from(`${JSON.stringify(sent, null, 2)}\n`) },
    // Answers are goldens only where somebody made them so.
    ...acks.filter(({ file }) => existsSync(join(folder, file))),
  ];
  return files.flatMap(({ file, bytes }) => {
    const path = join(folder, file);
    if (existsSync(path) && readFileSync(path).equals(bytes)) return [];
    writeFileSync(path, bytes);
    return [file];
  });
}

function show(tested: Tested, terminal: Terminal): void {
  const { name, complaints, changes, written } = tested;
  const mark = isPassed(tested) ? paint(terminal, 'green', '✓') : paint(terminal, 'red', '✗');
  terminal.print(`${mark} ${name}${written.length === 0 ? '' : `  wrote ${written.join(', ')}`}`);
  for (const line of complaints) terminal.print(`    ${line}`);
  for (const change of changes) showChange(change, terminal);
}

function showEnd(tested: readonly Tested[], ofCases: string, terminal: Terminal): void {
  const [cases, ...conversations] = tested;
  for (const line of cases?.complaints ?? []) terminal.print(`${paint(terminal, 'red', '✗')} ${line}`);
  const passed = conversations.filter(isPassed).length;
  const parts = [ofCases];
  if (conversations.length > 0) parts.push(`${passed} of ${conversations.length} conversations passed`);
  const style = tested.every(isPassed) ? 'green' : 'red';
  terminal.print(paint(terminal, style, parts.join(', ')));
}

export function addTest(program: Command, terminal: Terminal, finish: (code: ExitCode) => void): void {
  addBenchOptions(
    program
      .command('test')
      .description('run the cases in the mapping files, and conversations in folders')
      .argument('[folders...]', 'folders with in.hl7 and sent.json, or folders of such'),
  )
    .option('--update', 'write what is sent now into sent.json (and ack.hl7, where there is one)')
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      `
A conversation is a folder with in.hl7 (or in-1.hl7, in-2.hl7 and so on, taken
in one after the other), sent.json: what has to be sent, and, if you want it
compared, ack.hl7. A line "channel: lab-nord" in about.txt names its channel.
Where something differs, the rule that made it is named. Nothing is sent.

To begin a conversation make the folder with in.hl7, run --update, and read
what it wrote: from then on it is what you promise.

Examples:
  sluss test
  sluss test conversations -c sluss.yaml
  sluss test conversations/two-results --update
  sluss test fixtures/conversations -c fixtures/sluss.yaml`,
    )
    .action(async (folders: string[], options: TestOptions) => finish(await test(folders, options, terminal)));
}
