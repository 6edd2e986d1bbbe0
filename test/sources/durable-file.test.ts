import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FolderSync } from '../../src/sources/durable-file.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluss-sync-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

describe('renames made durable', () => {
  it('share one turn of the disk where they are asked for together, and never one that had begun before', async () => {
    const sync = new FolderSync([folder]);
    const first = sync.sync();
    expect(sync.sync()).toBe(first);
    // By then it has begun.
    await Promise.resolve().then(() => {});
    await Promise.resolve();
    const second = sync.sync();
    expect(second).not.toBe(first);
    expect(sync.sync()).toBe(second);
    await Promise.all([first, second]);
    expect(sync.sync()).not.toBe(second);
  });

  it('fail for those who asked meanwhile, and not for those who ask later', async () => {
    const missing = join(folder, 'missing');
    const sync = new FolderSync([missing]);
    await expect(sync.sync()).rejects.toMatchObject({ code: 'ENOENT' });
    await mkdir(missing);
    await sync.sync();
  });
});
