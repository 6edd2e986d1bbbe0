import type { Clock } from '../contracts/clock.ts';
import { Fault, type FaultRecord } from '../contracts/fault.ts';
import type { Admitted, Journal, Outcome } from '../contracts/journal.ts';
import type { Log } from '../contracts/log.ts';
import type { Mapper } from '../contracts/mapper.ts';
import type { Ack, Inbound, Intake } from '../contracts/source.ts';
import { type Header, readHeader } from '../hl7/header.ts';
import { findExcess, type PartLimits } from '../hl7/part-limits.ts';
import { type AckMode, isWanted, readAckMode } from './ack-mode.ts';
import { writeAnswer } from './answer.ts';
import type { Tally } from './counters.ts';
import type { DiskReserve } from './disk-reserve.ts';
import type { JunkQuota } from './junk-quota.ts';
import { errorName, faultFields } from './log-fields.ts';
import {
  brokenOutcome,
  type FindOperation,
  hashContent,
  heldInstead,
  mappedToOutcome,
  RECEIVED,
  refusedOutcome,
  skippedOutcome,
} from './outcome.ts';
import type { OwedAcks, OwingChannel } from './owed-acks.ts';
import {
  chooseAccept,
  chooseReply,
  isRefusalTold,
  isToldAtOnce,
  owesApplicationAck,
  type Reply,
  refuse,
  UNSETTLED,
} from './reply.ts';
import type { Channel } from './settings.ts';
import type { Settlements } from './settlements.ts';
import { createTurns } from './turns.ts';

/** Of what is no message, this much is kept for whoever looks into it. */
const KEPT_BYTES_OF_NO_MESSAGE = 4_096;

export interface IntakeParts {
  readonly journal: Pick<Journal, 'admit' | 'settle'>;
  readonly mapper: () => Mapper;
  readonly findOperation: FindOperation;
  readonly clock: Clock;
  readonly log: Log;
  readonly tally: Tally;
  readonly settlements: Pick<Settlements, 'wait'>;
  readonly owedAcks: Pick<OwedAcks, 'add' | 'waive'>;
  /** Larger messages are stored before they are mapped. */
  readonly storeFirstBytes: () => number;
  /** False once the engine has stopped: nothing is stored any more. */
  readonly isTaking: () => boolean;
  readonly reserve: Pick<DiskReserve, 'hasRoom' | 'noteStored'>;
  /** How much of what is no message is kept. */
  readonly junk: JunkQuota;
  /** The message is in the journal; its deliveries may be due. */
  readonly onAdmitted: () => void;
  /** The journal could not be written; null = it could again. */
  readonly onJournal: (problem: string | null) => void;
  /** A message was stored but could not be given its outcome. */
  readonly onLeftOver: (messageId: number) => void;
}

type IntakeChannel = OwingChannel & Pick<Channel, 'limits'>;

/** What is read of a message before anything is decided. */
interface Reading {
  readonly inbound: Inbound;
  readonly header: Header | null;
  readonly mode: AckMode;
  /** Why it cannot even be mapped; null = it can. */
  readonly fault: FaultRecord | null;
  /** What is stored of it: of what is no message, only its beginning. */
  readonly kept: Uint8Array;
  readonly contentHash: string;
  readonly receivedAt: number;
}

/**
 * Makes the intake of one channel: read the header, map, one durable commit, answer. Messages are admitted in the order
 * of the calls, awaited or not; an answer that waits for deliveries keeps no message behind it from being admitted.
 */
export function createIntake(channel: IntakeChannel, parts: IntakeParts): Intake {
  const turns = createTurns();
  return async (inbound) => {
    const reading = readInbound(inbound, channel.limits, parts.clock.now());
    try {
      const storeFirst = inbound.bytes.length > parts.storeFirstBytes();
      const stored = await turns.take(storeFirst, () => takeIn(reading, storeFirst, channel, parts));
      if (stored === 'unkept') return answerUnkept(reading, channel, parts);
      if (stored instanceof Fault) return answerUnstored(refuse([stored.record]), reading, channel, parts);
      return await answerStored(stored, reading, channel, parts);
    } catch (error) {
      // A source must always get its answer; without one it would read nothing more from its sender.
      parts.log.error('intake-broken', { channel: channel.name, error: errorName(error) });
      const reply: Reply = { code: 'AR', faults: [new Fault('internal').record] };
      return answerUnstored(reply, reading, channel, parts);
    }
  };
}

async function takeIn(reading: Reading, storeFirst: boolean, channel: IntakeChannel, parts: IntakeParts) {
  if (!parts.isTaking()) return new Fault('stopping');
  if (!parts.reserve.hasRoom()) {
    parts.tally.fault('disk-low');
    return new Fault('disk-low');
  }
  const { origin } = reading.inbound;
  if (isJunk(reading) && !parts.junk.mayKeep(origin)) {
    parts.tally.leftUnkept(channel.name);
    return 'unkept';
  }
  parts.reserve.noteStored(reading.kept.length);
  const stored = await store(reading, storeFirst, channel, parts);
  if (isJunk(reading) && !(stored instanceof Fault)) parts.junk.kept(origin, reading.kept.length, stored.repeated);
  return stored;
}

/** Null where nothing is to be answered now: an acknowledgement never is, and enhanced mode may ask for no answer. */
async function answerStored(
  stored: Admitted,
  reading: Reading,
  channel: IntakeChannel,
  parts: IntakeParts,
): Promise<Ack | null> {
  const { messageId } = stored;
  const { header, mode } = reading;
  if (isAcknowledgement(header)) return null;
  const answer = (reply: Reply) => {
    parts.tally.answer(channel.name, reply.code);
    return writeAnswer(reply, messageId, reading, mode.kind === 'enhanced', channel, parts.clock);
  };
  if (mode.kind === 'original') return answer(await earnReply(stored, reading, channel, parts));
  const accept = chooseAccept(stored, isWanted(mode.application, 'AE'));
  const isAcceptWanted = isWanted(mode.accept, accept.code);
  if (stored.owesAck && isAcceptWanted && isToldAtOnce(mode, stored)) parts.owedAcks.waive(messageId, accept.code);
  else if (stored.owesAck) {
    parts.owedAcks.add({
      messageId,
      channel,
      wish: mode.application,
      answered: { header, contentHash: reading.contentHash },
      earned: stored,
      since: reading.receivedAt,
      reply: reading.inbound.reply,
    });
  }
  return isAcceptWanted ? answer(accept) : null;
}

/** The only answer of original mode; with `settled` it waits for what was made of the message. */
async function earnReply(
  stored: Admitted,
  { receivedAt }: Reading,
  { acknowledge, answerWithinMs }: IntakeChannel,
  { settlements }: IntakeParts,
): Promise<Reply> {
  const hasToWait = acknowledge === 'settled' && stored.state !== 'refused' && stored.state !== 'received';
  if (!hasToWait) return chooseReply(acknowledge, stored);
  const limit = { until: receivedAt + answerWithinMs, isDeadline: true };
  const settled = await settlements.wait(stored.messageId, acknowledge, limit);
  if (settled === 'stopping') return refuse([new Fault('stopping').record]);
  return settled === 'overdue' ? UNSETTLED : chooseReply(acknowledge, settled);
}

/** Says no where nobody has custody: by whichever answer the sender listens for, and to the source in any case. */
function answerUnstored(reply: Reply, reading: Reading, channel: IntakeChannel, { clock, tally }: IntakeParts): Ack {
  const { header, mode } = reading;
  const isEnhanced = mode.kind === 'enhanced';
  const code = isEnhanced && isWanted(mode.accept, 'CE') ? 'CE' : reply.code;
  const isSilent = isAcknowledgement(header) || (isEnhanced && code !== 'CE' && !isWanted(mode.application, code));
  if (isSilent) return { code, bytes: new Uint8Array(0), messageId: null, isFinal: false };
  tally.answer(channel.name, code);
  return writeAnswer({ code, faults: reply.faults }, null, reading, isEnhanced, channel, clock);
}

/** The same answer as if it had been kept: there is nothing in it that anybody could have custody of. */
function answerUnkept(reading: Reading, channel: IntakeChannel, parts: IntakeParts): Ack {
  const faults = reading.fault === null ? [] : [reading.fault];
  return { ...answerUnstored(refuse(faults), reading, channel, parts), isFinal: true };
}

/** Of what is no message, or no whole one, only the beginning is kept. Who would not hear of a refusal is not refused. */
function isJunk({ fault, mode }: Reading): boolean {
  return fault !== null && fault.code !== 'too-many' && isRefusalTold(mode);
}

/** One durable commit; two where the message is too large to be mapped before it is on disk. Never rejects. */
async function store(
  reading: Reading,
  storeFirst: boolean,
  channel: IntakeChannel,
  parts: IntakeParts,
): Promise<Admitted | Fault> {
  const { clock, journal, log, tally } = parts;
  const { inbound, fault, contentHash, receivedAt } = reading;
  let warnings: readonly FaultRecord[] = [];
  const decide = () => {
    const outcome = decideOutcome(reading, channel, parts);
    warnings = outcome.warnings;
    return outcome;
  };
  let leftOver: Admitted | null = null;
  try {
    const outcome = storeFirst && fault === null ? RECEIVED : decide();
    let admitted = await journal.admit({
      channel: channel.name,
      bytes: reading.kept,
      contentHash,
      controlId: reading.header?.controlId || null,
      origin: inbound.origin,
      sender: inbound.sender,
      receivedAt,
      owesAck: owesApplicationAck(reading.mode, channel.acknowledge, outcome),
      outcome,
    });
    // What was refused or held when it came before may be mended by other mappings, and is settled again, too.
    if (outcome === RECEIVED && admitted.state !== 'mapped' && admitted.state !== 'skipped') {
      leftOver = admitted;
      const settled = await journal.settle(leftOver.messageId, clock.now(), decide());
      admitted = { ...settled, repeated: leftOver.repeated };
    }
    parts.onJournal(null);
    if (!admitted.repeated) for (const { code } of warnings) tally.warning(code);
    noteAdmitted(admitted, inbound, channel.name, log, tally);
    parts.onAdmitted();
    return admitted;
  } catch (error) {
    const failure = error instanceof Fault ? error : new Fault('journal-failed', { cause: error });
    tally.fault(failure.code);
    log.error('message-not-stored', { channel: channel.name, error: errorName(error) });
    if (failure.code !== 'journal-busy') parts.onJournal(errorName(error));
    if (leftOver === null) return failure;
    parts.onLeftOver(leftOver.messageId);
    // It is on disk: whether that is enough for an answer is for the channel and the message to say.
    const isEnough = channel.acknowledge === 'stored' || reading.mode.kind === 'enhanced';
    return isEnough ? leftOver : failure;
  }
}

/** Never throws: what cannot be read is a fault. */
function readInbound(inbound: Inbound, limits: PartLimits, receivedAt: number): Reading {
  const found = inbound.fault?.record ?? null;
  const rest = { inbound, contentHash: hashContent(inbound.bytes), receivedAt };
  const beginning = () => inbound.bytes.slice(0, KEPT_BYTES_OF_NO_MESSAGE);
  try {
    const header = readHeader(inbound.bytes);
    // An acknowledgement is never answered, so it cannot choose how.
    const mode = readAckMode(isAcknowledgement(header) ? null : header, inbound.reply !== null);
    if (found !== null) return { ...rest, header, mode, kept: beginning(), fault: found };
    const excess = findExcess(inbound.bytes, header.delimiters, limits);
    // It is a message all the same: under higher limits the same bytes may be taken when they come again.
    const fault = excess === null ? null : new Fault('too-many', { detail: excess }).record;
    return { ...rest, header, mode, kept: inbound.bytes, fault };
  } catch (error) {
    const fault = error instanceof Fault ? error : new Fault('not-hl7', { cause: error });
    return { ...rest, header: null, mode: { kind: 'original' }, kept: beginning(), fault: found ?? fault.record };
  }
}

function decideOutcome(
  reading: Reading,
  channel: IntakeChannel,
  parts: Pick<IntakeParts, 'mapper' | 'findOperation' | 'log'>,
): Outcome {
  const isTold = isRefusalTold(reading.mode);
  if (reading.fault !== null) {
    const refused = refusedOutcome(reading.fault);
    return isTold ? refused : heldInstead(refused);
  }
  // Acknowledgements are never answered (§2.9.2), so neither are they mapped.
  if (isAcknowledgement(reading.header)) return skippedOutcome('acknowledgement');
  return mapMessage(reading.inbound.bytes, reading.inbound.sender, channel, parts, isTold);
}

/**
 * Maps one message; a mapper that throws makes it held, never lost.
 * @param isTold false = its sender would not hear of a refusal, so it is held instead
 */
export function mapMessage(
  bytes: Uint8Array,
  sender: string | null,
  channel: Pick<Channel, 'name' | 'parties' | 'acknowledge'>,
  parts: Pick<IntakeParts, 'mapper' | 'findOperation' | 'log'>,
  isTold = true,
): Outcome {
  const mapper = parts.mapper();
  try {
    const mapped = mapper.map(bytes, { channel: channel.name, sender });
    const outcome = mappedToOutcome(mapped, mapper.version, channel.parties, parts.findOperation);
    return isTold && channel.acknowledge !== 'stored' ? outcome : heldInstead(outcome);
  } catch (error) {
    const name = errorName(error);
    parts.log.error('mapping-broken', { channel: channel.name, version: mapper.version, error: name });
    return brokenOutcome(mapper.version, name);
  }
}

function isAcknowledgement(header: Header | null): boolean {
  return header?.messageCode === 'ACK';
}

function noteAdmitted(admitted: Admitted, inbound: Inbound, channel: string, log: Log, tally: Tally): void {
  const { messageId, state, faults, deliveries, repeated } = admitted;
  // Not its origin: that may be a file's name, which senders make of whatever they like. The journal has it.
  const fields = { channel, messageId, state, bytes: inbound.bytes.length };
  if (admitted.controlIdReused) log.warn('control-id-reused', { channel, messageId });
  if (repeated) {
    log.info('message-repeated', fields);
    return;
  }
  tally.message(channel, state);
  for (const fault of faults) tally.fault(fault.code);
  const first = faultFields(faults[0] ?? null);
  const event = `message-${state}`;
  if (state === 'held') log.warn(event, { ...fields, ...first, count: deliveries.length });
  else log.info(event, { ...fields, ...first, count: deliveries.length });
}
