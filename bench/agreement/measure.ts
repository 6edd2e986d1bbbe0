import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';
import { compileMappings } from '../../src/mapping/compile.ts';
import { readMappingFiles } from '../../src/mapping/load.ts';
import { BundleView, type Json, parseExactly } from './bundle-view.ts';
import { type Comparison, compareFact } from './compare.ts';
import { readStated } from './message-facts.ts';

const HERE = import.meta.dirname;
const ROOT = resolve(HERE, '../..');

export interface Pair {
  readonly file: string;
  readonly expected: string;
  readonly kind: string;
}

export interface Adjudication {
  /** Which differences it is about: file, HL7 location and kind as globs, `*` for any. */
  readonly file: string;
  readonly at: string;
  readonly kind: string;
  readonly list: 'ours-wrong' | 'reference-wrong' | 'policy';
  readonly reason: string;
  /** Row of the guide, or of the comparison's recipe. */
  readonly row: string;
}

/** One pair with everything its message states, and the differences with what somebody said of them. */
export interface Measured {
  readonly pair: Pair;
  readonly comparisons: readonly Comparison[];
  readonly differing: readonly { readonly comparison: Comparison; readonly adjudication: Adjudication | null }[];
}

/**
 * Compares our bundles with the references of every pair that the folder's `index.tsv` names (columns file,
 * expected_fhir, expected_kind). [] where there is no such index.
 */
export function measureAgreement(corpus: string): Measured[] {
  if (!existsSync(join(corpus, 'index.tsv'))) return [];
  const adjudications = parse(readFileSync(join(HERE, 'adjudications.yaml'), 'utf8')) as Adjudication[];
  const mapper = makeMapper();
  return readPairs(corpus).map((pair) => {
    const comparisons = comparePair(pair, corpus, mapper);
    const differing = comparisons
      .filter(({ verdict }) => verdict === 'differs')
      .map((comparison) => ({ comparison, adjudication: adjudicate(adjudications, pair, comparison) }));
    return { pair, comparisons, differing };
  });
}

function readPairs(corpus: string): Pair[] {
  const [head = '', ...rows] = readFileSync(join(corpus, 'index.tsv'), 'utf8').trim().split('\n');
  const columns = head.split('\t');
  const cell = (row: string, name: string) => row.split('\t')[columns.indexOf(name)] ?? '';
  return rows
    .map((row) => ({ file: cell(row, 'file'), expected: cell(row, 'expected_fhir'), kind: cell(row, 'expected_kind') }))
    .filter(({ expected }) => expected !== '' && expected !== '-');
}

function comparePair({ file, expected }: Pair, corpus: string, mapper: Mapper): Comparison[] {
  const { bytes, stated } = readStated(readFileSync(join(corpus, file)));
  const ours = new BundleView(mapMessage(bytes, mapper), stated);
  const theirs = new BundleView(parseExactly(readFileSync(join(corpus, expected), 'utf8')) as Json, stated);
  return stated.facts.map((fact) => compareFact(fact, ours, theirs, stated));
}

function mapMessage(bytes: Uint8Array, mapper: Mapper): Json {
  const mapped = mapper.map(bytes, { channel: 'any', sender: null });
  const [draft] = mapped.drafts;
  if (draft === undefined)
    console.warn('  not mapped:', mapped.faults.map(({ code, at }) => `${code} ${at}`).join(', '));
  return draft === undefined ? {} : (parseExactly(Buffer.from(draft.body).toString()) as Json);
}

type Mapper = NonNullable<ReturnType<typeof compileMappings>['mapper']>;

function makeMapper(): Mapper {
  const compiled = compileMappings(readMappingFiles([join(ROOT, 'mappings')], ROOT), {
    channels: [
      {
        name: 'any',
        mappings: ['oru-r01'],
        parties: ['any'],
        charset: { default: 'UNICODE UTF-8', force: null },
        zone: null,
        overrides: null,
        targets: null,
        node: null,
      },
    ],
    operations: { fhir: ['transaction'] },
    parties: [{ id: 'any', name: 'any', organisationNumber: '' }],
    secret: new Uint8Array(32),
  });
  for (const { file, line, message } of compiled.problems) console.error(`${file}:${line}: ${message}`);
  if (compiled.mapper === null) throw new Error('the mappings have problems');
  return compiled.mapper;
}

function adjudicate(all: readonly Adjudication[], pair: Pair, { fact }: Comparison): Adjudication | null {
  const fits = (glob: string, text: string) =>
    new RegExp(
      `^${glob
        .split('*')
        .map((part) => part.replaceAll(/[.[\]|/\\^$+?(){}]/g, '\\$&'))
        .join('.*')}$`,
    ).test(text);
  return all.find((one) => fits(one.file, pair.file) && fits(one.at, fact.at) && fits(one.kind, fact.kind)) ?? null;
}
