/**
 * `node bench/whole-path.ts [--messages 100000] [--answer small|certificate] [--from-journal FILE] [--profile FOLDER]`: one long run
 * of what `npm run bench -- end-to-end` measures: the real engine between a sender and the certificate service's stand-in,
 * each a process of its own on this machine. Says every tenth how fast it is, and how large memory and journal are.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { measureWholePath } from './whole/measure.ts';

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '100000' },
    connections: { type: 'string', default: '8' },
    window: { type: 'string', default: '16' },
    lanes: { type: 'string', default: '32' },
    answer: { type: 'string', default: 'small' },
    'from-journal': { type: 'string' },
    /** Number of the first message: what a journal holds already would only be sent again. */
    first: { type: 'string', default: '0' },
    profile: { type: 'string' },
  },
});
const count = Number(values.messages);
const options = {
  answer: values.answer === 'certificate' ? ('certificate' as const) : ('small' as const),
  concurrency: Number(values.lanes),
  journal: values['from-journal'] ?? null,
  profile: values.profile ?? null,
};
const load = {
  connections: Number(values.connections),
  window: Number(values.window),
  first: Number(values.first),
  count,
  warmUp: Math.min(5_000, count / 10),
};

console.log(`load of the machine before: ${loadavg()[0]?.toFixed(1)}`);
const whole = await measureWholePath(options, load, ({ messages, rate, residentMb, journalMb, walMb }) =>
  console.log(
    `${messages} delivered: ${rate.toFixed(0)}/s, resident ${residentMb.toFixed(0)} MB, ` +
      `journal ${journalMb.toFixed(0)} MB + WAL ${walMb.toFixed(0)} MB`,
  ),
);
console.log(
  `${whole.rate.toFixed(0)}/s; AA after ${whole.p50Ms.toFixed(1)} ms, p99 ${whole.p99Ms.toFixed(1)} ms; ` +
    `processor ${whole.allUs.toFixed(0)} µs a message, ${whole.mainUs.toFixed(0)} of them on the main thread; ` +
    `started in ${whole.startedInMs.toFixed(0)} ms with ${whole.idleMb.toFixed(0)} MB`,
);
if (values.profile !== undefined) for (const line of hotSpots(values.profile)) console.log(line);

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
    const top = [...spent].sort((a, b) => b[1] - a[1]).slice(0, 30);
    return [name, ...top.map(([where, us]) => `  ${((us * 100) / whole).toFixed(1).padStart(5)} %  ${where}`)];
  });
}
