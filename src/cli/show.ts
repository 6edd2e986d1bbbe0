import { type Command, InvalidArgumentError } from 'commander';
import { FAULTS, type FaultRecord, faultText } from '../contracts/fault.ts';
import type { HistoryEvent, StoredDelivery, StoredMessage } from '../contracts/journal.ts';
import { parseExactJson } from '../fhir/exact-json.ts';
import { openReader } from '../open-journal.ts';
import { explainDelivery } from './explanation.ts';
import { judgeOn } from './judge.ts';
import { findJournal, type JournalOptions } from './open-operations.ts';
import { addJournalOptions } from './operator.ts';
import { cutText, wrapText } from './page.ts';
import { type ExitCode, paint, type Terminal } from './terminal.ts';
import { openWorkbench } from './workbench.ts';

interface ShowOptions extends JournalOptions {
  readonly bytes?: true;
  readonly body?: true;
  readonly trail?: true;
  readonly json?: true;
}

interface Shown {
  readonly message: StoredMessage;
  readonly deliveries: readonly StoredDelivery[];
  readonly history: readonly HistoryEvent[];
}

/** `sluss show`: everything known of one message; what it says only where that is asked for. */
export async function show(id: number, options: ShowOptions, terminal: Terminal): Promise<ExitCode> {
  const reader = await openReader(await findJournal(options, terminal));
  try {
    const message = await reader.readMessage(id);
    if (message === null) {
      terminal.complain(`there is no message ${id}`);
      return 1;
    }
    const [deliveries, history] = [await reader.readDeliveries(id), await reader.readHistory(id)];
    const shown = { message, deliveries, history };
    if (options.json) terminal.print(JSON.stringify(toJson(shown, options), null, 2));
    else {
      showMessage(message, options, terminal);
      for (const delivery of shown.deliveries) showDelivery(delivery, options, terminal);
      showHistory(shown.history, terminal);
    }
    if (options.trail && !options.json) await showTrail(message, options, terminal);
    return 0;
  } finally {
    await reader.close();
  }
}

function showMessage(message: StoredMessage, options: ShowOptions, terminal: Terminal): void {
  const { id, channel, controlId, state, receivedAt, origin, sender, timesSeen, bytes, mappingVersion } = message;
  const styles = { held: 'red', refused: 'yellow', received: 'yellow', mapped: 'green', skipped: 'yellow' } as const;
  terminal.print(`${paint(terminal, 'bold', `message ${id}`)}  ${paint(terminal, styles[state], state)}`);
  const facts: readonly (readonly [string, string])[] = [
    ['channel', channel],
    ['control id', controlId === null ? 'none' : cutText(controlId, 60)],
    [
      'received',
      `${time(receivedAt)} UTC from ${cutText(origin, 50)}${sender === null ? '' : ` (${cutText(sender, 40)})`}`,
    ],
    ['came', timesSeen === 1 ? 'once' : `${timesSeen} times`],
    ['size', message.isPruned ? 'not kept any more' : `${bytes.byteLength} bytes`],
    ['mapped with', mappingVersion ?? 'nothing'],
  ];
  for (const [name, value] of facts) terminal.print(`  ${name.padEnd(11)}  ${value}`);
  for (const fault of message.faults) showFault('fault', fault, terminal);
  for (const { reason, at } of message.skipped)
    terminal.print(`  ${'left out'.padEnd(11)}  ${reason}${at === null ? '' : ` at ${at}`}`);
  for (const warning of message.warnings) showFault('warning', warning, terminal);
  if (options.bytes && !message.isPruned) {
    terminal.print('');
    for (const line of readable(bytes)) terminal.print(line);
  }
}

function showFault(word: string, fault: FaultRecord, terminal: Terminal): void {
  const style = word === 'warning' ? 'yellow' : 'red';
  const place = [fault.detail, fault.at, fault.where].filter((part) => part !== null).join(', ');
  terminal.print(`  ${paint(terminal, style, word.padEnd(11))}  ${fault.code}${place === '' ? '' : ` (${place})`}`);
  for (const line of wrapText(FAULTS[fault.code].text, 15)) terminal.print(line);
}

function showDelivery(delivery: StoredDelivery, options: ShowOptions, terminal: Terminal): void {
  const {
    id,
    target,
    operation,
    party,
    state,
    inFlight,
    follows,
    attempts,
    notBefore,
    notAfter,
    nextAt,
    needs,
    fault,
  } = delivery;
  const styles = { held: 'red', waiting: 'yellow', delivered: 'green', cancelled: 'dim' } as const;
  terminal.print('');
  const to = `${target}/${operation} for ${party}`;
  const now = inFlight ? 'in flight' : state;
  terminal.print(`${paint(terminal, 'bold', `d${id}`)}  ${to}  ${paint(terminal, styles[state], now)}`);
  const facts: (readonly [string, string])[] = [['attempts', String(attempts)]];
  if (follows !== null) facts.push(['made from', `the answer to d${follows}`]);
  if (notBefore !== null) facts.push(['not before', time(notBefore)]);
  if (notAfter !== null) facts.push(['not after', time(notAfter)]);
  if (nextAt !== null && !inFlight) facts.push(['next', `${time(nextAt)}, if its lane and no pause forbid`]);
  if (needs !== null) {
    const { reason, providedBy, providedAt } = needs;
    const isProvided = providedBy !== null && providedAt !== null;
    const lacks = state === 'cancelled' ? `nothing has provided it (${reason})` : reason;
    facts.push(['needs', isProvided ? `provided by message ${providedBy}, ${time(providedAt)}` : lacks]);
  }
  if (fault !== null) facts.push(['last fault', `${fault.code}: ${faultText(fault)}`]);
  const { response } = delivery;
  if (response !== null) {
    const what = `${response.status}, ${response.contentType ?? 'no content type'}, ${response.body.byteLength} bytes`;
    facts.push(['answer', what]);
    if (response.fault !== null) facts.push(['answer', `${response.fault.code}: ${faultText(response.fault)}`]);
  }
  for (const [name, value] of facts) {
    const [first = '', ...rest] = wrapText(value, 15);
    terminal.print(`  ${name.padEnd(11)}  ${first.trimStart()}`);
    for (const line of rest) terminal.print(line);
  }
  if (!options.body) return;
  terminal.print('');
  for (const line of readable(delivery.body)) terminal.print(`  ${line}`);
  if (response === null || response.body.byteLength === 0) return;
  terminal.print(`  ${paint(terminal, 'dim', 'answered')}`);
  for (const line of readable(response.body)) terminal.print(`  ${line}`);
}

function showHistory(history: readonly HistoryEvent[], terminal: Terminal): void {
  terminal.print('');
  terminal.print(paint(terminal, 'bold', 'history (UTC)'));
  for (const { at, deliveryId, event, why, by, note } of history) {
    const of = deliveryId === null ? '' : `d${deliveryId}`;
    const who = by === 'engine' ? '' : `  by ${by}`;
    terminal.print(`  ${time(at)}  ${of.padEnd(8)} ${event}${why === null ? '' : `  ${why}`}${who}`);
    if (note !== null) for (const line of wrapText(`“${note}”`, 32)) terminal.print(line);
  }
}

/** Which rule made what of which field, by the mappings as they are now. */
async function showTrail(message: StoredMessage, options: ShowOptions, terminal: Terminal): Promise<void> {
  const workbench = await openWorkbench({ config: options.config }, terminal);
  try {
    const bench = workbench.load();
    const channel = bench.channels.find(({ name }) => name === message.channel);
    terminal.print('');
    if (channel === undefined || message.isPruned) {
      terminal.print(message.isPruned ? 'no trail: its bytes are not kept' : 'no trail: its channel is not configured');
      return;
    }
    const { version } = bench.mapper;
    const isSame = version === message.mappingVersion;
    const note = isSame
      ? 'the mappings it was mapped with'
      : `the mappings as they are now, ${version}: it was mapped with others`;
    terminal.print(paint(terminal, isSame ? 'bold' : 'yellow', `trail, by ${note}`));
    const judged = judgeOn(message.bytes, channel, bench);
    const read = judged.explanation?.message ?? null;
    for (const delivery of judged.deliveries) {
      terminal.print(
        `  ${delivery.target}/${delivery.operation} for ${delivery.party}${delivery.at === null ? '' : ` from ${delivery.at}`}`,
      );
      for (const { element, rule, sources } of explainDelivery(delivery, read, workbench.locate)) {
        const from = sources.map(({ at }) => at).join(', ');
        terminal.print(`    ${element}${from === '' ? '' : ` ← ${from}`}`);
        terminal.print(paint(terminal, 'dim', `      ${rule}`));
      }
    }
    for (const fault of judged.faults) showFault('fault', fault, terminal);
  } finally {
    await workbench.dispose();
  }
}

/** Bytes as lines a terminal may have: JSON laid out, segments one a line, anything else by its size. */
function readable(bytes: Uint8Array): string[] {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    text = Buffer.from(bytes).toString('latin1');
  }
  if (/^\s*[{[]/.test(text)) {
    try {
      return JSON.stringify(parseExactJson(text), null, 2).split('\n').map(harmless);
    } catch {
      // Shown as it is.
    }
  }
  if (/[\u0000-\u0008\u000e-\u001a]/.test(text.slice(0, 1_000))) return [`${bytes.byteLength} bytes that are no text`];
  return text
    .replace(/[\r\n]+$/, '')
    .split(/\r\n|\r|\n/)
    .map(harmless);
}

/** What came from outside may hold escape sequences of a terminal. */
const harmless = (line: string) => line.replace(/[\u0000-\u001f\u007f-\u009f]/g, '·');

function toJson({ message, deliveries, history }: Shown, options: ShowOptions) {
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
  const { bytes, ...rest } = message;
  return {
    ...rest,
    size: bytes.byteLength,
    ...(options.bytes ? { bytes: base64(bytes) } : {}),
    deliveries: deliveries.map(({ body, response, resultKey: _, laneKey: __, ...delivery }) => ({
      ...delivery,
      ...(options.body ? { body: base64(body) } : {}),
      response:
        response === null
          ? null
          : {
              status: response.status,
              contentType: response.contentType,
              size: response.body.byteLength,
              fault: response.fault,
              ...(options.body ? { body: base64(response.body) } : {}),
            },
    })),
    history,
  };
}

const time = (at: number) => new Date(at).toISOString().slice(0, 19).replace('T', ' ');

export function addShow(program: Command, terminal: Terminal, finish: (code: ExitCode) => void): void {
  const command = program
    .command('show')
    .description('everything known of one message')
    .argument('<id>', 'its id', readId);
  addJournalOptions(command)
    .option('--bytes', 'the message as it came, too: patient data')
    .option('--body', 'what was made of it and answered, too: patient data')
    .option('--trail', 'which rule makes what of which field, by mapping it again')
    .option('--json', 'print it as JSON; bytes and bodies as base64')
    .addHelpText(
      'after',
      `
Shows its state, faults and warnings, its deliveries with their attempts and
answers, and its history: who did what, when and why. What the message says is
shown with --bytes and --body only. The engine may run or not. Times are UTC.

--trail maps it with the files as they are now, and says so where it was mapped
with others; it names elements, rules and fields, and shows no value.

The exit code is 0, or 1 where there is no such message.

Examples:
  sluss show 17
  sluss show 17 --bytes
  sluss show 17 --trail | less
  sluss show 17 --json | jq '.history'`,
    )
    .action(async (id: number, options: ShowOptions) => finish(await show(id, options, terminal)));
}

function readId(text: string): number {
  if (!/^[1-9]\d{0,14}$/.test(text))
    throw new InvalidArgumentError('A message’s id is a number, as sluss list shows it.');
  return Number(text);
}
