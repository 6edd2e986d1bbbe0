import { type Dispatcher, request } from 'undici';
import type { Clock } from '../contracts/clock.ts';
import { Fault } from '../contracts/fault.ts';
import type { Answer } from './classify.ts';

export interface Exchange {
  readonly dispatcher: Dispatcher;
  readonly url: string;
  readonly method: 'GET' | 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | null;
  /** The attempt's own signal; its reason, where it is a Fault, becomes the failure. */
  readonly signal: AbortSignal;
  /** From the start to the answer's last byte. */
  readonly timeoutMs: number;
  readonly maxAnswerBytes: number;
  readonly clock: Clock;
}

/** An answer; `complete` is false where its body was larger than permitted and was left unread. */
export interface Exchanged extends Answer {
  readonly complete: boolean;
}

/**
 * Makes one HTTP exchange over the given dispatcher and no other; redirects are answers like any other.
 * @throws Fault `target-timeout`, the signal's own fault, or the error of the connection
 */
export async function exchange(order: Exchange): Promise<Exchanged> {
  const deadline = new AbortController();
  const { clock } = order;
  const callOff = clock.wakeAt(clock.now() + order.timeoutMs, () => {
    deadline.abort(new Fault('target-timeout', { detail: `${order.timeoutMs} ms` }));
  });
  const signal = AbortSignal.any([order.signal, deadline.signal]);
  try {
    const { statusCode, headers, body } = await request(order.url, {
      dispatcher: order.dispatcher,
      method: order.method,
      headers: order.headers,
      body: order.body,
      signal,
    });
    const read = await readBody(body, order.maxAnswerBytes);
    return {
      status: statusCode,
      contentType: first(headers['content-type']),
      retryAfter: first(headers['retry-after']),
      body: read ?? new Uint8Array(0),
      complete: read !== null,
    };
  } catch (error) {
    if (!signal.aborted) throw error;
    throw signal.reason instanceof Fault ? signal.reason : new Fault('target-timeout', { cause: error });
  } finally {
    callOff();
  }
}

async function readBody(body: Dispatcher.ResponseData['body'], maxBytes: number): Promise<Uint8Array | null> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    length += chunk.length;
    // Leaving the loop destroys the body, and with it the connection.
    if (length > maxBytes) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}

const first = (header: string | string[] | undefined): string | null =>
  (Array.isArray(header) ? header[0] : header) ?? null;
