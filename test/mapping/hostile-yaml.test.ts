import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compileMappings } from '../../src/mapping/compile.ts';
import { lintMappings } from '../../src/mapping/lint.ts';
import { readMappingFiles } from '../../src/mapping/load.ts';
import { formatProblem } from '../../src/mapping/problem.ts';
import type { SourceFile } from '../../src/mapping/yaml-node.ts';

const USER = (name: string) => `mapping: user
match: { type: ORU^R01 }
zone: UTC
each: PATIENT_RESULT
lane: PID-3
result: { key: PID-3, rank: MSH-7, digest: OBX-5 }
deliver: [{ to: t/op, body: { include: ${name} } }]
`;

/** Compiles a hostile file beside one that includes the resource it might hold; the linter must live through it too. */
function problemsOf(text: string, more: readonly SourceFile[] = []): string[] {
  const files = [{ path: 'x.yaml', text }, { path: 'user.yaml', text: USER('r') }, ...more];
  expect(() => lintMappings(files)).not.toThrow();
  const { problems, mapper } = compileMappings(files, {
    channels: [],
    operations: {},
    parties: [],
    secret: new Uint8Array(32),
  });
  expect(mapper === null).toBe(problems.length > 0);
  return problems.map(formatProblem);
}

const bomb = (): string => {
  const names = [...'abcdefghij'];
  const lines = names.map((name, index) => {
    const inner = index === 0 ? 'x' : `*${names[index - 1]}`;
    return `${name}: &${name} [${Array(9).fill(inner).join(', ')}]`;
  });
  return `resource: r\n${lines.join('\n')}\nset: { a: *j }\n`;
};

const deep = (open: string, close: string, count: number) => open.repeat(count) + close.repeat(count);

describe('a hostile file is refused with its line', () => {
  it.each<[string, string, string]>([
    ['a bomb of aliases', bomb(), 'x.yaml:2:7 Anchors (&name) are not used in these files (write the value out)'],
    ['an alias of nothing', 'resource: r\nset: { a: *b }', 'x.yaml:2:11 Aliases (*name) are not used'],
    ['a merge', 'resource: r\nset: { <<: { a: 1 } }', 'x.yaml:2:8 "<<" is not an element’s name'],
    [
      'a file of more than 1 MB',
      `resource: r\nset: { a: "${'x'.repeat(1_000_000)}" }`,
      'x.yaml:1:1 The file is larger than 1 MB',
    ],
    ['lists within lists', `resource: r\nset: { a: ${deep('[', ']', 60)} }`, 'Nested too deeply'],
    ['more of them', `resource: r\nset: { a: ${deep('[', ']', 20_000)} }`, 'Nested too deeply'],
    [
      'rules within rules',
      `resource: r\nset: ${deep('{ a: { set: ', '}}', 60).replace('set: }', 'set: {}}')}`,
      'Nested too deeply',
    ],
    ['maps within maps', `resource: r\nset: ${deep('{a: ', '}', 5_000)}`, 'Nested too deeply'],
    [
      '__proto__ as an element',
      'resource: r\nset: { __proto__: { value: 1 } }',
      'x.yaml:2:8 "__proto__" cannot be a key',
    ],
    ['__proto__ as a key', 'resource: r\n__proto__: { a: 1 }\nset: { a: 1 }', 'x.yaml:2:1 "__proto__" cannot be a key'],
    ['__proto__ in a table', 'table: t\nrows: { __proto__: { a: b } }', 'x.yaml:2:9 "__proto__" cannot be a key'],
    ['a key given twice', 'resource: r\nset: { a: 1, a: 2 }', 'x.yaml:2:14 The key "a" stands here twice'],
    ['a key that is a list', 'resource: r\nset: { ? [a, b] : 1 }', 'x.yaml:2:10 Expected a key'],
    [
      'a NUL',
      'resource: r\nset: { a: "x\0y" }',
      'x.yaml:2:13 A control character stands here (such as a NUL; take it out)',
    ],
    ['nothing but NULs', '\0\0\0', 'x.yaml:1:1 A control character stands here (such as a NUL; take it out)'],
    ['a tag', 'resource: !!js/function "r"\nset: { a: 1 }', 'x.yaml:1:11 Unresolved tag'],
    [
      'two documents',
      'resource: r\n---\nresource: s\n',
      'x.yaml:2:1 A file holds one document: a second one begins here',
    ],
    [
      'a number of 100 000 digits',
      `resource: r\nset: { a: ${'9'.repeat(100_000)} }`,
      'x.yaml:2:11 Not a number that can be sent',
    ],
    [
      'a condition of 100 000 brackets',
      `mapping: m\nskip: [{ when: "${'('.repeat(100_000)}", reason: r }]`,
      'x.yaml:2:',
    ],
    [
      'a condition of 30 000 questions',
      `mapping: m\nskip: [{ when: ${'valued(PID-3) && '.repeat(30_000)}valued(PID-3), reason: r }]`,
      'x.yaml:2:16',
    ],
    [
      'a condition that could run for ever',
      'mapping: m\nskip: [{ when: OBX-5.matches("(a+)+b"), reason: r }]',
      'x.yaml:2:16',
    ],
    ['nothing', '', 'x.yaml:1:1 Expected a map (key: value), found nothing'],
    ['a list', '- a', 'x.yaml:1:1 Expected a map (key: value), found a list'],
  ])('%s', (_, text, problem) => {
    const problems = problemsOf(text).filter((line) => line.startsWith('x.yaml'));
    expect(problems.join('\n').slice(0, 2_000)).toContain(problem);
  });

  it('bytes that are not UTF-8', () => {
    const folder = mkdtempSync(join(tmpdir(), 'sluss-hostile-'));
    try {
      writeFileSync(join(folder, 'x.yaml'), Buffer.from('resource: r\nset: { a: "p\xe5" }\n', 'latin1'));
      const [file] = readMappingFiles([folder], folder);
      expect(problemsOf(file?.text ?? '')).toContain('x.yaml:2:13 The file is not UTF-8 (save it as UTF-8)');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('includes that go round', () => {
    const second = { path: 'y.yaml', text: 'resource: s\nset: { b: { include: r } }\n' };
    expect(problemsOf('resource: r\nset: { a: { include: s } }\n', [second])).toEqual([
      'y.yaml:2:22 "r" includes itself: r → s → r',
    ]);
  });

  it('datatypes that go round', () => {
    const datatype = { path: 'd.yaml', text: 'datatype: D\nset: { a: { from: .1, as: D } }\n' };
    expect(problemsOf('resource: r\nset: { a: { from: PID-3, as: D } }\n', [datatype])).toEqual([
      'd.yaml:2:27 "D" is made of itself: r → as D → as D',
    ]);
  });

  it('mappings that extend each other', () => {
    const other = { path: 'y.yaml', text: 'mapping: n\nextends: m\n' };
    expect(problemsOf('mapping: m\nextends: n\n', [other])).toContain('y.yaml:2:10 "m" extends itself: m → n → m');
  });
});

describe('what is only large, or only looks hostile, is read', () => {
  it.each<[string, string]>([
    ['a line of nearly 1 MB', `resource: r\nset: { a: "${'x'.repeat(990_000)}" }`],
    [
      '50 000 rows',
      `table: t\nrows:\n  '*':\n${Array.from({ length: 50_000 }, (_, row) => `    c${row}: v`).join('\n')}\n`,
    ],
    ['a list of 100 000', `resource: r\nset: { a: [${'x, '.repeat(100_000)}x] }`],
    [
      'names that objects have anyway',
      'resource: constructor\nset: { constructor: { value: 1 }, toString: x, hasOwnProperty: { from: PID-3 } }',
    ],
    ['a byte-order mark', '\ufeffresource: r\nset: { a: 1 }'],
  ])('%s', (_, text) => {
    expect(problemsOf(text).filter((line) => line.startsWith('x.yaml'))).toEqual([]);
  });

  it('and elements with such names are made like any other', () => {
    const files = [
      { path: 'user.yaml', text: USER('constructor') },
      { path: 'x.yaml', text: 'resource: constructor\nset: { constructor: { value: 1 }, valueOf: { from: PID-3 } }' },
    ];
    const { problems } = compileMappings(files, {
      channels: [],
      operations: {},
      parties: [],
      secret: new Uint8Array(32),
    });
    expect(problems).toEqual([]);
  });
});
