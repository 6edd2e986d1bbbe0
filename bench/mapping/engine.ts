import { resolve } from 'node:path';
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

export function readFiles(): SourceFile[] {
  return [...readMappingFiles([resolve(ROOT, 'mappings')], ROOT)];
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
    node: null,
  });
  const { mapper, problems } = compileMappings(files, {
    channels: [channel('certificates', 'se-covid-certificates'), channel('reports', 'oru-r01')],
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
