/**
 * bench/ measures the engine against a reference in the same run. A figure is two ways to do one thing; each is measured
 * in turn, in a process of its own, so that neither lives on what the other left behind in memory or in compiled code.
 */

type Call = () => number | Promise<number>;

/** One way to do a thing. */
export interface Side {
  readonly name: string;
  /** Makes ready and returns what is measured; the number is how many things one call did. */
  readonly prepare: () => Call | Promise<Call>;
}

/** A ratio: the rate of `ours` over the rate of `reference`. */
export interface RatioFigure {
  readonly kind: 'ratio';
  readonly name: string;
  readonly what: string;
  readonly ours: Side;
  readonly reference: Side;
  /** Least ratio that is good enough; null = only reported. */
  readonly goal: number | null;
  /** What limits it; told where it falls short. */
  readonly limit?: string;
}

/** A duration of one call, which is compared with nothing; `goalMs` is printed beside it. */
export interface DurationFigure {
  readonly kind: 'duration';
  readonly name: string;
  readonly what: string;
  readonly ours: Side;
  /** True = the first call of a fresh process counts, else calls after a warm-up. */
  readonly isCold: boolean;
  readonly goalMs: number;
  /** What limits it; told where it falls short. */
  readonly limit?: string;
}

/** What a load came to: things a second by the clock, and what else there is to say of it. */
export interface Measured {
  readonly rate: number;
  readonly more: Readonly<Record<string, number>>;
}

/** A way to do a thing in which disks, sockets and other processes have their part. */
export interface LoadSide {
  /** One of its bench; figures that name it share what it came to in a round. */
  readonly name: string;
  /** @param share of the usual amount of work: 1, or little for a first look */
  readonly measure: (share: number) => Promise<Measured>;
}

/** Things a second by the clock: over those of the reference, where there is one. */
export interface LoadFigure {
  readonly kind: 'load';
  readonly name: string;
  readonly what: string;
  readonly ours: LoadSide;
  readonly reference: LoadSide | null;
  /** Least ratio, or least rate, that is good enough; null = only reported. */
  readonly goal: number | null;
  /** What limits it; told where it falls short. */
  readonly limit?: string;
}

/** Something of which less is better: time, memory, or either over that of a reference. */
export interface QuantityFigure {
  readonly kind: 'quantity';
  readonly name: string;
  readonly what: string;
  readonly unit: 'ms' | 's' | 'MB' | 'times';
  readonly ours: LoadSide;
  readonly reference: LoadSide | null;
  readonly value: (ours: Measured, reference: Measured | null) => number;
  /** Most that is good enough; null = only reported. */
  readonly goal: number | null;
  /** What limits it; told where it falls short. */
  readonly limit?: string;
}

export type Figure = RatioFigure | DurationFigure | LoadFigure | QuantityFigure;

export interface Bench {
  readonly name: string;
  readonly summary: string;
  /** Proves that both sides do the same. @throws Error with what differs */
  readonly verify: () => void | Promise<void>;
  /** Makes what all measurements share, in the folder that `BENCH_FOLDER` names; it is removed at the end. */
  readonly prepare?: (share: number) => Promise<void>;
  readonly figures: readonly Figure[];
}

/**
 * Of the processor's time. Long enough for the compiler of hot code to have done its work: what is written for one service
 * is compiled after one second, the engine's many small functions after three to four.
 */
const WARM_UP_MS = 4000;
const MEASURE_MS = 1200;

/**
 * Calls for a while and gives how many things were done in a second of the processor's time, which other programs on
 * the machine disturb less than the clock. All threads of the process count, so garbage collection is not free.
 */
export async function measureRate(call: Call, share = 1): Promise<number> {
  await repeat(call, WARM_UP_MS * share);
  const { done, tookMs } = await repeat(call, MEASURE_MS * share);
  return (done * 1000) / tookMs;
}

/** ms of one call. */
export async function measureDuration(call: Call, isCold: boolean, share = 1): Promise<number> {
  if (!isCold) return 1000 / (await measureRate(call, share));
  const start = performance.now();
  await call();
  return performance.now() - start;
}

async function repeat(call: Call, durationMs: number): Promise<{ done: number; tookMs: number }> {
  const before = process.cpuUsage();
  let done = 0;
  for (let calls = 1; ; calls += 1) {
    const made = call();
    done += typeof made === 'number' ? made : await made;
    // Asking costs a microsecond.
    if (calls % 8 !== 0) continue;
    const { user, system } = process.cpuUsage(before);
    const tookMs = (user + system) / 1000;
    if (tookMs >= durationMs) return { done, tookMs };
  }
}

export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median =
    sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
  return { min: sorted[0] ?? 0, median, max: sorted.at(-1) ?? 0 };
}
