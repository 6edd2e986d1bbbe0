import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../src/contracts/clock.ts';
import { type CovidbevisStandIn, createCovidbevisStandIn } from '../../src/simulators/covidbevis/stand-in.ts';
import { type Authority, createAuthority } from '../../src/simulators/pki.ts';
import { ROOT } from '../../test/whole/engine-process.ts';
import { type Lis, startLis } from '../../test/whole/lis.ts';
import { runSluss } from './run-sluss.ts';
import { DAY_MS } from './swedish-time.ts';
import { DEVICES, NOT_PERMITTED, PROVIDERS, type Provider, SYD, type World } from './world.ts';

/** The installation of the fortnight: certificates, the service's stand-in, the LIS of `kust`, and what the engine is told. */
export interface Site extends AsyncDisposable {
  readonly configFile: string;
  readonly journalFile: string;
  /** Where `skog` puts its files. */
  readonly inbox: string;
  /** Where its certificates are put. */
  readonly outbox: string;
  readonly standIn: CovidbevisStandIn;
  readonly lis: Lis;
  /** Puts another certificate in the place of a care provider's. */
  renew(provider: Provider, validTo: number): Promise<void>;
  /** Nobody listens at the service's address any more, or again. */
  closeService(): Promise<void>;
  openService(): Promise<void>;
}

export async function makeSite(world: World, clock: Clock, now: number): Promise<Site> {
  const folder = mkdtempSync(join(tmpdir(), 'sluss-fortnight-'));
  for (const made of ['pki', 'inbox', 'ours/tables']) mkdirSync(join(folder, made), { recursive: true });
  // What is changed in the project meanwhile is not to be taken up.
  cpSync(join(ROOT, 'mappings'), join(folder, 'mappings'), { recursive: true });
  const authority = await createAuthority({ name: 'Throw-away authority', now });
  const longAfter = world.endAt + 300 * DAY_MS;
  const server = await authority.issueServer({ names: ['localhost', '127.0.0.1'], validTo: longAfter });
  writeFileSync(join(folder, 'pki/ca.crt'), authority.cert);
  const renew: Site['renew'] = async (provider, validTo) => {
    const { cert, key } = await issueClient(authority, provider, validTo);
    writeFileSync(join(folder, `pki/${provider.id}.key`), key, { mode: 0o600 });
    writeFileSync(join(folder, `pki/${provider.id}.crt`), cert);
  };
  for (const provider of PROVIDERS) await renew(provider, provider === SYD ? world.certificateEndsAt : longAfter);

  const standIn = createCovidbevisStandIn({
    server,
    clientCa: authority.cert,
    organisations: PROVIDERS.map(({ number: organisationNumber, uvciPrefix, name }) => {
      return { organisationNumber, uvciPrefix, enabled: true, recovery: true, sites: [name] };
    }),
    clock,
    checkAges: true,
    checkCertificateDates: true,
    devices: [...DEVICES.listed, DEVICES.grace],
  });
  const url = await standIn.start(0);
  const lis = await startLis();
  writeFileSync(join(folder, 'key.pem'), standIn.signer.publicKey.export({ type: 'spki', format: 'pem' }));
  await importDevices(folder, world);
  const configFile = join(folder, 'sluss.yaml');
  writeFileSync(configFile, writeConfiguration(url, lis.port));
  return {
    configFile,
    journalFile: join(folder, 'journal.db'),
    inbox: join(folder, 'inbox'),
    outbox: join(folder, 'certificates'),
    standIn,
    lis,
    renew,
    closeService: () => standIn.stop(),
    async openService() {
      await standIn.start(Number(new URL(url).port));
    },
    async [Symbol.asyncDispose]() {
      await standIn.stop();
      await lis[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function issueClient(
  authority: Authority,
  { name: organisation, number: organisationNumber }: Provider,
  validTo: number,
) {
  // One that has ended must have begun before.
  return authority.issueClient({
    organisation,
    organisationNumber,
    validTo,
    validFrom: Math.min(validTo, Date.now()) - 90 * DAY_MS,
  });
}

/** The EU common list, as the Joint Research Centre writes it, through the real importer. */
async function importDevices(folder: string, { startAt, endAt }: World): Promise<void> {
  const day = (at: number) => new Date(at).toISOString().slice(0, 10);
  const step = (at: number, isListed: boolean) => ({ list_date: day(at), in_common_list: isListed ? 'True' : 'False' });
  const device = (id: string, history: readonly object[]) => ({
    id_device: id,
    commercial_name: `Rapid test ${id}`,
    manufacturer: { name: 'Nobody & Sons' },
    hsc_list_history: history,
  });
  const long = startAt - 300 * DAY_MS;
  const list = {
    extracted_on: day(startAt),
    deviceList: [
      ...DEVICES.listed.map((id) => device(id, [step(long, true)])),
      device(DEVICES.grace, [step(long, true), step(startAt - 30 * DAY_MS, false)]),
      device(DEVICES.withdrawn, [step(long, true), step(startAt - 120 * DAY_MS, false)]),
      device(DEVICES.notYet, [step(endAt + 30 * DAY_MS, true)]),
    ],
  };
  writeFileSync(join(folder, 'list.json'), JSON.stringify(list));
  const out = join(folder, 'ours/tables/rat-list.yaml');
  await runSluss(['devices', 'import', join(folder, 'list.json'), '--out', out, '--name', 'rat-list']);
}

function writeConfiguration(url: string, lisPort: number): string {
  const parties = PROVIDERS.map(
    ({ id, name, number }) => `
  ${id}:
    name: ${JSON.stringify(name)}
    organisationsnummer: '${number}'
    certificate: { cert: pki/${id}.crt, key: pki/${id}.key }`,
  );
  const ids = (without: Provider | null) => PROVIDERS.filter((one) => one !== without).map(({ id }) => id);
  const mark = (name: string, field: number) => `      ${name}: { from: ZCB-${field}, table: se-yes, default: 'no' }`;
  const withs = `
      deviceStanding: { call: listed-at, of: [$device, $sampled, $deviceGraceDays], table: rat-list }
${[mark('selfSampled', 5), mark('doneAbroad', 6), mark('doneElsewhere', 7)].join('\n')}`;
  return `journal: journal.db
secret: { file: secret, create: true }
mappings: [mappings, ours]
parties:${parties.join('')}
targets:
  covidbevis:
    kind: covidbevis
    url: ${url}
    ca: pki/ca.crt
    trustList: key.pem
    retry: { min: 1s, max: 10m }
    breaker: { deliveries: 5, probe: 1m }
    pauseProbe: 5m
  lis: { kind: mllp, host: 127.0.0.1, port: ${lisPort} }
  files: { kind: folder, path: certificates }
channels:
  kust:
    source: { kind: mllp, port: 0 }
    mappings: [se-covid-certificates, se-covid-requests]
    parties: [${ids(NOT_PERMITTED.kust).join(', ')}]
    quietAfter: never
    targets: { certificates: null }
    with:${withs}
  skog:
    source: { kind: folder, path: inbox, stable: 0 }
    mappings: [se-covid-certificates, se-covid-requests]
    parties: [${ids(NOT_PERMITTED.skog).join(', ')}]
    quietAfter: never
    targets: { certificates: files, lis: null }
    with:${withs}
      requested: { all: 'ZCB-2[*]', table: se-certificate-requests, onMiss: nothing }
`;
}
