import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runCommand } from './cli/kit.ts';
import { type Installation, install } from './installation.ts';

let home: Installation;
beforeEach(async () => {
  home = await install();
});
afterEach(() => home.tearDown());

describe('sluss check --against', () => {
  it('tells at its line what a running engine would not take over, and nothing else', async () => {
    const running = join(home.folder, 'running.yaml');
    writeFileSync(running, readFileSync(home.configFile));
    const check = async () => {
      const { done } = runCommand(['check', '-c', home.configFile, '--against', running, '--json']);
      const { code, out } = await done;
      return { code, errors: (JSON.parse(out) as { errors: string[] }).errors };
    };
    home.configure((text) =>
      text.replace('ca: pki/ca.crt', 'ca: pki/ca.crt, rate: 5/s').replace(/level: debug/, 'level: info'),
    );
    expect(await check()).toEqual({ code: 0, errors: [] });
    home.configure((text) =>
      text
        .replace('console: { port: 0 }', 'console: { port: 9 }')
        .replace('journal: journal.db', 'journal: { file: journal.db, reserve: 1 GB }'),
    );
    const { code, errors } = await check();
    expect(code).toBe(2);
    expect(errors).toEqual([
      expect.stringMatching(/sluss\.yaml:1:10 “journal” takes effect at a restart only\.$/),
      expect.stringMatching(/sluss\.yaml:4:10 “console” takes effect at a restart only\.$/),
    ]);
  });
});
