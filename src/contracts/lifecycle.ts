/**
 * What can happen to a message or a delivery at all. Every row is a transition the journal may apply, and writes to the
 * history under its event name; there are no others, and nobody else changes a state.
 */

/**
 * `received` stored, not mapped yet · `mapped` everything it states is on its way or was already · `skipped` left out on
 * purpose, reason kept · `refused` its content is wrong and the sender was told so · `held` waits for a person.
 */
export type MessageState = 'received' | 'mapped' | 'skipped' | 'refused' | 'held';

/**
 * `waiting` will be sent as soon as its lane and its time allow · `delivered` · `held` waits for a person · `cancelled`. Of
 * what is cancelled two may go all the same: `lacking`, once what it needs is provided, and `not-first`, if it counts again.
 */
export type DeliveryState = 'waiting' | 'delivered' | 'held' | 'cancelled';

interface Transition<State> {
  readonly event: string;
  readonly from: State | null;
  readonly to: State;
}

const settled = ['mapped', 'skipped', 'refused', 'held'] as const;

/**
 * `from: null` = admission. A message that is mapped again may end in any settled state: `remapped-…` because it came
 * again, `replayed-…` because a person asked. `cancelled`: a person settled what was held.
 */
export const MESSAGE_TRANSITIONS: readonly Transition<MessageState>[] = [
  { event: 'received', from: null, to: 'received' },
  ...settled.map((to) => ({ event: to, from: null, to })),
  ...settled.map((to) => ({ event: to, from: 'received' as const, to })),
  ...settled.map((to) => ({ event: `remapped-${to}`, from: 'refused' as const, to })),
  ...settled.map((to) => ({ event: `remapped-${to}`, from: 'held' as const, to })),
  { event: 'held', from: 'mapped', to: 'held' },
  { event: 'held', from: 'skipped', to: 'held' },
  { event: 'expired', from: 'held', to: 'skipped' },
  ...settled.flatMap((from) => settled.map((to) => ({ event: `replayed-${to}`, from, to }))),
  { event: 'cancelled', from: 'held', to: 'skipped' },
  { event: 'provided', from: 'skipped', to: 'mapped' },
];

export const DELIVERY_TRANSITIONS: readonly Transition<DeliveryState>[] = [
  { event: 'queued', from: null, to: 'waiting' },
  { event: 'held', from: null, to: 'held' },
  { event: 'stale', from: null, to: 'cancelled' },
  { event: 'expired', from: null, to: 'cancelled' },
  { event: 'waived', from: null, to: 'cancelled' },
  { event: 'lacking', from: null, to: 'cancelled' },
  { event: 'provided', from: 'cancelled', to: 'waiting' },
  { event: 'provided', from: 'cancelled', to: 'held' },
  { event: 'superseded', from: 'cancelled', to: 'cancelled' },
  { event: 'expired', from: 'cancelled', to: 'cancelled' },
  { event: 'stale', from: 'held', to: 'cancelled' },
  { event: 'delivered', from: 'waiting', to: 'delivered' },
  { event: 'retry', from: 'waiting', to: 'waiting' },
  { event: 'held', from: 'waiting', to: 'held' },
  { event: 'superseded', from: 'waiting', to: 'cancelled' },
  { event: 'superseded', from: 'held', to: 'cancelled' },
  { event: 'expired', from: 'waiting', to: 'cancelled' },
  { event: 'expired', from: 'held', to: 'cancelled' },
  { event: 'not-first', from: 'waiting', to: 'cancelled' },
  { event: 'counts-again', from: 'cancelled', to: 'waiting' },
  { event: 'cancelled', from: 'waiting', to: 'cancelled' },
  { event: 'cancelled', from: 'held', to: 'cancelled' },
  { event: 'cancelled', from: 'cancelled', to: 'cancelled' },
  { event: 'released', from: 'held', to: 'waiting' },
];

/** True where the table has such a row. */
export function isMessageTransition(event: string, from: MessageState | null, to: MessageState): boolean {
  return MESSAGE_TRANSITIONS.some((row) => row.event === event && row.from === from && row.to === to);
}

/** True where the table has such a row. */
export function isDeliveryTransition(event: string, from: DeliveryState | null, to: DeliveryState): boolean {
  return DELIVERY_TRANSITIONS.some((row) => row.event === event && row.from === from && row.to === to);
}
