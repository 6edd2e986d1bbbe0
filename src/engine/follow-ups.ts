import { Fault, type FaultRecord } from '../contracts/fault.ts';
import type { Journal, OutcomeDraft } from '../contracts/journal.ts';
import type { Log } from '../contracts/log.ts';
import type { Mapper } from '../contracts/mapper.ts';
import type { Delivery, Response } from '../contracts/target.ts';
import { errorName, faultFields } from './log-fields.ts';
import { type FindOperation, readyDraft } from './outcome.ts';

/**
 * Makes what a receiver's answer gives rise to, such as a file. Never rejects: a delivery that was taken stays
 * delivered, whatever becomes of its answer; `fault` then says that something is owed which could not be made.
 */
export type FollowUps = (
  delivery: Delivery,
  response: Response,
  at: number,
) => Promise<{ readonly drafts: readonly OutcomeDraft[]; readonly fault: FaultRecord | null }>;

export function createFollowUps(parts: {
  readonly journal: Pick<Journal, 'readMessage'>;
  readonly mapper: () => Mapper;
  readonly partiesOf: (channel: string) => readonly string[];
  readonly findOperation: FindOperation;
  readonly log: Log;
}): FollowUps {
  const { journal, log } = parts;
  return async (delivery, response, at) => {
    const { channel, target, operation, party, resultKey } = delivery;
    const mapper = parts.mapper();
    try {
      if (!mapper.hasFollowUps(channel, target, operation)) return { drafts: [], fault: null };
      const message = await journal.readMessage(delivery.messageId);
      if (message === null) throw new Error('the message is gone');
      const answered = { resultKey, target, operation, party, at, response };
      const made = mapper.mapResponse(message.bytes, answered, { channel, sender: message.sender });
      const held = response.fault?.record ?? null;
      const drafts = made.map((draft) => readyDraft(draft, parts.partiesOf(channel), parts.findOperation));
      return { drafts: drafts.map((draft) => ({ ...draft, held: held ?? draft.held })), fault: null };
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
