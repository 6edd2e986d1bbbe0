/**
 * `node bench/cluster-throughput.ts [--messages 12000] [--rounds 2] [--costs | --rates] [--json FILE]`: several nodes on one
 * PostgreSQL server, measured two ways.
 *
 * Rates: messages a second from MLLP to AA, on disk, of one, two and three nodes, of two nodes with a server each, of a
 * listener that stores each message in a commit of its own, and of one engine with its SQLite journal. Senders, engines and
 * servers share this machine, and the sides take turns, each round beginning with another: only ratios within a round mean
 * anything, and only on a machine that does nothing else.
 *
 * Costs: what a message takes of processors, log and disk, counted, which other work disturbs little; from MLLP to AA, and
 * to the receiver's answer of 2 kB and 100 kB on disk; in a crowd, and alone.
 *
 * `--model FILE` prints what a load needs by the costs in that file, which `--json` wrote.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { measureCosts } from './cluster/costs.ts';
import { type Cost, type Costs, type Idle, type Path, type PathCosts, writeModel } from './cluster/model.ts';
import { CONNECTIONS, RATE_SIDES, type Rate, WINDOW } from './cluster/rates.ts';
import { spreadOf } from './figure.ts';
import { readHeader } from './header.ts';

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '12000' },
    rounds: { type: 'string', default: '2' },
    costs: { type: 'boolean', default: false },
    rates: { type: 'boolean', default: false },
    json: { type: 'string' },
    model: { type: 'string' },
  },
});
const COUNT = Number(values.messages);
const ROUNDS = Number(values.rounds);
const PATHS: Readonly<Record<Path, { readonly what: string; readonly share: number }>> = {
  ingest: { what: 'MLLP → AA', share: 1 / 2 },
  small: { what: 'MLLP → delivered, answers of 2 kB', share: 1 / 3 },
  certificate: { what: 'MLLP → delivered, answers of 100 kB', share: 1 / 4 },
};
const PATH_NAMES = Object.keys(PATHS) as Path[];

/** The median over rounds, by number. */
interface Measured {
  readonly rates: readonly { readonly name: string; readonly runs: readonly Rate[] }[];
  readonly costs: Costs | null;
  readonly costRuns: readonly { readonly path: Path; readonly costs: PathCosts; readonly idle: Idle }[];
}

async function measureAll(): Promise<void> {
  const header = { ...readHeader(), load: loadavg()[0] ?? 0 };
  console.log(Object.values({ ...header, load: `load ${header.load.toFixed(1)}` }).join(' · '));
  const rates = values.costs ? [] : await measureRates();
  const costRuns = values.rates ? [] : await measureCostRuns();
  const costs = costRuns.length === 0 ? null : mediansOf(costRuns);
  if (rates.length > 0) printRates(rates);
  if (costs !== null) {
    printCosts(costRuns);
    console.log(`\n${writeModel(costs)}`);
  }
  if (values.json === undefined) return;
  const measured: Measured = { rates, costs, costRuns };
  writeFileSync(values.json, `${JSON.stringify({ ...header, ...measured }, null, 2)}\n`);
}

async function measureRates(): Promise<Measured['rates']> {
  const sides = RATE_SIDES.map(({ name, measure }) => ({ name, measure, runs: [] as Rate[] }));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (let turn = 0; turn < sides.length; turn += 1) {
      const side = sides[(round + turn) % sides.length]!;
      const { rate, p99Ms } = await side.measure(COUNT);
      side.runs.push({ rate, p99Ms });
      console.log(`${side.name}: ${rate.toFixed(0)} a second, p99 ${p99Ms.toFixed(0)} ms`);
    }
  }
  return sides.map(({ name, runs }) => ({ name, runs }));
}

async function measureCostRuns(): Promise<Measured['costRuns']> {
  const runs: Measured['costRuns'][number][] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const path of PATH_NAMES) {
      const { costs, idle } = await measureCosts(path, Math.ceil(COUNT * PATHS[path].share));
      runs.push({ path, costs, idle });
      const { nodeUs, mainUs, serverUs, commits } = costs.crowded;
      console.log(
        `${PATHS[path].what}: node ${nodeUs.toFixed(0)} µs, ${mainUs.toFixed(0)} of them on its main thread, ` +
          `server ${serverUs.toFixed(0)} µs, ${commits.toFixed(3)} commits a message`,
      );
    }
  }
  return runs;
}

function printRates(rates: Measured['rates']): void {
  const ofEachRound = (runs: readonly Rate[], side: number) =>
    runs.map(({ rate }, round) => rate / (rates[side]?.runs[round]?.rate ?? 0));
  console.log(
    `\nload now ${loadavg()[0]?.toFixed(1)}; ${COUNT} messages, ${CONNECTIONS} connections × ${WINDOW}; min / median / max of ${ROUNDS}`,
  );
  for (const { name, runs } of rates) {
    const cells = [
      spread(runs.map(({ rate }) => rate)).padStart(20),
      `× SQLite ${spread(ofEachRound(runs, 0)).padStart(20)}`,
      `× single commits ${spread(ofEachRound(runs, rates.length - 1)).padStart(20)}`,
      `p99 ${spread(runs.map(({ p99Ms }) => p99Ms))} ms`,
    ];
    console.log(`${name.padEnd(22)}${cells.join('  ')}`);
  }
}

const COUNTED = {
  perSecond: 'messages a second',
  answerMs: 'ms to the answer',
  nodeUs: 'node, µs',
  mainUs: '  its main thread',
  serverUs: 'server, µs',
  commits: 'commits',
  walSyncs: 'syncs of the log',
  walBytes: 'log, bytes',
  fullPages: '  whole pages in it',
  pageWrites: 'pages written',
  keptBytes: 'bytes kept',
  knownBytes: 'bytes known',
} as const satisfies Readonly<Partial<Record<keyof Cost, string>>>;

function printCosts(runs: Measured['costRuns']): void {
  for (const path of PATH_NAMES) {
    const of = runs.filter((run) => run.path === path);
    console.log(`\n${PATHS[path].what}, a message: in a crowd, and alone; min / median / max of ${of.length}`);
    for (const [key, title] of Object.entries(COUNTED) as [keyof typeof COUNTED, string][]) {
      const cells = (['crowded', 'alone'] as const).map((manner) => spread(of.map(({ costs }) => costs[manner][key])));
      console.log(`${title.padEnd(22)}${cells.map((cell) => cell.padStart(28)).join('')}`);
    }
    const tables = Object.entries(of.at(-1)?.costs.crowded.tables ?? {}).filter(([, bytes]) => bytes > 0);
    console.log(`bytes by table: ${tables.map(([name, bytes]) => `${name} ${bytes.toFixed(0)}`).join(', ')}`);
  }
  const { nodeMs, serverMs, commits, walBytes } = mediansOf(runs).idle;
  console.log(
    `\nat rest, a second: node ${nodeMs.toFixed(1)} ms, server ${serverMs.toFixed(1)} ms, ${commits.toFixed(1)} commits, ${walBytes.toFixed(0)} bytes of log`,
  );
}

function spread(values: readonly number[]): string {
  const { min, median, max } = spreadOf(values);
  return [min, median, max].map(writeNumber).join(' / ');
}

function writeNumber(value: number): string {
  return value.toFixed(Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 3);
}

/** Number by number the median over rounds. */
function mediansOf(runs: Measured['costRuns']): Costs {
  const median = <Of>(all: readonly Of[]): Of => {
    const [first] = all;
    if (typeof first === 'number') return spreadOf(all as readonly number[] & readonly Of[]).median as Of;
    const names = Object.keys(first ?? {}) as (keyof Of)[];
    return Object.fromEntries(names.map((name) => [name, median(all.map((one) => one[name]))])) as Of;
  };
  const ofPath = (path: Path) => median(runs.filter((run) => run.path === path).map(({ costs }) => costs));
  return {
    paths: { ingest: ofPath('ingest'), small: ofPath('small'), certificate: ofPath('certificate') },
    idle: median(runs.map(({ idle }) => idle)),
  };
}

if (values.model !== undefined) {
  const { costs } = JSON.parse(readFileSync(values.model, 'utf8')) as Measured;
  if (costs === null) throw new Error('costs were not measured: run it without --rates');
  console.log(writeModel(costs));
} else await measureAll();
