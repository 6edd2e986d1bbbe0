import type { Command } from 'commander';
import { ConfigError } from '../config/configuration.ts';
import { FAULTS, type FaultRecord } from '../contracts/fault.ts';
import { explainDelivery, findRule, listUnused } from './explanation.ts';
import { type Judged, type JudgedDelivery, judge } from './judge.ts';
import { type FileMessage, readMessageFile } from './message-file.ts';
import { cutText, wrapText } from './page.ts';
import { type Change, diffValues } from './structural-diff.ts';
import { type ExitCode, paint, showProblem, type Terminal } from './terminal.ts';
import { watchFiles } from './watch-files.ts';
import { type Bench, type BenchOptions, openWorkbench, type Workbench } from './workbench.ts';

export interface MapOptions extends BenchOptions {
  readonly json?: true;
  readonly bundle?: true;
  readonly explain?: true;
  readonly diff?: string;
  readonly watch?: true;
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
  const other = options.diff === undefined ? null : workbench.loadOther(options.diff);
  const messages = files.flatMap(readMessageFile);
  const judged = messages.map((message) => ({ message, judged: judge(message.bytes, bench) }));
  const isGood = judged.every(({ judged: { state } }) => state === 'mapped' || state === 'skipped');
  if (other !== null) showDiffs(judged, other, options, workbench, terminal);
  else if (options.json) terminal.print(JSON.stringify(judged.map(toJson(options, workbench)), null, 2));
  else if (options.bundle) for (const { judged: one } of judged) printBodies(one, terminal);
  else showAll(judged, options, workbench, terminal);
  return isGood ? 0 : 1;
}

interface JudgedMessage {
  readonly message: FileMessage;
  readonly judged: Judged;
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

function printBodies({ deliveries }: Judged, terminal: Terminal): void {
  for (const { isSent, value } of deliveries) if (isSent) terminal.print(JSON.stringify(value, null, 2));
}

function toJson(options: MapOptions, workbench: Workbench) {
  const locate = (fault: FaultRecord) => ({
    ...fault,
    where: fault.where === null ? null : workbench.locate(fault.where),
    text: FAULTS[fault.code].text,
  });
  return ({ message, judged }: JudgedMessage) => {
    const read = judged.explanation?.message ?? null;
    return {
      file: message.file,
      number: message.number,
      controlId: judged.header?.controlId ?? null,
      channel: judged.channel,
      state: judged.state,
      answer: judged.answer,
      deliveries: judged.deliveries
        .filter(({ isSent }) => isSent || options.explain)
        .map((delivery) => ({
          target: delivery.target,
          operation: delivery.operation,
          party: delivery.party,
          mapping: delivery.mapping,
          at: delivery.at,
          sent: delivery.isSent,
          notBefore: delivery.notBefore === null ? null : new Date(delivery.notBefore).toISOString(),
          body: delivery.value,
          ...(options.explain ? { elements: explainDelivery(delivery, read, workbench.locate) } : {}),
        })),
      skipped: judged.skipped,
      faults: judged.faults.map(locate),
      warnings: judged.warnings.map(locate),
      ...(options.explain ? { unused: listUnused(judged) } : {}),
    };
  };
}

function showAll(all: readonly JudgedMessage[], options: MapOptions, workbench: Workbench, terminal: Terminal): void {
  for (const [index, { message, judged }] of all.entries()) {
    if (index > 0) terminal.print('');
    showSummary(message, judged, workbench, terminal);
    for (const delivery of judged.deliveries) {
      if (delivery.isSent || options.explain) showDelivery(delivery, judged, options, workbench, terminal);
    }
    if (options.explain) showUnused(judged, terminal);
  }
  if (all.length > 1) showCounts(all, terminal);
}

function showSummary(message: FileMessage, judged: Judged, workbench: Workbench, terminal: Terminal): void {
  const { header, state, answer, channel, deliveries } = judged;
  const type = header === null ? 'no HL7 message' : `${header.messageCode}^${header.triggerEvent} ${header.version}`;
  const name = nameOf(message);
  const controlId = cutText(header?.controlId ?? '', 76 - name.length - type.length);
  terminal.print(paint(terminal, 'bold', [name, controlId, type].filter(Boolean).join('  ')));
  const style = state === 'mapped' ? 'green' : state === 'skipped' ? 'yellow' : 'red';
  const sent = deliveries.filter(({ isSent }) => isSent).length;
  const made = sent === 0 ? '' : `, ${sent} ${sent === 1 ? 'delivery' : 'deliveries'}`;
  terminal.print(`  ${paint(terminal, style, state)} on channel ${channel}${made}; answer ${answer ?? 'none'}`);
  for (const fault of judged.faults) showFault('fault', 'red', fault, workbench, terminal);
  for (const { reason, at } of countEach(judged.skipped, ({ reason, at }) => `${reason} ${at ?? ''}`)) {
    terminal.print(`  ${paint(terminal, 'yellow', 'skipped')}  ${reason}${at === null ? '' : ` at ${at}`}`);
  }
  for (const warning of judged.warnings) showFault('warning', 'yellow', warning, workbench, terminal);
}

/** `…/two-results/in.hl7 #1` */
function nameOf({ file, number }: FileMessage): string {
  const path = file.length <= 40 ? file : `…${file.slice(-39)}`;
  return `${path} #${number}`;
}

function countEach<Item>(items: readonly Item[], key: (item: Item) => string): Item[] {
  return [...new Map(items.map((item) => [key(item), item])).values()];
}

/** The code and where in the message; what it means; where in our files. */
function showFault(
  word: 'fault' | 'warning',
  style: 'red' | 'yellow',
  fault: FaultRecord,
  workbench: Workbench,
  terminal: Terminal,
): void {
  const at = fault.at === null ? '' : ` at ${fault.at}`;
  terminal.print(`  ${paint(terminal, style, word.padEnd(7))}  ${fault.code}${at}`);
  const text = `${FAULTS[fault.code].text}${fault.detail === null ? '' : ` (${fault.detail})`}`;
  for (const line of wrapText(text, 11)) terminal.print(line);
  if (fault.where !== null) terminal.print(`${' '.repeat(11)}${paint(terminal, 'dim', workbench.locate(fault.where))}`);
}

function showDelivery(
  delivery: JudgedDelivery,
  judged: Judged,
  options: MapOptions,
  workbench: Workbench,
  terminal: Terminal,
): void {
  const { target, operation, party, mapping, at, isSent, notBefore, held } = delivery;
  terminal.print('');
  const to = paint(terminal, 'bold', `${target}/${operation}`);
  const from = at === null ? '' : ` from ${at}`;
  terminal.print(`  ${to} for ${party}${from} by ${mapping}${isSent ? '' : paint(terminal, 'red', ' (not sent)')}`);
  if (notBefore !== null) terminal.print(`  not before ${new Date(notBefore).toISOString()}`);
  if (held !== null) terminal.print(`  ${paint(terminal, 'red', 'held')} ${FAULTS[held.code].text}`);
  if (options.explain) showElements(delivery, judged, workbench, terminal);
  else for (const line of JSON.stringify(delivery.value, null, 2).split('\n')) terminal.print(`  ${line}`);
}

/** Three lines an element: what it is, what it was, which rule. */
function showElements(delivery: JudgedDelivery, judged: Judged, workbench: Workbench, terminal: Terminal): void {
  const message = judged.explanation?.message ?? null;
  let around = '';
  for (const { element, value, rule, sources, rows } of explainDelivery(delivery, message, workbench.locate)) {
    const [, entry = '', rest = element] = /^(entry\[\d+\])(?:\.resource\.(.*))?$/.exec(element) ?? [];
    if (entry !== around) {
      around = entry;
      const resource = (value as { resource?: { resourceType?: unknown } }).resource;
      terminal.print('');
      terminal.print(`  ${paint(terminal, 'bold', `${entry} ${resource?.resourceType ?? ''}`)}`);
      terminal.print(paint(terminal, 'dim', `      ${rule}`));
      if (rest === element) continue;
    }
    terminal.print(`    ${rest} ${paint(terminal, 'green', cutText(JSON.stringify(value), 74 - rest.length))}`);
    for (const { at, raw } of sources) {
      terminal.print(`      ${at} ${paint(terminal, 'yellow', cutText(raw ?? '', 72 - at.length))}`);
    }
    terminal.print(paint(terminal, 'dim', `      ${sources.length === 0 ? sourceless(value) : ''}${rule}`));
    for (const row of rows) terminal.print(paint(terminal, 'dim', `      row ${row}`));
  }
}

/** What a value is that came from no field. */
function sourceless(value: unknown): string {
  return /^\[?\{"reference":/.test(JSON.stringify(value)) ? 'reference, ' : 'of no field, ';
}

function showUnused(judged: Judged, terminal: Terminal): void {
  const unused = listUnused(judged);
  if (unused.length === 0) return;
  terminal.print('');
  terminal.print(`  ${paint(terminal, 'bold', 'Fields that nothing used')}`);
  for (const { field, count, raw } of unused) {
    const times = count === 1 ? '' : `${count}×`;
    terminal.print(
      `    ${field.padEnd(10)} ${times.padStart(4)}  ${paint(terminal, 'yellow', cutText(raw ?? '', 58))}`,
    );
  }
}

function showCounts(all: readonly JudgedMessage[], terminal: Terminal): void {
  const counts = new Map<string, number>();
  for (const { judged } of all) counts.set(judged.state, (counts.get(judged.state) ?? 0) + 1);
  terminal.print('');
  terminal.print(`${all.length} messages: ${[...counts].map(([state, count]) => `${count} ${state}`).join(', ')}`);
}

function showDiffs(
  all: readonly JudgedMessage[],
  other: Bench,
  options: MapOptions,
  workbench: Workbench,
  terminal: Terminal,
): void {
  const found = all.map(({ message, judged }) => {
    const now = judge(message.bytes, other);
    return { message, before: judged, after: now, changes: diffJudged(judged, now, workbench) };
  });
  if (options.json) {
    terminal.print(
      JSON.stringify(
        found.map(({ message, before, after, changes }) => ({
          file: message.file,
          number: message.number,
          state: { before: before.state, after: after.state },
          changes,
        })),
        null,
        2,
      ),
    );
    return;
  }
  for (const { message, before, after, changes } of found) {
    terminal.print(paint(terminal, 'bold', nameOf(message)));
    if (before.state !== after.state) terminal.print(`  state ${before.state} → ${after.state}`);
    if (changes.length === 0 && before.state === after.state) terminal.print('  no difference');
    for (const change of changes) showChange(change, terminal);
  }
}

/** A difference, with the delivery it is in and the rule that made what is there (or was there); '' = no rule did. */
export interface LocatedChange extends Change {
  readonly delivery: string;
  readonly rule: string;
}

/** What differs between what two mappings make of a message, delivery by delivery. */
export function diffJudged(before: Judged, after: Judged, workbench: Pick<Workbench, 'locate'>): LocatedChange[] {
  const left = [...after.deliveries];
  const changes: LocatedChange[] = [];
  for (const old of before.deliveries) {
    const index = left.findIndex(
      ({ target, operation, party, at }) =>
        target === old.target && operation === old.operation && party === old.party && at === old.at,
    );
    const now = index < 0 ? null : (left.splice(index, 1)[0] ?? null);
    const delivery = `${old.target}/${old.operation}`;
    if (now === null) {
      const rule = workbench.locate(old.where);
      changes.push({ kind: 'removed', path: '', before: old.value, after: undefined, delivery, rule });
      continue;
    }
    for (const change of diffValues(old.value, now.value)) {
      const maker = change.kind === 'removed' ? old : now;
      changes.push({ ...change, delivery, rule: findRule(maker, change.path, workbench.locate) });
    }
  }
  for (const now of left) {
    const delivery = `${now.target}/${now.operation}`;
    const rule = workbench.locate(now.where);
    changes.push({ kind: 'added', path: '', before: undefined, after: now.value, delivery, rule });
  }
  return changes;
}

/** `~ path`, the values, the rule. */
export function showChange({ kind, path, before, after, delivery, rule }: LocatedChange, terminal: Terminal): void {
  const mark = { added: '+', removed: '-', changed: '~' }[kind];
  const style = { added: 'green', removed: 'red', changed: 'yellow' } as const;
  terminal.print(`  ${paint(terminal, style[kind], `${mark} ${path === '' ? delivery : path}`)}`);
  if (path !== '') {
    if (kind !== 'added') terminal.print(`      ${paint(terminal, 'red', `- ${cutText(JSON.stringify(before), 70)}`)}`);
    if (kind !== 'removed')
      terminal.print(`      ${paint(terminal, 'green', `+ ${cutText(JSON.stringify(after), 70)}`)}`);
  }
  if (rule !== '') terminal.print(paint(terminal, 'dim', `      ${rule}`));
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
    .option('--json', 'print everything as JSON')
    .addHelpText(
      'after',
      `
Prints for each message the answer it would get, what is wrong with it (with
the line of the mapping and the place in the message), and what it becomes.
Values of the message are shown: use it on messages that you may see.

Without -c and without ./sluss.yaml the mappings that come with Sluss are used
(--mapping says which, oru-r01 if nothing does), for a party called none.

The exit code is 0 if every message would be mapped or skipped, 1 if one would
be refused or held, 2 if the mappings or the configuration have mistakes.

Examples:
  sluss map result.hl7
  sluss map result.hl7 --explain | less
  sluss map result.hl7 -c sluss.yaml --channel lab-nord --watch
  sluss map *.hl7 --diff ../mappings-of-yesterday
  sluss map batch.hl7 --bundle > bundles.json
  sluss map result.hl7 --json | jq '.[].deliveries[].body'`,
    )
    .action(async (files: string[], options: MapOptions) => finish(await map(files, options, terminal)));
}

/** The options that say which mappings a command is about. */
export function addBenchOptions(command: Command): Command {
  return command
    .option('-c, --config <file>', 'configuration file (default: sluss.yaml, where there is one)')
    .option('--channel <name>', 'channel of the configuration (default: the first that takes the message)')
    .option('--mapping <name>', 'message mapping, instead of the channel’s own')
    .option('--mappings <folder>', 'mapping files, instead of the configuration’s');
}
