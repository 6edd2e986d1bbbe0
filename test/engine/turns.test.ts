import { describe, expect, it } from 'vitest';
import { createTurns } from '../../src/engine/turns.ts';
import { deferred } from './kit.ts';

describe('turns', () => {
  it('begin at once beside each other', () => {
    const turns = createTurns();
    const begun: number[] = [];
    for (const number of [1, 2, 3]) void turns.take(false, async () => void begun.push(number));
    expect(begun).toEqual([1, 2, 3]);
  });

  it('wait behind one that has to be alone, and keep their order against newcomers', async () => {
    const turns = createTurns();
    const begun: string[] = [];
    const gate = deferred<void>();
    const first = turns.take(true, () => {
      begun.push('alone');
      return gate.promise;
    });
    const rest = ['a', 'b'].map((name) => turns.take(false, async () => void begun.push(name)));
    // A newcomer that arrives in the very moment of the release.
    const late = gate.promise.then(() => turns.take(false, async () => void begun.push('late')));
    expect(begun).toEqual(['alone']);
    gate.resolve();
    await Promise.all([first, ...rest, late]);
    expect(begun).toEqual(['alone', 'a', 'b', 'late']);
  });

  it('go on after a turn that failed', async () => {
    const turns = createTurns();
    const failing = turns.take(true, () => Promise.reject(new Error('no')));
    const next = turns.take(false, () => Promise.resolve('next'));
    await expect(failing).rejects.toThrow('no');
    await expect(next).resolves.toBe('next');
  });
});
