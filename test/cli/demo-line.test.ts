import { describe, expect, it } from 'vitest';
import { joinParts, layOutLine, tellFaults } from '../../src/cli/demo-line.ts';

const LINE = {
  answer: 'AA',
  state: 'mapped',
  detail: '2 × recovery-certificate → region-nord, 8 files, not-a-covid-test, inconclusive',
  durationMs: 156.4,
};
const print = (width: number | null, name = 'naat-negative-samordningsnummer') => {
  const { name: shown, answer, state, took, detail } = layOutLine(name, LINE, width);
  return `✓ ${shown} ${answer} ${state}${took}  ${detail}`;
};

describe('a line of the demo', () => {
  it.each([40, 80, 95, 96, 120])('fits a terminal of %i columns', (width) => {
    expect(Math.max(print(width).length, print(width, 'resent').length)).toBeLessThanOrEqual(Math.max(width, 42));
  });

  it('has room for an operation, its party and its files at 80 columns', () => {
    const detail = 'test-certificate → region-nord, 3 files';
    expect(layOutLine('resent', { ...LINE, detail }, 80).detail).toBe(detail);
  });

  it('is whole where it goes to a file', () => {
    expect(print(null)).toBe(`✓ naat-negative-samordningsnummer AA mapped    156 ms  ${LINE.detail}`);
  });

  it('says that something was cut', () => {
    expect(print(80)).toBe('✓ naat-negative-samordnings… AA mapped   2 × recovery-certificate → region-nord…');
  });
});

describe('joinParts', () => {
  it('counts what comes several times, and keeps the order', () => {
    expect(joinParts(['a → b', 'c', 'a → b', '4 files'])).toBe('2 × a → b, c, 4 files');
    expect(joinParts([])).toBe('');
  });
});

describe('tellFaults', () => {
  it('tells the first and how many more', () => {
    const [first, second] = [
      { code: 'field-required', at: 'PID-5.1.1' },
      { code: 'not-hl7', at: null },
    ] as const;
    expect(tellFaults([first, second, second])).toEqual(['field-required at PID-5.1.1 +2']);
    expect(tellFaults([second])).toEqual(['not-hl7']);
    expect(tellFaults([])).toEqual([]);
  });
});
