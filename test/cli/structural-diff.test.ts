import { describe, expect, it } from 'vitest';
import { diffValues, valueAt } from '../../src/cli/structural-diff.ts';
import { parseExactJson } from '../../src/fhir/exact-json.ts';

const diff = (before: unknown, after: unknown) => diffValues(before, after).map(({ kind, path }) => `${kind} ${path}`);

describe('the difference between two values', () => {
  it('is nothing between equal ones, whatever the order of their names', () => {
    expect(diff({ a: [1, { b: 2 }], c: null }, { c: null, a: [1, { b: 2 }] })).toEqual([]);
  });

  it('is told leaf by leaf, with both values', () => {
    expect(diffValues({ code: { text: 'a' }, x: 1 }, { code: { text: 'b' }, y: 2 })).toEqual([
      { kind: 'changed', path: 'code.text', before: 'a', after: 'b' },
      { kind: 'removed', path: 'x', before: 1, after: undefined },
      { kind: 'added', path: 'y', before: undefined, after: 2 },
    ]);
  });

  it('is one addition where an item comes at the head of a list', () => {
    expect(diff({ given: ['Anna', 'Maria'] }, { given: ['Eva', 'Anna', 'Maria'] })).toEqual(['added given[0]']);
  });

  it('is within the item of a list that resembles it', () => {
    expect(diff([{ a: 1 }, { a: 2, b: 1 }], [{ a: 1 }, { a: 2, b: 3 }])).toEqual(['changed [1].b']);
  });

  it('matches entries by fullUrl wherever they stand, else by the type of their resource', () => {
    const patient = (fullUrl: string, gender: string) => ({ fullUrl, resource: { resourceType: 'Patient', gender } });
    const other = { fullUrl: 'o', resource: { resourceType: 'Observation', status: 'final' } };
    expect(diff({ entry: [patient('p', 'male'), other] }, { entry: [other, patient('p', 'female')] })).toEqual([
      'changed entry[1].resource.gender',
    ]);
    expect(diff({ entry: [patient('p', 'male')] }, { entry: [other, patient('q', 'male')] })).toEqual([
      'changed entry[1].fullUrl',
      'added entry[0]',
    ]);
  });

  it('tells 1.5 from 1.50 where digits were kept, and a text from a number', () => {
    expect(diff(parseExactJson('{"v":1.5}'), parseExactJson('{"v":1.50}'))).toEqual(['changed v']);
    expect(diff({ v: 1 }, { v: '1' })).toEqual(['changed v']);
    expect(diff({ v: [1] }, { v: { 0: 1 } })).toEqual(['changed v']);
  });
});

it('a path leads to its value, or to nothing', () => {
  const value = { entry: [{ resource: { name: [{ given: ['A', 'B'] }] } }] };
  expect(valueAt(value, 'entry[0].resource.name[0].given[1]')).toBe('B');
  expect(valueAt(value, 'entry[1].resource')).toBeUndefined();
  expect(valueAt(value, 'entry[0].resource.name[0].given[0].length')).toBeUndefined();
  expect(valueAt(value, '')).toBe(value);
});
