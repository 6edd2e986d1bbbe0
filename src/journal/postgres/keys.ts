import type { AckPayment, Admission, AttemptEnd, Outcome, OutcomeDraft } from '../../contracts/journal.ts';
import type { Request } from '../group-commit.ts';

/**
 * What a call is about, and what more is found to be about it. Each is a name for rows; all but the last two are also
 * locks. Whoever changes a row holds the locks of all that it belongs to, so that who holds one of them sees it at rest:
 * a delivery belongs to its result, its lane and its once key, a message to itself.
 */
export type Key =
  | readonly ['hash', channel: string, hex: string]
  | readonly ['message', id: number]
  | readonly ['result', key: string]
  | readonly ['once', key: string]
  | readonly ['need', key: string]
  | readonly ['lane', laneKey: string, target: string, party: string]
  | readonly ['namesake', channel: string, controlId: string]
  /** A message's deliveries. */
  | readonly ['of-message', id: number]
  | readonly ['delivery', id: number];

export type KeyKind = Key[0];

export const LOCKED: readonly KeyKind[] = ['hash', 'message', 'result', 'once', 'need', 'lane', 'namesake'];

/** Keys without repetition. */
export interface KeySet {
  add(key: Key): void;
  has(key: Key): boolean;
  /** Those of one kind. */
  of<Kind extends KeyKind>(kind: Kind): Extract<Key, readonly [Kind, ...unknown[]]>[];
  readonly all: ReadonlyMap<string, Key>;
}

export function makeKeySet(keys: Iterable<Key> = []): KeySet {
  const all = new Map<string, Key>();
  const add = (key: Key) => void all.set(key.join('\0'), key);
  for (const key of keys) add(key);
  return {
    add,
    has: (key) => all.has(key.join('\0')),
    of: (kind) => [...all.values()].filter((key) => key[0] === kind) as never,
    all,
  };
}

/** What a call is about, as far as it says so itself. */
export function keysOfCall({ call, args }: Request, hints: (deliveryId: number) => readonly Key[]): Key[] {
  switch (call) {
    case 'admit': {
      const { channel, contentHash, controlId, outcome } = args[0] as Admission;
      const namesake: Key[] = controlId === null ? [] : [['namesake', channel, controlId]];
      return [['hash', channel, contentHash], ...namesake, ...keysOfOutcome(outcome)];
    }
    case 'settle':
      return [...keysOfMessage(args[0] as number), ...keysOfOutcome(args[2] as Outcome)];
    case 'replay':
      return [...keysOfMessage(args[0] as number), ...keysOfOutcome(args[1] as Outcome)];
    case 'record': {
      const { deliveryId, followUps } = args[0] as AttemptEnd;
      const known = hints(deliveryId);
      return [...(known.length > 0 ? known : [['delivery', deliveryId] as const]), ...followUps.flatMap(keysOfDraft)];
    }
    case 'payAck': {
      const { messageId, by } = args[0] as AckPayment;
      return [['message', messageId], ...(typeof by === 'string' ? [] : keysOfDraft(by))];
    }
    case 'release':
    case 'cancel':
    case 'endOverdue':
      return [['delivery', args[0] as number]];
    case 'dismiss':
      return keysOfMessage(args[0] as number);
    default:
      return [];
  }
}

/** How many numbers a call may take for new rows, at most. */
export function numbersOfCall({ call, args }: Request): { messages: number; deliveries: number; results: number } {
  const ofKeys = (drafts: readonly OutcomeDraft[], stated: readonly { readonly resultKey: string }[] = []) => ({
    messages: 0,
    deliveries: drafts.length,
    results: new Set([...drafts, ...stated].map(({ resultKey }) => resultKey)).size,
  });
  const ofOutcome = ({ drafts, statements }: Outcome) => ofKeys(drafts, statements);
  switch (call) {
    case 'admit':
      return { ...ofOutcome((args[0] as Admission).outcome), messages: 1 };
    case 'settle':
      return ofOutcome(args[2] as Outcome);
    case 'replay':
      return ofOutcome(args[1] as Outcome);
    case 'record':
      return ofKeys((args[0] as AttemptEnd).followUps);
    case 'payAck': {
      const { by } = args[0] as AckPayment;
      return ofKeys(typeof by === 'string' ? [] : [by]);
    }
    default:
      return ofKeys([]);
  }
}

function keysOfMessage(id: number): Key[] {
  return [
    ['message', id],
    ['of-message', id],
  ];
}

function keysOfOutcome({ statements, drafts, provides }: Outcome): Key[] {
  return [
    ...statements.map(({ resultKey }): Key => ['result', resultKey]),
    ...provides.map((key): Key => ['need', key]),
    ...drafts.flatMap(keysOfDraft),
  ];
}

function keysOfDraft({ resultKey, laneKey, target, party, once, needs }: OutcomeDraft): Key[] {
  const keys: Key[] = [
    ['result', resultKey],
    ['lane', laneKey, target, party],
  ];
  if (once !== null) keys.push(['once', once.key]);
  if (needs !== null) keys.push(['need', needs.key]);
  return keys;
}
