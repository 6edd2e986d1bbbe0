import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Measured } from '../figure.ts';

const MEASURE_MS = 2_000;

/** How often a second the disk confirms a small write. */
export async function measureDisk(share: number): Promise<Measured> {
  const folder = mkdtempSync(join(tmpdir(), 'sluss-disk-'));
  const file = openSync(join(folder, 'appended'), 'w');
  const block = Buffer.alloc(2048, 'x');
  const startedAt = performance.now();
  let done = 0;
  for (; performance.now() - startedAt < MEASURE_MS * share; done += 1) {
    writeSync(file, block);
    fdatasyncSync(file);
  }
  const rate = (done * 1_000) / (performance.now() - startedAt);
  closeSync(file);
  rmSync(folder, { recursive: true });
  return { rate, more: {} };
}
