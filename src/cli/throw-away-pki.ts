import { X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../contracts/clock.ts';
import type { KnownOrganisation } from '../simulators/covidbevis/stand-in.ts';

const DAY_MS = 86_400_000;

/** A care provider of the samples, as the stand-in of the certificate service knows it. */
export interface SampleProvider extends KnownOrganisation {
  readonly id: string;
  readonly name: string;
}

/** The care providers of `fixtures/sluss.yaml`. */
export const SAMPLE_PROVIDERS: readonly SampleProvider[] = [
  provider('region-nord', 'Provtagning Nord', '2321000016', 'NORD'),
  provider('klinik-syd', 'Klinik Syd', '5599999991', 'SYD'),
];

function provider(id: string, name: string, organisationNumber: string, uvciPrefix: string): SampleProvider {
  return { id, name, organisationNumber, uvciPrefix, enabled: true, recovery: true, sites: [name] };
}

/** PEM texts of what the stand-in needs itself. */
export interface ThrowAwayPki {
  readonly server: { readonly cert: string; readonly key: string };
  readonly ca: string;
}

/**
 * Makes a throw-away authority, a server certificate for loopback and the providers' client certificates in a folder,
 * where one of them is missing or comes to its end: `ca.crt`, `server.crt`, `server.key`, `<provider>.crt`, `<provider>.key`.
 */
export async function makeThrowAwayPki(folder: string, clock: Clock): Promise<ThrowAwayPki> {
  const names = ['server', ...SAMPLE_PROVIDERS.map(({ id }) => id)];
  const files = ['ca.crt', ...names.flatMap((name) => [`${name}.crt`, `${name}.key`])];
  const isThere = files.every((file) => existsSync(join(folder, file)));
  if (!isThere || endsSoon(join(folder, 'server.crt'), clock.now())) await makeAll(folder, clock);
  const read = (file: string) => readFileSync(join(folder, file), 'utf8');
  return { server: { cert: read('server.crt'), key: read('server.key') }, ca: read('ca.crt') };
}

/** All are made together, so one speaks for all. */
function endsSoon(file: string, now: number): boolean {
  return Date.parse(new X509Certificate(readFileSync(file)).validTo) < now + DAY_MS;
}

async function makeAll(folder: string, clock: Clock): Promise<void> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const write = (file: string, text: string) =>
    writeFileSync(join(folder, file), text, { mode: file.endsWith('.key') ? 0o600 : 0o644 });
  // Loaded only here: `run` never makes certificates, and the library takes its time and memory.
  const { createAuthority } = await import('../simulators/pki.ts');
  const authority = await createAuthority({ name: 'Sluss throw-away authority', now: clock.now() });
  write('ca.crt', authority.cert);
  const issued = [
    ['server', await authority.issueServer({ names: ['localhost', '127.0.0.1', '::1'] })] as const,
    ...(await Promise.all(
      SAMPLE_PROVIDERS.map(async ({ id, name: organisation, organisationNumber }) => {
        return [id, await authority.issueClient({ organisation, organisationNumber })] as const;
      }),
    )),
  ];
  for (const [name, { cert, key }] of issued) {
    write(`${name}.crt`, cert);
    write(`${name}.key`, key);
  }
}
