import type { Clock } from '../contracts/clock.ts';
import type { Journal, StoredMessage } from '../contracts/journal.ts';
import { readHeader } from '../hl7/header.ts';
import { isWanted, readAckMode } from './ack-mode.ts';
import { type IntakeParts, mapMessage } from './intake.ts';
import { errorName } from './log-fields.ts';
import type { Channel } from './settings.ts';

/** How many stored messages are read at once. */
const PAGE = 100;
/** A message that could not be given its outcome is tried again after this long. */
const AGAIN_MS = 10_000;

/** Gives stored messages the outcome they are still owed: those of the last run at start, those of this one soon after. */
export interface LeftOvers {
  /** Everything stored as `received`, oldest first. @throws Fault when the journal cannot be read or written */
  settleAll(): Promise<void>;
  /** This message was stored, but its outcome could not be. */
  add(messageId: number): void;
  stop(): void;
}

export function createLeftOvers(
  parts: Pick<IntakeParts, 'mapper' | 'findOperation' | 'log'> & {
    readonly journal: Pick<Journal, 'listReceived' | 'readMessage' | 'settle'>;
    readonly channels: readonly Pick<Channel, 'name' | 'parties' | 'acknowledge'>[];
    readonly clock: Clock;
    readonly onSettled: (messageId: number) => void;
  },
): LeftOvers {
  const { journal, channels, clock, log } = parts;
  const owed = new Set<number>();
  let callOff = () => {};
  let stopped = false;

  async function settle(message: StoredMessage) {
    const channel = channels.find(({ name }) => name === message.channel);
    if (channel === undefined) {
      log.warn('message-stranded', { channel: message.channel, messageId: message.id });
      return;
    }
    const outcome = mapMessage(message.bytes, message.sender, channel, parts, isTold(message.bytes));
    const { state } = await journal.settle(message.id, clock.now(), outcome);
    log.info('message-settled', { channel: message.channel, messageId: message.id, state });
  }

  async function settleOwed() {
    for (const id of [...owed]) {
      if (stopped) return;
      try {
        const message = await journal.readMessage(id);
        if (message?.state === 'received') await settle(message);
        owed.delete(id);
        parts.onSettled(id);
      } catch (error) {
        log.error('message-not-settled', { messageId: id, error: errorName(error) });
      }
    }
    if (owed.size > 0 && !stopped) schedule();
  }

  function schedule() {
    callOff();
    callOff = clock.wakeAt(clock.now() + AGAIN_MS, () => void settleOwed());
  }

  return {
    async settleAll() {
      let afterId = 0;
      for (;;) {
        const page = await journal.listReceived(afterId, PAGE);
        for (const message of page) {
          await settle(message);
          afterId = message.id;
        }
        if (page.length < PAGE) return;
      }
    },
    add(messageId) {
      owed.add(messageId);
      if (!stopped) schedule();
    },
    stop() {
      stopped = true;
      callOff();
    },
  };
}

/** Its accept acknowledgement may have been given long ago: of a refusal only an application acknowledgement tells. */
function isTold(bytes: Uint8Array): boolean {
  try {
    const mode = readAckMode(readHeader(bytes), true);
    return mode.kind === 'original' || isWanted(mode.application, 'AE');
  } catch {
    return true;
  }
}
