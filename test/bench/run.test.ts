import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const RUN = join(import.meta.dirname, '../../bench/run.ts');
const run = (...args: string[]) => execFileSync(process.execPath, [RUN, ...args], { encoding: 'utf8', stdio: 'pipe' });

it('npm run bench knows its benches, and says what it does not know', () => {
  const listed = run('--list')
    .trimEnd()
    .split('\n')
    .map((line) => line.split(' — ')[0]);
  expect(listed).toEqual('ingest mapping dispatch end-to-end folder growth size footprint agreement'.split(' '));
  expect(() => run('nonsense', '--quick')).toThrow(/There is no bench "nonsense"/);
});
