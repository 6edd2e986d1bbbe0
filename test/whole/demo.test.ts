import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { ROOT, spawnSluss } from './engine-process.ts';

const made: string[] = [];
afterEach(() => {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true });
});

describe('sluss demo --once', () => {
  it('ends with 0: every sample ends as its conversation says', async () => {
    const demo = spawnSluss(['demo', '--once']);
    const { code } = await demo.ended;
    expect(`${demo.output()}${demo.errors()}`).toContain('All as written down');
    expect(demo.output()).toContain('No request came under another provider’s certificate.');
    expect(demo.output()).toMatch(/^\d\d of them came back as HL7 messages with their PDF: \d+ to lis-nord, [1-9]/m);
    expect(demo.output()).toMatch(/^[1-9]\d* of these are in a digital mailbox, [1-9]\d* have to be handed over\.$/m);
    const count = readdirSync(join(ROOT, 'fixtures/conversations')).length;
    expect(demo.output()).toContain(`${count} conversations`);
    expect(code).toBe(0);
  }, 120_000);

  it.each([
    ['an answer', 'record.json', '"answer": "AA"', '"answer": "AE"'],
    ['a state', 'record.json', '"state": "mapped"', '"state": "held"'],
    ['a party', 'sent.json', '"party": "region-nord"', '"party": "klinik-syd"'],
  ])(
    'ends with 1 and names the conversation where %s in a golden is wrong',
    async (_, file, right, wrong) => {
      const folder = mkdtempSync(join(tmpdir(), 'sluss-goldens-'));
      made.push(folder);
      // A few conversations will do; the configuration finds its mappings beside the folder.
      const fixtures = join(folder, 'fixtures');
      mkdirSync(join(fixtures, 'conversations'), { recursive: true });
      symlinkSync(join(ROOT, 'mappings'), join(folder, 'mappings'));
      cpSync(join(ROOT, 'fixtures/sluss.yaml'), join(fixtures, 'sluss.yaml'));
      for (const name of ['naat-negative-personnummer', 'naat-positive-recovery', 'unknown-test-code']) {
        cpSync(join(ROOT, 'fixtures/conversations', name), join(fixtures, 'conversations', name), { recursive: true });
      }
      const golden = join(fixtures, 'conversations/naat-negative-personnummer', file);
      const text = readFileSync(golden, 'utf8');
      expect(text).toContain(right);
      writeFileSync(golden, text.replace(right, wrong));

      const demo = spawnSluss(['demo', '--once', '--fixtures', fixtures]);
      expect((await demo.ended).code).toBe(1);
      expect(demo.errors()).toContain('Not as written down: naat-negative-personnummer');
      expect(demo.errors().match(/Not as written down/g)).toHaveLength(1);
    },
    60_000,
  );
});
