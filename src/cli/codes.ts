import { readFileSync, writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { ConfigError } from '../config/configuration.ts';
import type { FaultCode, FaultRecord } from '../contracts/fault.ts';
import type { StoredMessage } from '../contracts/journal.ts';
import type { Log } from '../contracts/log.ts';
import { mapMessage } from '../engine/intake.ts';
import { unescapeText } from '../hl7/escape.ts';
import { readHeader } from '../hl7/header.ts';
import type { Message } from '../hl7/message.ts';
import { readPart } from '../hl7/path.ts';
import { type JournalReader, openJournalReader } from '../journal/reader.ts';
import { openSqliteJournal } from '../journal/sqlite.ts';
import { type Assembly, assemble } from '../main.ts';
import { addRow, RowError } from '../mapping/add-row.ts';
import { readMappingFiles } from '../mapping/load.ts';
import { readLocation } from '../mapping/unused-fields.ts';
import { judgeOn } from './judge.ts';
import { addBenchOptions } from './map.ts';
import { cutText } from './page.ts';
import { type ExitCode, paint, type Terminal } from './terminal.ts';
import { type Bench, type BenchOptions, openWorkbench, type Workbench } from './workbench.ts';

export interface CodesOptions extends BenchOptions {
  readonly journal?: string;
  readonly json?: true;
}

/** A code that holds messages, as one sender writes it. */
export interface HeldCode {
  /** MSH-3 and MSH-4. */
  readonly sender: string;
  readonly table: string;
  readonly system: string;
  readonly code: string;
  readonly text: string;
  /** HL7 location in the first message. */
  readonly at: string;
  readonly messages: number;
  /** ISO times. */
  readonly firstSeen: string;
  readonly lastSeen: string;
}

interface HeldReport {
  readonly codes: readonly HeldCode[];
  readonly held: number;
  /** Held messages that the mappings as they are now would not hold. */
  readonly releasable: number;
}

const PAGE = 200;

/** What a mapping may have held a message for, and another mapping may let go. */
const BY_MAPPING: readonly FaultCode[] = [
  'code-unmapped',
  'value-unmapped',
  'mapping-incomplete',
  'identities-disagree',
  'party-unknown',
  'party-not-permitted',
];

/** `sluss codes`: the codes that nobody mapped, found by mapping what is held again. */
export async function codes(options: CodesOptions, terminal: Terminal): Promise<ExitCode> {
  const workbench = await openWorkbench(options, terminal);
  try {
    const reader = openJournalReader(journalOf(options, workbench));
    try {
      const report = listHeldCodes(reader, workbench.load());
      if (options.json) terminal.print(JSON.stringify(report, null, 2));
      else show(report, terminal);
      return 0;
    } finally {
      reader.close();
    }
  } finally {
    await workbench.dispose();
  }
}

function journalOf({ journal }: CodesOptions, workbench: Workbench): string {
  const path = journal ?? workbench.journal;
  if (path === null) throw new Error('which journal? --journal <file>, or a configuration (-c)');
  return path;
}

function* readHeld(reader: JournalReader): Generator<StoredMessage> {
  for (let afterId = 0; ; ) {
    const page = reader.listHeld(afterId, PAGE);
    yield* page;
    const last = page.at(-1);
    if (last === undefined) return;
    afterId = last.id;
  }
}

function isHeldByMapping({ faults }: StoredMessage): boolean {
  return faults.length > 0 && faults.every(({ code }) => BY_MAPPING.includes(code));
}

function listHeldCodes(reader: JournalReader, bench: Bench): HeldReport {
  const found = new Map<string, HeldCode & { readonly seen: number }>();
  let held = 0;
  let releasable = 0;
  for (const message of readHeld(reader)) {
    held += 1;
    const channel = bench.channels.find(({ name }) => name === message.channel);
    if (channel === undefined) continue;
    const { state, faults, explanation } = judgeOn(message.bytes, channel, bench);
    if (state !== 'held' && isHeldByMapping(message)) releasable += 1;
    const read = explanation?.message ?? null;
    if (read === null) continue;
    const here = new Map<string, HeldCode>();
    for (const fault of faults.filter(({ code }) => code === 'code-unmapped')) {
      const one = describeCode(fault, read, message);
      if (one !== null) here.set(JSON.stringify([one.sender, one.table, one.system, one.code]), one);
    }
    for (const [key, one] of here) {
      const known = found.get(key);
      const messages = (known?.messages ?? 0) + 1;
      const first = known ?? one;
      found.set(key, { ...first, messages, lastSeen: one.lastSeen, seen: message.receivedAt });
    }
  }
  const all = [...found.values()].map(({ seen: _, ...code }) => code);
  all.sort((a, b) => b.messages - a.messages || (a.sender + a.code < b.sender + b.code ? -1 : 1));
  return { codes: all, held, releasable };
}

/** What stands where the mapping missed a row: CE.1 to CE.3, or the text as a whole. */
function describeCode(fault: FaultRecord, read: Message, message: StoredMessage): HeldCode | null {
  const raw = fault.at === null ? null : readLocation(read, fault.at);
  if (fault.at === null || raw === null) return null;
  const isComponent = /\.\d+$/.test(fault.at);
  const part = (number: number) =>
    unescapeText(
      isComponent ? (number === 1 ? raw : '') : readPart(raw, number, null, read),
      read.delimiters,
      (bytes) => Buffer.from(bytes).toString('latin1'),
    ).trim();
  const at = new Date(message.receivedAt).toISOString();
  // A code of the second coding stands for the first where that is empty.
  const [code, text, system] = part(1) === '' ? [part(4), part(5), part(6)] : [part(1), part(2), part(3)];
  return {
    sender: senderOf(message.bytes),
    table: (fault.detail ?? '').replace(/^table /, ''),
    system,
    code,
    text,
    at: fault.at,
    messages: 1,
    firstSeen: at,
    lastSeen: at,
  };
}

function senderOf(bytes: Uint8Array): string {
  const { sendingApplication, sendingFacility, delimiters } = readHeader(bytes);
  const first = (field: string) => field.split(delimiters.component)[0] ?? '';
  return [first(sendingApplication), first(sendingFacility)].filter((part) => part !== '').join(' / ');
}

function show({ codes: all, held, releasable }: HeldReport, terminal: Terminal): void {
  for (const { sender, table, system, code, text, messages, firstSeen, lastSeen } of all) {
    const name = `${code}${system === '' ? '' : ` (${system})`}`;
    terminal.print(`${paint(terminal, 'bold', cutText(name, 30))}  ${cutText(text, 76 - name.length)}`);
    terminal.print(`  table ${table}, from ${sender}`);
    const days = firstSeen.slice(0, 10) === lastSeen.slice(0, 10) ? '' : ` to ${lastSeen.slice(0, 16)}`;
    terminal.print(paint(terminal, 'dim', `  ${counted(messages)}, ${firstSeen.slice(0, 16)}${days}`));
  }
  if (all.length > 0) {
    terminal.print('');
    terminal.print('sluss codes map <table> <system> <code> <to> adds a row.');
  }
  terminal.print(`${counted(held)} held, ${all.length} ${all.length === 1 ? 'code' : 'codes'} without a row`);
  if (releasable > 0)
    terminal.print(`${counted(releasable)} would no longer be held: sluss codes release lets them go`);
}

const counted = (messages: number) => `${messages} ${messages === 1 ? 'message' : 'messages'}`;

interface NewRow {
  readonly table: string;
  readonly system: string;
  readonly code: string;
  readonly to: string;
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
    terminal.print(`${workbench.locate(file)}: ${row.code} (${row.system}) → ${row.to}`);
    terminal.print('A running engine takes the table as it is now for what comes in. What is held already is');
    terminal.print('let go by sluss codes release, with the engine stopped; or when the sender sends it again.');
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

/** `sluss codes release`: maps again what mappings hold; the engine must be stopped. */
export async function release(
  options: CodesOptions & { readonly config: string },
  terminal: Terminal,
): Promise<ExitCode> {
  const around = { env: terminal.env, colours: false, logTo: { write: () => {} } };
  // Nothing lenient here: what is let go is sent, under targets and secrets as they are in truth.
  const assembly = await assemble(options.config, around, false);
  try {
    const { mapper, problems } = assembly.loadMappings();
    if (mapper === null) throw new ConfigError(problems);
    return await releaseHeld(assembly, options, terminal, mapper);
  } finally {
    await assembly.dispose();
  }
}

async function releaseHeld(
  assembly: Assembly,
  options: CodesOptions,
  terminal: Terminal,
  mapper: NonNullable<ReturnType<Assembly['loadMappings']>['mapper']>,
): Promise<ExitCode> {
  const { clock, channels, targets, configuration } = assembly;
  const path = options.journal ?? configuration.journal;
  if (configuration.secret.every((byte) => byte === 0)) {
    throw new Error('the installation’s secret is not here: what is let go would be identified by another one');
  }
  const reader = openJournalReader(path);
  const journal = await openSqliteJournal({ path, now: clock.now() });
  const counts = new Map<string, number>();
  const count = (state: string) => counts.set(state, (counts.get(state) ?? 0) + 1);
  const findOperation = (target: string, operation: string) =>
    targets.find(({ name }) => name === target)?.target.operations[operation] ?? null;
  try {
    for (const message of [...readHeld(reader)]) {
      const channel = channels.find(({ name }) => name === message.channel);
      if (channel === undefined || !isHeldByMapping(message)) {
        count('held');
        continue;
      }
      const outcome = mapMessage(message.bytes, message.sender, channel, {
        mapper: () => mapper,
        findOperation,
        log: SILENT,
      });
      // A sender who was told AA cannot be told otherwise now: what is wrong with it stays a person's to settle.
      const isBetter = outcome.state === 'mapped' || outcome.state === 'skipped';
      if (isBetter) await journal.settle(message.id, clock.now(), outcome);
      count(isBetter ? outcome.state : 'held');
    }
  } finally {
    reader.close();
    await journal.close();
  }
  const parts = [...counts].map(([state, many]) => `${many} ${state === 'held' ? 'still held' : state}`);
  terminal.print(parts.length === 0 ? 'nothing was held' : parts.join(', '));
  if ((counts.get('mapped') ?? 0) > 0) terminal.print('They are sent as soon as the engine runs.');
  return 0;
}

const SILENT: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

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
miss: code, system and text as the sender writes them, the table, how many
messages. The engine may run meanwhile; nothing is written.

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
      .argument('<to>', 'what the row gives'),
  )
    .addHelpText(
      'after',
      `
Writes one line into the table's file; comments and order stay. A row that the
mappings cannot take is taken back, and the mistake is told.

Examples:
  sluss codes map se-covid-tests L COVPCR2 naat
  sluss codes map se-covid-outcomes '*' ej-pavisad negative -c sluss.yaml`,
    )
    .action(async (table: string, system: string, code: string, to: string, options: CodesOptions) =>
      finish(await mapCode({ table, system, code, to }, options, terminal)),
    );
  group
    .command('release')
    .description('map again what the mappings held; with the engine stopped')
    .requiredOption('-c, --config <file>', 'configuration file', 'sluss.yaml')
    .option('--journal <file>', 'journal file (default: the configuration’s)')
    .addHelpText(
      'after',
      `
Takes the journal for itself, so the engine has to be stopped; one that runs is
named. What comes out as mapped is sent when the engine runs again. What was
held for another reason (a result that had been delivered, an attempt in
doubt) stays held.

Examples:
  sluss codes release
  sluss codes release -c /etc/sluss/sluss.yaml`,
    )
    .action(async (options: CodesOptions & { config: string }) => finish(await release(options, terminal)));
}
