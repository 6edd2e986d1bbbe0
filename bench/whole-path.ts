/**
 * `node bench/whole-path.ts [--messages 50000] [--connections 8] [--window 16] [--profile FOLDER]`: the real engine as a
 * process of its own, from MLLP to the certificate service's stand-in (canned answers, over mutual TLS): messages a second
 * until AA and until delivered, memory, open files, the journal's size. Senders and stand-in share the machine with it.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { settled } from '../test/whole/crash-run.ts';
import { testMessage } from '../test/whole/message.ts';
import { sendWithManners } from '../test/whole/mllp-sender.ts';
import { makeSite } from '../test/whole/site.ts';

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '50000' },
    connections: { type: 'string', default: '8' },
    window: { type: 'string', default: '16' },
    profile: { type: 'string' },
  },
});
const total = Number(values.messages);
const connections = Number(values.connections);
const STEPS = 5;

await using site = await makeSite({ target: ['concurrency: 16'] });
const engine = site.launch(values.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${values.profile}`]);
await engine.seen('engine-started');
const port = await site.port('lab-nord');
console.log(`load of the machine before: ${loadavg()[0]?.toFixed(1)}; resident at start: ${residentMb()} MB`);

const startedAt = performance.now();
let takenMs = 0;
let deliveredMs = 0;
for (let step = 0; step < STEPS; step += 1) {
  const each = Math.floor(total / STEPS / connections);
  const beganAt = performance.now();
  await Promise.all(
    Array.from({ length: connections }, (_, connection) => {
      const sendings = Array.from({ length: each }, (_, index) => {
        const number = (step * connections + connection) * each + index;
        const controlId = `W${number}`;
        // Every message is a person of its own but for one in ten.
        return {
          controlId,
          bytes: testMessage({ controlId, person: number - (number % 10 === 9 ? 1 : 0), results: [controlId] }),
        };
      });
      return sendWithManners(sendings, { port: async () => port, window: Number(values.window), onTaken: () => {} });
    }),
  );
  takenMs += performance.now() - beganAt;
  await site.standIn.ledger.waitFor((step + 1) * connections * each);
  await settled(engine, site, 600_000);
  deliveredMs += performance.now() - beganAt;
  const sent = (step + 1) * connections * each;
  console.log(
    `${sent} messages: AA ${rate(sent, takenMs)}/s, delivered ${rate(sent, deliveredMs)}/s, resident ${residentMb()} MB, ` +
      `${readdirSync(`/proc/${engine.pid}/fd`).length} open files, journal ${mb(site.journalFile)} MB + WAL ${mb(`${site.journalFile}-wal`)} MB`,
  );
}
const stoppingAt = performance.now();
const { code } = await engine.stop();
console.log(
  `${((performance.now() - startedAt) / 1_000).toFixed(1)} s in all; stopped with ${code} in ${Math.round(performance.now() - stoppingAt)} ms`,
);
console.log(
  `${site.standIn.ledger.certificates()} certificates, ${site.standIn.ledger.crossed().length} crossed, load ${loadavg()[0]?.toFixed(1)}`,
);
if (values.profile !== undefined) for (const line of hotSpots(values.profile)) console.log(line);

function rate(count: number, ms: number): number {
  return Math.round((count * 1_000) / ms);
}

function residentMb(): number {
  const line = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${engine.pid}/status`, 'utf8'));
  return Math.round(Number(line?.[1] ?? 0) / 1024);
}

function mb(path: string): number {
  try {
    return Math.round(statSync(path).size / 1e6);
  } catch {
    return 0;
  }
}

interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { functionName: string; url: string; lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** Where the time went, of each thread: the functions with most time of their own. */
function hotSpots(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const profile = JSON.parse(readFileSync(`${folder}/${name}`, 'utf8')) as Profile;
    const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]));
    const spent = new Map<string, number>();
    let whole = 0;
    for (const [index, id] of profile.samples.entries()) {
      const frame = frames.get(id);
      if (frame === undefined) continue;
      const us = profile.timeDeltas[index] ?? 0;
      const where = `${frame.functionName || '(anonymous)'} ${frame.url.split('/').slice(-3).join('/')}:${frame.lineNumber + 1}`;
      spent.set(where, (spent.get(where) ?? 0) + us);
      whole += us;
    }
    const top = [...spent].sort((a, b) => b[1] - a[1]).slice(0, 12);
    return [name, ...top.map(([where, us]) => `  ${((us * 100) / whole).toFixed(1).padStart(5)} %  ${where}`)];
  });
}
