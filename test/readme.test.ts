import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createAuthority } from '../src/simulators/pki.ts';
import { runCommand } from './cli/kit.ts';

const ROOT = join(import.meta.dirname, '..');

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluss-readme-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** The one piece of YAML in it. */
function readExample(): string {
  const [example, ...others] =
    readFileSync(join(ROOT, 'README.md'), 'utf8').match(/(?<=```yaml\n)[\s\S]*?(?=```)/g) ?? [];
  expect(others).toEqual([]);
  return example ?? '';
}

describe('the configuration in README.md', () => {
  it('is one that could be started once its certificates are there', async () => {
    const file = join(folder, 'sluss.yaml');
    writeFileSync(file, readExample());
    symlinkSync(join(ROOT, 'mappings'), join(folder, 'mappings'));
    const before = await runCommand(['check', '-c', file]).done;
    expect(before.code).toBe(2);
    expect(before.err).toContain('ca.crt');

    const pki = join(folder, 'pki');
    mkdirSync(pki);
    const authority = await createAuthority({ name: 'README', now: Date.now() });
    const nord = await authority.issueClient({ organisation: 'Region Nord', organisationNumber: '2321000016' });
    writeFileSync(join(pki, 'ca.crt'), authority.cert);
    const without = await runCommand(['check', '-c', file]).done;
    expect(without.code).toBe(2);
    expect(without.err.split('\n')[0]).toMatch(/party region-nord: .*nord\.crt/);

    writeFileSync(join(pki, 'nord.crt'), nord.cert);
    writeFileSync(join(pki, 'nord.key'), nord.key);
    const { code, err } = await runCommand(['check', '-c', file]).done;
    expect(code).toBe(0);
    expect(err).not.toContain('sluss.yaml');
  });
});
