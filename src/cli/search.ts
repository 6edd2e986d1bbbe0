import { type Command, InvalidArgumentError, Option } from 'commander';
import type { FaultCode } from '../contracts/fault.ts';
import { FAULTS } from '../contracts/fault.ts';
import type { DeliveryState, MessageState } from '../contracts/lifecycle.ts';
import {
  ANY_MESSAGE,
  type FoundMessages,
  type MessageQuery,
  type MessageSummary,
  type PageMark,
} from '../contracts/operations.ts';
import type { RemoteJournalReader } from '../journal/reader.ts';

/** What messages are chosen by on a command line. */
export interface SearchOptions {
  readonly state?: MessageState;
  readonly deliveries?: DeliveryState;
  readonly channel?: string;
  readonly target?: string;
  readonly party?: string;
  readonly controlId?: string;
  readonly fault?: FaultCode;
  readonly from?: number;
  readonly to?: number;
  readonly text?: string;
  readonly lacking?: true;
}

export interface Found {
  readonly messages: readonly MessageSummary[];
  /** Where to go on; null = everything was looked at. */
  readonly next: PageMark | null;
  readonly lookedAt: number;
}

const MESSAGE_STATES: readonly MessageState[] = ['received', 'mapped', 'skipped', 'refused', 'held'];
const DELIVERY_STATES: readonly DeliveryState[] = ['waiting', 'delivered', 'held', 'cancelled'];
const PAGE = 500;

/**
 * Collects messages, newest first, until there are enough or enough have been looked at.
 * @param look messages to look at, at most
 */
export async function search(
  reader: RemoteJournalReader,
  query: MessageQuery,
  isWanted: (message: MessageSummary) => boolean,
  { after, limit, look }: { readonly after: PageMark | null; readonly limit: number; readonly look: number },
): Promise<Found> {
  const messages: MessageSummary[] = [];
  let next = after;
  let lookedAt = 0;
  do {
    // One that is left out costs a place; so ask for few where few are wanted.
    const wanted = Math.min(PAGE, limit - messages.length);
    const found: FoundMessages = await reader.findMessages(query, { after: next, limit: wanted });
    messages.push(...found.messages.filter(isWanted));
    lookedAt += found.lookedAt;
    next = found.next;
  } while (next !== null && messages.length < limit && lookedAt < look);
  return { messages, next, lookedAt };
}

/** What an answer to the query is asked for besides. */
export function toFilter({ fault, lacking }: SearchOptions): (message: MessageSummary) => boolean {
  return (one) => (fault === undefined || one.fault === fault) && (lacking !== true || one.lacks !== null);
}

export function toQuery(options: SearchOptions): MessageQuery {
  const { state, deliveries, channel, target, party, controlId, from, to, text, lacking } = options;
  return {
    ...ANY_MESSAGE,
    state: state ?? null,
    deliveryState: deliveries ?? (lacking === true ? 'cancelled' : null),
    channel: channel ?? null,
    target: target ?? null,
    party: party ?? null,
    controlId: controlId ?? null,
    from: from ?? null,
    to: to ?? null,
    text: text ?? null,
  };
}

/** Options by which messages are chosen, in bulk, too. */
export function addChoiceOptions(command: Command): Command {
  return command
    .option('--channel <name>', 'of this channel')
    .option('--target <name>', 'with a delivery to this target')
    .option('--party <name>', 'with a delivery for this care provider')
    .addOption(new Option('--fault <code>', 'with this fault, such as code-unmapped').argParser(readFault))
    .option('--from <time>', 'received then or later: 2026-11-22, 2026-11-22T08:30 (UTC), or 2h ago', readTime)
    .option('--to <time>', 'received before then', readTime);
}

export function addSearchOptions(command: Command): Command {
  return addChoiceOptions(
    command
      .addOption(new Option('--state <state>', 'state of the message').choices(MESSAGE_STATES))
      .addOption(new Option('--deliveries <state>', 'with a delivery in this state').choices(DELIVERY_STATES))
      .option('--lacking', 'with a delivery that lacks what it needs, such as a request')
      .option('--control-id <id>', 'the sender’s own name for it (MSH-10)')
      .option('--text <text>', 'stands in the message just so, capitals and all'),
  );
}

function readFault(text: string): FaultCode {
  if (Object.hasOwn(FAULTS, text)) return text as FaultCode;
  throw new InvalidArgumentError('There is no such fault; docs/faults.md has them all.');
}

const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** ms since the epoch of a date, a time (in UTC where it has no offset), or so long ago. */
export function readTime(text: string): number {
  const [, count, unit] = /^(\d+)([mhd])$/.exec(text) ?? [];
  if (count !== undefined && unit !== undefined) return Date.now() - Number(count) * (UNITS[unit] ?? 0);
  const isTime = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)?)?$/.test(text);
  const hasOffset = /(Z|[+-]\d\d:\d\d)$/.test(text.slice(10));
  const at = isTime ? Date.parse(text.length === 10 || hasOffset ? text : `${text.replace(' ', 'T')}Z`) : Number.NaN;
  if (Number.isNaN(at)) throw new InvalidArgumentError('Write 2026-11-22, 2026-11-22T08:30, or 30m, 2h, 3d for ago.');
  return at;
}
