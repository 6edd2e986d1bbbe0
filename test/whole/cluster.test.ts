import { describe, expect, it } from 'vitest';
import { runCluster } from './cluster-run.ts';

const SEED = Number(process.env.SLUSS_SEED ?? 20_261_122);

describe('three nodes on one PostgreSQL server', () => {
  it('deliver exactly once and in lane order all that was taken, while nodes, server and network go and come back', async () => {
    const report = await runCluster({
      seed: SEED,
      nodes: 3,
      senders: 6,
      messagesEach: 60,
      patientsEach: 5,
      filesEach: 0,
      leaseMs: 2_000,
      faults: ['node-killed', 'node-frozen', 'server-killed', 'node-broken-off', 'node-silenced'],
      service: [
        { fault: { kind: 'status', status: 503 }, probability: 0.1 },
        { fault: { kind: 'lose-answer' }, probability: 0.05 },
        { fault: { kind: 'delay', delayMs: 15 }, probability: 0.5 },
      ],
      patienceMs: 60_000,
    });
    const { figures, violations } = report;
    expect(violations, `seed ${SEED}`).toEqual([]);
    expect(figures.taken).toBe(6 * 60);
    expect(figures.certificates).toBe(figures.results);
  }, 300_000);
});
