import type { Dispatcher } from 'undici';
import type { Answer } from './classify.ts';

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
 * Makes one HTTP exchange over the given dispatcher and no other; redirects are answers like any other. By `dispatch`
 * rather than `request`: the stream that `request` makes of each answer is a quarter of the whole.
 * @throws the error of the connection, or of an aborted one
 */
export function exchange(order: Exchange): Promise<Exchanged> {
  const { dispatcher, method, headers, body, signal, maxAnswerBytes } = order;
  const { origin, pathname, search } = new URL(order.url);
  return new Promise((resolve, reject) => {
    let controller: Dispatcher.DispatchController | null = null;
    let status = 0;
    let contentType: string | null = null;
    let retryAfter: string | null = null;
    const chunks: Buffer[] = [];
    let length = 0;
    const abort = () => controller?.abort(signal.reason);
    const end = (read: Uint8Array | null) => {
      signal.removeEventListener('abort', abort);
      resolve({ status, contentType, retryAfter, body: read ?? new Uint8Array(0), complete: read !== null });
    };
    signal.addEventListener('abort', abort, { once: true });
    dispatcher.dispatch(
      { origin, path: pathname + search, method, headers, body },
      {
        onRequestStart(started) {
          controller = started;
          if (signal.aborted) abort();
        },
        // Also for each interim answer (1xx); the last one counts.
        onResponseStart(_, statusCode, answered) {
          status = statusCode;
          contentType = first(answered['content-type']);
          retryAfter = first(answered['retry-after']);
        },
        onResponseData(_, chunk) {
          length += chunk.length;
          if (length <= maxAnswerBytes) chunks.push(chunk);
          else {
            end(null);
            // Ends the connection with it.
            controller?.abort(new Error('larger than maxAnswerBytes'));
          }
        },
        // Most answers are one chunk, which is nobody else's.
        onResponseEnd: () => end(chunks.length === 1 ? (chunks[0] ?? null) : Buffer.concat(chunks, length)),
        onResponseError(_, error) {
          signal.removeEventListener('abort', abort);
          reject(error);
        },
      },
    );
  });
}

const first = (header: string | string[] | undefined): string | null =>
  (Array.isArray(header) ? header[0] : header) ?? null;
