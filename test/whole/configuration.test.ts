import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { spawnSluss } from './engine-process.ts';
import { makeSite, type Site } from './site.ts';

let site: Site;
beforeEach(async () => {
  site = await makeSite();
});
afterEach(async () => {
  await site[Symbol.asyncDispose]();
});

/** Runs it to its end, which has to come by itself. */
async function refuse() {
  const before = readdirSync(site.folder);
  const engine = site.launch();
  const { code } = await engine.ended;
  return {
    code,
    errors: engine.errors(),
    said: engine.output(),
    /** Mappings need the installation's secret to be compiled, so that may have been made. */
    made: () => readdirSync(site.folder).filter((name) => !before.includes(name) && name !== 'secret'),
  };
}

describe('a configuration with mistakes', { timeout: 120_000 }, () => {
  const cases: readonly [string, (text: string) => string, RegExp][] = [
    ['an unknown key', (text) => text.replace('journal:', 'jornal:'), /sluss\.yaml:1:1 .*jornal/],
    ['broken YAML', (text) => text.replace('parties:', 'parties: ['), /sluss\.yaml:\d+:\d+ /],
    [
      'an unknown kind of source',
      (text) => text.replace('kind: mllp', 'kind: mlpp'),
      /sluss\.yaml:\d+:\d+ .*Did you mean “mllp”/,
    ],
    [
      'a value of a wrong form',
      (text) => text.replace('min: 20ms', 'min: 20'),
      /sluss\.yaml:\d+:\d+ .*must be a duration/,
    ],
    [
      'a party that is not there',
      (text) => text.replace(/parties: \[region-nord\]/, 'parties: [region-nrod]'),
      /sluss\.yaml:\d+:\d+ .*region-nrod/,
    ],
    [
      'a mapping that is not there',
      (text) => text.replace('[se-covid-certificates]', '[se-covid-certificate]'),
      /sluss\.yaml:\d+:\d+ .*se-covid-certificate/,
    ],
  ];
  it.each(cases)('is refused with file, line and column, and nothing is started: %s', async (_, change, complaint) => {
    site.configure(change);
    const { code, errors, said, made } = await refuse();
    expect(errors).toMatch(complaint);
    expect(errors).toContain('Nothing was started.');
    expect(code).toBe(2);
    expect(said).not.toMatch(/source-started|console-open|engine-started/);
    expect(made()).toEqual([]);
    expect(existsSync(site.journalFile)).toBe(false);
  });

  it('tells all of them at once', async () => {
    site.configure((text) => text.replace('journal:', 'jornal:').replace('kind: covidbevis', 'kind: covidbevs'));
    const { errors } = await refuse();
    expect(errors.match(/sluss\.yaml:\d+:\d+/g)?.length).toBeGreaterThanOrEqual(2);
  });

  it('is refused by check in the same words, which starts nothing either', async () => {
    site.configure((text) => text.replace('journal:', 'jornal:'));
    const { errors } = await refuse();
    const check = spawnSluss(['check', '-c', site.configFile]);
    expect((await check.ended).code).toBe(2);
    const complaint = /sluss\.yaml:1:1 [^\n]*/;
    expect(complaint.exec(check.errors())?.[0]).toBe(complaint.exec(errors)?.[0]);
    expect(existsSync(site.journalFile)).toBe(false);
  });
});

describe('a second engine', { timeout: 120_000 }, () => {
  it('on the same journal does not start, and names the first, which goes on', async () => {
    const first = await site.start();
    const second = spawnSluss(['run', '-c', site.configFile]);
    expect((await second.ended).code).toBe(1);
    expect(second.errors()).toContain(`process ${first.pid}`);
    expect(second.output()).not.toContain('source-started');
    const socket = connect({ port: await site.port('lab-nord'), host: '127.0.0.1' });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', () => resolve());
      socket.once('error', reject);
    });
    socket.destroy();
    expect((await first.stop()).code).toBe(0);
    expect(readFileSync(join(site.folder, 'secret'), 'utf8').trim().length).toBeGreaterThanOrEqual(32);
  });
});
