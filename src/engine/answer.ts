import type { Clock } from '../contracts/clock.ts';
import type { Ack } from '../contracts/source.ts';
import { buildAck } from '../hl7/ack.ts';
import { type Charset, type CharsetPolicy, resolveCharset } from '../hl7/charset.ts';
import type { Header } from '../hl7/header.ts';
import { acknowledgementId, isFinal, type Reply } from './reply.ts';
import type { Channel } from './settings.ts';

/** What an answer takes from the message it answers. */
export interface Answered {
  /** Null where it has none that could be read. */
  readonly header: Header | null;
  readonly contentHash: string;
}

type AnsweringChannel = Pick<Channel, 'name' | 'charset' | 'dialect'>;

/** Writes an answer in the sender's own terms. @param isOfTwo true = the message chose enhanced mode */
export function writeAnswer(
  reply: Reply,
  messageId: number | null,
  { header, contentHash }: Answered,
  isOfTwo: boolean,
  channel: AnsweringChannel,
  clock: Clock,
): Ack {
  const { code, faults } = reply;
  const bytes = buildAck({
    header,
    code,
    faults,
    controlId: acknowledgementId(channel.name, contentHash, code),
    sentAt: clock.now(),
    charset: charsetOf(header, channel.charset),
    dialect: channel.dialect,
    asksForNone: isOfTwo,
  });
  return { code, bytes, messageId, isFinal: isFinal(reply, messageId) };
}

/** The sender's character set, as far as it is known: an answer is possible without. */
function charsetOf(header: Header | null, policy: CharsetPolicy): Charset | null {
  try {
    return header === null ? null : resolveCharset(header.charset, policy);
  } catch {
    return null;
  }
}
