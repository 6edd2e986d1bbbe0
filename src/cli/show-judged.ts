import { FAULTS, type FaultRecord } from '../contracts/fault.ts';
import { explainDelivery, listUnused } from './explanation.ts';
import type { Judged, JudgedDelivery } from './judge.ts';
import type { FileMessage } from './message-file.ts';
import { cutText, wrapText } from './page.ts';
import { paint, type Terminal } from './terminal.ts';
import type { Workbench } from './workbench.ts';

/** Longer texts in a body are cut where people read it: a document is a wall of letters. */
const MAX_TEXT = 1_000;

export interface JudgedMessage {
  readonly message: FileMessage;
  readonly judged: Judged;
}

/** Shows what a message becomes: its summary, then every delivery. */
export function showJudged(
  { message, judged }: JudgedMessage,
  isExplained: boolean,
  workbench: Workbench,
  terminal: Terminal,
): void {
  showSummary(message, judged, workbench, terminal);
  for (const delivery of judged.deliveries) {
    if (delivery.isSent || isExplained) showDelivery(delivery, judged, isExplained, workbench, terminal);
  }
  if (isExplained) showUnused(judged, terminal);
}

/** State and answer, faults, what was left out, warnings. */
export function showSummary(message: FileMessage, judged: Judged, workbench: Workbench, terminal: Terminal): void {
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
export function nameOf({ file, number }: FileMessage): string {
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
  isExplained: boolean,
  workbench: Workbench,
  terminal: Terminal,
): void {
  const { target, operation, party, mapping, at, isSent, lacks, notBefore, held } = delivery;
  const unsent = lacks === null ? ' (not sent)' : ` (not sent before it is provided: ${lacks})`;
  terminal.print('');
  const to = paint(terminal, 'bold', `${target}/${operation}`);
  const from = at === null ? '' : ` from ${at}`;
  terminal.print(`  ${to} for ${party}${from} by ${mapping}${isSent ? '' : paint(terminal, 'red', unsent)}`);
  if (notBefore !== null) terminal.print(`  not before ${new Date(notBefore).toISOString()}`);
  if (held !== null) terminal.print(`  ${paint(terminal, 'red', 'held')} ${FAULTS[held.code].text}`);
  if (isExplained) showElements(delivery, judged, workbench, terminal);
  else showBody(delivery.value, terminal);
}

function showBody(body: unknown, terminal: Terminal): void {
  let cut = 0;
  const text = JSON.stringify(
    body,
    (_, value: unknown) => {
      if (typeof value !== 'string' || value.length <= MAX_TEXT) return value;
      cut += 1;
      return `${value.slice(0, 60)}… (${value.length} characters)`;
    },
    2,
  );
  for (const line of text.split('\n')) terminal.print(`  ${line}`);
  if (cut > 0) {
    const what = cut === 1 ? 'A long text is' : `${cut} long texts are`;
    terminal.print(paint(terminal, 'dim', `  ${what} cut above; --bundle and --json print all of it.`));
  }
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
