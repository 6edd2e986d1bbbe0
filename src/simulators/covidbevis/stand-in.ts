import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { SecureVersion, TLSSocket } from 'node:tls';
import type { Clock } from '../../contracts/clock.ts';
import { writeAnswer } from './answer.ts';
import { readBody } from './body.ts';
import { readCaller } from './caller.ts';
import type { DccSigner } from './dcc.ts';
import {
  createFaultOrders,
  type FaultOrder,
  type FaultOrders,
  type FaultyOperation,
  type Misbehaviour,
} from './fault-orders.ts';
import { createIssuer, ISSUER_ASSUMPTIONS, type IssuerAnswer, type IssuerAssumptions, makeUvci } from './issuer.ts';
import { createLedger, hashPerson, type Ledger, type Seen } from './ledger.ts';
import { Refused, writeRefusal } from './refused.ts';
import { readSubmission, type Submitting } from './submission.ts';

/** A care provider that the service knows. */
export interface KnownOrganisation {
  /** 10 digits. */
  readonly organisationNumber: string;
  /** `[0-9A-Z]`, put before the identifier in the certificate's own. */
  readonly uvciPrefix: string;
  /** False = known, but not let in (403). */
  readonly enabled: boolean;
  /** Whether it has the add-on agreement for recovery certificates. */
  readonly recovery: boolean;
  /** Organization.name values that only this organisation may state; see `Ledger.crossed`. */
  readonly sites?: readonly string[];
}

export interface CovidbevisOptions {
  /** PEM texts of the server certificate. */
  readonly server: { readonly cert: string; readonly key: string };
  /** PEM of the authority whose client certificates are let in. */
  readonly clientCa: string;
  readonly organisations: readonly KnownOrganisation[];
  readonly clock: Clock;
  /** `full` (default) = real QR and PDF each time; `canned` = the same ones every time, `small` = none to speak of: for load tests. */
  readonly answer?: IssuerAnswer;
  /** JRC ids of devices that are taken; absent = any digits. */
  readonly devices?: readonly string[] | null;
  /** Judges ages of samples against the clock (72 hours; 11 to 180 days); absent = false. */
  readonly checkAges?: boolean;
  /** Lets nobody in whose certificate has ended, or has not begun, by the clock; absent = TLS alone judges, by the machine's. */
  readonly checkCertificateDates?: boolean;
  /** Same identifier with other content: 409 (default), or a certificate that replaces the first. Our assumption. */
  readonly onOtherContent?: 'conflict' | 'replace';
  readonly faults?: readonly FaultOrder[];
  /** Seed of faults with a probability; absent = 1. */
  readonly seed?: number;
  readonly assumptions?: Partial<IssuerAssumptions>;
  /** Told of each request as it comes; must not throw. */
  readonly watch?: (seen: Seen) => void;
  readonly minVersion?: SecureVersion;
  readonly maxVersion?: SecureVersion;
}

export interface CovidbevisStandIn {
  /** Listens on a loopback address; port 0 = any free one. Resolves with the base URL. */
  start(port?: number, host?: string): Promise<string>;
  /** Base URL, such as `https://localhost:40123`. @throws Error before start. */
  readonly url: string;
  /** Closes every connection and frees the port. Safe to call twice. */
  stop(): Promise<void>;
  readonly ledger: Ledger;
  readonly faults: FaultOrders;
  readonly signer: DccSigner;
}

const PING = Buffer.from('{"status":"UP"}');
const METHODS: Readonly<Record<string, { method: string; operation: FaultyOperation }>> = {
  '/observation': { method: 'POST', operation: 'observation' },
  '/recovery': { method: 'POST', operation: 'recovery' },
  '/ping': { method: 'GET', operation: 'ping' },
};

/** What was issued under one identifier. */
interface Kept {
  readonly bodySha256: string;
  readonly issuedAt: number;
  answer: Promise<Uint8Array> | null;
  repeats: number;
}

/**
 * The covid certificate service as far as its public specification shows it, over HTTPS with client certificates: it
 * knows the care provider by the certificate, refuses what the specification refuses, issues real (worthless)
 * certificates, keeps a ledger, and fails on order. What the specification leaves open is an option with a name.
 */
export function createCovidbevisStandIn(options: CovidbevisOptions): CovidbevisStandIn {
  const organisations = new Map(options.organisations.map((one) => [one.organisationNumber, one]));
  const sites = options.organisations.flatMap((one) =>
    (one.sites ?? []).map((site) => [site, one.organisationNumber] as const),
  );
  const watch = options.watch ?? (() => {});
  const ledger = createLedger(new Map(sites), watch);
  const faults = createFaultOrders(options.seed ?? 1, options.faults ?? []);
  const issuer = createIssuer(options.answer ?? 'full', { ...ISSUER_ASSUMPTIONS, ...options.assumptions });
  const devices = options.devices ? new Set(options.devices) : null;
  const { clock } = options;
  const callers = new WeakMap<Socket, string | null>();
  /** What was issued, by organisation, operation and identifier. */
  const issued = new Map<string, Kept>();

  const server = createServer({
    cert: options.server.cert,
    key: options.server.key,
    ca: options.clientCa,
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: options.minVersion ?? 'TLSv1.2',
    maxVersion: options.maxVersion ?? 'TLSv1.3',
    keepAliveTimeout: 60_000,
  });
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    if (faults.takeTlsRefusal(null)) socket.destroy();
  });
  server.on('secureConnection', (socket: TLSSocket) => {
    const organisation = readCaller(socket.getPeerCertificate());
    callers.set(socket, organisation);
    if (organisation !== null && faults.takeTlsRefusal(organisation)) socket.destroy();
  });
  // A caller without a certificate is the caller's trouble.
  server.on('tlsClientError', (_error, socket) => void socket.destroy());
  server.on('request', (request, response) => {
    respond(request, response).catch((error: unknown) => {
      if (response.headersSent || response.destroyed) return void response.destroy();
      writeRefusal(request, response, new Refused(500, String(error)), clock.now());
    });
  });

  async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const sequence = ledger.nextSequence();
    const path = (request.url ?? '/').split('?')[0] ?? '/';
    const organisation = callers.get(request.socket) ?? null;
    try {
      const known = organisation === null ? undefined : organisations.get(organisation);
      if (options.checkCertificateDates && !isInForce(request.socket as TLSSocket, clock.now()))
        throw new Refused(401, 'The certificate is not in force');
      if (known === undefined) throw new Refused(401, 'The certificate does not belong to a connected organisation');
      const route = Object.hasOwn(METHODS, path) ? METHODS[path] : undefined;
      if (route === undefined) throw new Refused(404, 'No such resource');
      if (request.method !== route.method) {
        throw new Refused(405, `Request method is not supported`, { allow: route.method });
      }
      const fault = faults.take(organisation, route.operation);
      if (fault?.kind === 'drop') {
        watch({ kind: 'dropped', organisation: known.organisationNumber, operation: route.operation });
        return void request.socket.destroy();
      }
      if (fault?.kind === 'delay') await new Promise<void>((done) => clock.wakeAt(clock.now() + fault.delayMs, done));
      if (fault?.kind === 'status') {
        throw new Refused(fault.status, fault.message ?? 'Ordered failure', fault.headers ?? {});
      }
      if (!known.enabled) throw new Refused(403, 'The organisation is not enabled');
      if (route.operation === 'recovery' && !known.recovery) {
        throw new Refused(403, 'The organisation has no agreement for recovery certificates');
      }
      if (route.operation === 'ping') {
        watch({ kind: 'pinged', organisation: known.organisationNumber });
        return writeAnswer(response, PING, fault);
      }
      writeAnswer(response, await submit(request, known, route.operation, sequence, fault), fault);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const message = error.message;
      ledger.refuse({ sequence, at: clock.now(), organisation, path, status: error.status, message });
      writeRefusal(request, response, error, clock.now());
    }
  }

  async function submit(
    request: IncomingMessage,
    known: KnownOrganisation,
    operation: Submitting,
    sequence: number,
    fault: Misbehaviour | null,
  ): Promise<Uint8Array> {
    const { bytes, json } = await readBody(request);
    const at = clock.now();
    const read = readSubmission(json, operation, { devices, today: options.checkAges ? at : null });
    if ('violations' in read) throw new Refused(400, read.violations.join('; '));
    const { submission } = read;

    const bodySha256 = createHash('sha256').update(bytes).digest('hex');
    const key = `${known.organisationNumber} ${operation} ${submission.identifier}`;
    const uvci = makeUvci(operation, known.uvciPrefix, submission.identifier);
    let kept = issued.get(key);
    if (kept !== undefined && kept.bodySha256 !== bodySha256) {
      if ((options.onOtherContent ?? 'conflict') === 'conflict') {
        throw new Refused(409, 'Observation.identifier[0].value: was used before with other content');
      }
      kept = undefined;
    }
    // Entered before anything is awaited: two equal requests at once must give one certificate.
    kept ??= { bodySha256, issuedAt: at, answer: null, repeats: -1 };
    issued.set(key, kept);
    kept.repeats += 1;
    ledger.accept({
      sequence,
      at,
      organisation: known.organisationNumber,
      stated: submission.site,
      operation,
      identifier: submission.identifier,
      uvci,
      bodySha256,
      personSha256: hashPerson(submission.subject),
      repeat: kept.repeats,
      answered: fault === null || fault.kind === 'delay',
    });
    // A canned answer comes out the same each time; keeping it would only fill the memory of a load test.
    if ((options.answer ?? 'full') !== 'full') return issuer.issue(submission, operation, uvci, kept.issuedAt);
    kept.answer ??= issuer.issue(submission, operation, uvci, kept.issuedAt);
    return kept.answer;
  }

  let url: string | null = null;
  return {
    ledger,
    faults,
    signer: issuer.signer,
    get url() {
      if (url === null) throw new Error('the stand-in has not been started');
      return url;
    },
    start(port = 0, host = '127.0.0.1') {
      return new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, host, () => {
          server.off('error', reject);
          url = `https://localhost:${(server.address() as AddressInfo).port}`;
          resolve(url);
        });
      });
    },
    stop() {
      return new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      });
    },
  };
}

/** A connection may outlive the certificate it was made with. */
function isInForce(socket: TLSSocket, now: number): boolean {
  const { valid_from: from, valid_to: to } = socket.getPeerCertificate();
  return Date.parse(from) <= now && now < Date.parse(to);
}
