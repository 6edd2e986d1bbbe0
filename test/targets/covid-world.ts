import type { Clock } from '../../src/contracts/clock.ts';
import type { Log } from '../../src/contracts/log.ts';
import type { Parties } from '../../src/contracts/party.ts';
import type { Host } from '../../src/contracts/plugin.ts';
import type { Delivery, Verdict } from '../../src/contracts/target.ts';
import {
  type CovidbevisOptions,
  type CovidbevisStandIn,
  createCovidbevisStandIn,
  type KnownOrganisation,
} from '../../src/simulators/covidbevis/stand-in.ts';
import { type Authority, createAuthority, type IssuedCertificate } from '../../src/simulators/pki.ts';
import { covidbevisTarget } from '../../src/targets/covidbevis.ts';
import { createParties, type LiveParties, type PartyConfig } from '../../src/targets/parties.ts';

export const systemClock: Clock = {
  now: () => Date.now(),
  wakeAt(atMs, call) {
    const timer = setTimeout(call, Math.max(0, atMs - Date.now()));
    return () => clearTimeout(timer);
  },
};

/** A clock that moves only when told. */
export function createManualClock(now: number): Clock & { advance(byMs: number): void; waiting(): number } {
  const alarms = new Set<{ atMs: number; call: () => void }>();
  return {
    now: () => now,
    wakeAt(atMs, call) {
      const alarm = { atMs, call };
      alarms.add(alarm);
      return () => alarms.delete(alarm);
    },
    waiting: () => alarms.size,
    advance(byMs) {
      now += byMs;
      for (const alarm of [...alarms]) {
        if (alarm.atMs > now) continue;
        alarms.delete(alarm);
        alarm.call();
      }
    },
  };
}

export interface LogLine {
  readonly level: string;
  readonly event: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export function createListLog(): Log & { readonly lines: LogLine[] } {
  const lines: LogLine[] = [];
  const at =
    (level: string) =>
    (event: string, fields = {}) =>
      void lines.push({ level, event, fields: fields as Record<string, unknown> });
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

export const NORTH = '2321000016';
export const SOUTH = '5567430417';
export const ORGANISATIONS: readonly KnownOrganisation[] = [
  { organisationNumber: NORTH, uvciPrefix: 'NO', enabled: true, recovery: true, sites: ['Norra provtagningen'] },
  { organisationNumber: SOUTH, uvciPrefix: 'SO', enabled: true, recovery: false, sites: ['Södra provtagningen'] },
];

export interface World {
  readonly authority: Authority;
  readonly server: IssuedCertificate;
  readonly service: CovidbevisStandIn;
  readonly url: string;
  stop(): Promise<void>;
}

/** A certificate authority and a started certificate service that knows two organisations. */
export async function createWorld(options: Partial<CovidbevisOptions> = {}): Promise<World> {
  const authority = await createAuthority({ name: 'Covid world', now: Date.now() });
  const server = await authority.issueServer({ names: ['localhost', '127.0.0.1'] });
  const service = createCovidbevisStandIn({
    server,
    clientCa: authority.cert,
    organisations: ORGANISATIONS,
    clock: systemClock,
    answer: 'canned',
    ...options,
  });
  const url = await service.start();
  return { authority, server, service, url, stop: () => service.stop() };
}

/** Files in memory; parties read from it and it may be written to at any time. */
export type Files = Map<string, string | Uint8Array>;

/** Parties by id from issued certificates, over files in memory. */
export function partiesOf(
  certificates: Readonly<Record<string, { number: string; issued: IssuedCertificate }>>,
  host: { clock?: Clock; log?: Log; files?: Files } = {},
): LiveParties {
  const files: Files = host.files ?? new Map();
  const config: Record<string, PartyConfig> = {};
  for (const [id, { number, issued }] of Object.entries(certificates)) {
    files.set(`${id}.cert.pem`, issued.cert);
    files.set(`${id}.key.pem`, issued.key);
    config[id] = {
      name: `Vårdgivare ${id}`,
      organisationsnummer: number,
      certificate: { cert: `${id}.cert.pem`, key: `${id}.key.pem` },
    };
  }
  return createParties(config, {
    clock: host.clock ?? systemClock,
    log: host.log ?? createListLog(),
    readFile: (path) => readFrom(files, path),
    readVariable: () => null,
  });
}

export function readFrom(files: Files, path: string): Uint8Array {
  const content = files.get(path);
  if (content === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
  return Buffer.from(content);
}

export function hostOf(
  parties: Parties,
  clock: Clock = systemClock,
  variables: Readonly<Record<string, string>> = {},
): Host {
  const readVariable = (name: string) => variables[name] ?? null;
  const resolvePath = (path: string) => path;
  const alone = { hasRoom: () => true, hold: async () => true, letGo: async () => {} };
  return { name: 'certificates', log: createListLog(), clock, parties, ...alone, readVariable, resolvePath };
}

export function createTarget(config: object, host: Host) {
  return covidbevisTarget.create(covidbevisTarget.config.parse({ readQr: false, ...config }), host);
}

export interface TestCase {
  readonly identifier?: string;
  readonly number?: string;
  readonly site?: string;
  readonly kind?: 'naat' | 'rat';
  readonly positive?: boolean;
  readonly sampledAt?: string;
}

/** A request that keeps every rule. */
export function makeObservation(one: TestCase = {}) {
  const rat = one.kind === 'rat';
  const number = one.number ?? '199708062386';
  const kind = Number(number.slice(6, 8)) > 60 ? 'samordningsnummer' : 'personnummer';
  return {
    resourceType: 'Observation',
    contained: [
      {
        resourceType: 'Patient',
        id: '1',
        identifier: [{ system: `http://electronichealth.se/identifier/${kind}`, value: number }],
      },
      { resourceType: 'Organization', id: '2', name: one.site ?? 'Norra provtagningen' },
      ...(rat ? [makeRatDevice()] : []),
    ] as Record<string, unknown>[],
    identifier: [{ use: 'temp', value: one.identifier ?? 'A1' }],
    status: 'final',
    code: {
      coding: [
        { system: 'http://loinc.org', code: rat ? 'LP217198-3' : 'LP6464-4' },
        { system: 'http://snomed.info/sct', code: '840539006' },
      ],
    },
    subject: { reference: '#1' },
    effectiveDateTime: one.sampledAt ?? '2026-11-21T10:28:00+01:00',
    performer: [{ reference: '#2' }],
    valueCodeableConcept: {
      coding: [{ system: 'http://snomed.info/sct', code: one.positive ? '260373001' : '260415000' }],
    },
    ...(rat ? { device: { reference: '#3' } } : {}),
  };
}

function makeRatDevice() {
  const system = 'https://covid-19-diagnostics.jrc.ec.europa.eu/devices/hsc-common-recognition-rat';
  return { resourceType: 'Device', id: '3', identifier: [{ system, value: '344' }] };
}

let lastId = 0;

export function makeDelivery(party: string, body: unknown, operation = 'test-certificate'): Delivery {
  lastId += 1;
  return {
    id: lastId,
    attempt: 1,
    messageId: lastId,
    channel: 'lis',
    resultKey: `key-${lastId}`,
    target: 'certificates',
    operation,
    party,
    laneKey: `lane-${lastId}`,
    body: body instanceof Uint8Array ? body : Buffer.from(JSON.stringify(body)),
    admittedAt: 0,
  };
}

export const untilDone = (): AbortSignal => new AbortController().signal;

/** The fault a verdict bears, in either place; null = none. */
export function faultOf(verdict: Verdict): { code: string; detail: string | null } | null {
  const fault = verdict.ok ? (verdict.response?.fault ?? null) : verdict.fault;
  return fault === null ? null : { code: fault.code, detail: fault.detail };
}

export function readJson(bytes: Uint8Array | undefined): unknown {
  return JSON.parse(Buffer.from(bytes ?? new Uint8Array(0)).toString('utf8'));
}
