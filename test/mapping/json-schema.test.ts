import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { CONVERSIONS } from '../../src/mapping/conversion.ts';
import { mappingJsonSchema } from '../../src/mapping/json-schema.ts';
import { formatProblem } from '../../src/mapping/problem.ts';
import { compile, PROJECT_FILES } from './kit.ts';

interface Schema {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: Schema | boolean;
  readonly allOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly $ref?: string;
  readonly definitions?: Readonly<Record<string, Schema>>;
  readonly enum?: readonly unknown[];
}

const SCHEMA = mappingJsonSchema() as Schema;
const validate = new Ajv({ strict: false, allErrors: true }).compile(SCHEMA as object);
const takes = (text: string) => validate(parse(text));

describe('the schema of mapping files', () => {
  it.each(PROJECT_FILES.map(({ path, text }) => [path, text]))('takes %s', (_, text) => {
    validate(parse(text));
    expect(validate.errors).toBeNull();
  });

  it.each(PROJECT_FILES.map(({ path, text }) => [path, text]))('is named in the first line of %s', (_, text) => {
    expect(text.split('\n', 1)[0]).toBe('# yaml-language-server: $schema=../mapping.schema.json');
  });

  it('is named in the sample configuration', () => {
    const text = readFileSync(join(import.meta.dirname, '../../fixtures/sluss.yaml'), 'utf8');
    expect(text.split('\n', 1)[0]).toBe('# yaml-language-server: $schema=../docs/sluss.schema.json');
  });

  it.each([
    'mapping: m\nextends: oru-r01\nresources: { observation: { set: { note: null } } }',
    "mapping: m\nextends: oru-r01\ntables: { states: { rows: { '*': { X: final, Y: null } } } }",
    'resource: r\nset: { resourceType: Patient, name: [{ from: PID-5, as: HumanName }] }',
    'resource: r\nset: { gender: { first: [{ from: PID-8, table: sex, onMiss: nothing }, unknown] } }',
    'datatype: D\nrule: { from: ., as: Attachment }',
    "table: t\nrows: { '*': { 1: true, a: 2 } }",
    'message: m\ntype: ORU^R01^ORU_R01\nheader: { MSH-6: null }\nsegments: [{ copy: PID }, { segment: OBX, fields: { OBX-5.1: x } }]',
    'mapping: m\ndeliver: [{ to: lis/message, message: back }]',
    'mapping: m\ndeliver: [{ to: lis/message, message: { type: ORU^R01, segments: [{ copy: PID, fields: { PID-3: null } }] } }]',
  ])('takes %s', (text) => {
    expect(takes(text)).toBe(true);
  });

  it.each([
    'maping: m',
    'mapping: m\nletz: {}',
    'resource: r',
    'resource: r\nset: { a: { form: PID-3 } }',
    'resource: r\nset: { a: { from: PID-3, value: 1 } }',
    'resource: r\nset: { a: { from: PID-3, onMiss: hold } }',
    'resource: r\nset: { a: { from: PID-3, table: t, onMiss: guess } }',
    'resource: r\nset: { a: { value: 1, as: string } }',
    'resource: r\nset: { a: { ref: patient, join: x } }',
    'resource: r\nset: { a: null }',
    'resource: r\nset: { a: { from: PID-7, as: dateTime, precision: week } }',
    'resource: r\nset: { a: { from: PID-7, required: sometimes } }',
    'datatype: D',
    'datatype: D\nset: { a: b }\nrule: { from: . }',
    "table: t\nrows: { '*': [a] }",
    'mapping: m\nmatch: { type: ORU }',
    'mapping: m\nskip: [{ when: valued(PID-3), reason: Not Final }]',
    'mapping: m\ndeliver: [{ to: fhir, body: { include: r } }]',
    'mapping: m\ndeliver: [{ to: fhir/transaction }]',
    'mapping: m\ndeliver: [{ to: lis/message, message: back, body: { value: x } }]',
    'message: m\nsegments: [{ copy: PID }]',
    'message: m\ntype: ORU\nsegments: [{ copy: PID }]',
    'message: m\ntype: ORU^R01\nsegments: [{ copy: PID, segment: PID, fields: { PID-3: x } }]',
    'message: m\ntype: ORU^R01\nsegments: [{ segment: PID }]',
    'message: m\ntype: ORU^R01\nsegments: [{ segment: PID, fields: { three: x } }]',
    'mapping: m\ndeliver: [{ to: fhir/transaction, bundle: [{ entry: e, include: r }] }]',
    'mapping: m\ntests: [{ name: n, message: x, expect: { faults: [no-such-fault] } }]',
  ])('refuses %s', (text) => {
    expect(takes(text)).toBe(false);
  });

  it('says of every key what it is for', () => {
    const silent: string[] = [];
    walk(SCHEMA, '', (schema, path) => {
      for (const [name, property] of Object.entries(schema.properties ?? {}))
        if ((property.description ?? '').length < 10) silent.push(`${path}/${name}`);
    });
    expect(silent).toEqual([]);
  });

  it('knows every conversion', () => {
    const names = SCHEMA.definitions?.rule?.properties?.as?.anyOf?.flatMap((one) => one.enum ?? []);
    expect(names?.toSorted()).toEqual(Object.keys(CONVERSIONS).toSorted());
  });

  const WHOLE = 'match: { type: ORU^R01 }\nzone: UTC\neach: PATIENT_RESULT\nlane: PID-3\n';
  const RESULT = 'result: { key: PID-3, rank: MSH-7, digest: OBX-5 }\n';
  const DELIVER = 'deliver: [{ to: t/op, body: { value: x } }]\n';

  // The compiler says which keys it knows when it meets one that it does not.
  it.each<[string, string, () => Schema | undefined]>([
    ['a mapping', `mapping: m\nzzzzzzzz: 1\n${WHOLE}${RESULT}${DELIVER}`, () => SCHEMA.definitions?.mapping],
    [
      'a resource',
      `mapping: m\n${WHOLE}${RESULT}deliver: [{ to: t/op, body: { include: r } }]`,
      () => SCHEMA.definitions?.resource,
    ],
    [
      'a datatype',
      `mapping: m\n${WHOLE}${RESULT}deliver: [{ to: t/op, body: { from: PID-3, as: D } }]`,
      () => SCHEMA.definitions?.datatype,
    ],
    ['a table', `mapping: m\n${WHOLE}${RESULT}${DELIVER}`, () => SCHEMA.definitions?.table],
    [
      'an entry',
      `mapping: m\n${WHOLE}${RESULT}deliver: [{ to: t/op, bundle: [{ entry: e, zzzzzzzz: 1 }] }]`,
      () => SCHEMA.definitions?.entry,
    ],
    [
      'a delivery',
      `mapping: m\n${WHOLE}${RESULT}deliver: [{ to: t/op, zzzzzzzz: 1 }]`,
      () => SCHEMA.definitions?.mapping?.properties?.deliver?.items,
    ],
    [
      'a result',
      `mapping: m\n${WHOLE}result: { zzzzzzzz: 1 }\n${DELIVER}`,
      () => SCHEMA.definitions?.mapping?.properties?.result,
    ],
    [
      'a match',
      `mapping: m\n${WHOLE.replace('type:', 'zzzzzzzz:')}${RESULT}${DELIVER}`,
      () => SCHEMA.definitions?.mapping?.properties?.match,
    ],
    [
      'a reason',
      `mapping: m\nskip: [{ zzzzzzzz: 1 }]\n${WHOLE}${RESULT}${DELIVER}`,
      () => SCHEMA.definitions?.mapping?.properties?.skip?.items,
    ],
    [
      'a schedule',
      `mapping: m\n${WHOLE}${RESULT}deliver: [{ to: t/op, body: { value: x }, notBefore: { zzzzzzzz: 1 } }]`,
      () => SCHEMA.definitions?.mapping?.properties?.deliver?.items?.properties?.notBefore,
    ],
    [
      'rows of one’s own',
      `mapping: m\n${WHOLE}${RESULT}${DELIVER}tables: { t: { zzzzzzzz: 1 } }`,
      () => SCHEMA.definitions?.mapping?.properties?.tables?.additionalProperties as Schema,
    ],
    [
      'elements of one’s own',
      `mapping: m\n${WHOLE}${RESULT}${DELIVER}resources: { r: { zzzzzzzz: 1 } }`,
      () => SCHEMA.definitions?.mapping?.properties?.resources?.additionalProperties as Schema,
    ],
    ['a rule', `mapping: m\nlet: { x: { zzzzzzzz: 1 } }\n${WHOLE}${RESULT}${DELIVER}`, () => SCHEMA.definitions?.rule],
  ])('and the compiler know the same keys of %s', (what, text, find) => {
    const spoilt = (kind: string) => (what === kind ? 'zzzzzzzz: 1\n' : '');
    const { problems } = compile([
      { path: 'm.yaml', text },
      { path: 'r.yaml', text: `resource: r\n${spoilt('a resource')}set: { a: { from: PID-3 } }\n` },
      { path: 'd.yaml', text: `datatype: D\n${spoilt('a datatype')}set: { a: { from: .1 } }\n` },
      { path: 't.yaml', text: `table: t\n${spoilt('a table')}rows: { '*': { a: b } }\n` },
    ]);
    const known = problems
      .map(formatProblem)
      .flatMap((line) => /"zzzzzzzz" \(known here: (.*)\)$/.exec(line)?.[1] ?? []);
    expect(known).not.toEqual([]);
    expect(Object.keys(find()?.properties ?? {}).toSorted()).toEqual(known[0]?.split(', ').toSorted());
  });
});

function walk(schema: Schema, path: string, visit: (schema: Schema, path: string) => void): void {
  visit(schema, path);
  for (const [key, value] of Object.entries(schema)) {
    if (typeof value !== 'object' || value === null) continue;
    const isNames = key === 'properties' || key === 'definitions';
    const inner: [string, unknown][] = isNames || Array.isArray(value) ? Object.entries(value) : [[key, value]];
    for (const [name, one] of inner)
      if (typeof one === 'object' && one !== null) walk(one as Schema, `${path}/${name}`, visit);
  }
}
