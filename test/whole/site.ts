import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CovidbevisStandIn, KnownOrganisation } from '../../src/simulators/covidbevis/stand-in.ts';
import { type CovidbevisOptions, createCovidbevisStandIn } from '../../src/simulators/covidbevis/stand-in.ts';
import { type Authority, createAuthority } from '../../src/simulators/pki.ts';
import { systemClock } from '../../src/system-clock.ts';
import { ROOT } from './engine-process.ts';
import { makeSeat, type Seat } from './seat.ts';

export const NORD = { id: 'region-nord', name: 'Provtagning Nord', number: '2321000016', uvciPrefix: 'NORD' } as const;
export const SYD = { id: 'klinik-syd', name: 'Klinik Syd', number: '5599999991', uvciPrefix: 'SYD' } as const;
export const PROVIDERS = [NORD, SYD];
export type Provider = (typeof PROVIDERS)[number];

export interface SiteOptions {
  /** More of the stand-in. */
  readonly service?: Partial<CovidbevisOptions>;
  /** More keys of every MLLP source, as YAML flow: `, maxMessage: 4096`. */
  readonly mllp?: string;
  /** Whether what is issued is written as files, too. */
  readonly certificates?: boolean;
  /** Port of a LIS that what is issued goes back to. */
  readonly lis?: number;
  /** More keys of the service's target, one a line. */
  readonly target?: readonly string[];
  /** `journal:` as YAML flow; by default a file. */
  readonly journal?: string;
  /** A command to start the engine through. */
  readonly through?: readonly string[];
}

/**
 * A whole installation in a folder of its own: certificates, the stand-in of the certificate service in this process,
 * and a configuration for the real engine in another.
 */
export interface Site extends AsyncDisposable, Omit<Seat, 'clear'> {
  readonly folder: string;
  readonly configFile: string;
  /** Where the service is. */
  readonly serviceUrl: string;
  readonly journalFile: string;
  readonly inbox: string;
  readonly authority: Authority;
  readonly standIn: CovidbevisStandIn;
  configure(change: (text: string) => string): void;
  /** Puts a certificate in place of a party's. */
  certify(party: string, issued: { readonly cert: string; readonly key: string }): void;
}

export async function makeSite(options: SiteOptions = {}): Promise<Site> {
  const folder = mkdtempSync(join(tmpdir(), 'sluss-whole-'));
  const inbox = join(folder, 'inbox');
  for (const made of ['pki', 'inbox']) mkdirSync(join(folder, made));
  const authority = await createAuthority({ name: 'Throw-away authority', now: systemClock.now() });
  const server = await authority.issueServer({ names: ['localhost', '127.0.0.1'] });
  writeFileSync(join(folder, 'pki/ca.crt'), authority.cert);
  const certify: Site['certify'] = (party, { cert, key }) => {
    writeFileSync(join(folder, `pki/${party}.key`), key, { mode: 0o600 });
    writeFileSync(join(folder, `pki/${party}.crt`), cert);
  };
  for (const { id, name: organisation, number: organisationNumber } of PROVIDERS) {
    certify(id, await authority.issueClient({ organisation, organisationNumber }));
  }
  const standIn = createCovidbevisStandIn({
    server,
    clientCa: authority.cert,
    organisations: PROVIDERS.map(toKnown),
    clock: systemClock,
    answer: 'canned',
    ...options.service,
  });
  const url = await standIn.start(0);
  const configFile = join(folder, 'sluss.yaml');
  writeFileSync(configFile, writeConfiguration(url, options));
  const seat = makeSeat(configFile, options.through);
  return {
    folder,
    configFile,
    serviceUrl: url,
    journalFile: join(folder, 'journal.db'),
    inbox,
    authority,
    standIn,
    ...seat,
    configure(change) {
      writeFileSync(configFile, change(readFileSync(configFile, 'utf8')));
    },
    certify,
    async [Symbol.asyncDispose]() {
      await seat.clear();
      await standIn.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function toKnown({ number: organisationNumber, uvciPrefix, name }: Provider): KnownOrganisation {
  return { organisationNumber, uvciPrefix, enabled: true, recovery: true, sites: [name] };
}

function writeLis(port: number): string[] {
  return [
    '  lis:',
    '    kind: mllp',
    '    host: 127.0.0.1',
    `    port: ${port}`,
    '    retry: { min: 20ms, max: 200ms }',
  ];
}

/** What the configuration of an installation says whose service is at this address. */
export function writeConfiguration(url: string, options: SiteOptions): string {
  const mllp = `{ kind: mllp, port: 0${options.mllp ?? ''} }`;
  const channel = (name: string, source: string, parties: string) => [
    `  ${name}:`,
    `    source: ${source}`,
    '    mappings: [se-covid-certificates]',
    `    parties: [${parties}]`,
    // The samples are of any year.
    '    with: { testHours: 876000, recoveryToDay: 36500 }',
  ];
  return [
    `journal: ${options.journal ?? 'journal.db'}`,
    'secret: { file: secret, create: true }',
    `mappings: [${JSON.stringify(join(ROOT, 'mappings'))}]`,
    'console: { port: 0 }',
    'parties:',
    ...PROVIDERS.flatMap(({ id, name, number }) => [
      `  ${id}:`,
      `    name: ${name}`,
      `    organisationsnummer: '${number}'`,
      `    certificate: { cert: pki/${id}.crt, key: pki/${id}.key }`,
    ]),
    'targets:',
    '  covidbevis:',
    '    kind: covidbevis',
    // The answers are canned: their QR code is always the same one.
    '    readQr: false',
    `    url: ${url}`,
    '    ca: pki/ca.crt',
    '    retry: { min: 20ms, max: 200ms }',
    '    breaker: { deliveries: 5, probe: 50ms }',
    ...(options.target ?? []).map((line) => `    ${line}`),
    ...(options.certificates === true ? ['  certificates: { kind: folder, path: certificates }'] : []),
    ...(options.lis === undefined ? [] : writeLis(options.lis)),
    'channels:',
    ...channel('lab-nord', mllp, NORD.id),
    ...channel('lab-syd', mllp, SYD.id),
    ...channel('lab-both', mllp, `${NORD.id}, ${SYD.id}`),
    ...channel('folder-nord', '{ kind: folder, path: inbox, stable: 20ms, retry: 50ms }', NORD.id),
    '',
  ].join('\n');
}
