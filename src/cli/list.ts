import { type Command, InvalidArgumentError } from 'commander';
import type { MessageSummary, PageMark } from '../contracts/operations.ts';
import { openReader } from '../open-journal.ts';
import { findJournal, type JournalOptions } from './open-operations.ts';
import { addJournalOptions } from './operator.ts';
import { cutText } from './page.ts';
import { addSearchOptions, type Found, type SearchOptions, search, toFilter, toQuery } from './search.ts';
import { type ExitCode, paint, type Terminal } from './terminal.ts';

interface ListOptions extends JournalOptions, SearchOptions {
  readonly limit: number;
  readonly look: number;
  readonly after?: PageMark;
  readonly json?: true;
}

/** `sluss list`: messages and what became of them; nothing of what they say. */
export async function list(options: ListOptions, terminal: Terminal): Promise<ExitCode> {
  const reader = await openReader(await findJournal(options, terminal));
  try {
    const { limit, look, after = null } = options;
    const found = await search(reader, toQuery(options), toFilter(options), { after, limit, look });
    if (options.json) terminal.print(JSON.stringify({ ...found, next: found.next && writeMark(found.next) }, null, 2));
    else show(found, limit, terminal);
    return 0;
  } finally {
    await reader.close();
  }
}

function show({ messages, next, lookedAt }: Found, limit: number, terminal: Terminal): void {
  if (messages.length > 0) {
    const heads = [
      '      ID',
      'RECEIVED (UTC)     ',
      'CHANNEL     ',
      'CONTROL ID        ',
      'STATE   ',
      'DELIVERIES; FAULT',
    ];
    terminal.print(paint(terminal, 'dim', heads.join('  ')));
  }
  for (const message of messages) terminal.print(line(message, terminal));
  if (next === null) {
    if (messages.length === 0) terminal.print('nothing found');
    return;
  }
  const mark = `--after ${writeMark(next)}`;
  if (messages.length >= limit) terminal.complain(`there is more: ${mark}`);
  else {
    const back = new Date(next.receivedAt).toISOString().slice(0, 16).replace('T', ' ');
    terminal.complain(`looked at ${lookedAt} messages, back to ${back}; to go on: ${mark}`);
  }
}

/** At most 100 columns. */
function line(
  { id, receivedAt, channel, controlId, state, deliveries, fault, lacks }: MessageSummary,
  terminal: Terminal,
) {
  const styles = { held: 'red', refused: 'yellow', received: 'yellow', mapped: 'green', skipped: 'dim' } as const;
  const at = new Date(receivedAt).toISOString().slice(0, 19).replace('T', ' ');
  const many = Object.entries(deliveries).map(([name, count]) => {
    return name === 'held' ? paint(terminal, 'red', `${count} held`) : `${count} ${name}`;
  });
  const became = [many.join(', '), fault, lacks === null ? null : `lacking: ${lacks}`].filter(Boolean).join('; ');
  return [
    String(id).padStart(8),
    at,
    cutText(channel, 12).padEnd(12),
    cutText(controlId ?? '', 18).padEnd(18),
    paint(terminal, styles[state], state.padEnd(8)),
    became,
  ]
    .join('  ')
    .trimEnd();
}

function writeMark({ receivedAt, id }: PageMark): string {
  return `${receivedAt}-${id}`;
}

function readMark(text: string): PageMark {
  const [, receivedAt, id] = /^(\d+)-(\d+)$/.exec(text) ?? [];
  if (id === undefined) throw new InvalidArgumentError('It is what an earlier list said.');
  return { receivedAt: Number(receivedAt), id: Number(id) };
}

function readCount(text: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new InvalidArgumentError('It has to be a number from 1 to 9999999.');
  return Number(text);
}

export function addList(program: Command, terminal: Terminal, finish: (code: ExitCode) => void): void {
  const command = program.command('list').description('messages and what became of them, newest first');
  addJournalOptions(addSearchOptions(command))
    .option('--limit <n>', 'so many at most', readCount, 20)
    .option('--look <n>', 'look through so many messages at most', readCount, 50_000)
    .option('--after <mark>', 'go on where an earlier list ended', readMark)
    .option('--json', 'print the list as JSON')
    .addHelpText(
      'after',
      `
Shows the sender's name for a message (MSH-10), its state, its fault and what
is made of it; nothing of what it says. The engine may run or not. Times are
UTC, as in the log. All conditions have to hold.

--text reads one message after the other, newest first, and says how far it
came: narrow it by time or channel, or raise --look. The text is left in your
shell's history.

The exit code is 0, also where nothing was found.

Examples:
  sluss list --state held
  sluss list --deliveries held --target covidbevis
  sluss list --lacking
  sluss list --channel lab-nord --from 2h
  sluss list --control-id MSG00042
  sluss list --text 'Berg^Alva' --from 2026-11-21
  sluss list --state refused --json | jq '.messages[].id'`,
    )
    .action(async (options: ListOptions) => finish(await list(options, terminal)));
}
