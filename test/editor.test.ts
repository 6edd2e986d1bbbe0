import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readMappingFiles } from '../src/mapping/load.ts';
import { Editor } from './editor.ts';

const ROOT = join(import.meta.dirname, '..');
const MODELINE = '# yaml-language-server: $schema=../mapping.schema.json';

let editor: Editor;
beforeAll(async () => {
  editor = await Editor.start();
});
afterAll(() => editor[Symbol.asyncDispose]());

let opened = 0;

/** Opens lines below the modeline, in a file that only the editor knows; `^` marks the place that is asked about. */
async function open(lines: string) {
  opened += 1;
  const path = join(ROOT, `mappings/resources/being-written-${opened}.yaml`);
  const text = `${MODELINE}\n${lines}`;
  const before = text.slice(0, text.indexOf('^'));
  const diagnostics = await editor.open(path, text.replace('^', ''));
  const line = before.split('\n').length - 1;
  return { path, diagnostics, position: { line, character: before.length - before.lastIndexOf('\n') - 1 } };
}

async function labelsAt(lines: string): Promise<string[]> {
  const { path, position } = await open(lines);
  return (await editor.complete(path, position)).map(({ label }) => label);
}

describe('in an editor (yaml-language-server)', () => {
  it('the shipped mapping files have nothing underlined', { timeout: 120_000 }, async () => {
    const files = readMappingFiles([join(ROOT, 'mappings')], ROOT);
    expect(files.length).toBeGreaterThan(50);
    const underlined = await Promise.all(
      files.map(async ({ path, text }) => ({ path, found: await editor.open(join(ROOT, path), text) })),
    );
    expect(underlined.filter(({ found }) => found.length > 0)).toEqual([]);
  });

  it('the sample configuration has nothing underlined', async () => {
    const path = join(ROOT, 'fixtures/sluss.yaml');
    expect(await editor.open(path, readFileSync(path, 'utf8'))).toEqual([]);
  });

  it('a rule is completed with the keys a rule has', async () => {
    const labels = await labelsAt('resource: r\nset:\n  gender:\n    ^\n');
    expect(labels).toEqual(expect.arrayContaining(['from', 'all', 'table', 'set', 'first', 'when']));
    expect(labels).not.toContain('deliver');
    const further = await labelsAt('resource: r\nset:\n  gender:\n    from: PID-8\n    ^\n');
    expect(further).toEqual(expect.arrayContaining(['table', 'onMiss', 'as']));
    expect(further).not.toContain('from');
  });

  it('what a key takes is completed with its words', async () => {
    expect(await labelsAt('resource: r\nset:\n  gender:\n    from: PID-8\n    table: t\n    onMiss: ^\n')).toEqual(
      expect.arrayContaining(['keep', 'hold', 'refuse', 'default', 'nothing']),
    );
    expect(await labelsAt('resource: r\nset:\n  birthDate:\n    from: PID-7\n    as: ^\n')).toEqual(
      expect.arrayContaining(['date', 'looseDate', 'CodeableConcept', 'Quantity']),
    );
  });

  it('an empty file is completed with the five kinds, and a mapping with its keys', async () => {
    expect(await labelsAt('^')).toEqual(
      expect.arrayContaining(['mapping', 'resource', 'datatype', 'message', 'table']),
    );
    const labels = await labelsAt('mapping: lab\n^');
    expect(labels).toEqual(expect.arrayContaining(['extends', 'match', 'deliver', 'resources', 'tables', 'tests']));
  });

  it('a completion and a pointer at rest say what a key is for', async () => {
    const here = await open('resource: r\nset:\n  gender: { from: PID-8, table: t, onM^iss: hold }\n');
    expect(await editor.hover(here.path, here.position)).toContain('a miss is never silent');
    const there = await open('mapping: lab\next^ends: oru-r01\n');
    expect(await editor.hover(there.path, there.position)).toContain('The mapping this one differs from');
    const at = await open('resource: r\nset:\n  gender:\n    ^\n');
    const from = (await editor.complete(at.path, at.position)).find(({ label }) => label === 'from');
    expect(JSON.stringify(from?.documentation)).toContain('The first thing found');
  });

  it('an unknown key is underlined where it stands', async () => {
    const { diagnostics } = await open('resource: r\nset:\n  gender: { form: PID-8^ }\n');
    expect(diagnostics).toEqual(
      expect.arrayContaining([expect.objectContaining({ message: expect.stringContaining('form') })]),
    );
    expect(diagnostics[0]?.range.start.line).toBe(3);
    const whole = await open('mapping: lab\nextend: oru-r01^\n');
    expect(whole.diagnostics.map(({ message }) => message)).toContain('Property extend is not allowed.');
    expect(whole.diagnostics[0]?.range.start).toMatchObject({ line: 2, character: 0 });
  });

  it('the configuration is completed and explained too', async () => {
    const path = join(ROOT, 'fixtures/other.yaml');
    const text = '# yaml-language-server: $schema=../docs/sluss.schema.json\nchannels:\n  lab:\n    \n';
    await editor.open(path, text);
    const labels = (await editor.complete(path, { line: 3, character: 4 })).map(({ label }) => label);
    expect(labels).toEqual(expect.arrayContaining(['source', 'mappings', 'parties', 'with']));
  });
});
