import { describe, expect, it } from 'vitest';
import { createClock, systemClock } from '../src/system-clock.ts';

/** A machine whose clock can be set. */
function machine(start: number) {
  const time = { wall: start, steady: 5_000 };
  const clock = createClock(
    () => time.wall,
    () => time.steady,
  );
  return {
    clock,
    set: (byMs: number) => {
      time.wall += byMs;
    },
    pass: (ms: number) => {
      time.wall += ms;
      time.steady += ms;
    },
  };
}

describe('the system clock', () => {
  it('is the machine’s', () => {
    const { clock, pass } = machine(1_000_000);
    expect(clock.now()).toBe(1_000_000);
    pass(1_234);
    expect(clock.now()).toBe(1_001_234);
    expect(Math.abs(systemClock.now() - Date.now())).toBeLessThan(1_000);
  });

  it('follows one that is set forward at once', () => {
    const { clock, set, pass } = machine(1_000_000);
    set(3_600_000);
    pass(10);
    expect(clock.now()).toBe(4_600_010);
  });

  it('goes on at half speed while one that is set back catches up, and is the machine’s again from then on', () => {
    const { clock, set, pass } = machine(10_000_000);
    set(-3_600_000);
    expect(clock.now()).toBe(10_000_000);
    pass(1_000);
    expect(clock.now()).toBe(10_000_500);
    for (let hour = 0; hour < 2; hour += 1) {
      pass(3_600_000);
      clock.now();
    }
    pass(60_000);
    expect(clock.now()).toBe(10_000_000 - 3_600_000 + 1_000 + 2 * 3_600_000 + 60_000);
  });

  it('follows a machine that is corrected by little, without ever going back', () => {
    const { clock, set, pass } = machine(1_000_000);
    let before = clock.now();
    for (let second = 0; second < 100; second += 1) {
      pass(1_000);
      set(-300);
      expect(clock.now()).toBe(before + 700);
      before = clock.now();
    }
  });

  it('calls at its time, and not where it was called off', async () => {
    const called = await new Promise<string>((resolve) => {
      const callOff = systemClock.wakeAt(systemClock.now() + 5, () => resolve('called off'));
      callOff();
      systemClock.wakeAt(systemClock.now() + 10, () => resolve('called'));
    });
    expect(called).toBe('called');
  });
});
