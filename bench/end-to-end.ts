import type { Bench, LoadFigure, Measured } from './figure.ts';
import { measureWholePath } from './whole/measure.ts';
import type { StandInOrder } from './whole/stand-in.ts';

/** Everything on this machine: sender, engine and stand-in. */
const figure = (answer: StandInOrder['answer'], what: string, count: number, goal: number | null): LoadFigure => ({
  kind: 'load',
  name: answer,
  what: `LIS → delivered over mutual TLS, ${what}, QR codes not read; backlog of at most 2 000`,
  ours: { name: `engine, ${answer}`, measure: (share) => measure(answer, count * share) },
  reference: null,
  goal,
  limit:
    'both processors are busy: the engine takes 530 µs of them for a message, in and out, and the sender and the stand-in with its end of TLS are on the same two',
});

export const bench: Bench = {
  name: 'end-to-end',
  summary: 'LIS → AA → mutual TLS → verdict on disk, as messages a second; `bench/whole-path.ts` is one long run of it',
  verify() {},
  figures: [
    figure('small', 'answers of 2 kB (Mirth: 157/s, measured elsewhere)', 100_000, 2_500),
    figure('certificate', 'answers of 100 kB', 15_000, null),
  ],
};

async function measure(answer: StandInOrder['answer'], count: number): Promise<Measured> {
  const load = { connections: 8, window: 16, first: 0, count, warmUp: count / 5 };
  const { rate, ...more } = await measureWholePath({ answer, concurrency: 32 }, load);
  return { rate, more: { ...more } };
}
