import { describe, expect, it } from 'vitest';
import type { SourceFile } from '../../src/mapping/yaml-node.ts';
import { CONTEXT, compile, faultsOf, HEADER, makeBody, mapperOf, mappingFile, message } from './kit.ts';

const SEGMENTS = [
  'PID|1||123^^^A^MR~456^^^B^NNSWE||Ek^Åsa^Maria Eva||19970806|F',
  'OBR|1||F1|X^Name^L',
  'OBX|1|NM|c^C^L^x^X^LN||1.50||""||||F|||20220301081500',
  'NTE|1||a|b',
];

const SEX: SourceFile = {
  path: 'sex.yaml',
  text: `table: sex
fold: true
systems: { LN: [LOINC, 2.16.840.1.113883.6.1] }
rows:
  '*': { F: female, M: male, N: 1.50, B: true }
  LN: { x: loinc }
`,
};

/** The JSON text of the body with one element, `a`. */
const make = (rule: string, segments: readonly string[] = SEGMENTS, sections: Record<string, string> = {}) =>
  makeBody(`{ a: ${rule}, z: { from: MSH-10 } }`, segments, { files: [SEX], sections });
const made = (rule: string, segments: readonly string[] = SEGMENTS, sections: Record<string, string> = {}) => {
  const { text, mapped } = make(rule, segments, sections);
  if (mapped.faults.length > 0) throw new Error(faultsOf(mapped).join(', '));
  return text?.replace(/,?"z":"C1"\}$/, '}') ?? null;
};

describe('a rule', () => {
  it.each([
    ['text', '{"a":"text"}'],
    ['1.50', '{"a":1.50}'],
    ['12345678901234567890', '{"a":12345678901234567890}'],
    ["'1.50'", '{"a":"1.50"}'],
    ['true', '{"a":true}'],
    ['{ value: { b: [1.0, x] } }', '{"a":{"b":[1.0,"x"]}}'],
    ['{ from: PID-5.2 }', '{"a":"Åsa"}'],
    ['{ from: PID-5.9 }', null],
    ['{ from: PID-5.9 | PID-5.2 }', '{"a":"Åsa"}'],
    [`{ from: 'PID-3[5="x|y"].1 | PID-3[5="NNSWE"].1' }`, '{"a":"456"}'],
    ["{ all: 'PID-3[*].1' }", '{"a":["123","456"]}'],
    ["{ all: 'PID-3[*].9 | PID-3[*].5' }", '{"a":["MR","NNSWE"]}'],
    ["{ all: 'PID-3[*].1 | PID-3[*].5' }", '{"a":["123","456"]}'],
    ["{ all: ['PID-3[*].1', PID-8] }", '{"a":["123","456","F"]}'],
    ['{ all: [PID-5.2, PID-5.3], split: " " }', '{"a":["Åsa","Maria","Eva"]}'],
    ['{ all: PID-9 }', null],
    ["[{ from: PID-8 }, { from: PID-9 }, { all: 'PID-3[*].1' }]", '{"a":["F","123","456"]}'],
    ['{ set: { b: { from: PID-8 }, c: { from: PID-9 } } }', '{"a":{"b":"F"}}'],
    ['{ set: { b: { from: PID-9 } } }', null],
    ['{ set: { b: fixed, c: { from: PID-9 } } }', null],
    ['{ set: { b: fixed } }', '{"a":{"b":"fixed"}}'],
    ['{ from: PID-8, table: sex, onMiss: hold }', '{"a":"female"}'],
    ['{ from: PID-7, table: sex, onMiss: keep }', '{"a":"19970806"}'],
    ['{ from: PID-7, table: sex, onMiss: nothing }', null],
    ['{ from: PID-7, table: sex, default: unknown }', '{"a":"unknown"}'],
    ['{ from: OBX-3, table: sex, onMiss: hold }', '{"a":"loinc"}'],
    ['{ value: 1, when: PID-8 == "F" }', '{"a":1}'],
    ['{ value: 1, when: PID-8 == "M" }', null],
    ['{ from: OBX-5, as: decimal }', '{"a":1.50}'],
    ['{ from: OBX-1, as: integer }', '{"a":1}'],
    ['{ from: PID-7, as: date }', '{"a":"1997-08-06"}'],
    ['{ from: OBX-14, as: dateTime }', '{"a":"2022-03-01T08:15:00+01:00"}'],
    ['{ from: OBX-14, as: instant }', '{"a":"2022-03-01T07:15:00.000Z"}'],
    ['{ from: PID-5.2, as: upper }', '{"a":"ÅSA"}'],
    ['{ from: OBR-4, as: code }', '{"a":"X"}'],
    ["{ text: '{sex}-{person.kind}' }", '{"a":"F-none"}'],
    ["{ text: '{sex}-{none}' }", null],
    ["{ text: '{person.constructor}' }", null],
    ['{ from: $person.kind }', '{"a":"none"}'],
    ['{ from: $person.constructor }', null],
    ['{ from: $party.organisationNumber }', '{"a":"2321000016"}'],
  ])('%s makes %s', (rule, body) => {
    const lets = '{ sex: { from: PID-8 }, none: { from: PID-9 }, person: { call: swedish-identity, of: PID-30 } }';
    expect(made(rule, SEGMENTS, { let: lets })).toBe(body ?? '{}');
  });

  it.each([
    ['1.50', '1.50'],
    ['+1.5', '1.5'],
    ['-0.0', '-0.0'],
    ['007', '7'],
    ['.5', '0.5'],
    ['5.', '5'],
    ['0', '0'],
    ['123456789012345678901234567890.10', '123456789012345678901234567890.10'],
  ])('keeps the digits of %s', (written, sent) => {
    const { text } = make('{ from: OBX-5, as: decimal }', ['OBR|1||F', `OBX|1|NM|c||${written}`]);
    expect(text).toBe(`{"a":${sent},"z":"C1"}`);
  });

  it.each([
    ['{ from: PID-5.9, required: true }', 'field-required PID-5.9'],
    ['{ from: PID-6, required: true }', 'field-required PID-6'],
    ['{ from: OBX-6, required: true }', 'field-required OBX[1]-6'],
    ['{ from: OBX-7, required: true }', 'field-required OBX[1]-7'],
    ['{ from: SPM-17.1, required: true }', 'field-required SPM-17.1'],
    ['{ from: PID-7, table: sex, onMiss: hold }', 'code-unmapped PID-7 table sex'],
    ['{ from: PID-7, table: sex, onMiss: refuse }', 'code-refused PID-7 table sex'],
    ['{ from: PID-5.2, as: date }', 'field-type PID-5.2 date-time'],
    ['{ from: PID-7, as: dateTime, precision: minute }', 'field-type PID-7 date-time to the minute'],
    ["{ from: 'PID-3[2].4', as: integer }", 'field-type PID-3[2].4 integer'],
    ['{ from: PID-8, as: boolean }', 'field-type PID-8 Y or N'],
    ["{ all: 'PID-30[*]', required: true }", 'field-required PID-30'],
    ['{ from: $missing, required: true }', 'field-required OBX[1]-18.1'],
  ])('%s is %s', (rule, fault) => {
    expect(faultsOf(make(rule, SEGMENTS, { let: '{ missing: { from: OBX-18.1 | ZZZ-1 } }' }).mapped)).toEqual([fault]);
  });

  it('tells every fault of a body, each with the line of its rule', () => {
    const { mapped } = makeBody('{ b: { from: PID-6, required: true }, c: { from: PID-5.2, as: date } }', SEGMENTS);
    expect(mapped.faults.map(({ at, where }) => [at, where])).toEqual([
      ['PID-6', 'm.yaml:8:41'],
      ['PID-5.2', 'm.yaml:8:98'],
    ]);
    expect(mapped.drafts).toEqual([]);
    expect(mapped.statements).toEqual([]);
  });

  it('takes HL7 null for a statement that there is nothing, and asks nobody else', () => {
    const segments = ['PID|1||""||""^Åsa', 'OBR|1||F', 'OBX|1|ST|c||x||""~y'];
    expect(made('{ from: PID-3 | PID-5.2 }', segments)).toBe('{}');
    expect(made('{ from: PID-5.1 | PID-5.2 }', segments)).toBe('{}');
    expect(made('{ from: PID-4 | PID-5.2 }', segments)).toBe('{"a":"Åsa"}');
    expect(made("{ all: 'OBX-7[*]' }", segments)).toBe('{"a":["y"]}');
    expect(made('{ all: PID-3 | PID-5.2 }', segments)).toBe('{}');
    expect(faultsOf(make('{ from: PID-3, required: true }', segments).mapped)).toEqual(['field-required PID-3']);
  });
});

describe('a let', () => {
  it('is not evaluated unless somebody asks', () => {
    const lets = '{ bad: { from: PID-5.2, as: date }, code: { from: OBX-3.1 } }';
    expect(made('{ from: $code }', SEGMENTS, { let: lets })).toBe('{"a":"c"}');
    const skip = `[{ when: 'code == "c"', reason: known }, { when: 'bad == "x"', reason: never }]`;
    const { mapped } = make('x', SEGMENTS, { let: lets, skip });
    expect(mapped.skipped).toEqual([{ reason: 'known', at: 'OBX[1]' }]);
    expect(mapped.faults).toEqual([]);
  });

  it('is not asked behind what decides a condition already', () => {
    const lets = '{ bad: { from: PID-5.2, as: date }, code: { from: OBX-3.1 } }';
    for (const when of ['code == "x" && bad == "y"', 'code == "c" || bad == "y"', 'code == "c" ? true : bad == "y"']) {
      expect(faultsOf(make('x', SEGMENTS, { let: lets, skip: `[{ when: '${when}', reason: r }]` }).mapped)).toEqual([]);
    }
    const asked = make('x', SEGMENTS, { let: lets, skip: `[{ when: 'code == "c" && bad == "y"', reason: r }]` });
    expect(faultsOf(asked.mapped)).toEqual(['field-type PID-5.2 date-time']);
  });

  it('tells its fault once, however many ask', () => {
    const { mapped } = makeBody('{ a: { from: $bad }, b: { from: $bad }, c: { text: "{bad}" } }', SEGMENTS, {
      sections: { let: '{ bad: { from: PID-5.2, as: date } }' },
    });
    expect(faultsOf(mapped)).toEqual(['field-type PID-5.2 date-time']);
  });

  it('may be used before it stands', () => {
    expect(made('{ from: $one }', SEGMENTS, { let: '{ one: { from: $two }, two: { from: PID-8 } }' })).toBe(
      '{"a":"F"}',
    );
  });

  it('is asked once by many that need one another', () => {
    const chain = Array.from(
      { length: 40 },
      (_, n) => `v${n}: { text: "{v${n + 1}}{v${n + 1}}", when: 'v${n + 1} == ""' }`,
    );
    const lets = `{ ${chain.join(', ')}, v40: { from: PID-9 } }`;
    const mapper = mapperOf(
      compile([mappingFile({ let: lets, deliver: '[{ to: t/op, body: { set: { a: { from: $v0 }, z: z } } }]' })]),
    );
    const bytes = message([HEADER, ...SEGMENTS]);
    expect(mapper.explain(bytes, CONTEXT).mapped).toEqual(mapper.map(bytes, CONTEXT));
  });
});

describe('a resource', () => {
  const resource: SourceFile = {
    path: 'r.yaml',
    text: 'resource: r\nset:\n  x: { from: $sex }\n  y: { from: OBX-30, required: true }\n',
  };

  it('sees the names of the mapping that includes it, and its faults name its own lines', () => {
    const { mapped } = makeBody('{ a: { include: r } }', SEGMENTS, {
      files: [resource],
      sections: { let: '{ sex: { from: PID-8 } }' },
    });
    expect(mapped.faults).toEqual([{ code: 'field-required', at: 'OBX[1]-30', where: 'r.yaml:4:6', detail: null }]);
  });
});
