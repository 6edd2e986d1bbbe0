import type { Client } from 'fhir-kit-client';
import type { Dispatcher } from 'undici';
import { Fault } from '../contracts/fault.ts';
import type { Exchanged } from './exchange.ts';

export interface FhirExchange {
  readonly client: Client;
  readonly dispatcher: Dispatcher;
  readonly method: 'POST' | 'PUT';
  /** Absolute. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON as it leaves: the client sends a string as it is, so numbers keep their digits. */
  readonly body: string;
  readonly signal: AbortSignal;
  readonly maxAnswerBytes: number;
}

/** What came over the wire, whatever the client made of it. */
interface Seen {
  status: number;
  contentType: string | null;
  retryAfter: string | null;
  chunks: Buffer[];
  length: number;
  /** True once there is nothing more to read, or nothing more that may be read. */
  ended: boolean;
  complete: boolean;
}

interface Tap {
  seen: Seen | null;
  controller: Dispatcher.DispatchController | null;
  /** Heard here rather than by fetch, which makes a signal of its own out of it for each request. */
  readonly signal: AbortSignal;
}

/**
 * Makes one exchange by the FHIR client over the given dispatcher and no other. The answer's bytes are taken before the
 * client reads them: it throws away what is not JSON, throws at what is not a 2xx, and knows no limit of size.
 * @throws the error of the connection, or the signal's reason
 */
export async function exchangeFhir(order: FhirExchange): Promise<Exchanged> {
  const { method, body, headers, signal } = order;
  const tap: Tap = { seen: null, controller: null, signal };
  const dispatcher = order.dispatcher.compose((dispatch) => (options, handler) => {
    tap.seen = null;
    return dispatch(options, watch(handler, tap, order.maxAnswerBytes));
  });
  // Redirects are answers like any other. An answer that came compressed could not be bounded, so none is asked for.
  const options = { headers: { ...headers, 'accept-encoding': 'identity' }, dispatcher, redirect: 'error' };
  let cut = () => {};
  const aborted = new Promise<void>((resolve) => {
    cut = () => {
      tap.controller?.abort(signal.reason);
      resolve();
    };
  });
  signal.addEventListener('abort', cut, { once: true });
  let failure: unknown = null;
  try {
    signal.throwIfAborted();
    // The client's type of a body is a resource; it takes any text.
    const request = order.client.request(order.url, { method, body: body as never, options: options as never });
    await Promise.race([request, aborted]);
  } catch (error) {
    failure = error;
  }
  signal.removeEventListener('abort', cut);
  signal.throwIfAborted();
  const { seen } = tap;
  if (seen === null || !seen.ended) throw explain(failure);
  const { status, contentType, retryAfter, complete } = seen;
  return { status, contentType, retryAfter, complete, body: complete ? Buffer.concat(seen.chunks) : new Uint8Array(0) };
}

/** That fetch will not connect to some ports is said in a text only. @see Fetch Standard, bad ports */
function explain(failure: unknown): unknown {
  const { cause } = failure instanceof Error ? failure : new Error('no answer was seen');
  if (!(cause instanceof Error) || cause.message !== 'bad port') return failure;
  return new Fault('target-unreachable', { detail: 'a port that web clients refuse', cause });
}

function watch(handler: Dispatcher.DispatchHandler, tap: Tap, maxBytes: number) {
  const watching: Dispatcher.DispatchHandler = {
    onRequestStart(controller, context) {
      tap.controller = controller;
      handler.onRequestStart?.(controller, context);
      // It was aborted while it waited for a connection.
      if (tap.signal.aborted) controller.abort(tap.signal.reason);
    },
    onRequestUpgrade: (...all) => handler.onRequestUpgrade?.(...all),
    onResponseStart(controller, status, headers, message) {
      const header = (name: string): string | null => [headers[name]].flat()[0] ?? null;
      const isRedirect = status >= 300 && status < 400;
      const isCompressed = !/^(identity)?$/i.test(header('content-encoding') ?? '');
      const seen: Seen = {
        status,
        contentType: header('content-type'),
        retryAfter: header('retry-after'),
        chunks: [],
        length: 0,
        ended: isRedirect,
        complete: true,
      };
      if (status >= 200) tap.seen = seen;
      if (isCompressed) leave(seen, controller);
      else handler.onResponseStart?.(controller, status, headers, message);
    },
    onResponseData(controller, chunk) {
      const { seen } = tap;
      if (seen === null) return;
      seen.length += chunk.length;
      if (seen.length > maxBytes) leave(seen, controller);
      else {
        seen.chunks.push(chunk);
        handler.onResponseData?.(controller, chunk);
      }
    },
    onResponseEnd(controller, trailers) {
      if (tap.seen !== null) tap.seen.ended = true;
      handler.onResponseEnd?.(controller, trailers);
    },
    onResponseError: (controller, error) => handler.onResponseError?.(controller, error),
  };
  return watching;
}

/** Stops reading, which closes the connection. */
function leave(seen: Seen, controller: Dispatcher.DispatchController): void {
  seen.ended = true;
  seen.complete = false;
  controller.abort(new Error('the answer is left unread'));
}
