import { Fault } from '../contracts/fault.ts';

/** Why an attempt failed, and how long the receiver asked to be left alone. */
export interface Failure {
  readonly fault: Fault;
  /** null = it did not say. */
  readonly retryAfterMs: number | null;
}

export interface Answer {
  readonly status: number;
  readonly contentType: string | null;
  /** The Retry-After header; null = none. */
  readonly retryAfter: string | null;
  readonly body: Uint8Array;
}

/** Statuses by which a receiver asks for patience; 5xx are beside them. */
const LATER: ReadonlySet<number> = new Set([408, 409, 412, 423, 425, 429]);
/** 495 and 496 are nginx's words for a client certificate that is bad or missing. */
const UNAUTHORIZED: ReadonlySet<number> = new Set([401, 495, 496]);

/**
 * Judges an HTTP answer; null = a 2xx. The fault's detail is the status alone, for what a receiver writes about a
 * request may quote it.
 * @param now ms since the epoch, for a Retry-After that is a date.
 */
export function classifyAnswer(answer: Answer, now: number): Failure | null {
  const { status } = answer;
  if (status >= 200 && status < 300) return null;
  const fault = (code: ConstructorParameters<typeof Fault>[0]): Failure => ({
    fault: new Fault(code, { detail: `HTTP ${status}` }),
    retryAfterMs: null,
  });
  if (UNAUTHORIZED.has(status) || isProxyCertificateError(answer)) return fault('target-unauthorized');
  if (status === 400 || status === 422) return fault('target-refused');
  if (status === 403) return fault('target-forbidden');
  const later = LATER.has(status);
  if (!later && (status < 500 || status > 599)) return fault('target-unexpected');
  const retryAfterMs = readRetryAfter(answer.retryAfter, now);
  return { ...fault(later || retryAfterMs !== null ? 'target-busy' : 'target-failing'), retryAfterMs };
}

/** A proxy in front of the receiver answers 400 in HTML when the client certificate is the trouble; no content was judged. */
function isProxyCertificateError({ status, contentType, body }: Answer): boolean {
  if (status !== 400 || !/^text\/html\b/i.test(contentType ?? '')) return false;
  return /SSL certificate/i.test(Buffer.from(body.subarray(0, 4096)).toString('latin1'));
}

/** Retry-After as ms from now, never negative; null where it is absent or unreadable. @see RFC 9110 §10.2.3 */
export function readRetryAfter(header: string | null, now: number): number | null {
  if (header === null) return null;
  const text = header.trim();
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  // Date.parse is far more generous than HTTP is.
  if (!/^[A-Z][a-z]{2,8},? .*\d{2}:\d{2}:\d{2}/.test(text)) return null;
  const time = Date.parse(text);
  return Number.isNaN(time) ? null : Math.max(0, time - now);
}

/** Error codes of a TLS handshake that one side would not finish: OpenSSL's, Node's and those of certificate checking. */
const TLS_CODES =
  /^(ERR_SSL_|ERR_TLS_|ERR_OSSL_|EPROTO$|CERT_|CRL_|UNABLE_TO_|ERROR_IN_CERT_|ERROR_IN_CRL_|DEPTH_ZERO_|SELF_SIGNED_|INVALID_CA$|INVALID_PURPOSE$|PATH_LENGTH_EXCEEDED$|HOSTNAME_MISMATCH$)/;
const TIMEOUTS: ReadonlySet<string> = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT']);

/**
 * Judges an error of the exchange itself: no usable answer came.
 * @param signal the attempt's own: what it was aborted with, where it is a Fault, is the failure
 */
export function classifyError(error: unknown, signal: AbortSignal | null = null): Failure {
  if (signal?.aborted) {
    const reason: unknown = signal.reason;
    const fault = reason instanceof Fault ? reason : new Fault('target-timeout', { cause: error });
    return { fault, retryAfterMs: null };
  }
  const judged = (code: ConstructorParameters<typeof Fault>[0], detail: string): Failure => ({
    fault: new Fault(code, { detail, cause: error }),
    retryAfterMs: null,
  });
  if (error instanceof Fault) return { fault: error, retryAfterMs: null };
  const code = codesOf(error).find((one) => TLS_CODES.test(one)) ?? codesOf(error)[0] ?? null;
  if (code === null) return judged('internal', error instanceof Error ? error.name : typeof error);
  if (TLS_CODES.test(code)) return judged('tls-refused', code);
  if (TIMEOUTS.has(code)) return judged('target-timeout', code);
  if (code.startsWith('HPE_') || code === 'UND_ERR_HEADERS_OVERFLOW') return judged('target-failing', code);
  if (code.startsWith('UND_ERR_INVALID') || code === 'UND_ERR_NOT_SUPPORTED') return judged('internal', code);
  return judged('target-unreachable', code);
}

/** Codes of an error, its causes and its parts, outermost first. */
function codesOf(error: unknown, depth = 0): string[] {
  if (!(error instanceof Error) || depth > 5) return [];
  const { code } = error as NodeJS.ErrnoException;
  const parts = error instanceof AggregateError ? error.errors : [];
  const inner = [error.cause, ...parts].flatMap((one) => codesOf(one, depth + 1));
  return typeof code === 'string' ? [code, ...inner] : inner;
}
