import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { loadConfiguration } from '../src/config/load.ts';
import { findCharset } from '../src/hl7/charset.ts';
import { BUILT_IN_PLUGINS } from '../src/plugins.ts';
import { partyConfig } from '../src/targets/parties.ts';
import { CONFIGURATION_EXAMPLES } from './configuration-examples.ts';
import { generateAll } from './generate.ts';

const ROOT = join(import.meta.dirname, '..');

describe('generated files', () => {
  it('are what the code makes today (else: npm run generate)', () => {
    expect(generateAll(true)).toEqual([]);
  });

  it('hold a schema that takes the sample configuration and refuses a slip in it', () => {
    const schema = JSON.parse(readFileSync(join(ROOT, 'docs/sluss.schema.json'), 'utf8'));
    const validate = new Ajv({ strict: false, validateFormats: false }).compile(schema);
    const text = readFileSync(join(ROOT, 'fixtures/sluss.yaml'), 'utf8');
    validate(parse(text));
    expect(validate.errors).toBeNull();
    validate(parse(text.replace(/\$\{\w+:-([^}]*)\}/g, '$1')));
    expect(validate.errors).toBeNull();
    expect(validate(parse(text.replace('targets:', 'tragets:')))).toBe(false);
    expect(validate(parse(text.replace('stable: 300ms', 'stable: soon')))).toBe(false);
    expect(validate(parse(text.replace(/\$\{SLUSS_NORD_PORT:-2575\}/, 'soon')))).toBe(false);
  });

  it('hold examples that together are a configuration', async () => {
    const sections = Object.values(CONFIGURATION_EXAMPLES).map((text) => parse(text) as Record<string, unknown>);
    const whole: Record<string, unknown> = {};
    for (const section of sections) {
      for (const [key, value] of Object.entries(section)) {
        const isMap = typeof value === 'object' && !Array.isArray(value);
        whole[key] = isMap ? { ...(whole[key] ?? {}), ...value } : value;
      }
    }
    const folder = mkdtempSync(join(tmpdir(), 'sluss-examples-'));
    try {
      const file = join(folder, 'sluss.yaml');
      writeFileSync(file, stringify(whole));
      const importPlugin = () => Promise.reject(new Error('none'));
      const parts = { file, env: {}, party: partyConfig, plugins: BUILT_IN_PLUGINS, importPlugin, makeSecret: null };
      const read = await loadConfiguration({ ...parts, isCharset: (name) => findCharset(name) !== null });
      expect(read.warnings).toEqual([]);
      const kinds = [...read.targets, ...read.channels.map(({ source }) => source)].map(({ plugin }) => plugin);
      expect(new Set(kinds)).toEqual(new Set(BUILT_IN_PLUGINS));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
