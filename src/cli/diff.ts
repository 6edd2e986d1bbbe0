import { existsSync } from 'node:fs';
import { type Command, InvalidArgumentError } from 'commander';
import type { StoredMessage } from '../contracts/journal.ts';
import { parseExactJson } from '../fhir/exact-json.ts';
import type { RemoteJournalReader } from '../journal/reader.ts';
import { openReader, placeOf } from '../open-journal.ts';
import { addBenchOptions } from './bench-options.ts';
import { diffJudged } from './diff-judged.ts';
import { findRule, findSilentRule } from './explanation.ts';
import { type Judged, judgeOn } from './judge.ts';
import { diffValues, valueAt } from './structural-diff.ts';
import { type ExitCode, paint, type Terminal } from './terminal.ts';
import { type Bench, type BenchOptions, openWorkbench, type Workbench } from './workbench.ts';

export interface DiffOptions extends BenchOptions {
  readonly against?: string;
  readonly last: number;
  readonly before?: string;
  readonly json?: true;
}

/** One kind of change, and how often it was met. */
export interface ChangeKind {
  readonly kind: 'state' | 'added' | 'removed' | 'changed' | 'delivery-added' | 'delivery-removed';
  /** `held → mapped`, `Observation.code.coding.system`, `fhir/transaction`. */
  readonly what: string;
  readonly count: number;
  readonly messages: number;
  /** Id of the first message that has it. */
  readonly example: number;
  /** `file:line:col` of the rule, in that message; '' = no rule did. */
  readonly rule: string;
}

interface DiffReport {
  readonly replayed: number;
  readonly unchanged: number;
  /** Messages of channels that the configuration does not have. */
  readonly ofNoChannel: number;
  readonly kinds: readonly ChangeKind[];
}

/** How many messages are read at once. */
const PAGE = 100;

/** `sluss diff`: what would change if stored messages came today; nothing is written. */
export async function diff(options: DiffOptions, terminal: Terminal): Promise<ExitCode> {
  const workbench = await openWorkbench(options, terminal);
  try {
    const place = options.against === undefined ? workbench.journal : placeOf(options.against);
    if (place === null) throw new Error('which journal? --against <file>, or a configuration (-c)');
    const isFile = place.journalServer === null;
    if (isFile && !existsSync(place.journal)) throw new Error(`there is no journal ${place.journal}`);
    const bench = workbench.load();
    const before = options.before === undefined ? null : workbench.loadOther(options.before);
    const reader = await openReader(place);
    try {
      const report = await compareAll(reader, options.last, bench, before, workbench);
      if (options.json) terminal.print(JSON.stringify(report, null, 2));
      else show(report, terminal);
      return report.kinds.length === 0 ? 0 : 1;
    } finally {
      await reader.close();
    }
  } finally {
    await workbench.dispose();
  }
}

/** What is being counted up. */
class Tally {
  readonly #kinds = new Map<string, ChangeKind & { readonly ids: Set<number> }>();
  noted = 0;
  replayed = 0;
  unchanged = 0;
  ofNoChannel = 0;

  note(kind: ChangeKind['kind'], what: string, message: number, rule: string): void {
    this.noted += 1;
    const key = `${kind} ${what}`;
    const known = this.#kinds.get(key);
    const ids = (known?.ids ?? new Set<number>()).add(message);
    const first = known ?? { example: message, rule };
    const { example, rule: at } = first;
    this.#kinds.set(key, { kind, what, count: (known?.count ?? 0) + 1, messages: ids.size, example, rule: at, ids });
  }

  get report(): DiffReport {
    const kinds = [...this.#kinds.values()].map(({ ids: _, ...kind }) => kind);
    kinds.sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind) || b.count - a.count);
    const { replayed, unchanged, ofNoChannel } = this;
    return { replayed, unchanged, ofNoChannel, kinds };
  }
}

const ORDER: readonly ChangeKind['kind'][] = [
  'state',
  'delivery-removed',
  'delivery-added',
  'changed',
  'removed',
  'added',
];

async function compareAll(
  reader: RemoteJournalReader,
  last: number,
  bench: Bench,
  before: Bench | null,
  workbench: Workbench,
): Promise<DiffReport> {
  const tally = new Tally();
  let beforeId = Number.MAX_SAFE_INTEGER;
  for (let left = last; left > 0; ) {
    const page = await reader.listLast(beforeId, Math.min(PAGE, left));
    if (page.length === 0) break;
    for (const message of page) await compareOne(message, reader, bench, before, workbench, tally);
    beforeId = page.at(-1)?.id ?? 0;
    left -= page.length;
  }
  return tally.report;
}

async function compareOne(
  message: StoredMessage,
  reader: RemoteJournalReader,
  bench: Bench,
  before: Bench | null,
  workbench: Workbench,
  tally: Tally,
): Promise<void> {
  const channelOf = (of: Bench) =>
    of.channels.find(({ name }) => name === message.channel) ??
    (workbench.journal === null ? of.channels[0] : undefined);
  const channel = channelOf(bench);
  if (channel === undefined) {
    tally.ofNoChannel += 1;
    return;
  }
  tally.replayed += 1;
  const now = judgeOn(message.bytes, channel, bench);
  const seen = before === null ? null : judgeOn(message.bytes, channelOf(before) ?? channel, before);
  const notedBefore = tally.noted;
  const was = seen?.state ?? message.state;
  if (was !== now.state && !isHeldByResults(message)) {
    const why = now.faults[0]?.code ?? now.skipped[0]?.reason ?? '';
    const where = now.faults[0]?.where ?? null;
    const what = `${was} → ${now.state}${why === '' ? '' : ` (${why})`}`;
    tally.note('state', what, message.id, where === null ? '' : workbench.locate(where));
  }
  if (seen === null) await compareStored(message, reader, now, workbench, tally);
  else noteChanges(message.id, seen, now, workbench, tally);
  if (tally.noted === notedBefore) tally.unchanged += 1;
}

/** Not the mapping held it, but what had been delivered of its results. */
function isHeldByResults({ faults }: StoredMessage): boolean {
  return faults.some(({ code }) => code === 'already-delivered' || code === 'in-doubt');
}

function noteChanges(id: number, before: Judged, now: Judged, workbench: Workbench, tally: Tally): void {
  for (const { kind, path, delivery, rule } of diffJudged(sentOnly(before), sentOnly(now), workbench)) {
    if (path === '' && kind !== 'changed') tally.note(`delivery-${kind}`, delivery, id, rule);
    else tally.note(kind, nameElement(path, kind === 'removed' ? before : now, delivery), id, rule);
  }
}

function sentOnly(judged: Judged): Judged {
  return { ...judged, deliveries: judged.deliveries.filter(({ isSent }) => isSent) };
}

function nameElement(path: string, judged: Judged, delivery: string): string {
  const same = judged.deliveries.filter(({ target, operation }) => `${target}/${operation}` === delivery);
  return elementName((same.find(({ value }) => valueAt(value, path) !== undefined) ?? same[0])?.value, path);
}

/** Compares with the bodies the journal holds. A draft that was dropped, because its result was known, left none. */
async function compareStored(
  message: StoredMessage,
  reader: RemoteJournalReader,
  now: Judged,
  workbench: Workbench,
  tally: Tally,
): Promise<void> {
  // Those made from the message itself, not from a receiver's answer.
  const stored = (await reader.readDeliveries(message.id)).filter(({ follows }) => follows === null);
  const wasDropped = (await reader.readHistory(message.id)).some(({ event }) => event === 'linked');
  const left = now.deliveries.filter(({ isSent }) => isSent);
  for (const old of stored) {
    const before = parseBody(old.body);
    const same = left.filter(({ target, operation, party }) => {
      return target === old.target && operation === old.operation && party === old.party;
    });
    // Of several to one operation the one of the same result, which bears the same identifier, is the least different.
    const made = nearest(before, same);
    if (made === null) {
      tally.note('delivery-removed', `${old.target}/${old.operation}`, message.id, '');
      continue;
    }
    left.splice(left.indexOf(made), 1);
    for (const { kind, path } of diffValues(before, made.value)) {
      const rule =
        kind === 'removed'
          ? (findSilentRule(made, path, workbench.locate) ?? '')
          : findRule(made, path, workbench.locate);
      tally.note(kind, elementName(kind === 'removed' ? before : made.value, path), message.id, rule);
    }
  }
  if (wasDropped) return;
  for (const { target, operation, where } of left) {
    tally.note('delivery-added', `${target}/${operation}`, message.id, workbench.locate(where));
  }
}

function nearest<Made extends { readonly value: unknown }>(before: unknown, all: readonly Made[]): Made | null {
  const [first = null, ...others] = all;
  if (first === null || others.length === 0) return first;
  const distances = all.map((one) => diffValues(before, one.value).length);
  return all[distances.indexOf(Math.min(...distances))] ?? null;
}

function parseBody(body: Uint8Array): unknown {
  const text = Buffer.from(body).toString('utf8');
  try {
    return parseExactJson(text);
  } catch {
    return text;
  }
}

/** `entry[3].resource.code.coding[0].system` → `Observation.code.coding.system`: the same for every message. */
export function elementName(body: unknown, path: string): string {
  const [, entry = '', rest = ''] = /^(entry\[\d+\])\.?(.*)$/.exec(path) ?? [];
  const root = entry === '' ? body : valueAt(body, `${entry}.resource`);
  const type = (root as { resourceType?: unknown } | null | undefined)?.resourceType;
  const name = typeof type === 'string' ? type : 'body';
  const inner = (entry === '' ? path : rest).replace(/\[\d+\]/g, '');
  if (entry === '') return inner === '' ? name : `${name}.${inner}`;
  if (inner === '' || inner === 'resource') return `${name} (whole entry)`;
  return inner.startsWith('resource.') ? `${name}.${inner.slice(9)}` : `${name} entry.${inner}`;
}

function show({ replayed, unchanged, ofNoChannel, kinds }: DiffReport, terminal: Terminal): void {
  terminal.print(`${replayed} messages replayed, ${unchanged} come to the same`);
  if (ofNoChannel > 0) terminal.print(`${ofNoChannel} are of channels that are no more`);
  for (const { kind, what, count, messages, example, rule } of kinds) {
    const style = kind.endsWith('removed') ? 'red' : kind.endsWith('added') ? 'green' : 'yellow';
    const word = { state: 'state', changed: '~', removed: '-', added: '+' }[kind.replace('delivery-', '')] ?? '';
    const name = kind.startsWith('delivery') ? `delivery ${what}` : what;
    terminal.print('');
    terminal.print(`${String(count).padStart(6)}×  ${paint(terminal, style, `${word} ${name}`)}`);
    terminal.print(
      paint(terminal, 'dim', `         in ${messages} ${messages === 1 ? 'message' : 'messages'}, first ${example}`),
    );
    if (rule !== '') terminal.print(paint(terminal, 'dim', `         ${rule}`));
  }
}

export function addDiff(program: Command, terminal: Terminal, finish: (code: ExitCode) => void): void {
  addBenchOptions(
    program
      .command('diff')
      .description('replay stored messages through the mappings as they are now; show what would change'),
  )
    .option('--against <journal>', 'journal file (default: the configuration’s)')
    .option('--last <count>', 'how many messages, from the newest', readCount, 1_000)
    .option('--before <folder>', 'compare with these mappings, instead of with what the journal holds')
    .option('--json', 'print the report as JSON')
    .addHelpText(
      'after',
      `
Before an edited mapping goes live: maps the last messages of the journal again
and groups what differs from what was made of them then. Nothing is written,
and the engine may run meanwhile. No value of a message is shown; sluss map
shows one message in full.

A delivery that was dropped because its result was known already left nothing
to compare with; --before compares two folders of mappings instead.

The exit code is 0 if nothing would change, 1 if something would, 2 if the
mappings or the configuration have mistakes.

Examples:
  sluss diff
  sluss diff -c /etc/sluss/sluss.yaml --mappings ./edited --last 5000
  sluss diff --against journal.db --mapping oru-r01 --before ../live-mappings`,
    )
    .action(async (options: DiffOptions) => finish(await diff(options, terminal)));
}

export function readCount(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1) throw new InvalidArgumentError('It must be a whole number from 1.');
  return count;
}
