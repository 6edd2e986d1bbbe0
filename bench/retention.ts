/**
 * What admissions cost while retention works beside them: the same closed loop of senders with and without it, in turns.
 * `node bench/retention.ts` prints rates, the 99th percentile and their ratios; only the ratios mean anything elsewhere.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Admission, Journal } from '../src/contracts/journal.ts';
import type { Log } from '../src/contracts/log.ts';
import { createRetention, RETENTION_SETTINGS } from '../src/engine/retention.ts';
import { openSqliteJournal } from '../src/journal/sqlite.ts';
import { systemClock } from '../src/system-clock.ts';

const OLD_MESSAGES = 60_000;
const MESSAGE_BYTES = 2_000;
const SENDERS = 16;
const ROUND_MS = 4_000;
const ROUNDS = 3;
const YEAR_MS = 365 * 86_400_000;

let made = 0;
function makeAdmission(receivedAt: number): Admission {
  const bytes = Buffer.alloc(MESSAGE_BYTES, `${++made} `);
  return {
    channel: 'lab',
    bytes,
    contentHash: createHash('sha256').update(bytes).digest('hex'),
    controlId: `M${made}`,
    origin: 'mllp 127.0.0.1:40000',
    sender: null,
    receivedAt,
    owesAck: false,
    outcome: {
      state: 'skipped',
      mappingVersion: 'v1',
      statements: [],
      drafts: [],
      skipped: [],
      faults: [],
      provides: [],
      warnings: [],
    },
  };
}

/** Milliseconds of each admission. */
async function load(journal: Journal): Promise<number[]> {
  const took: number[] = [];
  const until = performance.now() + ROUND_MS;
  const send = async () => {
    while (performance.now() < until) {
      const at = performance.now();
      await journal.admit(makeAdmission(systemClock.now()));
      took.push(performance.now() - at);
    }
  };
  await Promise.all(Array.from({ length: SENDERS }, send));
  return took.sort((a, b) => a - b);
}

const folder = mkdtempSync(join(tmpdir(), 'sluss-bench-'));
const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: (event) => console.error(event) };
try {
  const journal = await openSqliteJournal({ path: join(folder, 'journal.db'), now: systemClock.now() });
  const old = systemClock.now() - YEAR_MS;
  for (let i = 0; i < OLD_MESSAGES; i += 1_000) {
    await Promise.all(Array.from({ length: 1_000 }, () => journal.admit(makeAdmission(old))));
  }
  const sum = { off: { count: 0, p99: [] as number[] }, on: { count: 0, p99: [] as number[] }, pruned: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    for (const mode of ['off', 'on'] as const) {
      let isWorking = mode === 'on';
      const prune: Journal['prune'] = async (bite) => {
        const pruned = await journal.prune(bite);
        if (bite.walk === 'bytes') sum.pruned += pruned.count;
        return pruned;
      };
      // Its first pass begins at once.
      const clock = {
        ...systemClock,
        wakeAt: (at: number, call: () => void) => systemClock.wakeAt(Math.min(at, systemClock.now() + 1_000), call),
      };
      const parts = {
        journal: { prune },
        settings: RETENTION_SETTINGS,
        channelsWithoutReturn: () => [],
        clock,
        log: silent,
      };
      const retention = createRetention({ ...parts, bell: { raise: () => {}, clear: () => {} } });
      if (isWorking) retention.start();
      const took = await load(journal);
      isWorking = false;
      await retention.stop();
      sum[mode].count += took.length;
      sum[mode].p99.push(took[Math.floor(took.length * 0.99)] ?? 0);
    }
  }
  const rate = (count: number) => Math.round((count * 1_000) / (ROUND_MS * ROUNDS));
  const median = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
  const [off, on] = [median(sum.off.p99), median(sum.on.p99)];
  console.log(
    `admissions a second: ${rate(sum.off.count)} without, ${rate(sum.on.count)} beside retention (ratio ${(sum.on.count / sum.off.count).toFixed(2)})`,
  );
  console.log(
    `99th percentile, ms: ${off.toFixed(1)} without, ${on.toFixed(1)} beside it (ratio ${(on / off).toFixed(2)}); ${sum.pruned} messages pruned meanwhile`,
  );
  await journal.close();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
