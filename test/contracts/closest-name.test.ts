import { describe, expect, it } from 'vitest';
import { closestName } from '../../src/contracts/closest-name.ts';

describe('the name that was probably meant', () => {
  it.each<[string, string[], string | null]>([
    ['form', ['from', 'first'], 'from'],
    ['FORM', ['from'], 'from'],
    ['partis', ['parties', 'port'], 'parties'],
    ['observatoin', ['observation', 'question'], 'observation'],
    ['xyz', ['abc', 'set'], null],
    ['as', ['ref', 'is'], 'is'],
    ['anything', [], null],
  ])('of %s among %j is %s', (name, known, meant) => {
    expect(closestName(name, known)).toBe(meant);
  });
});
