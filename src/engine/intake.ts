import type { Clock } from '../contracts/clock.ts';
import { Fault, type FaultRecord } from '../contracts/fault.ts';
import type { Admitted, Journal, Outcome } from '../contracts/journal.ts';
import type { Log } from '../contracts/log.ts';
import type { Mapper } from '../contracts/mapper.ts';
import type { Ack, Inbound, Intake } from '../contracts/source.ts';
import { buildAck } from '../hl7/ack.ts';
import { type Charset, type CharsetPolicy, resolveCharset } from '../hl7/charset.ts';
import { type Header, readHeader } from '../hl7/header.ts';
import type { Tally } from './counters.ts';
import { errorName, faultFields } from './log-fields.ts';
import {
  brokenOutcome,
  type FindOperation,
  hashContent,
  mappedToOutcome,
  RECEIVED,
  refusedOutcome,
  skippedOutcome,
} from './outcome.ts';
import { acknowledgementId, chooseReply, type Reply, refuse } from './reply.ts';
import type { Channel } from './settings.ts';
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
  /** Larger messages are stored before they are mapped. */
  readonly storeFirstBytes: number;
  /** False once the engine has stopped: nothing is stored any more. */
  readonly isTaking: () => boolean;
  /** The message is in the journal; its deliveries may be due. */
  readonly onAdmitted: () => void;
  /** The journal could not be written; null = it could again. */
  readonly onJournal: (problem: string | null) => void;
  /** A message was stored but could not be given its outcome. */
  readonly onLeftOver: (messageId: number) => void;
}

type IntakeChannel = Pick<Channel, 'name' | 'parties' | 'acknowledge' | 'charset'>;

/** What is read of a message before anything is decided. */
interface Reading {
  readonly inbound: Inbound;
  readonly header: Header | null;
  /** Why it cannot even be mapped; null = it can. */
  readonly fault: FaultRecord | null;
  readonly contentHash: string;
  readonly receivedAt: number;
}

/**
 * Makes the intake of one channel: read the header, map, one durable commit, answer. Messages are admitted in the order
 * of the calls, awaited or not.
 */
export function createIntake(channel: IntakeChannel, parts: IntakeParts): Intake {
  const turns = createTurns();
  return async (inbound) => {
    try {
      const storeFirst = inbound.bytes.length > parts.storeFirstBytes;
      return await turns.take(storeFirst, () => takeIn(inbound, storeFirst, channel, parts));
    } catch (error) {
      // A source must always get its answer; without one it would read nothing more from its sender.
      parts.log.error('intake-broken', { channel: channel.name, error: errorName(error) });
      const reply: Reply = { code: 'AR', faults: [new Fault('internal').record] };
      const reading = { header: headerOf(inbound.bytes), contentHash: `at ${parts.clock.now()}` };
      return answerWith(reply, null, reading, channel, parts);
    }
  };
}

async function takeIn(inbound: Inbound, storeFirst: boolean, channel: IntakeChannel, parts: IntakeParts) {
  const reading = readInbound(inbound, parts.clock.now());
  const answer = (reply: Reply, messageId: number | null) => answerWith(reply, messageId, reading, channel, parts);
  if (!parts.isTaking()) return answer(refuse([new Fault('stopping').record]), null);
  const stored = await store(reading, storeFirst, channel, parts);
  if (stored instanceof Fault) return answer(refuse([stored.record]), null);
  return answer(chooseReply(channel.acknowledge, stored.state, stored.faults), stored.messageId);
}

/** The answer in the sender's own terms; null where the message is itself an acknowledgement: those are never answered. */
function answerWith(
  { code, faults }: Reply,
  messageId: number | null,
  { header, contentHash }: Pick<Reading, 'header' | 'contentHash'>,
  channel: IntakeChannel,
  { clock, tally }: IntakeParts,
): Ack | null {
  if (isAcknowledgement(header)) return null;
  tally.answer(channel.name, code);
  const controlId = acknowledgementId(channel.name, contentHash, code);
  const charset = charsetOf(header, channel.charset);
  return { code, bytes: buildAck({ header, code, faults, controlId, sentAt: clock.now(), charset }), messageId };
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
  let leftOver: number | null = null;
  try {
    let admitted = await journal.admit({
      channel: channel.name,
      bytes: fault === null ? inbound.bytes : inbound.bytes.slice(0, KEPT_BYTES_OF_NO_MESSAGE),
      contentHash,
      controlId: reading.header?.controlId || null,
      origin: inbound.origin,
      sender: inbound.sender,
      receivedAt,
      outcome: storeFirst && fault === null ? RECEIVED : decide(),
    });
    if (admitted.state === 'received') {
      leftOver = admitted.messageId;
      admitted = { ...(await journal.settle(leftOver, clock.now(), decide())), repeated: admitted.repeated };
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
    if (leftOver !== null) parts.onLeftOver(leftOver);
    return failure;
  }
}

/** Never throws: what cannot be read is a fault. */
function readInbound(inbound: Inbound, receivedAt: number): Reading {
  const found = inbound.fault?.record ?? null;
  const rest = { inbound, contentHash: hashContent(inbound.bytes), receivedAt };
  try {
    return { ...rest, header: readHeader(inbound.bytes), fault: found };
  } catch (error) {
    const fault = error instanceof Fault ? error : new Fault('not-hl7', { cause: error });
    return { ...rest, header: null, fault: found ?? fault.record };
  }
}

function headerOf(bytes: Uint8Array): Header | null {
  try {
    return readHeader(bytes);
  } catch {
    return null;
  }
}

function decideOutcome(
  reading: Reading,
  channel: IntakeChannel,
  parts: Pick<IntakeParts, 'mapper' | 'findOperation' | 'log'>,
): Outcome {
  if (reading.fault !== null) return refusedOutcome(reading.fault);
  // Acknowledgements are never answered (§2.9.2), so neither are they mapped.
  if (isAcknowledgement(reading.header)) return skippedOutcome('acknowledgement');
  return mapMessage(reading.inbound.bytes, reading.inbound.sender, channel, parts);
}

/** Maps one message; a mapper that throws makes it held, never lost. */
export function mapMessage(
  bytes: Uint8Array,
  sender: string | null,
  channel: Pick<Channel, 'name' | 'parties'>,
  parts: Pick<IntakeParts, 'mapper' | 'findOperation' | 'log'>,
): Outcome {
  const mapper = parts.mapper();
  try {
    const mapped = mapper.map(bytes, { channel: channel.name, sender });
    return mappedToOutcome(mapped, mapper.version, channel.parties, parts.findOperation);
  } catch (error) {
    const name = errorName(error);
    parts.log.error('mapping-broken', { channel: channel.name, version: mapper.version, error: name });
    return brokenOutcome(mapper.version, name);
  }
}

/** The sender's character set, as far as it is known: an answer is possible without. */
function charsetOf(header: Header | null, policy: CharsetPolicy): Charset | null {
  try {
    return header === null ? null : resolveCharset(header.charset, policy);
  } catch {
    return null;
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
