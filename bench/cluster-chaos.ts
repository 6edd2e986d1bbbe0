/**
 * `npm run cluster-chaos [-- --minutes 5] [--seed 1] [--faults 20]`: the cluster's crash suite in its long form. Rounds of
 * laboratories that send to three nodes on one PostgreSQL server, while nodes and server are killed, nodes stand still for
 * longer than their lease, and the network between a node and the server breaks or falls silent; after each round the
 * accounts are settled. Ends with 1 as soon as a round has a violation, and names the seed that repeats it.
 */
import { parseArgs } from 'node:util';
import { CLUSTER_FAULTS, type ClusterFault, runCluster } from '../test/whole/cluster-run.ts';
import { createRandom } from '../test/whole/load.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '3' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    faults: { type: 'string', default: '12' },
    messages: { type: 'string', default: '220' },
  },
});
const endsAt = performance.now() + Number(values.minutes) * 60_000;
const totals: Record<string, number> = {};
const count = (figures: Readonly<Record<string, number>>) => {
  for (const [name, figure] of Object.entries(figures)) totals[name] = (totals[name] ?? 0) + figure;
};

for (let seed = Number(values.seed), round = 1; round === 1 || performance.now() < endsAt; seed += 1, round += 1) {
  console.log(`round ${round}, --seed ${seed}`);
  const random = createRandom(seed);
  const pick = (): ClusterFault => CLUSTER_FAULTS[Math.floor(random() * CLUSTER_FAULTS.length)] as ClusterFault;
  const report = await runCluster({
    seed,
    nodes: 3,
    senders: 9,
    messagesEach: Number(values.messages),
    patientsEach: 12,
    filesEach: 2,
    leaseMs: 3_000,
    // Each of them once at least.
    faults: [...CLUSTER_FAULTS, ...Array.from({ length: Number(values.faults) - CLUSTER_FAULTS.length }, pick)],
    service: [
      { fault: { kind: 'status', status: 503 }, probability: 0.16 },
      { fault: { kind: 'drop' }, probability: 0.03 },
      { fault: { kind: 'lose-answer' }, probability: 0.04 },
      { fault: { kind: 'stall' }, probability: 0.02 },
      { fault: { kind: 'delay', delayMs: 15 }, probability: 0.3 },
    ],
    onFault: (line) => console.log(`  ${line}`),
    patienceMs: 90_000,
  });
  const { figures, senders, injected } = report;
  count({ rounds: 1, ...injected, ...figures, resent: senders.resent });
  const seconds = (report.durationMs / 1_000).toFixed(1);
  console.log(`  ${JSON.stringify(figures)}, ${senders.connections} connections, ${seconds} s`);
  if (report.violations.length > 0) {
    console.error(`NOT AS IT MUST BE; repeat with: npm run cluster-chaos -- --seed ${seed} --faults ${values.faults}`);
    for (const violation of report.violations) console.error(`  ${violation}`);
    process.exit(1);
  }
}
console.log(JSON.stringify(totals));
