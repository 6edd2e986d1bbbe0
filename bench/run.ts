/**
 * `npm run bench [-- NAME …]`: measures the engine against references in the same run and prints a table. Sides take
 * turns, each in a process of its own, so that neither lives on what another left behind in memory or in compiled code.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Bench, type Figure, type Measured, measureDuration, measureRate } from './figure.ts';
import { type Header, readHeader } from './header.ts';
import { writePerformance } from './readme.ts';
import { makeRow, type Row } from './row.ts';
import { lineOf, titles } from './table.ts';

/** `bench/<name>.ts` exports `bench`. A new one is named here. */
const BENCHES: Readonly<Record<string, () => Promise<{ readonly bench: Bench }>>> = {
  ingest: () => import('./ingest.ts'),
  mapping: () => import('./mapping.ts'),
  dispatch: () => import('./dispatch.ts'),
  'end-to-end': () => import('./end-to-end.ts'),
  folder: () => import('./folder.ts'),
  growth: () => import('./growth.ts'),
  size: () => import('./size.ts'),
  footprint: () => import('./footprint.ts'),
};

/** What is no rate: printed where it is asked for by name. */
const REPORTS: Readonly<Record<string, () => Promise<() => void>>> = {
  agreement: async () => {
    const { printAgreement } = await import('./agreement/agreement.ts');
    return () => printAgreement();
  },
};

const USAGE = `npm run bench -- [NAME …]
  --list          which there are
  --runs 3        rounds in which the sides take turns
  --figure WORD   only figures with this word in their name
  --quick         one round of little work, figures with a goal only: whether it runs, not how fast
  --messages 1000000  in the journal, for growth
  --json FILE     where the figures go beside the table (default: data/bench.json)
  --readme        puts them into README.md, docs/performance.json and docs/performance.svg
  --from FILE     with --readme: figures of an earlier run`;

/** Of the usual amount of work. */
const QUICK_SHARE = 0.05;

/** What a run of the suite came to. */
export interface Results extends Header {
  readonly runs: number;
  readonly isQuick: boolean;
  readonly rows: readonly Row[];
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: '3' },
    figure: { type: 'string', default: '' },
    json: { type: 'string', default: join(import.meta.dirname, '../data/bench.json') },
    messages: { type: 'string' },
    quick: { type: 'boolean', default: false },
    readme: { type: 'boolean', default: false },
    from: { type: 'string' },
    list: { type: 'boolean', default: false },
    /** One measurement of one side, in this process. */
    side: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
const share = values.quick ? QUICK_SHARE : 1;
// Processes that measure inherit it.
const messages = values.messages ?? (values.quick ? '50000' : undefined);
if (messages !== undefined) process.env.BENCH_MESSAGES = messages;

if (values.help) console.log(USAGE);
else if (values.side !== undefined) await measureSide(positionals[0] ?? '', values.side);
else if (values.list) {
  for (const name of Object.keys(BENCHES)) console.log(name, '—', (await load(name)).summary);
  console.log('agreement', '—', 'how far bundles agree with other converters’');
} else if (values.from !== undefined)
  writePerformance(await explainAnew(JSON.parse(readFileSync(values.from, 'utf8'))));
else {
  const timed = positionals.filter((name) => !Object.hasOwn(REPORTS, name));
  for (const name of positionals) (await REPORTS[name]?.())?.();
  if (timed.length > 0 || positionals.length === 0) {
    mkdirSync(dirname(values.json), { recursive: true });
    const results = await runAll(timed.length > 0 ? timed : Object.keys(BENCHES), (soFar) =>
      writeFileSync(values.json, `${JSON.stringify(soFar, null, 2)}\n`),
    );
    // A table with holes would be taken for all there is.
    if (values.readme && process.exitCode !== 1) writePerformance(results);
  }
}

async function load(name: string): Promise<Bench> {
  const module = await BENCHES[name]?.();
  if (module === undefined) throw new Error(`There is no bench "${name}".\n${USAGE}`);
  return module.bench;
}

/** Figures of an earlier run with what is known by now of what limits them: that is often found out because of them. */
async function explainAnew(results: Results): Promise<Results> {
  const rows: Row[] = [];
  for (const row of results.rows) {
    const { figures } = await load(row.bench);
    const limit = row.isMet === false ? (figures.find(({ name }) => name === row.figure)?.limit ?? null) : null;
    rows.push({ ...row, limit });
  }
  return { ...results, rows };
}

/** @param onBench told after each bench what there is so far, so that a run that is cut off is not lost */
async function runAll(names: readonly string[], onBench: (soFar: Results) => void): Promise<Results> {
  const header = readHeader();
  const runs = values.quick ? 1 : Math.max(1, Number(values.runs));
  console.log(Object.values(header).join(' · ') + (values.quick ? ' · quick: not to be compared' : ''));
  console.log(titles());
  const rows: Row[] = [];
  for (const name of names) {
    const bench = await load(name);
    const figures = bench.figures.filter((one) => one.name.includes(values.figure) && (hasGoal(one) || !values.quick));
    if (figures.length === 0) continue;
    const folder = mkdtempSync(join(tmpdir(), 'sluss-bench-'));
    // Whoever measures in a process of its own finds it there.
    process.env.BENCH_FOLDER = folder;
    try {
      await bench.verify();
      await bench.prepare?.(share);
      for (const row of measureFigures(bench.name, figures, runs)) {
        rows.push(row);
        console.log(lineOf(row));
      }
    } catch (error) {
      // The others are worth having all the same.
      console.log(`${name} is not measured: ${error instanceof Error ? error.message : String(error)}`);
      process.exitCode = 1;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
    onBench({ ...header, runs, isQuick: values.quick, rows });
  }
  return { ...header, runs, isQuick: values.quick, rows };
}

function hasGoal(figure: Figure): boolean {
  return figure.kind === 'duration' || figure.goal !== null;
}

/** In each round every side is measured once, whichever figures name it. */
function measureFigures(bench: string, figures: readonly Figure[], runs: number): Row[] {
  const sides = [...new Set(figures.flatMap(sidesOf))];
  const measured = new Map<string, Measured[]>(sides.map((side) => [side, []]));
  for (let run = 0; run < runs; run += 1) {
    for (const side of sides) {
      showProgress(`${bench}, round ${run + 1} of ${runs}: ${side}`);
      measured.get(side)?.push(measureIn(bench, side));
    }
  }
  showProgress('');
  return figures.map((figure) => {
    const [ours = [], reference = []] = sidesOf(figure).map((side) => measured.get(side) ?? []);
    return makeRow(bench, figure, ours, reference);
  });
}

/** In a line that the next one takes the place of; only where somebody may be watching. */
function showProgress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

/** What its sides are called: of loads by their own names, else by the figure's. */
function sidesOf(figure: Figure): string[] {
  if (figure.kind === 'duration') return [`${figure.name}/ours`];
  if (figure.kind === 'ratio') return [`${figure.name}/ours`, `${figure.name}/reference`];
  return figure.reference === null ? [figure.ours.name] : [figure.ours.name, figure.reference.name];
}

/** One measurement of one side, in a process of its own. */
function measureIn(bench: string, side: string): Measured {
  const quick = values.quick ? ['--quick'] : [];
  const said = execFileSync(process.execPath, [import.meta.filename, bench, '--side', side, ...quick], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return JSON.parse(said) as Measured;
}

async function measureSide(name: string, side: string): Promise<void> {
  const { figures } = await load(name);
  const figure = figures.find((one) => sidesOf(one).includes(side));
  if (figure === undefined) throw new Error(`${name} has no side "${side}"`);
  console.log(JSON.stringify(await measure(figure, sidesOf(figure).indexOf(side) === 1)));
}

async function measure(figure: Figure, isReference: boolean): Promise<Measured> {
  if (figure.kind === 'load' || figure.kind === 'quantity') {
    return await (isReference ? (figure.reference ?? figure.ours) : figure.ours).measure(share);
  }
  if (figure.kind === 'duration') {
    const call = await figure.ours.prepare();
    return { rate: await measureDuration(call, figure.isCold, share), more: {} };
  }
  const call = await (isReference ? figure.reference : figure.ours).prepare();
  return { rate: await measureRate(call, share), more: {} };
}
