import { hash } from 'node:crypto';
import { FAULTS, Fault, type FaultCode, type FaultRecord } from '../contracts/fault.ts';
import type { MessageState } from '../contracts/lifecycle.ts';
import type { AckCode } from '../contracts/source.ts';
import { type AckMode, isPositive, isWanted } from './ack-mode.ts';
import { isOfMessage } from './outcome.ts';
import type { Acknowledge } from './settings.ts';

/** Which answer the sender gets, and what it is told about. */
export interface Reply {
  readonly code: AckCode;
  readonly faults: readonly FaultRecord[];
}

/** What an admission says that an answer depends on. */
export interface Earned {
  readonly state: MessageState;
  readonly faults: readonly FaultRecord[];
}

/** Said of a message that the policy `settled` still waits for. */
export const UNSETTLED: Reply = { code: 'AR', faults: [new Fault('unsettled').record] };

/** With these nothing of a message was understood, or not all of it is there: it cannot be committed. */
const INCOMPLETE: ReadonlySet<FaultCode> = new Set<FaultCode>(['not-hl7', 'frame-too-large', 'frame-incomplete']);
/** Table 0357: message type, event, processing id and version. */
const NOT_FOR_US: ReadonlySet<string> = new Set(['200', '201', '202', '203']);

/**
 * The answer a message has earned by its state: the only one of original mode, the application acknowledgement of
 * enhanced mode. AA: we have taken custody. AE: the content is wrong, mend it. AR: no custody or not for us.
 * @see HL7 v2.5.1 §2.9.2
 */
export function chooseReply(acknowledge: Acknowledge, { state, faults }: Earned): Reply {
  switch (state) {
    case 'mapped':
    case 'skipped':
    case 'held':
      return { code: 'AA', faults: [] };
    case 'refused':
      return refuse(faults);
    case 'received':
      if (acknowledge === 'stored') return { code: 'AA', faults: [] };
      // On disk, but the mapping has not spoken: an answer now could turn out wrong either way.
      return refuse([{ code: 'journal-busy', at: null, where: null, detail: null }]);
  }
}

/**
 * The accept acknowledgement of enhanced mode. CA: it is on disk. CR: not for us. CE: it cannot be committed, or its
 * content is wrong and no application acknowledgement will say so.
 * @see HL7 v2.5.1 §2.9.2, §2.9.3.2
 */
export function chooseAccept({ state, faults }: Earned, isToldLater: boolean): Reply {
  if (state !== 'refused') return { code: 'CA', faults: [] };
  const { faults: told } = refuse(faults);
  if (told.some((fault) => NOT_FOR_US.has(FAULTS[fault.code].hl7))) return { code: 'CR', faults: told };
  const isCommitted = !told.some((fault) => INCOMPLETE.has(fault.code));
  return isToldLater && isCommitted ? { code: 'CA', faults: [] } : { code: 'CE', faults: told };
}

/** True where an application acknowledgement will be due, or may be, for a message with this outcome. */
export function owesApplicationAck(mode: AckMode, acknowledge: Acknowledge, earned: Earned): boolean {
  if (mode.kind === 'original' || mode.application === 'never') return false;
  if (isToldAtOnce(mode, earned)) return false;
  const isKnown = earned.state !== 'received' || acknowledge === 'stored';
  const isOpen = !isKnown || (acknowledge === 'settled' && earned.state !== 'refused');
  return isOpen || isWanted(mode.application, chooseReply(acknowledge, earned).code);
}

/** True where the accept acknowledgement is negative, is wanted, and so ends the matter. */
export function isToldAtOnce(mode: AckMode, earned: Earned): boolean {
  if (mode.kind === 'original') return false;
  const { code } = chooseAccept(earned, isWanted(mode.application, 'AE'));
  return !isPositive(code) && isWanted(mode.accept, code);
}

/** True where a refusal reaches its sender, whichever answer tells it. What nobody is told must not be refused. */
export function isRefusalTold(mode: AckMode): boolean {
  return mode.kind === 'original' || isWanted(mode.application, 'AE') || isWanted(mode.accept, 'CE');
}

/** Says no: with what the sender can mend, where there is such a thing; AR as soon as one fault asks for it. */
export function refuse(faults: readonly FaultRecord[]): Reply {
  const theirs = faults.filter(isOfMessage);
  const told = theirs.length > 0 ? theirs : faults;
  return { code: told.some((fault) => FAULTS[fault.code].answer === 'AR') ? 'AR' : 'AE', faults: told };
}

/** False where the same message is to be sent again: nobody has it, or what kept it from its answer will pass. */
export function isFinal({ code, faults }: Reply, messageId: number | null): boolean {
  if (messageId === null) return false;
  const passes = (fault: FaultRecord) => ['world', 'engine'].includes(FAULTS[fault.code].blame);
  return isPositive(code) || !faults.some(passes);
}

/**
 * MSH-10 of the acknowledgement: derived, so that the same message gets the same one again. 20 characters, as versions
 * before 2.7 allow no more.
 */
export function acknowledgementId(channel: string, contentHash: string, code: AckCode): string {
  const digest = hash('sha256', `${channel}\n${contentHash}\n${code}`, 'hex');
  return BigInt(`0x${digest}`).toString(36).toUpperCase().slice(0, 20);
}
