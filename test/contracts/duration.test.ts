import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { duration, durationOr, durationOrZero } from '../../src/contracts/duration.ts';

const problems = (schema: z.ZodType, value: unknown) => schema.safeParse(value).error?.issues.map((one) => one.message);

describe('a duration', () => {
  it.each([
    ['200ms', 200],
    ['1.5s', 1_500],
    ['15m', 900_000],
    ['72h', 259_200_000],
    ['2d', 172_800_000],
  ])('%s is %i ms', (text, lengthMs) => {
    expect(duration('A wait.', '1s').parse(text)).toBe(lengthMs);
    expect(durationOrZero('A wait.', 0).parse(text)).toBe(lengthMs);
  });

  it('has a default in the same form', () => {
    expect(duration('A wait.', '1s').parse(undefined)).toBe(1_000);
    expect(durationOrZero('A wait.', '2s').parse(undefined)).toBe(2_000);
    expect(durationOrZero('A wait.', 0).parse(undefined)).toBe(0);
  });

  it.each([45_000, 0, '45', '45 s', '1h30m', '-1s', '1S', '', null, true])('is not %j', (value) => {
    expect(problems(duration('A wait.', '1s'), value)).toEqual([
      'must be a duration such as 200ms, 30s, 15m, 72h or 2d',
    ]);
  });

  it('is longer than nothing, and no longer than it may be', () => {
    expect(problems(duration('A wait.', '1s'), '0s')).toEqual(['must be longer than nothing']);
    expect(problems(duration('A wait.', '1s', '10m'), '10m')).toBeUndefined();
    expect(problems(duration('A wait.', '1s', '10m'), '601s')).toEqual(['must be at most 10m']);
  });

  it('may be one of some words where they have a meaning', () => {
    const schema = durationOr(['never', 'usual'], 'A wait.', 'usual');
    expect([schema.parse('never'), schema.parse('2d'), schema.parse(undefined)]).toEqual([
      'never',
      172_800_000,
      'usual',
    ]);
    expect(problems(schema, 'always')).toEqual([
      'must be never, or usual, or a duration such as 200ms, 30s, 15m, 72h or 2d',
    ]);
    expect(problems(schema, '0s')).toEqual(['must be longer than nothing']);
  });

  it('may be a plain 0 where that has a meaning', () => {
    expect(durationOrZero('A wait.', '1s').parse(0)).toBe(0);
    expect(problems(durationOrZero('A wait.', '1s'), 5)).toEqual([
      'must be 0 or a duration such as 200ms, 30s, 15m, 72h or 2d',
    ]);
  });

  it('stands in a JSON schema as what is written in the file', () => {
    const made = z.toJSONSchema(z.object({ wait: duration('A wait.', '30s') }), { io: 'input' });
    expect(made.properties?.wait).toMatchObject({
      type: 'string',
      title: 'duration',
      description: 'A wait.',
      default: '30s',
      pattern: expect.any(String),
    });
  });
});
