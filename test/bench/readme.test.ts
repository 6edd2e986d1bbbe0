import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { drawPicture } from '../../bench/picture.ts';
import { putBetween, writePerformance, writeSection } from '../../bench/readme.ts';
import { makeRow } from '../../bench/row.ts';
import type { Results } from '../../bench/run.ts';
import { lineOf } from '../../bench/table.ts';

const ROOT = join(import.meta.dirname, '../..');

const side = (name: string) => ({ name, measure: () => Promise.reject(new Error('not here')) });
const rates = (...all: number[]) => all.map((rate) => ({ rate, more: {} }));

/** Four of ten, three of ten, five of ten: short of half by a fifth. */
const short = makeRow(
  'ingest',
  {
    kind: 'load',
    name: 'mapped-32',
    what: 'with | without',
    ours: side('ours'),
    reference: side('theirs'),
    goal: 0.5,
    limit: 'the disk',
  },
  rates(400, 300, 500),
  rates(1_000, 1_000, 1_000),
);
const small = makeRow(
  'footprint',
  {
    kind: 'quantity',
    name: 'idle',
    what: 'memory',
    unit: 'MB',
    ours: side('ours'),
    reference: null,
    value: ({ more }) => more.mb ?? 0,
    goal: 130,
    limit: 'nothing',
  },
  [{ rate: 0, more: { mb: 120 } }],
  [],
);
const results = (more: Partial<Results> = {}): Results => ({
  machine: '2 × processor, 24 GB, linux',
  versions: 'Node 24',
  revision: 'abc',
  date: '2026-11-22',
  runs: 3,
  isQuick: false,
  rows: [short, small],
  ...more,
});

describe('a line of the bench', () => {
  it('says whether its goal is met, by how much it falls short, and what limits it', () => {
    expect(short).toMatchObject({ spread: { min: 0.3, median: 0.4, max: 0.5 }, isMet: false, unit: 'ratio' });
    expect(lineOf(short)).toMatch(/0\.30 +0\.40 +0\.50 +≥ 0\.5 +short 20 % +400 +1000 .*\n +limited by: the disk/);
    expect(small).toMatchObject({ isMet: true, shortBy: null, limit: null });
    expect(lineOf(small)).toMatch(/idle \(MB\).*≤ 130 +met/);
  });
});

describe('what the bench puts into README.md', () => {
  it('is a table of what has a goal, with date and machine, and what limits those that fall short', () => {
    const section = writeSection(results());
    expect(section).toContain('2026-11-22');
    expect(section).toContain('2 × processor, 24 GB, linux');
    expect(section).toContain('| ingest | with \\| without | **0.40 ×** (0.30 – 0.50) | ≥ 0.5 | short 20 % |');
    expect(section).toContain('| footprint | memory | **120.0 MB** (120.0 – 120.0) | ≤ 130 | met |');
    expect(section).toContain('- `mapped-32` (ingest) is short 20 % of its goal: the disk.');
    expect(drawPicture(results())).toContain('>400</text>');
  });

  it('is what docs/performance.json says, to the letter', () => {
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
    const file = join(ROOT, 'docs/performance.json');
    // Until it was measured there is a place for it.
    if (!existsSync(file)) return expect(() => putBetween(readme, '')).not.toThrow();
    const measured = JSON.parse(readFileSync(file, 'utf8')) as Results;
    expect(putBetween(readme, writeSection(measured))).toBe(readme);
    expect(drawPicture(measured)).toBe(readFileSync(join(ROOT, 'docs/performance.svg'), 'utf8'));
  });

  it('is never of a quick run, nor put where there is no place for it', () => {
    expect(() => writePerformance(results({ isQuick: true }))).toThrow(/quick/);
    expect(() => putBetween('# Another', 'x')).toThrow(/README/);
  });
});
