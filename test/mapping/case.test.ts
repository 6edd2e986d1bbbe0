import { describe, expect, it } from 'vitest';
import { runCases } from '../../src/mapping/case.ts';
import { formatProblem } from '../../src/mapping/problem.ts';
import { compile, HEADER, mapperOf, mappingText } from './kit.ts';

/** Problems of the cases in a mapping; `tests:` is line 9. */
function run(tests: string): string[] {
  const compiled = compile([{ path: 'm.yaml', text: `${mappingText({ party: '{ value: nord }' })}tests:\n${tests}` }]);
  mapperOf(compiled);
  return (compiled.channels.get('lab')?.mappings ?? []).flatMap((one) => runCases(one)).map(formatProblem);
}

const MESSAGE = `    message: |
      ${HEADER}
      PID|1
      OBR|1||F
      OBX|1|ST|X||y
`;

describe('a case', () => {
  it('that holds is no problem', () => {
    expect(run(`  - name: sent\n${MESSAGE}    expect: { deliver: [t/op] }\n`)).toEqual([]);
  });

  it('that ends otherwise is a problem at what was expected', () => {
    expect(run(`  - name: sent\n${MESSAGE}    expect: { deliver: [t/other] }\n`)).toEqual([
      'm.yaml:16:24 Case "sent": deliver expected t/other, got t/op',
    ]);
    expect(run(`  - name: sent\n${MESSAGE}    expect: { skipped: [x] }\n`)).toEqual([
      'm.yaml:16:13 Case "sent": deliver expected none, got t/op',
      'm.yaml:16:24 Case "sent": skipped expected x, got none',
    ]);
  });

  it.each([
    [
      'is no message',
      '  - { name: n, message: hello, expect: {} }\n',
      'm.yaml:10:25 Case "n": What came holds no HL7 v2 message: there is no usable MSH segment at its start.',
    ],
    [
      'is of another type',
      "  - { name: n, message: 'MSH|^~\\&|||||||ADT^A01', expect: {} }\n",
      'm.yaml:10:25 Case "n": the mapping does not take ADT^A01',
    ],
    ['has no name', '  - { message: x, expect: {} }\n', 'm.yaml:10:5 A case needs a name'],
    ['expects nothing', '  - { name: n, message: x }\n', 'm.yaml:10:5 A case needs expect: …'],
    [
      'expects what there is not',
      `  - name: n\n${MESSAGE}    expect: { delivered: [] }\n`,
      'm.yaml:16:15 Unknown key "delivered" (did you mean "deliver"?)',
    ],
  ])('that %s is a problem, not an exception', (_, text, problem) => {
    expect(run(text)).toEqual([problem]);
  });
});

describe('what a case expects of a delivery', () => {
  /** Problems of one case with this `deliver:`; `expect:` is line 16, its lines follow. */
  const deliver = (text: string, body = '{ a: { from: OBX-5 }, n: 4.10, l: [x, y], gone: { from: OBX-9 } }') => {
    const sections = { party: '{ value: nord }', deliver: `[{ to: t/op, body: { set: ${body} } }]` };
    const tests = `tests:\n  - name: c\n${MESSAGE}    expect:\n      deliver:\n${text}`;
    const compiled = compile([{ path: 'm.yaml', text: mappingText(sections) + tests }]);
    mapperOf(compiled);
    return (compiled.channels.get('lab')?.mappings ?? []).flatMap((one) =>
      runCases(one).map((problem) => `${formatProblem(problem)} by ${problem.rule}`),
    );
  };
  const OBSERVATION =
    '{ resourceType: Observation, status: { value: final }, code: { set: { text: { from: OBX-5 } } } }';

  it('holds where the body has at least what is named, digits and absences among it', () => {
    expect(deliver('        - { to: t/op, party: nord, body: { a: y, n: 4.10, gone: null } }\n')).toEqual([]);
    expect(deliver('        - { to: t/op, body: { l: [x, y] } }\n')).toEqual([]);
  });

  it.each<[string, string, string]>([
    ['a value', 'a: z', 'm.yaml:18:34 Case "c": body.a expected "z", got "y" by m.yaml:8:41'],
    ['digits', 'n: 4.1', 'm.yaml:18:34 Case "c": body.n expected 4.1, got 4.10 by m.yaml:8:61'],
    [
      'what is not there',
      'b: { c: d }',
      'm.yaml:18:34 Case "c": body.b expected an object, got nothing by m.yaml:8:11',
    ],
    ['what should not be there', 'a: null', 'm.yaml:18:34 Case "c": body.a expected nothing, got "y" by m.yaml:8:41'],
    ['a list of another length', 'l: [x]', 'm.yaml:18:34 Case "c": body.l expected 1 item, got 2 items by m.yaml:8:70'],
    ['an item', 'l: [x, z]', 'm.yaml:18:38 Case "c": body.l[1] expected "z", got "y" by m.yaml:8:74'],
  ])('tells %s at the line that expects it, and the rule that made it', (_, body, problem) => {
    expect(deliver(`        - { to: t/op, body: { ${body} } }\n`)).toEqual([problem]);
  });

  it('tells a text that was written as a number', () => {
    expect(deliver('        - { to: t/op, body: { a: 12 } }\n', '{ a: { value: "12" } }')).toEqual([
      'm.yaml:18:34 Case "c": body.a expected 12, got "12" (it is a text: write it in quotes) by m.yaml:8:50',
    ]);
  });

  it('tells the party, where parties are known', () => {
    expect(deliver('        - { to: t/op, party: syd }\n')).toEqual([
      'm.yaml:18:30 Case "c": party expected syd, got nord by null',
    ]);
  });

  it('names resources by their type, each another one, in any order', () => {
    const bundle = `{ resourceType: Bundle, type: collection, entry: [{ set: { resource: { set: ${OBSERVATION} } } }, { set: { resource: { set: ${OBSERVATION.replace('final', 'amended')} } } }] }`;
    const resources = (text: string) => deliver(`        - { to: t/op, resources: [${text}] }\n`, bundle);
    const one = (status: string) => `{ resourceType: Observation, status: ${status} }`;
    expect(resources(`${one('amended')}, ${one('final')}`)).toEqual([]);
    expect(resources(`${one('final')}, ${one('final')}`)).toEqual([
      expect.stringMatching(
        /^m\.yaml:18:\d+ Case "c": Observation\.status expected "final", got "amended" by m\.yaml:8:\d+$/,
      ),
    ]);
    expect(resources(`${one('final')}, ${one('amended')}, ${one('final')}`)).toEqual([
      expect.stringMatching(/expected a further Observation, got 2/),
    ]);
    expect(resources('{ resourceType: Observation, code: { txt: y } }')).toEqual([
      expect.stringMatching(/FHIR R4 has no "txt" in CodeableConcept \(did you mean "text"\?\)/),
    ]);
    expect(resources('{ resourceType: Observatoin }')).toEqual([
      expect.stringMatching(/FHIR R4 has no resource "Observatoin" \(did you mean "Observation"\?\)/),
    ]);
    expect(deliver('        - { to: t/op, without: [Patient] }\n', bundle)).toEqual([]);
    expect(deliver('        - { to: t/op, without: [Observation] }\n', bundle)).toEqual([
      expect.stringMatching(/Case "c": there is a Observation/),
    ]);
  });

  it.each([
    ['- { to: t/op, bodi: {} }', 'Unknown key "bodi" (did you mean "body"?)'],
    ['- { party: nord }', 'to: target/operation is needed'],
    ['- { to: t/op, resources: [{ status: final }] }', 'A resource is told by its resourceType: …'],
  ])('%s is a mistake', (text, problem) => {
    expect(deliver(`        ${text}\n`)).toEqual([expect.stringContaining(problem)]);
  });
});

describe('what a case expects of faults, reasons and warnings', () => {
  const HOLD = '{ from: OBX-5, table: t, onMiss: hold }';
  const TABLE = { path: 't.yaml', text: "table: t\nrows: { '*': { x: 1 } }\n" };
  const expecting = (text: string, sections: Record<string, string> = {}) => {
    const deliver = `[{ to: t/op, body: { set: { a: ${HOLD} } } }]`;
    const tests = `tests:\n  - name: c\n${MESSAGE}    expect: ${text}\n`;
    const compiled = compile([
      { path: 'm.yaml', text: mappingText({ party: '{ value: nord }', deliver, ...sections }) + tests },
      TABLE,
    ]);
    mapperOf(compiled);
    return (compiled.channels.get('lab')?.mappings ?? []).flatMap((one) =>
      runCases(one).map((problem) => `${formatProblem(problem)} by ${problem.rule}`),
    );
  };

  it('may say where, and what of', () => {
    expect(expecting("{ faults: [{ code: code-unmapped, at: 'OBX[1]-5', detail: table t }] }")).toEqual([]);
    expect(expecting("{ faults: [{ code: code-unmapped, at: 'OBX[2]-5' }] }")).toEqual([
      expect.stringMatching(/at of code-unmapped expected OBX\[2\]-5, got OBX\[1\]-5 by m\.yaml:8:\d+$/),
    ]);
    expect(expecting('{ deliver: [t/op] }')).toEqual([
      expect.stringContaining('deliver expected t/op, got none'),
      expect.stringMatching(/faults expected none, got code-unmapped at OBX\[1\]-5 by m\.yaml:8:\d+$/),
    ]);
    expect(expecting('{ faults: [code-unmaped] }')).toEqual([
      expect.stringMatching(/"code-unmaped" is not one of .*\(did you mean "code-unmapped"\?\)/),
    ]);
  });

  it('compares where a result was left out', () => {
    const skip = '[{ when: \'OBX-2 == "ST"\', reason: no-text }]';
    expect(expecting("{ skipped: [{ reason: no-text, at: 'OBX[1]' }] }", { skip })).toEqual([]);
    expect(expecting("{ skipped: [{ reason: no-text, at: 'OBX[2]' }] }", { skip })).toEqual([
      expect.stringContaining('at of no-text expected OBX[2], got OBX[1]'),
    ]);
  });

  it('compares warnings only where they are named', () => {
    const deliver = "[{ to: t/op, body: { set: { resourceType: Basic, 'value[x]': { from: OBX-5, as: by OBX-2 } } } }]";
    expect(expecting('{ faults: [mapping-incomplete], warnings: [] }', { deliver })).toEqual([]);
    expect(expecting('{ faults: [mapping-incomplete], warnings: [value-unmapped] }', { deliver })).toEqual([
      expect.stringContaining('warnings expected value-unmapped, got none'),
    ]);
  });
});

describe('a case with an answer', () => {
  const deliver = '[{ to: t/op, body: { set: { a: 1 } }, then: [{ to: t/other, message: back }] }]';
  const back = {
    path: 'back.yaml',
    text: 'message: back\ntype: ORU^R01^ORU_R01\nsegments: [{ segment: OBX, fields: { OBX-5: { from: $response.id, required: true } } }]\n',
  };
  const run = (answer: string, expected: string) => {
    const text = `${mappingText({ party: '{ value: nord }', deliver })}tests:\n  - name: n\n${MESSAGE}    answer: ${answer}\n    expect: ${expected}\n`;
    const compiled = compile([{ path: 'm.yaml', text }, back]);
    mapperOf(compiled);
    return (compiled.channels.get('lab')?.mappings ?? []).flatMap((one) => runCases(one));
  };

  it('expects what follows it, an HL7 message by its fields', () => {
    expect(
      run('{ id: A1 }', "{ deliver: [{ to: t/other, body: { MSH-9: ORU^R01^ORU_R01, 'OBX[1]-5': A1 } }] }"),
    ).toEqual([]);
    const [problem] = run('{ id: A1 }', "{ deliver: [{ to: t/other, body: { 'OBX[1]-5': A2 } }] }");
    expect(problem?.message).toBe('Case "n": body.OBX[1]-5 expected "A2", got "A1"');
    expect(problem?.rule).toMatch(/^back\.yaml:3:/);
  });

  it('meets the faults that its engine would', () => {
    expect(run('{ id: null }', '{ faults: [answer-unreadable] }')).toEqual([]);
  });

  it('is a problem where nothing follows', () => {
    const text = `${mappingText({ party: '{ value: nord }' })}tests:\n  - name: n\n${MESSAGE}    answer: {}\n    expect: {}\n`;
    const compiled = compile([{ path: 'm.yaml', text }]);
    const problems = (compiled.channels.get('lab')?.mappings ?? []).flatMap((one) => runCases(one));
    expect(problems.map(formatProblem)).toEqual([
      'm.yaml:11:14 Case "n": no delivery of it is answered by anything that follows',
    ]);
  });
});
