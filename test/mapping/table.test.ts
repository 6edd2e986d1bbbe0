import { describe, expect, it } from 'vitest';
import { formatProblem, type Problem } from '../../src/mapping/problem.ts';
import { compileTable } from '../../src/mapping/table.ts';
import { yaml } from './kit.ts';

const compile = (text: string) => {
  const problems: Problem[] = [];
  const table = compileTable(yaml(`table: t\n${text}`, 't.yaml'), problems);
  return { table, problems: problems.map(formatProblem) };
};

describe('a table', () => {
  const { table, problems } = compile(`systems: { LN: [LOINC, 2.16.840.1.113883.6.1] }
rows:
  LN: { 1-1: loinc, A: of loinc }
  L: { A: local }
  '*': { A: any, B: any b, N: 1.50, '': never }
`);
  const find = (...keys: [code: string, system: string][]) =>
    table.find(keys.map(([code, system]) => ({ code, system })));

  it('has no problem', () => {
    expect(problems).toEqual([]);
  });

  it.each<[[string, string][], unknown]>([
    [[['A', 'LN']], 'of loinc'],
    [[['A', 'LOINC']], 'of loinc'],
    [[['1-1', '2.16.840.1.113883.6.1']], 'loinc'],
    [[['A', 'L']], 'local'],
    [[['A', 'unheard of']], 'any'],
    [[['A', '']], 'any'],
    [[['B', 'LN']], 'any b'],
    [[['1-1', '']], undefined],
    [[['1-1', 'L']], undefined],
    [[['a', 'L']], undefined],
    [[['', '']], undefined],
    [
      [
        ['x', 'L'],
        ['1-1', 'LN'],
      ],
      'loinc',
    ],
    [[['constructor', '__proto__']], undefined],
  ])('finds %j: %s', (keys, value) => {
    expect(find(...keys)?.value).toBe(value);
  });

  it('keeps the digits of numbers, and knows each row’s line', () => {
    expect(JSON.stringify(find(['N', ''])?.value)).toBe('1.50');
    expect(find(['A', 'L'])?.where).toBe('t.yaml:5:8');
  });

  it('compares without regard to case and outer spaces where it says so', () => {
    const folded = compile(
      "fold: true\nsystems: { LN: [loinc] }\nrows: { LN: { Påvisad: yes }, '*': { Neg: no } }\n",
    ).table;
    expect(folded.find([{ code: ' PÅVISAD ', system: 'Loinc' }])?.value).toBe('yes');
    expect(folded.find([{ code: 'neg', system: '' }])?.value).toBe('no');
  });

  it('tells all its mistakes at once', () => {
    const text = `fold: true
wat: 1
systems: { XX: [LOINC] }
rows:
  LN: { A: 1, a: 2, B: }
  L: x
`;
    expect(compile(text).problems).toEqual([
      't.yaml:3:1 Unknown key "wat" (known here: table, summary, because, fold, systems, rows)',
      't.yaml:6:15 "a" has a row already in this system',
      't.yaml:6:21 The row "B" has no value',
      't.yaml:7:6 Expected a map (key: value), found "x"',
      't.yaml:4:12 No rows stand under "XX"',
    ]);
  });

  it('takes no name for two systems', () => {
    expect(compile('systems: { A: [X], B: [X] }\nrows: { A: {}, B: {} }\n').problems).toEqual([
      't.yaml:2:24 "X" is a name of "A" already',
    ]);
    expect(compile('systems: { A: [B] }\nrows: { A: {}, B: {} }\n').problems).toEqual([
      't.yaml:2:16 "B" has rows of its own',
    ]);
  });
});

describe('a row that is known and has no value', () => {
  const { table, problems } = compile(
    "rows: { L: { A: { gives: nothing, because: local }, B: { gives: keep } }, LN: { '1-1': x } }\n",
  );
  const find = (...keys: [code: string, system: string][]) =>
    table.find(keys.map(([code, system]) => ({ code, system })))?.value;

  it('is no miss', () => {
    expect(problems).toEqual([]);
    expect(find(['A', 'L'])).toBeNull();
    expect(find(['B', 'L'])).toBe('B');
    expect(find(['C', 'L'])).toBeUndefined();
  });

  it('stands behind a row with a value, of the same field', () => {
    expect(find(['A', 'L'], ['1-1', 'LN'])).toBe('x');
  });

  it('says one of two words', () => {
    expect(compile('rows: { L: { A: { gives: nothin } } }\n').problems).toEqual([
      't.yaml:2:26 "nothin" is not one of nothing, keep (did you mean "nothing"?)',
    ]);
    expect(compile('rows: { L: { A: { give: nothing } } }\n').problems[0]).toContain('Unknown key "give"');
  });
});
