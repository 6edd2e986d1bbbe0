import { createHash } from 'node:crypto';
import { FAULTS, type FaultRecord } from '../contracts/fault.ts';
import type { MessageState } from '../contracts/lifecycle.ts';
import type { AckCode } from '../contracts/source.ts';
import { isOfMessage } from './outcome.ts';
import type { Acknowledge } from './settings.ts';

/** Which answer the sender gets, and what it is told about. */
export interface Reply {
  readonly code: AckCode;
  readonly faults: readonly FaultRecord[];
}

/**
 * The answer a message has earned by its state. AA: we have taken custody. AE: the content is wrong, mend it. AR: no
 * custody or not for us.
 * @see HL7 v2.5.1 §2.9.2
 */
export function chooseReply(acknowledge: Acknowledge, state: MessageState, faults: readonly FaultRecord[]): Reply {
  switch (acknowledge) {
    case 'taken':
      return replyTaken(state, faults);
  }
}

function replyTaken(state: MessageState, faults: readonly FaultRecord[]): Reply {
  switch (state) {
    case 'mapped':
    case 'skipped':
    case 'held':
      return { code: 'AA', faults: [] };
    case 'refused':
      return refuse(faults);
    case 'received':
      // On disk, but the mapping has not spoken: an answer now could turn out wrong either way.
      return refuse([{ code: 'journal-busy', at: null, where: null, detail: null }]);
  }
}

/** Says no: with what the sender can mend, where there is such a thing; AR as soon as one fault asks for it. */
export function refuse(faults: readonly FaultRecord[]): Reply {
  const theirs = faults.filter(isOfMessage);
  const told = theirs.length > 0 ? theirs : faults;
  return { code: told.some((fault) => FAULTS[fault.code].answer === 'AR') ? 'AR' : 'AE', faults: told };
}

/**
 * MSH-10 of the acknowledgement: derived, so that the same message gets the same one again. 20 characters, as versions
 * before 2.7 allow no more.
 */
export function acknowledgementId(channel: string, contentHash: string, code: AckCode): string {
  const digest = createHash('sha256').update(`${channel}\n${contentHash}\n${code}`).digest('hex');
  return BigInt(`0x${digest}`).toString(36).toUpperCase().slice(0, 20);
}
