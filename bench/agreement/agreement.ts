import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';
import { compileMappings } from '../../src/mapping/compile.ts';
import { readMappingFiles } from '../../src/mapping/load.ts';
import { BundleView, type Json, parseExactly } from './bundle-view.ts';
import { type Comparison, compareFact } from './compare.ts';
import { readStated } from './message-facts.ts';

// How far our bundles agree with other converters', for every pair an index names. Files: an `index.tsv` with the columns
// file, expected_fhir and expected_kind; by default the corpus beside the checkout.
const HERE = import.meta.dirname;
const ROOT = resolve(HERE, '../..');
const arguments_ = process.argv.slice(2);
const isVerbose = arguments_.includes('--all');
const corpus = resolve(arguments_.find((one) => !one.startsWith('--')) ?? join(ROOT, '../shared/corpus'));

let made: ReturnType<typeof compileMappings>['mapper'] = null;

const TITLES = {
  'reference-wrong': 'the reference is wrong',
  policy: 'a matter of policy',
  'ours-wrong': 'we are wrong',
  open: 'not adjudicated',
};

interface Pair {
  readonly file: string;
  readonly expected: string;
  readonly kind: string;
}

interface Adjudication {
  /** Which differences it is about: file, HL7 location and kind as globs, `*` for any. */
  readonly file: string;
  readonly at: string;
  readonly kind: string;
  readonly list: 'ours-wrong' | 'reference-wrong' | 'policy';
  readonly reason: string;
  /** Row of the guide, or of the comparison's recipe. */
  readonly row: string;
}

type Listed = { readonly pair: Pair; readonly comparison: Comparison; readonly adjudication: Adjudication | null };

if (!existsSync(join(corpus, 'index.tsv'))) {
  console.warn(`agreement: nothing to compare, there is no ${join(corpus, 'index.tsv')}`);
} else {
  report(readPairs().map((pair) => ({ pair, comparisons: comparePair(pair) })));
}

function readPairs(): Pair[] {
  const [head = '', ...rows] = readFileSync(join(corpus, 'index.tsv'), 'utf8').trim().split('\n');
  const columns = head.split('\t');
  const cell = (row: string, name: string) => row.split('\t')[columns.indexOf(name)] ?? '';
  return rows
    .map((row) => ({ file: cell(row, 'file'), expected: cell(row, 'expected_fhir'), kind: cell(row, 'expected_kind') }))
    .filter(({ expected }) => expected !== '' && expected !== '-');
}

function comparePair({ file, expected }: Pair): Comparison[] {
  const { bytes, stated } = readStated(readFileSync(join(corpus, file)));
  const ours = new BundleView(mapMessage(bytes), stated);
  const theirs = new BundleView(parseExactly(readFileSync(join(corpus, expected), 'utf8')) as Json, stated);
  return stated.facts.map((fact) => compareFact(fact, ours, theirs, stated));
}

function mapMessage(bytes: Uint8Array): Json {
  const mapped = mapper().map(bytes, { channel: 'any', sender: null });
  const [draft] = mapped.drafts;
  if (draft === undefined)
    console.warn('  not mapped:', mapped.faults.map(({ code, at }) => `${code} ${at}`).join(', '));
  return draft === undefined ? {} : (parseExactly(Buffer.from(draft.body).toString()) as Json);
}

function mapper() {
  if (made !== null) return made;
  const compiled = compileMappings(readMappingFiles([join(ROOT, 'mappings')], ROOT), {
    channels: [
      {
        name: 'any',
        mappings: ['oru-r01'],
        parties: ['any'],
        charset: { default: 'UNICODE UTF-8', force: null },
        zone: null,
        overrides: null,
        node: null,
      },
    ],
    operations: { fhir: ['transaction'] },
    parties: [{ id: 'any', name: 'any', organisationNumber: '' }],
    secret: new Uint8Array(32),
  });
  for (const { file, line, message } of compiled.problems) console.error(`${file}:${line}: ${message}`);
  made = compiled.mapper;
  if (made === null) throw new Error('the mappings have problems');
  return made;
}

function report(results: readonly { readonly pair: Pair; readonly comparisons: readonly Comparison[] }[]): void {
  const adjudications = readAdjudications();
  const all = { stated: 0, agreed: 0, adjudicated: 0 };
  const listed: Listed[] = [];
  const excused = new Map<string, number>();
  for (const { pair, comparisons } of results) {
    const differing = comparisons
      .filter(({ verdict }) => verdict === 'differs')
      .map((comparison) => ({ pair, comparison, adjudication: adjudicate(adjudications, pair, comparison) }));
    const forgiven = differing.filter(
      ({ adjudication }) => adjudication !== null && adjudication.list !== 'ours-wrong',
    );
    const [stated, agreed] = [comparisons.length, comparisons.length - differing.length];
    for (const { policy } of comparisons) if (policy !== '') excused.set(policy, (excused.get(policy) ?? 0) + 1);
    all.stated += stated;
    all.agreed += agreed;
    all.adjudicated += forgiven.length;
    listed.push(...differing);
    print(pair.file, stated, agreed, forgiven.length, pair.kind);
  }
  print('total', all.stated, all.agreed, all.adjudicated, '');
  for (const [policy, count] of excused) console.info(`agreed by policy, ${count} times: ${policy}`);
  for (const list of ['reference-wrong', 'policy', 'ours-wrong', null] as const) printList(list, listed);
}

function print(name: string, stated: number, agreed: number, forgiven: number, kind: string): void {
  const percent = (part: number) => `${((100 * part) / Math.max(1, stated)).toFixed(1)} %`.padStart(8);
  const counts = `${agreed}/${stated}`.padStart(9);
  console.info(`${counts} raw ${percent(agreed)}  adjudicated ${percent(agreed + forgiven)}  ${name} ${kind}`);
}

function printList(list: Adjudication['list'] | null, listed: readonly Listed[]): void {
  const some = listed.filter(({ adjudication }) => (adjudication?.list ?? null) === list);
  if (some.length === 0) return;
  console.info(`\n${TITLES[list ?? 'open']}: ${some.length}`);
  for (const { pair, comparison, adjudication } of isVerbose || list === null ? some : some.slice(0, 40)) {
    const { fact, ours, theirs, fits } = comparison;
    console.info(`  ${pair.file} ${fact.at} ${fact.kind} (${fact.stated.join(' | ').slice(0, 120)}) fits: ${fits}`);
    console.info(`    ours: ${ours.slice(0, 150)}\n    ref.: ${theirs.slice(0, 150)}`);
    if (adjudication !== null) console.info(`    ${adjudication.reason} [${adjudication.row}]`);
  }
}

function readAdjudications(): Adjudication[] {
  return parse(readFileSync(join(HERE, 'adjudications.yaml'), 'utf8')) as Adjudication[];
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
