import { Agent, request } from 'undici';
import type { Clock } from '../../../src/contracts/clock.ts';
import { createFhirServer, type FhirServer, type FhirServerOptions } from '../../../src/simulators/fhir/stand-in.ts';
import { type Authority, createAuthority } from '../../../src/simulators/pki.ts';

const systemClock: Clock = {
  now: () => Date.now(),
  wakeAt(atMs, call) {
    const timer = setTimeout(call, Math.max(0, atMs - Date.now()));
    return () => clearTimeout(timer);
  },
};

export type Json = Record<string, unknown>;

interface Got {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** The body as JSON; {} where there is none. */
  readonly json: Json;
}

export interface FhirWorld {
  readonly authority: Authority;
  readonly server: FhirServer;
  readonly url: string;
  /** Asks the server without a client certificate. */
  ask(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Got>;
  stop(): Promise<void>;
}

/** A certificate authority and a started FHIR server. */
export async function createFhirWorld(
  options: Partial<FhirServerOptions> & { askForCertificates?: boolean } = {},
): Promise<FhirWorld> {
  const { askForCertificates, ...more } = options;
  const authority = await createAuthority({ name: 'FHIR world', now: Date.now() });
  const key = await authority.issueServer({ names: ['localhost', '127.0.0.1'] });
  const server = createFhirServer({
    server: key,
    clock: systemClock,
    clientCa: askForCertificates === true ? authority.cert : null,
    ...more,
  });
  const url = await server.start();
  const agent = new Agent({ connect: { ca: authority.cert } });
  return {
    authority,
    server,
    url,
    async ask(method, path, body, headers = {}) {
      const answer = await request(`${url}${path}`, {
        dispatcher: agent,
        method: method as 'GET',
        headers: { ...(body === undefined ? {} : { 'content-type': 'application/fhir+json' }), ...headers },
        body: body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body),
      });
      const text = await answer.body.text();
      const isJson = /json/.test(String(answer.headers['content-type']));
      return { status: answer.statusCode, headers: answer.headers, text, json: isJson ? JSON.parse(text) : {} };
    },
    async stop() {
      await agent.close();
      await server.stop();
    },
  };
}

export const SYSTEM = 'urn:oid:1.2.752.1';

export function makePatient(number: string, more: Json = {}): Json {
  return { resourceType: 'Patient', identifier: [{ system: SYSTEM, value: number }], ...more };
}

export function makeResult(filler: string, patient: string, more: Json = {}): Json {
  return {
    resourceType: 'Observation',
    identifier: [{ system: `${SYSTEM}.9`, value: filler }],
    status: 'final',
    code: { coding: [{ system: 'http://loinc.org', code: '2345-7' }] },
    subject: { reference: patient },
    valueQuantity: { value: 5.5, unit: 'mmol/L' },
    ...more,
  };
}

export interface Entry {
  readonly method: string;
  readonly url: string;
  readonly resource?: Json;
  readonly fullUrl?: string;
  readonly ifNoneExist?: string;
  readonly ifMatch?: string;
}

export function makeBundle(entries: readonly Entry[], type = 'transaction'): Json {
  return {
    resourceType: 'Bundle',
    type,
    entry: entries.map(({ fullUrl, resource, ...request }) => ({
      ...(fullUrl === undefined ? {} : { fullUrl }),
      ...(resource === undefined ? {} : { resource }),
      request,
    })),
  };
}

/** What a laboratory result becomes: a patient who is created only where unknown, and a result that is updated. */
export function makeResultBundle(number: string, filler: string, more: Json = {}): Json {
  const patient = 'urn:uuid:00000000-0000-4000-8000-000000000001';
  return makeBundle([
    {
      fullUrl: patient,
      method: 'POST',
      url: 'Patient',
      ifNoneExist: `identifier=${SYSTEM}|${number}`,
      resource: makePatient(number),
    },
    {
      fullUrl: 'urn:uuid:00000000-0000-4000-8000-000000000002',
      method: 'PUT',
      url: `Observation?identifier=${SYSTEM}.9|${filler}`,
      resource: makeResult(filler, patient, more),
    },
  ]);
}

/** Codes and expressions of an OperationOutcome's issues. */
export function issuesOf(outcome: Json): unknown[] {
  const issues = (outcome.issue ?? []) as { code: string; expression?: string[] }[];
  return issues.map(({ code, expression }) => [code, expression?.[0] ?? null]);
}
