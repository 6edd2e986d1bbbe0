import { describe, expect, it } from 'vitest';
import { compile, makeBody, mappingFile, problemsOf } from './kit.ts';

describe('since', () => {
  const at = (sampled: string, steps = '{ 2022-03-01: 48, 2021-07-01: 72 }') => {
    const sections = { let: '{ sampled: { from: OBX-14, as: looseDateTime } }' };
    const { text, mapped } = makeBody(
      `{ a: { since: ${steps}, of: $sampled }, b: { from: OBX-5 } }`,
      ['PID|1', 'OBR|1||F', `OBX|1|ST|X||y|||||||||${sampled}`],
      { sections },
    );
    return text === null ? mapped.faults.map(({ code }) => code) : (JSON.parse(text) as { a?: number }).a;
  };

  it.each([
    ['202106302359', undefined],
    ['202107010000', 72],
    ['202202282359', 72],
    ['202203010000', 48],
    // The day is the zone's.
    ['202202282330+0000', 48],
    ['20220301', 48],
    ['', undefined],
  ])('gives for %s the value that held on that day', (sampled, value) => {
    expect(at(sampled)).toBe(value);
  });

  it('is held where what it is asked of is no day', () => {
    expect(at('2022')).toEqual(['mapping-incomplete']);
  });

  it('takes dates alone', () => {
    const rule = "[{ to: t/op, body: { set: { a: { since: { '2022-02-30': 1 }, of: MSH-7 } } } }]";
    expect(problemsOf(compile([mappingFile({ deliver: rule })]))).toEqual([
      expect.stringContaining('Expected a date (such as 2021-07-01)'),
    ]);
  });
});
