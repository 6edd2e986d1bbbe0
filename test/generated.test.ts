import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
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
    // Numbers stand there as references with a default, which an editor cannot know.
    const plain = text.replace(/\$\{\w+:-([^}]*)\}/g, '$1');
    validate(parse(plain));
    expect(validate.errors).toBeNull();
    expect(validate(parse(plain.replace('targets:', 'tragets:')))).toBe(false);
  });
});
