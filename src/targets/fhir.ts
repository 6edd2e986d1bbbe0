import { readFileSync } from 'node:fs';
import { Client } from 'fhir-kit-client';
import { Fault } from '../contracts/fault.ts';
import type { Credentials, Parties } from '../contracts/party.ts';
import type { Host, TargetPlugin } from '../contracts/plugin.ts';
import type { Delivery, Operation, Response, Target, Verdict } from '../contracts/target.ts';
import { type AccessTokens, createAccessTokens, TokenFailure } from './access-token.ts';
import { classifyError } from './classify.ts';
import { withDeadline } from './deadline.ts';
import { type Exchanged, exchange } from './exchange.ts';
import { judgeFhirAnswer } from './fhir-answer.ts';
import { type Auth, type FhirConfig, fhirConfig, type Oauth2 } from './fhir-config.ts';
import { exchangeFhir } from './fhir-exchange.ts';
import { type FhirRequest, readSingle, readTransaction } from './fhir-request.ts';
import { refuseLibraryLog } from './library-log.ts';
import { createPools, type Pools } from './pools.ts';
import { loadUndici } from './undici.ts';

const operations = {
  transaction: {
    summary: 'A transaction Bundle whose entries are PUT, conditional PUT, or POST with ifNoneExist.',
    inDoubt: 'repeat',
    onCorrection: 'update',
  },
  resource: {
    summary: 'One PUT, conditional PUT or conditional POST: { method, url, ifNoneExist, ifMatch, resource }.',
    inDoubt: 'repeat',
    onCorrection: 'update',
  },
} as const satisfies Record<string, Operation>;

/** Any FHIR R4 server. */
export const fhirTarget: TargetPlugin<typeof fhirConfig> = {
  kind: 'target',
  name: 'fhir',
  summary: 'FHIR R4 server: transactions and conditional writes, over mutual TLS, with access tokens, or both.',
  config: fhirConfig,
  create: createFhirTarget,
};

const READERS: Readonly<Record<string, (body: Uint8Array) => FhirRequest>> = {
  transaction: readTransaction,
  resource: readSingle,
};
const MAX_TOKEN_ANSWER_BYTES = 65_536;
/** Below the time an attempt has, so that a token server that hangs is named as what it is. */
const TOKEN_TIMEOUT_MS = 30_000;

function createFhirTarget(settings: FhirConfig, host: Host): Target {
  // The client uses the global fetch, and Node's own does not take the connections of this undici.
  loadUndici().install();
  for (const party of Object.keys(settings.parties)) {
    if (host.parties.get(party) === null) throw new Error(`parties.${party}: there is no such party`);
  }
  refuseLibraryLog(host);
  const { clock } = host;
  const ca = settings.ca === undefined ? null : readFileSync(host.resolvePath(settings.ca), 'utf8');
  const limits = { connectTimeoutMs: settings.connectTimeout, ca };
  const certified = createPools(host.parties, limits);
  const uncertified = createPools(withoutCertificates(host.parties), limits);
  const baseUrl = settings.url.replace(/\/$/, '');
  // Of no party: what is a party's goes with each call.
  const client = new Client({ baseUrl, customHeaders: settings.headers });
  const stopping = new AbortController();

  const authOf = (party: string): Auth =>
    (Object.hasOwn(settings.parties, party) ? settings.parties[party]?.auth : undefined) ?? settings.auth;
  const poolsOf = (party: string): Pools => (showsCertificate(authOf(party)) ? certified : uncertified);
  const tokens = createAccessTokens({
    host,
    post: (party, url, headers, form) =>
      withDeadline({ clock, afterMs: TOKEN_TIMEOUT_MS, signal: stopping.signal }, (signal) =>
        exchange({
          dispatcher: poolsOf(party).of(party),
          url,
          method: 'POST',
          headers,
          body: Buffer.from(form, 'utf8'),
          signal,
          maxAnswerBytes: MAX_TOKEN_ANSWER_BYTES,
        }),
      ),
  });

  const ask = (party: string, request: FhirRequest, token: string | null, signal: AbortSignal): Promise<Exchanged> =>
    exchangeFhir({
      client,
      dispatcher: poolsOf(party).of(party),
      method: request.method,
      url: request.path === '' ? baseUrl : `${baseUrl}/${request.path}`,
      headers: {
        'content-type': 'application/fhir+json; charset=utf-8',
        prefer: settings.prefer,
        ...request.headers,
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      },
      body: request.body,
      signal,
      maxAnswerBytes: settings.maxAnswer,
    });

  async function attempt({ party, body, operation }: Delivery, signal: AbortSignal): Promise<Verdict> {
    const read = Object.hasOwn(READERS, operation) ? READERS[operation] : undefined;
    if (read === undefined) throw new Fault('mapping-incomplete', { detail: `no operation ${operation}` });
    const request = read(body);
    const { answer, judged } = await askWithToken(tokens, oauth2Of(authOf(party)), party, signal, async (token) => {
      const answer = await ask(party, request, token, signal);
      return { answer, judged: judgeFhirAnswer(answer, request, clock.now()) };
    });
    if (judged.kind === 'failed') return { ok: false, ...judged.failure, response: toResponse(answer, null) };
    const { problem } = judged;
    return { ok: true, response: toResponse(answer, problem === null ? null : unreadable(problem)) };
  }

  return {
    operations,
    async send(delivery, signal) {
      try {
        return await attempt(delivery, signal);
      } catch (error) {
        const failure = error instanceof TokenFailure ? error.failure : classifyError(error, signal);
        return { ok: false, ...failure, response: null };
      }
    },
    async stop() {
      stopping.abort(new Fault('stopping'));
      await Promise.all([certified.stop(), uncertified.stop()]);
    },
  };
}

/** Asks, and where it was the token that was not taken, asks once more with a new one. */
async function askWithToken<Made extends { judged: ReturnType<typeof judgeFhirAnswer> }>(
  tokens: AccessTokens,
  order: Oauth2 | null,
  party: string,
  signal: AbortSignal,
  askOnce: (token: string | null) => Promise<Made>,
): Promise<Made> {
  if (order === null) return askOnce(null);
  const token = await tokens.get(party, order, signal);
  const first = await askOnce(token);
  if (first.judged.kind === 'taken' || !first.judged.concernsToken) return first;
  tokens.drop(party, token);
  const another = await tokens.get(party, order, signal);
  const second = await askOnce(another);
  if (second.judged.kind === 'failed' && second.judged.concernsToken) tokens.drop(party, another);
  return second;
}

const showsCertificate = (auth: Auth): boolean => (typeof auth === 'string' ? auth === 'mtls' : auth.mtls);
const oauth2Of = (auth: Auth): Oauth2 | null => (typeof auth === 'string' ? null : auth.oauth2);
const unreadable = (detail: string): Fault => new Fault('answer-unreadable', { detail });

/** For connections that are a party's own all the same, so that nothing of one can end up with another. */
function withoutCertificates(parties: Parties): Parties {
  const nothing = { tls: {}, version: '' } as unknown as Credentials;
  return {
    list: () => parties.list(),
    get: (id) => parties.get(id),
    credentials(id) {
      if (parties.get(id) !== null) return nothing;
      throw new Fault('party-stopped', { detail: 'no such party is configured' });
    },
  };
}

function toResponse({ status, contentType, body }: Exchanged, fault: Fault | null): Response {
  return { status, contentType, body, fault };
}
