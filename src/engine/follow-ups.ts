import { Fault, type FaultRecord } from '../contracts/fault.ts';
import type { Journal, OutcomeDraft, StoredDelivery } from '../contracts/journal.ts';
import type { Log } from '../contracts/log.ts';
import type { Mapper } from '../contracts/mapper.ts';
import type { Delivery, Response } from '../contracts/target.ts';
import { errorName, faultFields } from './log-fields.ts';
import { type FindOperation, readyDraft } from './outcome.ts';

/**
 * Makes what a receiver's answer gives rise to, such as a file. Never rejects: a delivery that was taken stays
 * delivered, whatever becomes of its answer. What could not be made is held, and the rest goes; `fault` says that it is
 * not even known what is owed.
 */
export type FollowUps = (
  delivery: Delivery,
  response: Response,
  at: number,
) => Promise<{ readonly drafts: readonly OutcomeDraft[]; readonly fault: FaultRecord | null }>;

export function createFollowUps(parts: {
  readonly journal: Pick<Journal, 'readMessage'>;
  readonly mapper: () => Mapper;
  /** null = there is no such channel here. */
  readonly partiesOf: (channel: string) => readonly string[] | null;
  readonly findOperation: FindOperation;
  readonly log: Log;
}): FollowUps {
  const { journal, log } = parts;
  return async (delivery, response, at) => {
    const { channel, target, operation, party, resultKey } = delivery;
    const mapper = parts.mapper();
    try {
      const parties = parts.partiesOf(channel);
      // It was taken away, or another node has it already: nobody here can say that nothing is owed.
      if (parties === null) throw new Fault('mapping-incomplete', { detail: `no channel ${channel}` });
      if (!mapper.hasFollowUps(channel, target, operation)) return { drafts: [], fault: null };
      const message = await journal.readMessage(delivery.messageId);
      if (message === null) throw new Error('the message is gone');
      const answered = { resultKey, target, operation, party, at, response };
      const made = mapper.mapResponse(message.bytes, answered, { channel, sender: message.sender });
      const held = response.fault?.record ?? null;
      const drafts = made.map((draft) => readyDraft(draft, parties, parts.findOperation));
      for (const { target: of, operation: owed, flaw } of made) {
        if (flaw === null) continue;
        const fields = { channel, target: of, operation: owed, deliveryId: delivery.id };
        log.error('follow-up-failed', { ...fields, ...faultFields(flaw) });
      }
      return { drafts: drafts.map((draft) => ({ ...draft, held: draft.flaw ?? held ?? draft.held })), fault: null };
    } catch (error) {
      const detail = errorName(error);
      const fault: FaultRecord =
        error instanceof Fault ? error.record : { code: 'internal', at: null, where: null, detail };
      const fields = { channel, target, operation, deliveryId: delivery.id, error: detail };
      log.error('follow-up-failed', { ...fields, ...faultFields(error instanceof Fault ? fault : null) });
      return { drafts: [], fault };
    }
  };
}

/**
 * Makes again, by the mappings in force, what could not be made of an answer: its body. null = it still cannot be made,
 * or nobody can tell any more which of the things it is that the mapping makes.
 */
export async function remakeFollowUp(
  unmade: StoredDelivery,
  parts: {
    readonly journal: Pick<Journal, 'readMessage' | 'readDeliveries' | 'readHistory'>;
    readonly mapper: () => Mapper;
  },
): Promise<Uint8Array | null> {
  const { journal } = parts;
  const message = await journal.readMessage(unmade.messageId);
  const deliveries = await journal.readDeliveries(unmade.messageId);
  const followed = deliveries.find(({ id }) => id === unmade.follows);
  if (message === null || message.isPruned || followed === undefined || followed.response === null) return null;
  const { resultKey, target, operation, party, channel } = followed;
  const history = await journal.readHistory(unmade.messageId);
  const delivered = history.find(({ deliveryId, event }) => deliveryId === followed.id && event === 'delivered');
  const response = { ...followed.response, fault: null };
  const answered = { resultKey, target, operation, party, at: delivered?.at ?? 0, response };
  const made = parts.mapper().mapResponse(message.bytes, answered, { channel, sender: message.sender });
  // They were recorded in the order in which they are made.
  const siblings = deliveries.filter(({ follows }) => follows === followed.id).sort((a, b) => a.id - b.id);
  const one = made[siblings.findIndex(({ id }) => id === unmade.id)];
  const isSame = made.length === siblings.length && one?.target === unmade.target && one.operation === unmade.operation;
  return isSame && one.flaw === null ? one.body : null;
}
