import type { Clock } from '../contracts/clock.ts';
import type { AckPayment, Journal } from '../contracts/journal.ts';
import type { Log } from '../contracts/log.ts';
import type { Ack, Inbound } from '../contracts/source.ts';
import { type Header, readHeader } from '../hl7/header.ts';
import { isWanted, readAckMode, type Wish } from './ack-mode.ts';
import { type Answered, writeAnswer } from './answer.ts';
import type { Tally } from './counters.ts';
import { errorName } from './log-fields.ts';
import { type FindOperation, hashContent, readyDraft } from './outcome.ts';
import { chooseReply, type Earned, type Reply, UNSETTLED } from './reply.ts';
import { type Channel, RETURN_OPERATION } from './settings.ts';
import type { Settlements } from './settlements.ts';

/** How many debts are read at once. */
const PAGE = 100;
/** A journal that cannot take the end of a debt is asked again after this long. */
const PAY_AGAIN_MS = 1_000;

export type OwingChannel = Pick<
  Channel,
  'name' | 'parties' | 'charset' | 'acknowledge' | 'answerWithinMs' | 'dialect' | 'returnTo'
>;

/** An application acknowledgement that the journal knows to be owed. */
export interface Owing {
  readonly messageId: number;
  readonly channel: OwingChannel;
  readonly wish: Wish;
  readonly answered: Answered;
  /** Where the message stands by now. */
  readonly earned: Earned;
  /** ms since the epoch; with `settled` its time runs from then. */
  readonly since: number;
  readonly reply: Inbound['reply'];
}

/**
 * Sees application acknowledgements through: each is written when it is due, on the sender's connection while that
 * lives, else it becomes a delivery to the channel's `return` target; without one it stays owed until the sender sends
 * the message again. Every debt is a row of the journal until then.
 */
export interface OwedAcks {
  /** Takes up what the last run, or a node that is gone, left owed and can be returned. @throws Fault when the journal cannot be read */
  recover(): Promise<void>;
  /** One that is due by now is handed to `reply` before this returns. */
  add(owing: Owing): void;
  /** Nothing is owed after all: the immediate answer said it. */
  waive(messageId: number, code: Ack['code']): void;
  /** Resolves when what is under way has ended. What waits for deliveries has to have been told to stop. */
  stop(): Promise<void>;
}

export function createOwedAcks(parts: {
  readonly journal: Pick<Journal, 'payAck' | 'listOwedAcks' | 'readMessage'>;
  readonly channels: readonly OwingChannel[];
  readonly settlements: Settlements;
  readonly findOperation: FindOperation;
  readonly clock: Clock;
  readonly log: Log;
  readonly tally: Tally;
  /** An acknowledgement became a delivery. */
  readonly onQueued: () => void;
}): OwedAcks {
  const { journal, channels, settlements, clock, log, tally } = parts;
  const underWay = new Set<Promise<void>>();
  /** The newest debt of each message: one that was sent again is answered where it came from last. */
  const newest = new Map<number, Owing>();
  const stopping = new AbortController();

  function track(task: Promise<void>, messageId: number) {
    const guarded = task
      .catch((error: unknown) => log.error('ack-broken', { messageId, error: errorName(error) }))
      .finally(() => underWay.delete(guarded));
    underWay.add(guarded);
  }

  async function seeThrough(owing: Owing) {
    const { messageId, channel, wish, answered } = owing;
    try {
      const reply = replyNow(owing) ?? (await earn(owing));
      // What is still owed when the engine stops is taken up at its next start.
      if (reply === null) return;
      const { code } = reply;
      if (!isWanted(wish, code)) return await pay({ messageId, at: clock.now(), code, by: 'waived' });
      const ack = writeAnswer(reply, messageId, answered, true, channel, clock);
      if (owing.reply !== null && (await owing.reply(ack))) {
        tally.answer(channel.name, code);
        log.debug('ack-written', { channel: channel.name, messageId });
        await pay({ messageId, at: clock.now(), code, by: 'written' });
      } else if (newest.get(messageId) === owing) {
        await giveBack(ack, owing);
      }
    } finally {
      if (newest.get(messageId) === owing) newest.delete(messageId);
    }
  }

  async function earn({ messageId, channel, wish, since }: Owing): Promise<Reply | null> {
    const { acknowledge, answerWithinMs } = channel;
    // Who wants to hear of success alone has no use for an answer that none is known yet.
    const isDeadline = acknowledge === 'settled' && isWanted(wish, UNSETTLED.code);
    const settled = await settlements.wait(messageId, acknowledge, { until: since + answerWithinMs, isDeadline });
    if (settled === 'stopping') return null;
    return settled === 'overdue' ? UNSETTLED : chooseReply(acknowledge, settled);
  }

  async function giveBack(ack: Ack, { messageId, channel }: Owing) {
    const { name, returnTo, parties } = channel;
    const party = parties[0];
    if (returnTo === null || party === undefined) {
      log.warn('ack-unreachable', { channel: name, messageId });
      return;
    }
    const draft = {
      resultKey: `acknowledgement of message ${messageId}`,
      target: returnTo,
      operation: RETURN_OPERATION,
      party,
      laneKey: `acknowledgements of ${name}`,
      body: ack.bytes,
      notBefore: null,
      notAfter: null,
      once: null,
      waived: null,
      needs: null,
      flaw: null,
    };
    const by = readyDraft(draft, parties, parts.findOperation);
    tally.answer(name, ack.code);
    await pay({ messageId, at: clock.now(), code: ack.code, by });
    log.info('ack-returned', { channel: name, messageId, target: returnTo });
    parts.onQueued();
  }

  /** Hands the payment to the journal until it takes it, or the engine stops: then the answer may be given twice. */
  async function pay(payment: AckPayment): Promise<void> {
    for (;;) {
      try {
        return await journal.payAck(payment);
      } catch (error) {
        log.error('ack-not-recorded', { messageId: payment.messageId, error: errorName(error) });
        if (stopping.signal.aborted) return;
        await pause(clock, stopping.signal);
      }
    }
  }

  function add(owing: Owing) {
    newest.set(owing.messageId, owing);
    track(seeThrough(owing), owing.messageId);
  }

  async function takeUp(messageId: number, channel: OwingChannel) {
    const message = await journal.readMessage(messageId);
    const header = message === null ? null : headerOf(message.bytes);
    if (message === null || header === null) return;
    const mode = readAckMode(header, true);
    const wish = mode.kind === 'original' ? 'never' : mode.application;
    const answered = { header, contentHash: hashContent(message.bytes) };
    add({ messageId, channel, wish, answered, earned: message, since: clock.now(), reply: null });
  }

  return {
    async recover() {
      let stranded = 0;
      for (let afterId = 0; ; ) {
        const page = await journal.listOwedAcks(afterId, PAGE);
        for (const { messageId, channel: name } of page) {
          afterId = messageId;
          // It is being seen through.
          if (newest.has(messageId)) continue;
          const channel = channels.find((one) => one.name === name);
          if (channel === undefined || channel.returnTo === null) stranded += 1;
          else await takeUp(messageId, channel);
        }
        if (page.length < PAGE) break;
      }
      if (stranded > 0) log.warn('acks-unreachable', { count: stranded });
    },
    add,
    waive(messageId, code) {
      track(pay({ messageId, at: clock.now(), code, by: 'waived' }), messageId);
    },
    async stop() {
      stopping.abort();
      while (underWay.size > 0) await Promise.all(underWay);
    },
  };
}

/** The answer that a message has earned already; null = it depends on what is still to come. */
function replyNow({ channel: { acknowledge }, earned }: Owing): Reply | null {
  if (acknowledge !== 'stored' && earned.state === 'received') return null;
  return acknowledge === 'settled' && earned.state !== 'refused' ? null : chooseReply(acknowledge, earned);
}

/** Null where there is none: but then nothing can be owed. */
function headerOf(bytes: Uint8Array): Header | null {
  try {
    return readHeader(bytes);
  } catch {
    return null;
  }
}

function pause(clock: Clock, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const goOn = () => {
      callOff();
      signal.removeEventListener('abort', goOn);
      resolve();
    };
    const callOff = clock.wakeAt(clock.now() + PAY_AGAIN_MS, goOn);
    signal.addEventListener('abort', goOn, { once: true });
  });
}
