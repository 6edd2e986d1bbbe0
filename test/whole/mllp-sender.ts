import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { frameMessage, MllpDecoder } from '../../src/hl7/mllp.ts';
import { parseAck } from '../../src/hl7/parse-ack.ts';

/** A laboratory's system waits a little before it tries again. */
const BACK_OFF_MS = 30;

export interface Sending {
  readonly bytes: Buffer;
  readonly controlId: string;
}

export interface SenderOptions {
  /** Where to connect now; waits until there is somewhere. */
  readonly port: () => Promise<number>;
  /** Messages that may be without their answer at a time. */
  readonly window: number;
  /** Without any answer for so long it hangs up, and sends the same again to whoever takes it; by default it waits. */
  readonly patienceMs?: number;
  /** Called for each message that was taken (AA), once. */
  readonly onTaken: (sending: Sending) => void;
}

export interface SenderFigures {
  connections: number;
  /** Messages written more often than once: the connection broke before their answer, or they got AR. */
  resent: number;
  /** Answers other than AA and AR, or to another message: there ought to be none. */
  readonly wrong: string[];
}

/**
 * Sends messages in their order as HL7 asks of a sender: what got no answer, or AR, is sent again, the same bytes, before
 * anything that came after it. Resolves when all were taken.
 */
export async function sendWithManners(sendings: readonly Sending[], options: SenderOptions): Promise<SenderFigures> {
  const figures: SenderFigures = { connections: 0, resent: 0, wrong: [] };
  let taken = 0;
  let highest = 0;
  while (taken < sendings.length) {
    const { answered, written } = await sendOverOne(sendings, taken, options, figures);
    figures.resent += Math.max(0, Math.min(highest, written) - taken);
    highest = Math.max(highest, written);
    taken = answered;
    if (figures.wrong.length > 0) break;
    if (taken < sendings.length) await wait(BACK_OFF_MS);
  }
  return figures;
}

/** Sends from `start` on until the connection breaks, an answer asks for the same again, or all were taken. */
async function sendOverOne(
  sendings: readonly Sending[],
  start: number,
  { port, window, patienceMs, onTaken }: SenderOptions,
  figures: SenderFigures,
): Promise<{ answered: number; written: number }> {
  const socket = await open(await port());
  if (socket === null) return { answered: start, written: start };
  figures.connections += 1;
  if (patienceMs !== undefined) socket.setTimeout(patienceMs, () => socket.destroy());
  let next = start;
  let answered = start;
  const decoder = new MllpDecoder(1 << 20);
  const write = () => {
    for (; next < sendings.length && next < answered + window; next += 1) {
      socket.write(frameMessage((sendings[next] as Sending).bytes));
    }
  };
  socket.on('data', (chunk: Buffer) => {
    for (const event of decoder.push(chunk)) {
      if (event.kind !== 'message' || socket.destroyed) continue;
      const ack = parseAck(event.bytes);
      const sending = sendings[answered];
      if (sending === undefined || ack?.controlId !== sending.controlId) {
        figures.wrong.push(`an answer to ${ack?.controlId ?? 'nothing'} instead of ${sending?.controlId ?? 'nothing'}`);
      } else if (ack.code === 'AA') {
        answered += 1;
        onTaken(sending);
      } else if (ack.code !== 'AR') {
        figures.wrong.push(`${ack.code} for ${sending.controlId}`);
      }
      if (ack?.code !== 'AA' || answered === sendings.length) socket.destroy();
      else write();
    }
  });
  socket.on('error', () => {});
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  write();
  await closed;
  return { answered, written: next };
}

async function open(port: number): Promise<Socket | null> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  try {
    await once(socket, 'connect');
    return socket;
  } catch {
    return null;
  }
}
