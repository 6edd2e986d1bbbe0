import { beforeAll, describe, expect, it } from 'vitest';
import { drawAccount, isUneven, takeAccount } from '../../bench/fortnight/account.ts';
import { checkAlarms } from '../../bench/fortnight/alarms.ts';
import { PLANTS } from '../../bench/fortnight/plants.ts';
import { reconcile } from '../../bench/fortnight/reconcile.ts';
import { type Fortnight, playFortnight } from '../../bench/fortnight/run.ts';

/** Few, but each kind of case is among them. */
const RESULTS = 70;

describe('a fortnight of two laboratories and three care providers', { timeout: 300_000 }, () => {
  let fortnight: Fortnight;
  beforeAll(async () => {
    fortnight = await playFortnight({
      seed: 5,
      results: RESULTS,
      days: 14,
      now: Date.now(),
      after: null,
      say: () => {},
    });
  }, 300_000);

  const judge = (books: Fortnight['books']) => [
    ...reconcile(fortnight.foreseen, books),
    ...checkAlarms(fortnight.foreseen, books, fortnight.world),
  ];

  it('ends with a ledger, a journal, an inbox and an evidence export that agree to the last row', () => {
    const { books, foreseen, problems } = fortnight;
    expect([...problems, ...judge(books)]).toEqual([]);
    expect(takeAccount(foreseen, books).filter(isUneven)).toEqual([]);
    // Of each kind there is something, or they would agree on nothing.
    const states = new Set(
      foreseen.flatMap(({ expected }) => expected.deliveries.map(({ state, why }) => why ?? state)),
    );
    const all = [
      'delivered',
      'waiting',
      'superseded',
      'stale',
      'expired',
      'not-first',
      'waived',
      'lacking',
      'cancelled',
    ];
    expect([...states]).toEqual(expect.arrayContaining([...all, 'already-delivered']));
  });

  it('is summed up in an aligned table', () => {
    const lines = drawAccount(takeAccount(fortnight.foreseen, fortnight.books));
    expect(lines[0]).toMatch(/^ +expected +journal +ledger +inbox +evidence$/);
    expect(lines.length).toBeGreaterThan(60);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(lines[0]!.length);
  });

  it.each(Object.keys(PLANTS))('does not pass with books that were falsified: %s', (name) => {
    expect(judge(PLANTS[name]!(fortnight.books))).not.toEqual([]);
  });
});
