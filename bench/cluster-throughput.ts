/**
 * `node bench/cluster-throughput.ts [--messages 6000] [--rounds 3]`: messages a second from MLLP to AA, on disk, of one, two
 * and three nodes on one PostgreSQL server, as ratios to one engine with its SQLite journal; senders, engines and server
 * share this machine. The receiver is not there, so that nothing else is done. The sides take turns, and each round begins
 * with another one: only the ratios within one run mean anything.
 */
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { makeCluster } from '../test/whole/cluster.ts';
import { makeSite } from '../test/whole/site.ts';
import { send } from './whole/measure.ts';

const { values } = parseArgs({
  options: { messages: { type: 'string', default: '6000' }, rounds: { type: 'string', default: '3' } },
});
const COUNT = Number(values.messages);
const CONNECTIONS = 24;
const WINDOW = 8;
const WARM_UP = 0.2;

interface Run {
  readonly rate: number;
  readonly p99Ms: number;
}

/** Half of all connections to each of two nodes, and so on; all begin and end at about the same time. */
async function sendTo(ports: readonly number[]): Promise<Run> {
  const share = Math.floor(COUNT / ports.length);
  const load = { connections: CONNECTIONS / ports.length, window: WINDOW, count: share, warmUp: share * WARM_UP };
  const said = await Promise.all(ports.map((port, index) => send(port, load, index * share)));
  return {
    rate: said.reduce((sum, { rate }) => sum + rate, 0),
    p99Ms: Math.max(...said.map(({ p99Ms }) => p99Ms)),
  };
}

async function measureSqlite(): Promise<Run> {
  await using site = await makeSite();
  await site.standIn.stop();
  const engine = await site.start();
  const run = await sendTo([await site.port('lab-nord')]);
  await engine.stop();
  return run;
}

async function measureCluster(nodes: number): Promise<Run> {
  await using cluster = await makeCluster({ nodes });
  await cluster.site.standIn.stop();
  await Promise.all(cluster.nodes.map((node) => node.start()));
  return await sendTo(cluster.nodes.map((node) => node.port('lab-nord') ?? 0));
}

const sides = [
  { name: 'SQLite, 1 engine', measure: measureSqlite },
  { name: 'PostgreSQL, 1 node', measure: () => measureCluster(1) },
  { name: 'PostgreSQL, 2 nodes', measure: () => measureCluster(2) },
  { name: 'PostgreSQL, 3 nodes', measure: () => measureCluster(3) },
];
const runs = sides.map((): Run[] => []);
for (let round = 0; round < Number(values.rounds); round += 1) {
  for (let turn = 0; turn < sides.length; turn += 1) {
    const index = (round + turn) % sides.length;
    const run = await sides[index]!.measure();
    runs[index]!.push(run);
    console.log(`${sides[index]!.name}: ${run.rate.toFixed(0)} a second, p99 ${run.p99Ms.toFixed(0)} ms`);
  }
}
const median = (numbers: readonly number[]) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;
const reference = median(runs[0]!.map(({ rate }) => rate));
console.log(
  `\nload ${loadavg()[0]?.toFixed(1)}; medians of ${values.rounds}, ${COUNT} messages, ${CONNECTIONS} connections × ${WINDOW}`,
);
for (const [index, { name }] of sides.entries()) {
  const rate = median(runs[index]!.map((run) => run.rate));
  const p99Ms = median(runs[index]!.map((run) => run.p99Ms));
  console.log(
    `${name.padEnd(20)} ${rate.toFixed(0).padStart(6)} a second  × ${(rate / reference).toFixed(2)}  p99 ${p99Ms.toFixed(0)} ms`,
  );
}
