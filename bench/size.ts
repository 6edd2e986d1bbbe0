import type { Bench, LoadSide, Measured, QuantityFigure } from './figure.ts';
import type { MessageShape } from './whole/bench-message.ts';
import { install } from './whole/installation.ts';
import { send } from './whole/measure.ts';

const KB = 1_000;
const MB = 1_000_000;
/** Bytes of a message that is nearly all one document; how many of them are timed. */
const BYTES = {
  '1kB': [1.3 * KB, 400],
  '16kB': [16 * KB, 400],
  '256kB': [256 * KB, 60],
  '1MB': [MB, 20],
  '4MB': [4 * MB, 8],
  '16MB': [15.9 * MB, 4],
} as const;
const RESULTS = { '2': [2, 400], '20': [20, 400], '200': [200, 60], '2000': [2_000, 10] } as const;
/** Above this a bit more than linear is not called linear. */
const LINEAR = 1.5;

const sized: LoadSide = {
  name: 'by bytes',
  measure: (share) => measureEach(BYTES, share, (bytes) => ({ kind: 'report', bytes })),
};
const counted: LoadSide = {
  name: 'by results',
  measure: (share) => measureEach(RESULTS, share, (results) => ({ kind: 'report', results })),
};
const largest: LoadSide = { name: 'memory', measure: measureMemory };

/** What a byte, or a result, of the larger message costs ÷ one of the smaller: 1 = linear. */
const linear = (
  [name, what, goal]: readonly [name: string, what: string, goal: number | null],
  ours: LoadSide,
  [small, large, times]: readonly [small: string, large: string, times: number],
): QuantityFigure => ({
  kind: 'quantity',
  name,
  what: `time ${what}: message of ${large} ÷ message of ${small}; 1 = linear; ms of each size behind it`,
  unit: 'times',
  ours,
  reference: null,
  value: ({ more }) => (more[large] ?? 0) / (more[small] ?? 1) / times,
  goal,
});

export const bench: Bench = {
  name: 'size',
  summary: 'how time and memory grow with a message: general mapping, from sent to answered',
  verify() {},
  figures: [
    linear(['bytes', 'a byte of one document', LINEAR], sized, ['1MB', '16MB', 15.9]),
    linear(['bytes-small', 'a byte of one document', null], sized, ['16kB', '1MB', MB / (16 * KB)]),
    linear(['results', 'a numeric result', LINEAR], counted, ['200', '2000', 10]),
    linear(['results-small', 'a numeric result', null], counted, ['20', '200', 10]),
    {
      kind: 'quantity',
      name: 'memory',
      what: 'most memory while a message of 15.9 MB is taken in, less that at rest, ÷ the message',
      unit: 'times',
      ours: largest,
      reference: null,
      value: ({ more }) => more.times ?? 0,
      goal: 6,
      limit:
        'a message exists as a frame, as text, as the body of its delivery, and as the two copies that SQLite makes of what it writes',
    },
  ],
};

/** ms of one message of each size, one after the other on one connection. */
async function measureEach<Sizes extends Readonly<Record<string, readonly [size: number, count: number]>>>(
  sizes: Sizes,
  share: number,
  shapeOf: (size: number) => MessageShape,
): Promise<Measured> {
  await using site = await install({ mapping: 'reports', answer: 'closed' });
  const engine = await site.launch();
  const more: Record<string, number> = {};
  let first = 0;
  for (const [name, [size, usual]] of Object.entries(sizes)) {
    const count = Math.max(2, Math.ceil(usual * share));
    const load = { connections: 1, window: 1, count: count * 2, warmUp: count, shape: shapeOf(size) };
    more[name] = (await send(engine.port, load, first)).p50Ms;
    first += count * 2;
  }
  return { rate: 0, more };
}

async function measureMemory(): Promise<Measured> {
  await using site = await install({ mapping: 'reports', answer: 'closed' });
  const engine = await site.launch();
  // Code and caches that any message needs are not the message's.
  await send(engine.port, { connections: 1, window: 1, count: 20, warmUp: 0, shape: { kind: 'report' } });
  const restMb = engine.residentMb();
  engine.forgetPeak();
  const bytes = 15.9 * MB;
  await send(engine.port, { connections: 1, window: 1, count: 1, warmUp: 0, shape: { kind: 'report', bytes } }, 20);
  const peakMb = engine.peakMb();
  return { rate: 0, more: { times: (peakMb - restMb) / (bytes / 2 ** 20), restMb, peakMb } };
}
