import { join, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { measureAgreement } from '../../bench/agreement/measure.ts';

// Public pairs of a message and another converter's bundle; no part of the project, so the test does without them.
const CORPUS = resolve(import.meta.dirname, '../../../shared/corpus');
const measured = measureAgreement(CORPUS);
if (measured.length === 0)
  console.warn(`agreement.test.ts: there is no ${relative(process.cwd(), join(CORPUS, 'index.tsv'))}`);

describe.runIf(measured.length > 0)('what a message states', () => {
  test('is in our bundle as in the reference, but for differences that somebody looked at', () => {
    const stated = measured.flatMap(({ comparisons }) => comparisons).length;
    const differing = measured.flatMap((one) => one.differing);
    const open = differing.filter(({ adjudication }) => adjudication === null || adjudication.list === 'ours-wrong');
    console.info(`agreement: ${stated} facts, ${differing.length} differ, ${open.length} of them open`);
    expect(
      open.map(({ comparison: { fact, ours, theirs } }) => `${fact.at} ${fact.kind}: ${ours} / ${theirs}`),
    ).toEqual([]);
    expect(differing.length / stated).toBeLessThanOrEqual(0.05);
  });
});
