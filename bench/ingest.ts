import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bench, LoadFigure, LoadSide, Measured } from './figure.ts';
import { forkChild } from './whole/child.ts';
import { type Load, measureIngest, send } from './whole/measure.ts';

/** Connections by messages under way on each; enough messages for some seconds. */
const LOADS: readonly (Load & { readonly name: string })[] = [
  { name: '1', connections: 1, window: 1, count: 8_000, warmUp: 2_000 },
  { name: '8', connections: 8, window: 1, count: 25_000, warmUp: 7_000 },
  { name: '32', connections: 32, window: 1, count: 35_000, warmUp: 10_000 },
  { name: '128', connections: 128, window: 1, count: 45_000, warmUp: 15_000 },
  { name: '8x16', connections: 8, window: 16, count: 45_000, warmUp: 15_000 },
];

const mapped = (load: Load): LoadSide => ({
  name: 'certificate mapping',
  measure: () => measureIngest({ mapping: 'certificates' }, load),
});
const unmapped = (load: Load): LoadSide => ({
  name: 'mapping off',
  measure: () => measureIngest({ mapping: 'off' }, load),
});
const bare = (load: Load): LoadSide => ({ name: 'bare node:net, nothing stored', measure: () => measureBare(load) });
const disk: LoadSide = { name: 'fdatasync of 2 kB appends', measure: measureDisk };

const byMapping: LoadFigure[] = LOADS.map((load) => ({
  kind: 'load',
  name: `mapped-${load.name}`,
  what: `certificate mapping ÷ mapping off, ${load.name} connections`,
  ours: mapped(load),
  reference: unmapped(load),
  goal: ['1', '32', '128'].includes(load.name) ? 0.6 : null,
}));

const byBare: LoadFigure[] = LOADS.map((load) => ({
  kind: 'load',
  name: `stored-${load.name}`,
  what: `mapping off ÷ bare node:net, ${load.name} connections`,
  ours: unmapped(load),
  reference: bare(load),
  goal: load.name === '32' ? 0.24 : load.name === '128' ? 0.39 : null,
}));

const alone = LOADS[0] as Load;

export const bench: Bench = {
  name: 'ingest',
  summary: 'MLLP in → mapped → on disk → AA, as messages a second; nothing is delivered meanwhile',
  verify() {},
  figures: [
    ...byMapping,
    ...byBare,
    {
      kind: 'load',
      name: 'disk',
      what: 'mapping off, 1 connection ÷ fdatasync',
      ours: unmapped(alone),
      reference: disk,
      goal: 0.55,
    },
  ],
};

async function measureBare(load: Load): Promise<Measured> {
  const listener = forkChild<{ port: number }>('bare-listener', {});
  const { port } = await listener.heard((said): said is { port: number } => 'port' in said);
  const { rate, p50Ms, p99Ms } = await send(port, load);
  await listener.end();
  return { rate, more: { p50Ms, p99Ms } };
}

/** How often a second the disk confirms a small write. */
async function measureDisk(): Promise<Measured> {
  const folder = mkdtempSync(join(tmpdir(), 'sluss-disk-'));
  const file = openSync(join(folder, 'appended'), 'w');
  const block = Buffer.alloc(2048, 'x');
  const startedAt = performance.now();
  let done = 0;
  for (; performance.now() - startedAt < 2_000; done += 1) {
    writeSync(file, block);
    fdatasyncSync(file);
  }
  const rate = (done * 1_000) / (performance.now() - startedAt);
  closeSync(file);
  rmSync(folder, { recursive: true });
  return { rate, more: {} };
}
