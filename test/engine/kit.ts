import type { Clock } from '../../src/contracts/clock.ts';
import type { Log, LogFields } from '../../src/contracts/log.ts';

/** Time that moves only when a test says so. */
export interface ManualClock extends Clock {
  /** Moves on, calling what comes due in order of time; lets promises run between the calls. */
  advance(byMs: number): Promise<void>;
  /** Sets the wall clock, and nothing else: what waits, waits for as long as before. */
  jump(byMs: number): void;
  readonly pending: number;
}

export function createManualClock(startAt = Date.UTC(2021, 5, 1, 8)): ManualClock {
  let now = startAt;
  const calls = new Set<{ atMs: number; call: () => void }>();
  const breathe = () => new Promise<void>((resolve) => setImmediate(resolve));
  return {
    now: () => now,
    wakeAt(atMs, call) {
      if (atMs <= now) {
        const soon = setImmediate(call);
        return () => clearImmediate(soon);
      }
      const entry = { atMs, call };
      calls.add(entry);
      return () => calls.delete(entry);
    },
    async advance(byMs) {
      const until = now + byMs;
      for (;;) {
        await breathe();
        const next = [...calls].sort((a, b) => a.atMs - b.atMs)[0];
        if (next === undefined || next.atMs > until) break;
        now = Math.max(now, next.atMs);
        calls.delete(next);
        next.call();
      }
      now = until;
      await breathe();
    },
    jump(byMs) {
      now += byMs;
      for (const entry of calls) entry.atMs += byMs;
    },
    get pending() {
      return calls.size;
    },
  };
}

export interface LogLine extends LogFields {
  readonly level: keyof Log;
  readonly event: string;
}

/** A log that keeps its lines and lets a test wait for one. */
export interface RecordedLog extends Log {
  readonly lines: LogLine[];
  events(): string[];
  /** Resolves with the `count`-th line of this event, waiting for it where it has not come yet. */
  seen(event: string, count?: number): Promise<LogLine>;
}

export function createRecordedLog(): RecordedLog {
  const lines: LogLine[] = [];
  let waiters: (() => void)[] = [];
  const write =
    (level: keyof Log) =>
    (event: string, fields: LogFields = {}) => {
      lines.push({ level, event, ...fields });
      const woken = waiters;
      waiters = [];
      for (const wake of woken) wake();
    };
  return {
    lines,
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    events: () => lines.map((line) => line.event),
    async seen(event, count = 1) {
      for (;;) {
        const line = lines.filter((one) => one.event === event)[count - 1];
        if (line !== undefined) return line;
        await new Promise<void>((resolve) => waiters.push(resolve));
      }
    },
  };
}

/** A promise and its handles. */
export function deferred<Value>(): { promise: Promise<Value>; resolve: (value: Value) => void } {
  let resolve: (value: Value) => void = () => {};
  const promise = new Promise<Value>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
