import { describe, expect, it } from 'vitest';
import { addRow } from '../../src/mapping/add-row.ts';

const TABLE = `# A table.
table: t
systems:
  LN: [LOINC, 'http://loinc.org']
rows:
  LN:
    1-8: a # the first
    # between
    2-6: b # the last

  # Local ones.
  L:
    X: c
  '*': { d: e }
`;

describe('a new row', () => {
  it('follows the last of its system, and nothing else changes', () => {
    expect(addRow(TABLE, 'LN', '3-4', 'c')).toBe(
      TABLE.replace('    2-6: b # the last\n', '    2-6: b # the last\n    3-4: c\n'),
    );
    expect(addRow(TABLE, 'L', 'Y', 'c')).toBe(TABLE.replace('    X: c\n', '    X: c\n    Y: c\n'));
  });

  it('may say that a code is known and becomes nothing', () => {
    expect(addRow(TABLE, 'L', 'Y', null)).toBe(TABLE.replace('    X: c\n', '    X: c\n    Y: { gives: nothing }\n'));
  });

  it('joins the system that bears the other name', () => {
    expect(addRow(TABLE, 'LOINC', '3-4', 'c')).toBe(addRow(TABLE, 'LN', '3-4', 'c'));
  });

  it('stands within braces where the others do', () => {
    expect(addRow(TABLE, '*', 'f', 'g')).toBe(TABLE.replace('{ d: e }', '{ d: e, f: g }'));
  });

  it('of a new system opens a group at the end', () => {
    const block = TABLE.replace("  '*': { d: e }\n", '');
    expect(addRow(block, 'NPU', 'NPU1', 'x')).toBe(`${block}  NPU:\n    NPU1: x\n`);
    expect(addRow('table: t\nrows: { L: { A: b } }', 'M', 'C', 'd')).toBe(
      'table: t\nrows: { L: { A: b }, M: { C: d } }',
    );
  });

  it('is written at the end of a file without a last line break', () => {
    expect(addRow('table: t\nrows:\n  L:\n    A: b', 'L', 'C', 'd')).toBe(
      'table: t\nrows:\n  L:\n    A: b\n    C: d\n',
    );
  });

  it('is quoted where it would read as something else', () => {
    expect(addRow(TABLE, 'L', '871555000', 'true')).toContain("    '871555000': 'true'\n");
    expect(addRow(TABLE, 'L', 'a: b', '# x')).toContain("    'a: b': '# x'\n");
  });

  it('is refused where there is one, or no table', () => {
    expect(() => addRow(TABLE, 'LOINC', '1-8', 'x')).toThrow('1-8 has a row already');
    expect(() => addRow('resource: r\nset: {}\n', 'L', 'a', 'b')).toThrow('it is no table with rows');
    expect(() => addRow('table: [', 'L', 'a', 'b')).toThrow('it is no table with rows');
  });
});
