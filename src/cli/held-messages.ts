import type { FaultCode } from '../contracts/fault.ts';
import { FAULTS } from '../contracts/fault.ts';
import type { StoredMessage } from '../contracts/journal.ts';
import type { RemoteJournalReader } from '../journal/reader.ts';
import { paint, type Terminal } from './terminal.ts';

const PAGE = 200;

/** Every held message, oldest first, a page at a time. */
export async function* readHeld(reader: RemoteJournalReader): AsyncGenerator<StoredMessage> {
  for (let afterId = 0; ; ) {
    const page = await reader.listHeld(afterId, PAGE);
    yield* page;
    const last = page.at(-1);
    if (last === undefined) return;
    afterId = last.id;
  }
}

/** What a mapping may have held a message for, and another mapping may let go. */
const BY_MAPPING: readonly FaultCode[] = [
  'code-unmapped',
  'value-unmapped',
  'mapping-incomplete',
  'identities-disagree',
  'party-unknown',
  'party-not-permitted',
];

/** True of a message that another mapping may let go. */
export function isHeldByMapping({ faults }: Pick<StoredMessage, 'faults'>): boolean {
  return faults.length > 0 && faults.every(({ code }) => BY_MAPPING.includes(code));
}

/** Why messages stay held, and whose turn it is. */
export interface HeldReason {
  readonly code: FaultCode | 'no-channel';
  /** A message that is held for several reasons counts at each. */
  readonly messages: number;
  /** What to do about it. */
  readonly next: string;
}

const MEND = 'mend the mapping (sluss map on such a message shows the line), then release';
const PARTY = 'the care provider has to stand under parties:, and in the channel’s parties:; then release';
const NEXT: Readonly<Partial<Record<FaultCode | 'no-channel', string>>> = {
  'no-channel': 'its channel is not in the configuration any more',
  'code-unmapped': 'add the row: sluss codes map <table> <system> <code> <to>; then release',
  'value-unmapped': MEND,
  'mapping-incomplete': MEND,
  'identities-disagree': 'the laboratory has to say who is meant, and to send it again',
  'party-unknown': PARTY,
  'party-not-permitted': PARTY,
  'already-delivered':
    'the result changed after it had been delivered: a person decides what becomes of what was issued',
  'in-doubt': 'nobody knows whether the receiver has it: ask there before it is sent again',
  internal: 'an error inside the engine: its log names it',
};

/** Counts reasons, each once a message. */
export class ReasonCount {
  readonly #counts = new Map<HeldReason['code'], number>();

  add(codes: readonly HeldReason['code'][]): void {
    for (const code of new Set(codes)) this.#counts.set(code, (this.#counts.get(code) ?? 0) + 1);
  }

  /** The most frequent first. */
  get list(): HeldReason[] {
    return [...this.#counts]
      .map(([code, messages]) => ({ code, messages, next: nextStep(code) }))
      .sort((a, b) => b.messages - a.messages || (a.code < b.code ? -1 : 1));
  }
}

function nextStep(code: HeldReason['code']): string {
  const known = NEXT[code];
  if (known !== undefined || code === 'no-channel') return known ?? '';
  return FAULTS[code].blame === 'message'
    ? 'its content is wrong: the laboratory mends it, and sends it again'
    : `docs/faults.md, ${code}`;
}

/** Two lines a reason: how many and what; what to do next. */
export function showReasons(reasons: readonly HeldReason[], terminal: Terminal): void {
  for (const { code, messages, next } of reasons) {
    terminal.print(`${String(messages).padStart(6)}×  ${code}`);
    terminal.print(paint(terminal, 'dim', `         ${next}`));
  }
}
