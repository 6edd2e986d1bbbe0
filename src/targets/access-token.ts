import { Fault } from '../contracts/fault.ts';
import type { Host } from '../contracts/plugin.ts';
import { classifyAnswer, classifyError, type Failure, readRetryAfter } from './classify.ts';
import { makeClientAssertion } from './client-assertion.ts';
import type { Exchanged } from './exchange.ts';
import type { Oauth2 } from './fhir-config.ts';
import { readSecret } from './read-secret.ts';

/** Access tokens, kept apart by party: no two parties ever share one. */
export interface AccessTokens {
  /**
   * A token of the party that still lasts; fetched where none is kept, by one request at a time.
   * @throws TokenFailure · what the signal was aborted with
   */
  get(party: string, order: Oauth2, signal: AbortSignal): Promise<string>;
  /** Forgets a token that the receiver did not take; a newer one stays. */
  drop(party: string, token: string): void;
}

/** Why there is no token. */
export class TokenFailure extends Error {
  readonly failure: Failure;
  constructor(failure: Failure) {
    super(failure.fault.message);
    this.failure = failure;
  }
}

export interface TokenParts {
  readonly host: Pick<Host, 'clock' | 'readVariable' | 'resolvePath'>;
  /** Posts a form under the party's connections. Ends in bounded time: several attempts may wait for one answer. */
  post(party: string, url: string, headers: Readonly<Record<string, string>>, form: string): Promise<Exchanged>;
}

interface Kept {
  readonly token: string;
  /** ms since the epoch: from then on another one is fetched. */
  readonly refreshAt: number;
}

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
/** Where the answer does not say how long it lasts. */
const USUAL_LIFETIME_S = 300;
const MARGIN_MS = 30_000;
/** Words of RFC 6749 §5.2 that are about us; whatever else stands in an answer is not repeated. */
const REFUSALS: ReadonlySet<string> = new Set([
  ...['invalid_request', 'invalid_client', 'invalid_grant', 'unauthorized_client', 'unsupported_grant_type'],
  ...['invalid_scope', 'access_denied'],
]);
const LATER: ReadonlySet<string> = new Set(['temporarily_unavailable', 'server_error', 'slow_down']);

/** Fetches tokens by client credentials. @see RFC 6749 §4.4; SMART App Launch, backend services */
export function createAccessTokens(parts: TokenParts): AccessTokens {
  const kept = new Map<string, Kept>();
  const underWay = new Map<string, Promise<Kept>>();

  async function fetchToken(party: string, order: Oauth2): Promise<Kept> {
    const { clock } = parts.host;
    const { headers, form } = makeTokenRequest(order, parts.host);
    const answer = await parts.post(party, order.tokenUrl, headers, form.toString());
    const now = clock.now();
    const failure = judge(answer, now);
    if (failure !== null) throw new TokenFailure(failure);
    const { access_token: token, expires_in: lifetime } = readAnswer(answer);
    const lifetimeMs = 1000 * (Number(lifetime) > 0 ? Number(lifetime) : USUAL_LIFETIME_S);
    return { token: String(token), refreshAt: now + lifetimeMs - Math.min(MARGIN_MS, lifetimeMs / 5) };
  }

  return {
    async get(party, order, signal) {
      const known = kept.get(party);
      if (known !== undefined && parts.host.clock.now() < known.refreshAt) return known.token;
      kept.delete(party);
      const running =
        underWay.get(party) ??
        fetchToken(party, order)
          .then((one) => {
            kept.set(party, one);
            return one;
          })
          .catch((error: unknown) => {
            throw error instanceof TokenFailure ? error : new TokenFailure(atEndpoint(classifyError(error)));
          })
          .finally(() => underWay.delete(party));
      underWay.set(party, running);
      return (await unlessAborted(running, signal)).token;
    },
    drop(party, token) {
      if (kept.get(party)?.token === token) kept.delete(party);
    },
  };
}

function makeTokenRequest(order: Oauth2, host: TokenParts['host']) {
  const form = new URLSearchParams({ grant_type: 'client_credentials', scope: order.scope });
  const headers: Record<string, string> = {
    accept: 'application/json',
    'content-type': 'application/x-www-form-urlencoded',
  };
  const { key, clientSecret, clientId } = order;
  if (key !== undefined) {
    form.set('client_assertion_type', ASSERTION_TYPE);
    form.set('client_assertion', makeClientAssertion({ ...order, key }, host.clock.now(), host.resolvePath));
  } else if (clientSecret !== undefined) {
    const secret = readSecret(clientSecret, host);
    if (order.secretIn === 'body') {
      form.set('client_id', clientId);
      form.set('client_secret', secret);
    } else {
      // Both are form-encoded first. @see RFC 6749 §2.3.1
      const pair = [clientId, secret].map((one) => new URLSearchParams({ '': one }).toString().slice(1)).join(':');
      headers.authorization = `Basic ${Buffer.from(pair).toString('base64')}`;
    }
  }
  return { headers, form };
}

/** null = a usable token came. A token server's trouble never holds a delivery: the party is paused, or it is retried. */
function judge(answer: Exchanged, now: number): Failure | null {
  const { access_token: token, token_type: type, error } = readAnswer(answer);
  const failed = (code: 'target-unauthorized' | 'target-busy' | 'target-failing', detail: string): Failure => ({
    fault: new Fault(code, { detail: `token endpoint: ${detail}` }),
    retryAfterMs: readRetryAfter(answer.retryAfter, now),
  });
  const failure = classifyAnswer(answer, now);
  if (failure === null) {
    const isUsable = typeof token === 'string' && /^[\x21-\x7e]+$/.test(token) && /^bearer$/i.test(String(type));
    return isUsable ? null : failed('target-failing', 'no usable token');
  }
  const word = typeof error === 'string' && (REFUSALS.has(error) || LATER.has(error)) ? ` ${error}` : '';
  const detail = `HTTP ${answer.status}${word}`;
  if (LATER.has(word.trim())) return failed('target-busy', detail);
  const { code, blame } = failure.fault;
  if (blame === 'world' && (code === 'target-busy' || code === 'target-failing')) return failed(code, detail);
  return failed('target-unauthorized', detail);
}

function atEndpoint({ fault, retryAfterMs }: Failure): Failure {
  const { code, where, detail } = fault;
  const told = code === 'party-stopped' || detail === null ? detail : `token endpoint: ${detail}`;
  return { fault: new Fault(code, { detail: told, where, cause: fault.cause }), retryAfterMs };
}

function readAnswer({ body }: Exchanged): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(Buffer.from(body).toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** Others may wait for the same; one that gives up lets it run. */
function unlessAborted<Made>(running: Promise<Made>, signal: AbortSignal): Promise<Made> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    running.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
