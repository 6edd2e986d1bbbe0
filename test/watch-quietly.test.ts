import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../src/system-clock.ts';
import { stampOf, watchQuietly } from '../src/watch-quietly.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluss-watch-'));
  mkdirSync(join(folder, 'mappings/se'), { recursive: true });
  writeFileSync(join(folder, 'mappings/se/a.yaml'), 'a: 1\n');
  writeFileSync(join(folder, 'sluss.yaml'), 'b: 1\n');
});
afterEach(() => rmSync(folder, { recursive: true }));

const paths = () => [join(folder, 'mappings'), join(folder, 'sluss.yaml')];
const watchFrom = async (stamp: string) => {
  const changed = Promise.withResolvers<void>();
  const watching = await watchQuietly(paths(), stamp, systemClock, changed.resolve, () =>
    changed.reject(new Error('broken')),
  );
  return { changed: changed.promise, stop: () => watching.stop() };
};

describe('what is watched', () => {
  it.each([
    ['a file', () => writeFileSync(join(folder, 'sluss.yaml'), 'b: 2\n')],
    ['a file in a folder of a folder', () => writeFileSync(join(folder, 'mappings/se/a.yaml'), 'a: 2\n')],
    ['a new file', () => writeFileSync(join(folder, 'mappings/b.yaml'), 'b: 1\n')],
    ['a file that is gone', () => rmSync(join(folder, 'sluss.yaml'))],
  ])('is told of %s that changed after it was read and before the watch began', async (_, change) => {
    const read = stampOf(paths());
    change();
    const { changed, stop } = await watchFrom(read);
    await changed;
    await stop();
  });

  it('is told of what changes while it is watched', async () => {
    const { changed, stop } = await watchFrom(stampOf(paths()));
    writeFileSync(join(folder, 'mappings/se/a.yaml'), 'a: 3\n');
    await changed;
    await stop();
  });

  it('has the same stamp as long as nothing changes', () => {
    expect(stampOf(paths())).toBe(stampOf(paths()));
  });
});
