import { type Command, InvalidArgumentError } from 'commander';
import type { MessageSummary, Thing } from '../contracts/operations.ts';
import { type JournalPlace, openReader } from '../open-journal.ts';
import type { JournalOptions } from './open-operations.ts';
import { addChoiceOptions, type SearchOptions, search, toFilter, toQuery } from './search.ts';
import { paint, type Terminal } from './terminal.ts';

/** Ids on the command line, or everything that is held and fits. */
export interface ChoiceOptions extends JournalOptions, SearchOptions {
  readonly allHeld?: true;
  readonly yes?: true;
}

/** What is held: the message itself, or deliveries made of it. */
export type HeldKind = 'message' | 'delivery';

/** Things of one call to the engine. */
const BITE = 100;
const EVERYTHING = { after: null, limit: Number.MAX_SAFE_INTEGER, look: Number.MAX_SAFE_INTEGER };

export function addBulkOptions(command: Command): Command {
  return addChoiceOptions(command.option('--all-held', 'all that is held and fits; counts only, unless --yes')).option(
    '--yes',
    'with --all-held: do it',
  );
}

/**
 * The things a command is about. In bulk they are counted and shown first: null = that was all that was asked for.
 * @param kinds what of the held is meant
 * @throws Error where neither or both were said
 */
export async function choose(
  named: readonly Thing[],
  kinds: readonly HeldKind[],
  options: ChoiceOptions,
  journal: JournalPlace,
  terminal: Terminal,
): Promise<readonly Thing[] | null> {
  const isBulk = options.allHeld === true;
  if (isBulk === named.length > 0) throw new Error('which ones? Ids, or --all-held');
  if (!isBulk) {
    const narrowing = ['channel', 'target', 'party', 'fault', 'from', 'to'] as const;
    if (narrowing.some((key) => options[key] !== undefined))
      throw new Error('conditions go with --all-held, not with ids');
    return named;
  }
  const held = await listHeld(kinds, options, journal);
  showCounts(held, terminal);
  if (held.length === 0) return null;
  if (options.yes !== true) {
    terminal.print('Nothing was done; --yes does it.');
    return null;
  }
  return held.map(({ id }) => ({ message: id }));
}

/** Oldest first: that is the order in which they came. */
async function listHeld(
  kinds: readonly HeldKind[],
  options: ChoiceOptions,
  journal: JournalPlace,
): Promise<MessageSummary[]> {
  const reader = await openReader(journal);
  try {
    const query = toQuery(options);
    const found: MessageSummary[] = [];
    for (const kind of kinds) {
      const held =
        kind === 'message' ? { ...query, state: 'held' as const } : { ...query, deliveryState: 'held' as const };
      found.push(...(await search(reader, held, toFilter(options), EVERYTHING)).messages);
    }
    return [...new Map(found.map((one) => [one.id, one])).values()].sort((a, b) => a.id - b.id);
  } finally {
    await reader.close();
  }
}

function showCounts(held: readonly MessageSummary[], terminal: Terminal): void {
  const counts = new Map<string, number>();
  for (const { channel, fault } of held) {
    const key = `${channel.padEnd(16)} ${fault ?? ''}`.trimEnd();
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  for (const [key, count] of counts) terminal.print(`${String(count).padStart(8)}  ${key}`);
  const text = `${held.length} ${held.length === 1 ? 'message' : 'messages'} of which something is held`;
  terminal.print(paint(terminal, 'bold', text));
}

/** Runs a call over many things a bite at a time, so that none of them takes long. */
export async function inBites<Item, End>(
  items: readonly Item[],
  call: (bite: readonly Item[]) => Promise<readonly End[]>,
  onEnds: (ends: readonly End[]) => void,
): Promise<void> {
  for (let from = 0; from < items.length; from += BITE) onEnds(await call(items.slice(from, from + BITE)));
}

/** `17` is a message with all that is made of it, `d42` one delivery. */
export function readThing(text: string, before: readonly Thing[] = []): Thing[] {
  const [, mark, digits] = /^(d?)([1-9]\d{0,14})$/.exec(text) ?? [];
  if (digits === undefined) throw new InvalidArgumentError('A message is 17, a delivery d42.');
  return [...before, mark === 'd' ? { delivery: Number(digits) } : { message: Number(digits) }];
}

export function readMessageId(text: string, before: readonly number[] = []): number[] {
  if (!/^[1-9]\d{0,14}$/.test(text)) throw new InvalidArgumentError('A message’s id is a number.');
  return [...before, Number(text)];
}
