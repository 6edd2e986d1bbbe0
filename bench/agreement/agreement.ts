import { join, resolve } from 'node:path';
import { type Adjudication, type Measured, measureAgreement } from './measure.ts';

/**
 * Prints how far our bundles agree with other converters', for every pair that the folder's index names, by folder and in
 * all, raw and after what somebody looked at (adjudications.yaml); then the differences.
 * @param corpus by default the one beside the checkout; where there is none, that is told
 */
export function printAgreement(
  corpus: string = join(import.meta.dirname, '../../../shared/corpus'),
  isVerbose = false,
): void {
  const measured = measureAgreement(corpus);
  if (measured.length === 0) console.warn(`agreement: nothing to compare, there is no ${join(corpus, 'index.tsv')}`);
  else report(measured, isVerbose);
}

type Listed = Pick<Measured, 'pair'> & Measured['differing'][number];

const TITLES = {
  'reference-wrong': 'the reference is wrong',
  policy: 'a matter of policy',
  'ours-wrong': 'we are wrong',
  open: 'not adjudicated',
};

interface Sum {
  stated: number;
  agreed: number;
  forgiven: number;
}

function report(measured: readonly Measured[], isVerbose: boolean): void {
  const sums = new Map<string, Sum>();
  const excused = new Map<string, number>();
  for (const { pair, comparisons, differing } of measured) {
    const forgiven = differing.filter(
      ({ adjudication }) => adjudication !== null && adjudication.list !== 'ours-wrong',
    );
    const [stated, agreed] = [comparisons.length, comparisons.length - differing.length];
    for (const { policy } of comparisons) if (policy !== '') excused.set(policy, (excused.get(policy) ?? 0) + 1);
    for (const name of [`all of ${pair.file.split('/', 1)[0]}`, 'all']) {
      const sum = sums.get(name) ?? { stated: 0, agreed: 0, forgiven: 0 };
      sums.set(name, {
        stated: sum.stated + stated,
        agreed: sum.agreed + agreed,
        forgiven: sum.forgiven + forgiven.length,
      });
    }
    print(pair.file, stated, agreed, forgiven.length, pair.kind);
  }
  const listed = measured.flatMap(({ pair, differing }) => differing.map((one) => ({ pair, ...one })));
  for (const [name, { stated, agreed, forgiven }] of [...sums].sort()) print(name, stated, agreed, forgiven, '');
  for (const [policy, count] of excused) console.info(`agreed by policy, ${count} times: ${policy}`);
  for (const list of ['reference-wrong', 'policy', 'ours-wrong', null] as const) printList(list, listed, isVerbose);
}

function print(name: string, stated: number, agreed: number, forgiven: number, kind: string): void {
  const percent = (part: number) => `${((100 * part) / Math.max(1, stated)).toFixed(1)} %`.padStart(8);
  const counts = `${agreed}/${stated}`.padStart(9);
  console.info(`${counts} raw ${percent(agreed)}  adjudicated ${percent(agreed + forgiven)}  ${name} ${kind}`);
}

function printList(list: Adjudication['list'] | null, listed: readonly Listed[], isVerbose: boolean): void {
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

if (import.meta.main) {
  const words = process.argv.slice(2);
  const folder = words.find((one) => !one.startsWith('--'));
  printAgreement(folder === undefined ? undefined : resolve(folder), words.includes('--all'));
}
