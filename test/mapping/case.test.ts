import { describe, expect, it } from 'vitest';
import { runCases } from '../../src/mapping/case.ts';
import { formatProblem } from '../../src/mapping/problem.ts';
import { compile, HEADER, mapperOf, mappingText } from './kit.ts';

/** Problems of the cases in a mapping; `tests:` is line 9. */
function run(tests: string): string[] {
  const compiled = compile([{ path: 'm.yaml', text: `${mappingText({ party: '{ value: nord }' })}tests:\n${tests}` }]);
  mapperOf(compiled);
  return (compiled.channels.get('lab')?.mappings ?? []).flatMap(runCases).map(formatProblem);
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
