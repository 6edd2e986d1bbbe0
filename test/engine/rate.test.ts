import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRate } from '../../src/engine/rate.ts';

describe('a rate', () => {
  it('lets so many begin at once, and the next when the first is its span away', () => {
    const rate = createRate({ count: 2, perMs: 1_000 });
    expect([rate.free(0), rate.freeAt(0)]).toEqual([2, null]);
    rate.started(0);
    rate.started(300);
    expect([rate.free(300), rate.freeAt(300)]).toEqual([0, 1_000]);
    expect([rate.free(1_000), rate.freeAt(1_000)]).toEqual([1, null]);
    rate.started(1_000);
    expect(rate.freeAt(1_000)).toBe(1_300);
  });

  it('is never exceeded in any span, wherever the span begins, and never wastes room', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.array(fc.integer({ min: 0, max: 400 })), (count, gaps) => {
        const rate = createRate({ count, perMs: 1_000 });
        const starts: number[] = [];
        let now = 0;
        for (const gap of gaps) {
          now += gap;
          const recent = starts.filter((at) => at > now - 1_000).length;
          expect(rate.free(now)).toBe(count - recent);
          if (rate.free(now) === 0) continue;
          rate.started(now);
          starts.push(now);
        }
      }),
    );
  });

  it('is not held up by a clock that was set back', () => {
    const rate = createRate({ count: 1, perMs: 1_000 });
    rate.started(3_600_000);
    expect(rate.freeAt(3_600_000)).toBe(3_601_000);
    expect(rate.free(0)).toBe(1);
    rate.started(0);
    expect(rate.freeAt(0)).toBe(1_000);
  });
});
