import type { Dispatcher } from 'undici';
import type { Answer } from './classify.ts';
import { loadUndici } from './undici.ts';

export interface Exchange {
  readonly dispatcher: Dispatcher;
  readonly url: string;
  readonly method: 'GET' | 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | null;
  readonly signal: AbortSignal;
  readonly maxAnswerBytes: number;
}

/** An answer; `complete` is false where its body was larger than permitted and was left unread. */
export interface Exchanged extends Answer {
  readonly complete: boolean;
}

/**
 * Makes one HTTP exchange over the given dispatcher and no other; redirects are answers like any other.
 * @throws the error of the connection, or of an aborted one
 */
export async function exchange(order: Exchange): Promise<Exchanged> {
  const { dispatcher, method, headers: sent, body: content, signal } = order;
  const options = { dispatcher, method, headers: sent, body: content, signal };
  const { statusCode, headers, body } = await loadUndici().request(order.url, options);
  const read = await readBody(body, order.maxAnswerBytes);
  return {
    status: statusCode,
    contentType: first(headers['content-type']),
    retryAfter: first(headers['retry-after']),
    body: read ?? new Uint8Array(0),
    complete: read !== null,
  };
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
