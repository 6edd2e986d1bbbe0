import { Fault } from '../contracts/fault.ts';
import type { DeliveryState, MessageState } from '../contracts/lifecycle.ts';
import type { MessageQuery, PageMark } from '../contracts/operations.ts';

/** Messages one call looks at, at most: it shares its thread with the engine's own reads. */
export const LOOK_AT = 1_000;
/** Where a text is searched for, also this many bytes. */
export const LOOK_AT_BYTES = 16 << 20;
/** More deliveries than this in one state are not collected: the newest messages are looked through instead. */
const MOST_OPEN = 20_000;
/** Of more pairs of target and party than this, fewer of each are read at once. */
const MANY_OWNERS = 4;
/** Before every message there is. */
export const TOP: PageMark = { receivedAt: Number.MAX_SAFE_INTEGER, id: Number.MAX_SAFE_INTEGER };

/** One count of what there is. */
export interface Tally {
  readonly kind: string;
  readonly owner: string;
  readonly party: string;
  readonly state: string;
  readonly count: number;
}

/** The index that leaves fewest candidates for a query. */
export type Way =
  | { readonly by: 'nothing' | 'id' }
  | { readonly by: 'control-id' | 'arrival'; readonly channels: readonly string[] }
  | { readonly by: 'delivery-state'; readonly state: DeliveryState }
  | { readonly by: 'state'; readonly state: MessageState }
  | {
      readonly by: 'owner';
      readonly pairs: readonly Pick<Tally, 'owner' | 'party'>[];
      /** Of each, as many as could be wanted of all. */
      readonly most: number;
    };

/** Which way to the messages a query asks for, by what there is of each kind. */
export function wayOf(query: MessageQuery, counted: readonly Tally[]): Way {
  const { channel, state, controlId, deliveryState, target, party, from, to } = query;
  const ofMessages = counted.filter(({ kind }) => kind === 'message');
  const channels = channel === null ? [...new Set(ofMessages.map(({ owner }) => owner))] : [channel];
  const inState = counted.filter(
    (one) => one.kind === 'delivery' && (deliveryState === null || one.state === deliveryState),
  );
  const owners = inState.filter(
    (one) => (target === null || one.owner === target) && (party === null || one.party === party),
  );
  const isOfDeliveries = deliveryState !== null || target !== null || party !== null;
  if (isOfDeliveries && owners.length === 0) return { by: 'nothing' };
  if (controlId !== null) return { by: 'control-id', channels };
  const count = inState.reduce((sum, one) => sum + one.count, 0);
  const isFew = deliveryState === 'cancelled' || count <= MOST_OPEN;
  if (deliveryState !== null && deliveryState !== 'delivered' && isFew) {
    return { by: 'delivery-state', state: known(DELIVERY_STATES, deliveryState) };
  }
  if (state !== null && state !== 'mapped') return { by: 'state', state: known(MESSAGE_STATES, state) };
  if (target !== null || party !== null) {
    const pairs = [...new Map(owners.map((one) => [JSON.stringify([one.owner, one.party]), one])).values()];
    return { by: 'owner', pairs, most: pairs.length > MANY_OWNERS ? LOOK_AT / 10 : LOOK_AT };
  }
  if (channel !== null || from !== null || to !== null) return { by: 'arrival', channels };
  return { by: 'id' };
}

export type Order = (a: PageMark, b: PageMark) => number;

export const byId: Order = (a, b) => b.id - a.id;
export const byTime: Order = (a, b) => b.receivedAt - a.receivedAt || b.id - a.id;

export interface Candidates {
  readonly list: readonly PageMark[];
  /** There is nothing behind them. */
  readonly isEnd: boolean;
}

/** Several lists, each with its newest, at most `most`, as one of at most `most`. */
export function newest(lists: readonly PageMark[][], order: Order, most = LOOK_AT): Candidates {
  const unique =
    lists.length === 1 ? (lists[0] ?? []) : [...new Map(lists.flat().map((one) => [one.id, one])).values()];
  if (lists.length !== 1) unique.sort(order);
  return { list: unique.slice(0, most), isEnd: unique.length < most };
}

const MESSAGE_STATES: readonly MessageState[] = ['received', 'mapped', 'skipped', 'refused', 'held'];
const DELIVERY_STATES: readonly DeliveryState[] = ['waiting', 'delivered', 'held', 'cancelled'];

/** A word as SQL may hold it: one of ours. @throws Fault `internal` */
function known<Word extends string>(words: readonly Word[], word: Word): Word {
  if (!words.includes(word)) throw new Fault('internal', { detail: 'no such state' });
  return word;
}

/** A text as the bytes of a message may hold it. */
export function spell(text: string): Buffer[] {
  const utf16 = Buffer.from(text, 'utf16le');
  return [Buffer.from(text), Buffer.from(text, 'latin1'), utf16, Buffer.from(utf16).swap16()];
}

export function holdsAny(bytes: Uint8Array, needles: readonly Buffer[]): boolean {
  const content = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return needles.some((needle) => content.includes(needle));
}
