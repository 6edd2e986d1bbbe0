import type { Clock } from '../contracts/clock.ts';
import type { Journal, Outcome, StoredDelivery, StoredMessage } from '../contracts/journal.ts';
import type { Log } from '../contracts/log.ts';
import type { Act, DeliveryActed, Operations, Operator, PauseScope, Replayed, Thing } from '../contracts/operations.ts';
import { remakeFollowUp } from './follow-ups.ts';
import { mapMessage } from './intake.ts';
import type { FindOperation } from './outcome.ts';
import type { Pauses } from './pauses.ts';
import type { Channel } from './settings.ts';

export interface OperationsParts {
  readonly journal: Pick<
    Journal,
    | 'findMessages'
    | 'readMessage'
    | 'readDelivery'
    | 'readDeliveries'
    | 'readHistory'
    | 'replay'
    | 'release'
    | 'cancel'
    | 'dismiss'
  >;
  readonly channels: readonly Pick<Channel, 'name' | 'parties' | 'acknowledge'>[];
  readonly mapper: Parameters<typeof mapMessage>[3]['mapper'];
  readonly findOperation: FindOperation;
  readonly hasTarget: (name: string) => boolean;
  readonly pauses: Pauses;
  readonly clock: Clock;
  readonly log: Log;
  /** Deliveries of a message may be due, or have come to their end. */
  readonly onActed: (messageId: number) => void;
}

/** What the mapping held from the start is no question of sending: the mapping, or the configuration, has to change. */
const FOR_THE_MAPPING = ['mapping-incomplete', 'party-not-permitted'];

/** What a person may do, on an engine that runs, or on a journal that this process has taken for itself. */
export function createOperations(parts: OperationsParts): Operations {
  const { journal, channels, pauses, clock, log, onActed } = parts;
  const channelOf = (name: string) => channels.find((channel) => channel.name === name) ?? null;
  const actOf = ({ by, note }: Operator): Act => ({ at: clock.now(), by, note });

  async function replayOne(messageId: number, by: Operator, onlyIfMended: boolean): Promise<Replayed> {
    const message = await journal.readMessage(messageId);
    const nothing = { messageId, state: message?.state ?? null, faults: message?.faults ?? [], deliveries: [] };
    const left = (result: Replayed['result']): Replayed => ({ ...nothing, result, overtakenBy: [] });
    if (message === null) return left('not-found');
    const channel = channelOf(message.channel);
    if (channel === null) return left('no-channel');
    if (message.isPruned) return left('pruned');
    // What was never mapped is no message, or not kept whole, or still waits for its first outcome.
    if (message.mappingVersion === null) return left('unchanged');
    const outcome = mapAgain(message, channel, parts);
    const isMended = outcome.state === 'mapped' || outcome.state === 'skipped';
    if (onlyIfMended && !isMended) return { ...left('unchanged'), faults: outcome.faults };
    const done = await journal.replay(messageId, outcome, actOf(by));
    onActed(messageId);
    log.info('message-replayed', { channel: message.channel, messageId, state: done.state });
    const { state, faults, deliveries } = done;
    const overtakenBy = await readOvertakers(messageId);
    return { messageId, result: 'replayed', state, faults, deliveries, overtakenBy };
  }

  /** By the history since the message was last replayed. */
  async function readOvertakers(messageId: number): Promise<number[]> {
    const history = await journal.readHistory(messageId);
    const since = history.findLastIndex(({ event }) => event.startsWith('replayed-'));
    const named = history.slice(since).filter(({ event }) => event === 'overtaken');
    return [...new Set(named.map(({ why }) => Number(/\d+$/.exec(why ?? '')?.[0])))].filter((id) => id !== messageId);
  }

  /** The deliveries a thing stands for; null = there is no such thing. */
  async function resolve(thing: Thing): Promise<{ message: StoredMessage; deliveries: StoredDelivery[] } | null> {
    const one = 'delivery' in thing ? await journal.readDelivery(thing.delivery) : null;
    const messageId = 'message' in thing ? thing.message : (one?.messageId ?? null);
    const message = messageId === null ? null : await journal.readMessage(messageId);
    if (message === null) return null;
    return { message, deliveries: one === null ? await journal.readDeliveries(message.id) : [one] };
  }

  async function releaseOne(delivery: StoredDelivery, by: Operator): Promise<DeliveryActed> {
    const { id: deliveryId, messageId, channel, target, operation, party, fault, attempts, follows } = delivery;
    const ended = (result: DeliveryActed['result'], overtakenBy: number | null = null): DeliveryActed => ({
      messageId,
      deliveryId,
      result,
      overtakenBy,
    });
    if (delivery.state !== 'held') return ended('not-held');
    const isHeldByMapping = attempts === 0 && follows === null && FOR_THE_MAPPING.includes(fault?.code ?? '');
    // What nobody had asked for yet was left as it was, whatever kept it from being made.
    const isUnmade = Buffer.from(delivery.body).toString() === 'null';
    if (isHeldByMapping || (isUnmade && follows === null)) return ended('replay');
    const body = isUnmade ? await remakeFollowUp(delivery, parts) : null;
    if (isUnmade && body === null) return ended('unmade');
    // A person's word does not make a channel speak for a party that its configuration does not list.
    const isPermitted = channelOf(channel)?.parties.includes(party) && parts.findOperation(target, operation) !== null;
    if (!isPermitted) return ended('not-permitted');
    const released = await (body === null
      ? journal.release(deliveryId, actOf(by))
      : journal.release(deliveryId, actOf(by), body));
    onActed(messageId);
    const { result } = released;
    const overtakenBy = result === 'stale' ? released.overtakenBy : null;
    log.info(`delivery-${result}`, { channel, target, operation, party, messageId, deliveryId });
    return ended(result, overtakenBy);
  }

  async function cancelOne(delivery: StoredDelivery, by: Operator): Promise<DeliveryActed> {
    const { id: deliveryId, messageId, channel, target, operation, party } = delivery;
    const { result } = await journal.cancel(deliveryId, actOf(by));
    onActed(messageId);
    if (result === 'cancelled') {
      log.info('delivery-cancelled', { channel, target, operation, party, messageId, deliveryId });
    }
    return { messageId, deliveryId, result, overtakenBy: null };
  }

  function isKnown({ target, party, operation }: PauseScope): boolean {
    if (target === null) return party !== null && operation === null && hasParty(party);
    if (operation !== null && parts.findOperation(target, operation) === null) return false;
    return parts.hasTarget(target) && (party === null || hasParty(party));
  }

  const hasParty = (party: string) => channels.some(({ parties }) => parties.includes(party));

  return {
    find: (query, page) => journal.findMessages(query, page),

    async show(messageId) {
      const message = await journal.readMessage(messageId);
      if (message === null) return null;
      const deliveries = await journal.readDeliveries(messageId);
      return { message, deliveries, history: await journal.readHistory(messageId) };
    },

    async replay(messageIds, by, onlyIfMended) {
      const ends: Replayed[] = [];
      for (const id of messageIds) ends.push(await replayOne(id, by, onlyIfMended));
      return ends;
    },

    async release(things, by) {
      const ends: DeliveryActed[] = [];
      for (const thing of things) {
        const found = await resolve(thing);
        if (found === null) {
          ends.push(notFound(thing));
          continue;
        }
        const { message, deliveries } = found;
        const held = 'delivery' in thing ? deliveries : deliveries.filter(({ state }) => state === 'held');
        for (const delivery of held) ends.push(await releaseOne(delivery, by));
        const result = message.state === 'held' ? 'replay' : 'not-held';
        if (held.length === 0) ends.push({ messageId: message.id, deliveryId: null, result, overtakenBy: null });
      }
      return ends;
    },

    async cancel(things, by) {
      const ends: DeliveryActed[] = [];
      for (const thing of things) {
        const found = await resolve(thing);
        if (found === null) {
          ends.push(notFound(thing));
          continue;
        }
        const { message, deliveries } = found;
        const isWhole = 'message' in thing;
        const given: DeliveryActed[] = [];
        for (const delivery of isWhole ? deliveries.filter(mayYetGo) : deliveries)
          given.push(await cancelOne(delivery, by));
        if (!isWhole) {
          ends.push(...given);
          continue;
        }
        const open = given.filter(({ result }) => result !== 'ended');
        ends.push(...open);
        const itself = { messageId: message.id, deliveryId: null, overtakenBy: null };
        const isSettled = await journal.dismiss(message.id, actOf(by));
        if (isSettled) {
          onActed(message.id);
          log.info('message-cancelled', { channel: message.channel, messageId: message.id });
          ends.push({ ...itself, result: 'cancelled' });
        } else if (open.length === 0) ends.push({ ...itself, result: 'ended' });
      }
      return ends;
    },

    async pause(scope, by) {
      // A pause that holds nothing back because of a slip of the pen would be found out too late.
      if (!isKnown(scope)) return 'unknown';
      return (await pauses.pause(scope, actOf(by))) ? 'paused' : 'already';
    },
    resume: (scope, by) => pauses.resume(scope, actOf(by)),
    pauses: async () => pauses.list(),
  };
}

/** It waits, is held, or perhaps lacks something: only the journal knows what else ended it. */
function mayYetGo({ state, needs }: StoredDelivery): boolean {
  return state === 'waiting' || state === 'held' || (state === 'cancelled' && needs?.providedBy === null);
}

/** A sender that had a positive answer would not hear of a refusal now, so what would be refused is held. */
function mapAgain(
  message: StoredMessage,
  channel: OperationsParts['channels'][number],
  parts: Pick<OperationsParts, 'mapper' | 'findOperation' | 'log'>,
): Outcome {
  return mapMessage(message.bytes, message.sender, channel, parts, message.state === 'refused');
}

function notFound(thing: Thing): DeliveryActed {
  const [messageId, deliveryId] = 'message' in thing ? [thing.message, null] : [null, thing.delivery];
  return { messageId, deliveryId, result: 'not-found', overtakenBy: null };
}
