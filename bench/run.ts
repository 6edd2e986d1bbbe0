import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import {
  type Bench,
  type Figure,
  type LoadFigure,
  type Measured,
  measureDuration,
  measureRate,
  type Spread,
  spreadOf,
} from './figure.ts';

/** `bench/<name>.ts` exports `bench`. A new one is named here. */
const BENCHES: Readonly<Record<string, () => Promise<{ readonly bench: Bench }>>> = {
  mapping: () => import('./mapping.ts'),
  ingest: () => import('./ingest.ts'),
  dispatch: () => import('./dispatch.ts'),
  'end-to-end': () => import('./end-to-end.ts'),
};

/** What is no rate: printed where it is asked for by name. */
const REPORTS: Readonly<Record<string, () => Promise<() => void>>> = {
  agreement: async () => {
    const { printAgreement } = await import('./agreement/agreement.ts');
    return () => printAgreement();
  },
};

const USAGE = `npm run bench -- [NAME …] [--runs 5] [--figure WORD] [--json FILE] [--list]`;

interface Row {
  readonly bench: string;
  readonly figure: string;
  readonly what: string;
  /** Ratio to the reference, ms, or things a second. */
  readonly unit: 'ratio' | 'ms' | 'rate';
  readonly goal: number | null;
  readonly spread: Spread;
  /** Things a second of processor time, or of the clock for a load, by run; null where there is no rate. */
  readonly ours: readonly number[] | null;
  readonly reference: { readonly name: string; readonly rates: readonly number[]; readonly more?: More } | null;
  readonly more?: More;
}

/** What else was measured, by run. */
type More = readonly Measured['more'][];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: '5' },
    figure: { type: 'string' },
    json: { type: 'string' },
    list: { type: 'boolean', default: false },
    /** One measurement of one side, in this process: `--side ours` or `--side reference`. */
    side: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) console.log(USAGE);
else if (values.side !== undefined) await measureSide(positionals[0] ?? '', values.figure ?? '', values.side);
else if (values.list) {
  for (const name of Object.keys(BENCHES)) console.log(name, '—', (await load(name)).summary);
  console.log('agreement', '—', 'how far bundles agree with other converters’');
} else {
  const timed = positionals.filter((name) => !Object.hasOwn(REPORTS, name));
  for (const name of positionals) (await REPORTS[name]?.())?.();
  if (timed.length > 0 || positionals.length === 0)
    await runAll(timed.length > 0 ? timed : Object.keys(BENCHES), Math.max(1, Number(values.runs)));
}

async function load(name: string): Promise<Bench> {
  const module = await BENCHES[name]?.();
  if (module === undefined) throw new Error(`There is no bench "${name}". ${USAGE}`);
  return module.bench;
}

async function measureSide(name: string, figureName: string, side: string): Promise<void> {
  const figure = (await load(name)).figures.find((one) => one.name === figureName);
  if (figure === undefined) throw new Error(`There is no figure "${figureName}"`);
  if (figure.kind === 'load') {
    const chosen = side === 'reference' ? figure.reference : figure.ours;
    console.log(JSON.stringify(await chosen?.measure()));
    return;
  }
  const chosen = figure.kind === 'ratio' && side === 'reference' ? figure.reference : figure.ours;
  const call = await chosen.prepare();
  console.log(await (figure.kind === 'ratio' ? measureRate(call) : measureDuration(call, figure.isCold)));
}

async function runAll(names: readonly string[], runs: number): Promise<void> {
  const header = readHeader();
  console.log(Object.values(header).join(' · '));
  const rows: Row[] = [];
  for (const name of names) {
    const bench = await load(name);
    await bench.verify();
    const wanted = values.figure ?? '';
    for (const figure of bench.figures.filter((one) => one.name.includes(wanted))) {
      const row = measureFigure(bench.name, figure, runs);
      rows.push(row);
      if (rows.length === 1) console.log(titles());
      console.log(lineOf(row));
    }
  }
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ ...header, runs, rows }, null, 2)}\n`);
}

/** The two sides take turns, each in a fresh process. */
function measureFigure(bench: string, figure: Figure, runs: number): Row {
  if (figure.kind === 'load') return measureLoad(bench, figure, runs);
  const measure = (side: string) => Number(measureIn(bench, figure, side));
  const common = { bench, figure: figure.name, what: figure.what };
  if (figure.kind === 'duration') {
    const durations = Array.from({ length: runs }, () => measure('ours'));
    const spread = spreadOf(durations);
    return { ...common, unit: 'ms', goal: figure.goalMs, spread, ours: null, reference: null };
  }
  const pairs = Array.from({ length: runs }, () => ({ ours: measure('ours'), reference: measure('reference') }));
  return {
    ...common,
    unit: 'ratio',
    goal: figure.goal,
    spread: spreadOf(pairs.map(({ ours, reference }) => ours / reference)),
    ours: pairs.map(({ ours }) => ours),
    reference: { name: figure.reference.name, rates: pairs.map(({ reference }) => reference) },
  };
}

function measureLoad(bench: string, figure: LoadFigure, runs: number): Row {
  const { name, what, goal, reference } = figure;
  const measure = (side: string) => JSON.parse(measureIn(bench, figure, side)) as Measured;
  const pairs = Array.from({ length: runs }, () => ({
    ours: measure('ours'),
    reference: reference === null ? null : measure('reference'),
  }));
  const ours = pairs.map((pair) => pair.ours.rate);
  const references = pairs.flatMap((pair) => pair.reference ?? []);
  return {
    bench,
    figure: name,
    what,
    unit: reference === null ? 'rate' : 'ratio',
    goal,
    spread: spreadOf(pairs.map((pair) => pair.ours.rate / (pair.reference?.rate ?? 1))),
    ours,
    reference:
      reference === null
        ? null
        : { name: reference.name, rates: references.map(({ rate }) => rate), more: references.map(({ more }) => more) },
    more: pairs.map((pair) => pair.ours.more),
  };
}

/** One measurement of one side, in a process of its own. */
function measureIn(bench: string, figure: Figure, side: string): string {
  return execFileSync(process.execPath, [import.meta.filename, bench, '--figure', figure.name, '--side', side], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

function readHeader(): { machine: string; node: string; revision: string; date: string } {
  const [first] = cpus();
  const memory = `${Math.round(totalmem() / 2 ** 30)} GB`;
  return {
    machine: `${cpus().length} × ${first?.model.trim() ?? process.arch}, ${memory}, ${process.platform}`,
    node: `Node ${process.versions.node}`,
    revision: readRevision(),
    date: new Date().toISOString().slice(0, 10),
  };
}

function readRevision(): string {
  try {
    const git = (...args: string[]) =>
      execFileSync('git', args, { cwd: import.meta.dirname, encoding: 'utf8', stdio: 'pipe' }).trim();
    const isChanged = git('status', '--porcelain', '--untracked-files=no') !== '';
    return `${git('rev-parse', '--short', 'HEAD')}${isChanged ? ' with changes' : ''}`;
  } catch {
    return 'no revision';
  }
}

function titles(): string {
  const numbers = ['min', 'median', 'max', 'goal'].map((title) => title.padStart(8)).join('');
  return `\n${'figure'.padEnd(26)}${numbers}   ${'ours/s'.padStart(8)}${'ref/s'.padStart(8)}  what`;
}

function lineOf({ figure, spread, unit, goal, ours, reference, what, more = [] }: Row): string {
  const number = (value: number) => value.toFixed(value < 10 ? 2 : value < 1000 ? 1 : 0).padStart(8);
  const rate = (rates: readonly number[] | null) =>
    rates === null ? '–'.padStart(8) : spreadOf(rates).median.toFixed(0).padStart(8);
  const sign = unit === 'ms' ? '<' : '≥';
  const mark = goal === null ? '–' : `${sign} ${goal}`;
  const numbers = [spread.min, spread.median, spread.max].map(number).join('');
  const unitOf = { ms: ' (ms)', rate: ' (/s)', ratio: '' }[unit];
  const extras = Object.keys(more[0] ?? {}).map((key) => {
    const { median } = spreadOf(more.map((one) => one[key] ?? 0));
    return `${key} ${number(median).trim()}`;
  });
  return `${`${figure}${unitOf}`.padEnd(26)}${numbers}${mark.padStart(8)}   ${rate(ours)}${rate(reference?.rates ?? null)}  ${[what, ...extras].join('; ')}`;
}
