import { describe, expect, it } from 'vitest';
import { runCrashes } from './crash-run.ts';

const SEED = Number(process.env.SLUSS_SEED ?? 20_221_114);

describe('an engine that is killed under load, again and again', () => {
  it('delivers exactly once, in lane order and under the right certificate, all that was taken', async () => {
    const report = await runCrashes({
      seed: SEED,
      senders: 6,
      messagesEach: 50,
      patientsEach: 5,
      filesEach: 1,
      kills: 4,
      faults: [
        { fault: { kind: 'status', status: 503 }, probability: 0.1 },
        { fault: { kind: 'lose-answer' }, probability: 0.05 },
        { fault: { kind: 'delay', delayMs: 15 }, probability: 0.5 },
      ],
      patienceMs: 60_000,
    });
    const { figures, violations } = report;
    expect(violations, `seed ${SEED}`).toEqual([]);
    expect(figures.taken).toBe(6 * 50 + 6 * 6);
    expect(figures.certificates).toBe(figures.results);
    expect(report.kills).toHaveLength(4);
  }, 300_000);
});
