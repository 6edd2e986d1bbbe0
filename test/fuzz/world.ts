import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { assemble } from '../../src/assembly.ts';
import { makeThrowAwayPki } from '../../src/cli/throw-away-pki.ts';
import type { Mapped } from '../../src/contracts/mapper.ts';
import type { Intake } from '../../src/contracts/source.ts';
import { startSluss } from '../../src/main.ts';
import { systemClock } from '../../src/system-clock.ts';
import { createManualClock } from '../engine/kit.ts';
import { readOriginals } from './originals.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const HANDED_OVER = Symbol.for('sluss.fuzz.intakes');

export const MAPPINGS = ['se-covid-certificates', 'oru-r01'] as const;
export type MappingName = (typeof MAPPINGS)[number];

/** A real engine whose clock stands still and whose receiver takes everything, and what it is fed with. */
export interface World extends AsyncDisposable {
  readonly originals: ReturnType<typeof readOriginals>;
  /** The port of the listener that maps so. */
  port(mapping: MappingName): number;
  /** The same intake without a socket. */
  intake(mapping: MappingName): Intake;
  /** Maps without admitting. */
  map(mapping: MappingName, message: Uint8Array): Mapped;
  /** What it has logged since it was asked last. */
  takeLog(): string[];
}

export async function makeWorld(): Promise<World> {
  // In memory where there is such a folder: how durable it is, is not what is asked here.
  const shm = statSync('/dev/shm', { throwIfNoEntry: false })?.isDirectory() === true ? '/dev/shm' : tmpdir();
  const folder = mkdtempSync(join(shm, 'sluss-fuzz-'));
  await makeThrowAwayPki(join(folder, 'pki'), systemClock);
  writeFileSync(join(folder, 'taking.mjs'), taking());
  writeFileSync(join(folder, 'direct.mjs'), direct());
  const configFile = join(folder, 'sluss.yaml');
  writeFileSync(configFile, configuration());
  let lines: string[] = [];
  const logTo = { write: (line: string) => void lines.push(line) };
  const clock = createManualClock(Date.now());
  const around = { env: {}, logTo, colours: false, clock };
  const assembly = await assemble(configFile, around, true);
  const { mapper, problems } = assembly.loadMappings();
  await assembly.dispose();
  if (mapper === null) throw new Error(problems.map(({ text }) => text).join('\n'));
  const sluss = await startSluss(configFile, around);
  const intakes = (globalThis as { [HANDED_OVER]?: Map<string, Intake> })[HANDED_OVER];
  return {
    originals: readOriginals(),
    port: (mapping) => {
      const source = sluss.sources.find(({ channel }) => channel === `mllp-${mapping}`);
      return Number(new URL(source?.address ?? '').port);
    },
    intake: (mapping) => intakes?.get(`direct-${mapping}`) as Intake,
    map: (mapping, message) => mapper.map(message, { channel: `direct-${mapping}`, sender: null }),
    takeLog() {
      const taken = lines;
      lines = [];
      return taken;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([sluss.stop(), clock.advance(60_000)]);
      rmSync(folder, { recursive: true });
    },
  };
}

const zod = pathToFileURL(createRequire(import.meta.url).resolve('zod')).href;

function taking(): string {
  const operation = (name: string) => `'${name}': { summary: 'Takes it.', inDoubt: 'repeat', onCorrection: 'update' }`;
  return `import { z } from ${JSON.stringify(zod)};
    export default {
      kind: 'target', name: 'taking', summary: 'Takes everything.', config: z.strictObject({}),
      create: () => ({
        operations: { ${['test-certificate', 'recovery-certificate', 'ping', 'transaction', 'write'].map(operation).join(', ')} },
        async send() { return { ok: true, response: null }; },
        async stop() {},
      }),
    };`;
}

function direct(): string {
  return `import { z } from ${JSON.stringify(zod)};
    const intakes = globalThis[Symbol.for('sluss.fuzz.intakes')] ??= new Map();
    export default {
      kind: 'source', name: 'direct', summary: 'Hands over what it is told to.', config: z.strictObject({}),
      create: (config, host) => ({
        address: 'direct://' + host.name,
        async start(intake) { intakes.set(host.name, intake); },
        async stop() {},
      }),
    };`;
}

function configuration(): string {
  const channel = (name: string, source: string, mapping: MappingName) => `
  ${name}:
    source: ${source}
    mappings: [${mapping}]
    parties: [${mapping === 'oru-r01' ? 'region-nord' : 'region-nord, klinik-syd'}]
    charset: { default: UNICODE UTF-8 }`;
  return `journal: journal.db
secret: { file: secret, create: true }
mappings: [${JSON.stringify(join(ROOT, 'mappings'))}]
plugins: [./taking.mjs, ./direct.mjs]
log: { level: debug }
parties:
  region-nord:
    name: Provtagning Nord
    organisationsnummer: '2321000016'
    certificate: { cert: pki/region-nord.crt, key: pki/region-nord.key }
  klinik-syd:
    name: Klinik Syd
    organisationsnummer: '5599999991'
    certificate: { cert: pki/klinik-syd.crt, key: pki/klinik-syd.key }
targets:
  covidbevis: { kind: taking }
  certificates: { kind: taking }
  fhir: { kind: taking }
channels:${MAPPINGS.map(
    (mapping) =>
      channel(`mllp-${mapping}`, '{ kind: mllp, port: 0, maxMessage: 4MB }', mapping) +
      channel(`direct-${mapping}`, '{ kind: direct }', mapping),
  ).join('')}
`;
}
