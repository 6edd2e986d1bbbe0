import { resolve } from 'node:path';
import { parse } from 'yaml';
import type { MapContext } from '../../src/contracts/mapper.ts';
import { type CompileSetup, compileMappings } from '../../src/mapping/compile.ts';
import { readMappingFiles } from '../../src/mapping/load.ts';
import type { ExplainingMapper } from '../../src/mapping/mapper.ts';
import type { SourceFile } from '../../src/mapping/yaml-node.ts';

const ROOT = resolve(import.meta.dirname, '../..');

export const SECRET = new TextEncoder().encode('the secret of the benches');
export const PARTY = { id: 'nord', name: 'Provtagning Nord', organisationNumber: '2321000016' };
export const CERTIFICATES: MapContext = { channel: 'certificates', sender: null };
export const REPORTS: MapContext = { channel: 'reports', sender: null };

export const OBSERVATIONS: MapContext = { channel: 'observations', sender: null };

export function readFiles(): SourceFile[] {
  return [...readMappingFiles([resolve(ROOT, 'mappings')], ROOT)];
}

/** The mapping files, and one more that makes the Observations of a report and nothing else. */
export function readFilesForObservations(): SourceFile[] {
  const files = readFiles();
  const report = files.find(({ path }) => path.endsWith('messages/oru-r01.yaml'));
  const entries: { entry: string }[] = parse(report?.text ?? '').deliver[0].bundle;
  // What observations refer to has to have a name; nothing of it is made.
  const named = entries.filter(({ entry }) => entry !== 'observation');
  const text = JSON.stringify({
    mapping: 'observations',
    match: { type: 'ORU^R01' },
    zone: 'Europe/Stockholm',
    each: 'PATIENT_RESULT',
    lane: 'PID-3.1',
    result: { key: ['PID-3.1'], rank: ['MSH-7'], digest: [] },
    deliver: [
      {
        to: 'fhir/transaction',
        bundle: [
          { entry: 'observation', each: 'OBSERVATION', include: 'observation', key: ['OBX-1', 'OBX-3'] },
          ...named.map(({ entry }) => ({ entry, each: 'reference', set: { resourceType: 'Basic' }, key: '.' })),
        ],
      },
    ],
  });
  return [...files, { path: 'mappings/messages/observations.yaml', text }];
}

/** Compiles the project's mappings as two channels would have them. @throws Error with every problem */
export function compileEngine(files: readonly SourceFile[] = readFiles()): ExplainingMapper {
  const channel = (name: string, mapping: string): CompileSetup['channels'][number] => ({
    name,
    mappings: [mapping],
    parties: [PARTY.id],
    charset: { default: null, force: null },
    zone: null,
    overrides: null,
    targets: null,
    node: null,
  });
  const { mapper, problems } = compileMappings(files, {
    channels: [
      channel('certificates', 'se-covid-certificates'),
      channel('reports', 'oru-r01'),
      ...(files.some(({ path }) => path.endsWith('/observations.yaml'))
        ? [channel('observations', 'observations')]
        : []),
    ],
    operations: {
      covidbevis: ['test-certificate', 'recovery-certificate'],
      certificates: ['write'],
      fhir: ['transaction'],
    },
    parties: [PARTY],
    secret: SECRET,
  });
  if (mapper === null) throw new Error(problems.map((problem) => JSON.stringify(problem)).join('\n'));
  return mapper;
}
