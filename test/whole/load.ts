import { testMessage } from './message.ts';
import type { Sending } from './mllp-sender.ts';
import { NORD, type Provider, SYD } from './site.ts';

/** A small generator (mulberry32): equal seeds, equal plans. */
export function createRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A message of the plan, and the results it states for the first time. */
export interface Planned extends Sending {
  readonly party: Provider;
  readonly person: number;
  /** [] = it says again what an earlier one said. */
  readonly newResults: readonly string[];
}

/** A sender with its own patients, so that its order is the order of their lanes. */
export interface PlannedSender {
  readonly channel: string;
  readonly window: number;
  readonly messages: readonly Planned[];
  /** After so many of its messages were taken it drops a file. */
  readonly files: readonly { readonly after: number; readonly name: string; readonly messages: readonly Planned[] }[];
}

export interface LoadOptions {
  readonly seed: number;
  readonly senders: number;
  readonly messagesEach: number;
  /** At most 50: what follows is for the files, of which there may be 10. */
  readonly patientsEach: number;
  readonly filesEach: number;
}

/** Control ids begin anew after so many messages, as laboratories' counters do. */
const CONTROL_IDS = 25;
const MESSAGES_A_FILE = 6;

/**
 * What a day at several laboratories holds: patients with several results each, messages of two results, a result stated
 * again under another control id, control ids used again for something else, one sender that waits for each answer and
 * others that do not, two care providers over one connection, and files.
 */
export function planLoad(options: LoadOptions): PlannedSender[] {
  const random = createRandom(options.seed);
  const channels = ['lab-nord', 'lab-syd', 'lab-both'] as const;
  return Array.from({ length: options.senders }, (_, index) => {
    const channel = channels[index % channels.length] as string;
    const firstPerson = index * 1_000;
    const ownParty = channel === 'lab-syd' ? SYD : NORD;
    const partyOf = (person: number) => (channel === 'lab-both' && person % 2 === 1 ? SYD : ownParty);
    const makeMany = (count: number, prefix: string, first: number, lastParty: Provider | null) =>
      planMessages({
        count,
        prefix,
        first,
        patients: options.patientsEach,
        random,
        partyOf: (p) => lastParty ?? partyOf(p),
      });
    return {
      channel,
      window: index % 2 === 0 ? 8 : 1,
      messages: makeMany(options.messagesEach, `S${index}`, firstPerson, null),
      files: Array.from({ length: options.filesEach }, (_, file) => ({
        after: Math.floor(((file + 0.5) * options.messagesEach) / options.filesEach),
        name: `lab-${index}-${file}.hl7`,
        messages: makeMany(MESSAGES_A_FILE, `F${index}-${file}`, firstPerson + 500 + file * 50, NORD),
      })),
    };
  });
}

function planMessages(parts: {
  readonly count: number;
  readonly prefix: string;
  readonly first: number;
  readonly patients: number;
  readonly random: () => number;
  readonly partyOf: (person: number) => Provider;
}): Planned[] {
  const { count, prefix, first, patients, random, partyOf } = parts;
  const planned: Planned[] = [];
  for (let number = 0; number < count; number += 1) {
    const controlId = `${prefix}-${number % CONTROL_IDS}`;
    const earlier = planned[Math.floor(random() * planned.length)];
    const sentAt = String(20221114150000 + Math.floor(number / 60) * 100 + (number % 60));
    if (random() < 0.08 && earlier !== undefined && earlier.newResults.length > 0) {
      const { party, person, newResults: results } = earlier;
      const bytes = testMessage({ controlId, person, results, party, sentAt });
      planned.push({ bytes, controlId, party, person, newResults: [] });
      continue;
    }
    const person = first + Math.floor(random() * patients);
    const party = partyOf(person);
    const results = random() < 0.15 ? [`${prefix}-${number}a`, `${prefix}-${number}b`] : [`${prefix}-${number}`];
    const bytes = testMessage({ controlId, person, results, party, sentAt });
    planned.push({ bytes, controlId, party, person, newResults: results });
  }
  return planned;
}
