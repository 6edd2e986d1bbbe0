import { resolve } from 'node:path';
import type { Mapped } from '../../src/contracts/mapper.ts';
import { type ChannelSetup, type Compiled, type CompileSetup, compileMappings } from '../../src/mapping/compile.ts';
import { readMappingFiles } from '../../src/mapping/load.ts';
import type { ExplainingMapper } from '../../src/mapping/mapper.ts';
import { formatProblem } from '../../src/mapping/problem.ts';
import { parseYaml, type SourceFile, type YamlNode } from '../../src/mapping/yaml-node.ts';

/** The project's own mapping files, as an engine reads them. */
export const PROJECT_FILES = readMappingFiles(
  [resolve(import.meta.dirname, '../../mappings')],
  resolve(import.meta.dirname, '../..'),
);

export const SECRET = new TextEncoder().encode('the secret of the tests');

const PARTIES = [
  { id: 'nord', name: 'Provtagning Nord', organisationNumber: '2321000016' },
  { id: 'syd', name: 'Klinik Syd', organisationNumber: '5599999991' },
];

export interface ChannelWish extends Partial<Omit<ChannelSetup, 'overrides' | 'targets'>> {
  /** `with:` as YAML. */
  readonly with?: string;
  /** `targets:` as YAML. */
  readonly targets?: string;
}

/** Compiles files for one channel, `lab`. */
export function compile(
  files: readonly SourceFile[],
  wish: ChannelWish = {},
  more: Partial<Omit<CompileSetup, 'channels'>> = {},
): Compiled {
  const { with: overrides, targets, ...rest } = wish;
  const channel: ChannelSetup = {
    name: 'lab',
    mappings: ['m'],
    parties: ['nord'],
    charset: { default: null, force: null },
    zone: null,
    node: null,
    overrides: overrides === undefined ? null : yaml(overrides, 'sluss.yaml'),
    targets: targets === undefined ? null : yaml(targets, 'sluss.yaml'),
    ...rest,
  };
  return compileMappings(files, {
    channels: [channel],
    operations: {
      t: ['op', 'other'],
      covidbevis: ['test-certificate', 'recovery-certificate'],
      certificates: ['write'],
    },
    parties: PARTIES,
    secret: SECRET,
    ...more,
  });
}

export function yaml(text: string, path = 'x.yaml'): YamlNode {
  const { root, problems } = parseYaml({ path, text });
  if (root === null) throw new Error(problems.map(formatProblem).join('\n'));
  return root;
}

/** `file:line:col message (hint)`, one for each problem. */
export function problemsOf(compiled: Compiled): string[] {
  return compiled.problems.map(formatProblem);
}

/** @throws Error with every problem */
export function mapperOf(compiled: Compiled): ExplainingMapper {
  if (compiled.mapper === null) throw new Error(problemsOf(compiled).join('\n'));
  return compiled.mapper;
}

export const CONTEXT = { channel: 'lab', sender: null };

/** Segments to the bytes of a message: UTF-8 unless said otherwise. */
export function message(segments: readonly string[], encoding: 'utf8' | 'latin1' = 'utf8'): Uint8Array {
  return Buffer.from(`${segments.join('\r')}\r`, encoding);
}

/** A message mapping `m` of one delivery, in which single sections can be replaced; null leaves one out. */
export function mappingText(sections: Readonly<Record<string, string | null>> = {}): string {
  const all: Record<string, string | null> = {
    mapping: 'm',
    match: '{ type: ORU^R01 }',
    zone: 'Europe/Stockholm',
    each: 'OBSERVATION',
    party: 'MSH-4',
    lane: 'PID-3.1',
    result: '{ key: [OBR-3, OBX-3.1], rank: [MSH-7], digest: [OBX-5] }',
    deliver: '[{ to: t/op, body: { set: { a: { from: OBX-5 } } } }]',
    ...sections,
  };
  return Object.entries(all)
    .filter(([, text]) => text !== null)
    .map(([key, text]) => `${key}: ${text}\n`)
    .join('');
}

/** The mapping file `m.yaml` as `mappingText` makes it. */
export const mappingFile = (sections: Readonly<Record<string, string | null>> = {}): SourceFile => ({
  path: 'm.yaml',
  text: mappingText(sections),
});

export const HEADER = 'MSH|^~\\&|LAB|nord|SLUSS|EHM|20220301101500||ORU^R01|C1|P|2.5.1||||||UNICODE UTF-8';

/** What the first delivery's body is, as it would be sent; its rule is `set:` with these elements. */
export function makeBody(
  elements: string,
  segments: readonly string[],
  more: { readonly sections?: Record<string, string>; readonly files?: readonly SourceFile[] } = {},
): { readonly text: string | null; readonly mapped: Mapped } {
  const file = mappingFile({ ...more.sections, deliver: `[{ to: t/op, body: { set: ${elements} } }]` });
  const mapped = mapperOf(compile([file, ...(more.files ?? [])])).map(message([HEADER, ...segments]), CONTEXT);
  const [draft] = mapped.drafts;
  return { text: draft === undefined ? null : Buffer.from(draft.body).toString(), mapped };
}

/** `code at detail` of each fault. */
export const faultsOf = (mapped: Mapped) =>
  mapped.faults.map(({ code, at, detail }) => [code, at ?? '-', detail].filter((part) => part !== null).join(' '));
