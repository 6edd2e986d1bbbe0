import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../../contracts/clock.ts';
import { readCaller } from '../covidbevis/caller.ts';
import { answerFhir, type HttpAnswer } from './exchange.ts';
import { createFaultOrders, type FaultOrder, type FaultOrders, type Misbehaviour } from './fault-orders.ts';
import { createLedger, type Ledger, type Seen } from './ledger.ts';
import { type Json, makeOutcome, Refused, refuse } from './outcome.ts';
import { createStore, identifiersOf } from './store.ts';
import { createTokenEndpoint, type Grant, type KnownClient, type TokenEndpoint } from './token-endpoint.ts';

export interface FhirServerOptions {
  /** PEM texts of the server certificate. */
  readonly server: { readonly cert: string; readonly key: string };
  /** PEM of the authority whose client certificates are asked for; null or absent = none are. */
  readonly clientCa?: string | null;
  /** Asks for bearer tokens, which it issues itself; null or absent = it does not. */
  readonly oauth?: { readonly clients: readonly KnownClient[]; readonly tokenLifetimeS?: number } | null;
  readonly clock: Clock;
  /** Whether a resource that is referred to must exist; absent = true. */
  readonly checkReferences?: boolean;
  /** Larger bodies get 413; absent = 32 MiB. */
  readonly maxBodyBytes?: number;
  readonly faults?: readonly FaultOrder[];
  /** Told of each request and write as it comes; must not throw. */
  readonly watch?: (seen: Seen) => void;
  /** For faults with a probability; absent = they always strike. */
  readonly random?: () => number;
}

/** A FHIR R4 server for tests. */
export interface FhirServer {
  /** Listens on a loopback address; port 0 = any free one. Resolves with the base URL. */
  start(port?: number, host?: string): Promise<string>;
  /** Base URL, such as `https://localhost:40123/fhir`. @throws Error before start. */
  readonly url: string;
  /** Address of the token endpoint, such as `https://localhost:40123/token`. */
  readonly tokenUrl: string;
  /** Closes every connection and frees the port. Safe to call twice. */
  stop(): Promise<void>;
  /** Living resources of a type, in order of creation. */
  resources(type: string): readonly Json[];
  readonly ledger: Ledger;
  readonly faults: FaultOrders;
  /** null = it asks for no tokens. */
  readonly tokens: TokenEndpoint | null;
}

/** Who asks: by certificate, by token, or nobody in particular. */
interface Caller {
  readonly organisation: string | null;
  readonly grant: Grant | null;
}

const KEPT_HEADERS = ['prefer', 'if-none-exist', 'if-match', 'content-type', 'accept', 'user-agent'];

/**
 * A FHIR R4 server over HTTPS, in memory: transactions and batches by the specification's rules, conditional writes,
 * versions, searches by identifier, checks of what it is sent, and where it is told so client certificates and SMART
 * backend services. It keeps a ledger and fails on order.
 */
export function createFhirServer(options: FhirServerOptions): FhirServer {
  const { clock } = options;
  const store = createStore(clock);
  const watch = options.watch ?? (() => {});
  const ledger = createLedger(
    () => store.types().flatMap((type) => store.living(type).map((one) => [type, namesOf(one)] as const)),
    watch,
  );
  const faults = createFaultOrders(options.random ?? (() => 0), options.faults ?? []);
  const clients = options.oauth?.clients ?? [];
  const lifetimeS = options.oauth?.tokenLifetimeS ?? 300;
  const tokens = options.oauth ? createTokenEndpoint({ clients, lifetimeS, clock }, () => `${origin()}/token`) : null;
  const callers = new WeakMap<Socket, string | null>();
  const asksForCertificates = options.clientCa != null;

  const server = createServer({
    cert: options.server.cert,
    key: options.server.key,
    ...(options.clientCa == null ? {} : { ca: options.clientCa, requestCert: true, rejectUnauthorized: true }),
    minVersion: 'TLSv1.2',
    keepAliveTimeout: 60_000,
  });
  server.on('secureConnection', (socket: TLSSocket) => {
    callers.set(socket, asksForCertificates ? readCaller(socket.getPeerCertificate()) : null);
  });
  // A caller without a certificate is the caller's trouble.
  server.on('tlsClientError', (_error, socket) => void socket.destroy());
  server.on('request', (request, response) => {
    respond(request, response).catch((error: unknown) => {
      if (response.headersSent || response.destroyed) response.destroy();
      else send(response, toAnswer(refuse(500, 'exception', String(error))), null);
    });
  });

  async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const sequence = ledger.nextSequence();
    const { method = 'GET', url = '/' } = request;
    const path = url.split('?')[0] ?? '/';
    const organisation = callers.get(request.socket) ?? null;
    const place = path === '/token' ? 'token' : 'fhir';
    const bearer = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1] ?? null;
    const found = bearer === null ? null : (tokens?.look(bearer) ?? null);
    const grant = found === 'expired' ? null : found;
    const fault = faults.take({ place, method, callers: [organisation ?? [], grant?.clientId ?? []].flat() });
    if (fault?.kind === 'drop') {
      watch({ kind: 'dropped', organisation, method, path });
      return void request.socket.destroy();
    }
    if (fault?.kind === 'delay') await new Promise<void>((done) => clock.wakeAt(clock.now() + fault.delayMs, done));

    let answer: HttpAnswer;
    try {
      if (fault?.kind === 'status') throw ordered(fault);
      if (place === 'token') answer = await issueToken(request);
      else {
        if (tokens !== null && grant === null) throw unauthorized(found);
        answer = await serve(request, { organisation, grant }, sequence);
      }
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      answer = toAnswer(error);
    }
    if (fault?.kind === 'status' && fault.body !== undefined) {
      answer = { ...answer, headers: { ...answer.headers, 'content-type': fault.body.type }, body: fault.body.text };
    }
    const headers = Object.fromEntries(KEPT_HEADERS.flatMap((name) => entryOf(name, request.headers[name])));
    const client = grant?.clientId ?? null;
    const answered = fault === null || !['lose-answer', 'stall', 'truncate'].includes(fault.kind);
    const { status } = answer;
    ledger.enterRequest({ sequence, at: clock.now(), organisation, client, method, path, headers, status, answered });
    request.resume();
    send(response, answer, fault);
  }

  async function serve(request: IncomingMessage, caller: Caller, sequence: number): Promise<HttpAnswer> {
    return answerFhir(request, {
      store,
      clock,
      baseUrl: `${origin()}/fhir`,
      tokenUrl: tokens === null ? null : `${origin()}/token`,
      mustExist: options.checkReferences ?? true,
      maxBodyBytes: options.maxBodyBytes ?? 33_554_432,
      scopes: caller.grant?.scopes ?? null,
      enter: (position, { status, type, id, version, changed }) => {
        ledger.enterWrite({
          sequence,
          position,
          at: clock.now(),
          organisation: caller.organisation,
          client: caller.grant?.clientId ?? null,
          interaction: changed && version !== null ? version.interaction : 'none',
          type,
          id,
          versionId: version?.versionId ?? null,
          status,
          identifiers: namesOf(version?.resource ?? null),
        });
      },
    });
  }

  async function issueToken(request: IncomingMessage): Promise<HttpAnswer> {
    if (tokens === null) throw refuse(404, 'not-found', 'No such page');
    if (request.method !== 'POST') throw new Refused(405, [], { allow: 'POST' });
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const form = new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
    const { status, body, headers } = tokens.issue(form, request.headers.authorization ?? null);
    return { status, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) };
  }

  let listening: string | null = null;
  const origin = (): string => {
    if (listening === null) throw new Error('the server has not been started');
    return listening;
  };
  return {
    ledger,
    faults,
    tokens,
    resources: (type) => store.living(type),
    get url() {
      return `${origin()}/fhir`;
    },
    get tokenUrl() {
      return `${origin()}/token`;
    },
    start(port = 0, host = '127.0.0.1') {
      return new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, host, () => {
          server.off('error', reject);
          listening = `https://localhost:${(server.address() as AddressInfo).port}`;
          resolve(`${listening}/fhir`);
        });
      });
    },
    stop() {
      return new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}

function send(response: ServerResponse, answer: HttpAnswer, fault: Misbehaviour | null): void {
  const body = Buffer.from(answer.body ?? '', 'utf8');
  const headers = { ...answer.headers, ...(answer.body === null ? {} : { 'content-length': body.byteLength }) };
  switch (fault?.kind) {
    case 'lose-answer':
      response.socket?.destroy();
      return;
    case 'stall':
      return;
    case 'truncate':
      response.writeHead(answer.status, headers);
      response.write(body.subarray(0, Math.floor(body.byteLength / 2)), () => response.socket?.destroy());
      return;
    case 'other-answer':
      response.writeHead(answer.status, { 'content-type': fault.type }).end(fault.text);
      return;
    default:
      response.writeHead(answer.status, headers).end(answer.body === null ? undefined : body);
  }
}

function toAnswer(error: Refused): HttpAnswer {
  const headers = { 'content-type': 'application/fhir+json; charset=utf-8', ...error.headers };
  return { status: error.status, headers, body: JSON.stringify(makeOutcome(error.issues)) };
}

function ordered(fault: Extract<Misbehaviour, { kind: 'status' }>): Refused {
  const code = fault.issue ?? (fault.status >= 500 ? 'exception' : 'processing');
  const issue = { severity: 'error', code, diagnostics: 'Ordered failure', expression: null } as const;
  return new Refused(fault.status, [issue], fault.headers ?? {});
}

function unauthorized(found: 'expired' | Grant | null): Refused {
  const expired = found === 'expired';
  const diagnostics = expired ? 'The token has expired' : 'A valid bearer token is needed';
  const issue = { severity: 'error', code: expired ? 'expired' : 'login', diagnostics, expression: null } as const;
  return new Refused(401, [issue], { 'www-authenticate': 'Bearer error="invalid_token"' });
}

function namesOf(resource: Json | null): string[] {
  return identifiersOf(resource).map(({ system, value }) => `${system ?? ''}|${value}`);
}

function entryOf(name: string, value: string | string[] | undefined): (readonly [string, string])[] {
  return value === undefined ? [] : [[name, String(value)]];
}
