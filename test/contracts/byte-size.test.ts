import { describe, expect, it } from 'vitest';
import { byteSize } from '../../src/contracts/byte-size.ts';

const size = byteSize('A size.', '16 MB', { least: '1 kB', most: '1 GB' });
const problems = (value: unknown) => size.safeParse(value).error?.issues.map((one) => one.message);

describe('a size', () => {
  it.each([
    [undefined, 16_000_000],
    ['500 kB', 500_000],
    ['16 MB', 16_000_000],
    ['16MB', 16_000_000],
    ['0.5 GB', 500_000_000],
    [4_096, 4_096],
  ])('%j is %i bytes', (value, bytes) => {
    expect(size.parse(value)).toBe(bytes);
  });

  it.each(['16', '16 mb', '16 MiB', '16 B', '-1 MB', 1.5, null, ''])('is not %j', (value) => {
    expect(problems(value)).toEqual(['must be a size such as 500 kB, 16 MB or 1 GB, or a number of bytes']);
  });

  it('has its bounds', () => {
    expect(problems(999)).toEqual(['must be at least 1 kB']);
    expect(problems('2 GB')).toEqual(['must be at most 1 GB']);
  });
});
