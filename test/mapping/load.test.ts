import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readMappingFiles } from '../../src/mapping/load.ts';

describe('readMappingFiles', () => {
  let home = '';
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'sluss-load-'));
  });
  afterEach(() => rmSync(home, { recursive: true }));

  const write = (path: string, text = path) => {
    mkdirSync(join(home, path, '..'), { recursive: true });
    writeFileSync(join(home, path), text);
  };
  const read = (...folders: string[]) =>
    readMappingFiles(
      folders.map((folder) => join(home, folder)),
      home,
    );

  it('reads every YAML file below the folders, in a fixed order, and nothing else', () => {
    for (const path of ['m/b.yaml', 'm/a/z.yml', 'm/Ä.yaml', 'm/readme.md', 'm/c.yaml.bak', 'o/a.yaml']) write(path);
    mkdirSync(join(home, 'm/folder.yaml'));
    expect(read('m', 'o').map(({ path }) => path)).toEqual(['m/a/z.yml', 'm/b.yaml', 'm/Ä.yaml', 'o/a.yaml']);
    expect(read('m')[1]).toEqual({ path: 'm/b.yaml', text: 'm/b.yaml' });
  });

  it('reads a mounted configuration once: links are followed, what is hidden is not', () => {
    write('m/..2022_03_01/a.yaml', 'mounted');
    write('m/.a.yaml', 'hidden');
    symlinkSync('..2022_03_01', join(home, 'm/..data'));
    symlinkSync('..data/a.yaml', join(home, 'm/a.yaml'));
    expect(read('m')).toEqual([{ path: 'm/a.yaml', text: 'mounted' }]);
  });

  it('says which folder cannot be read', () => {
    expect(() => read('nowhere')).toThrow(/nowhere/);
  });
});
