import type { Figure, Measured, Spread } from './figure.ts';
import { spreadOf } from './figure.ts';

/** One line of the table, as it stands in the JSON. */
export interface Row {
  readonly bench: string;
  readonly figure: string;
  readonly what: string;
  readonly unit: 'ratio' | 'rate' | 'ms' | 's' | 'MB' | 'times';
  readonly goal: number | null;
  /** null = there is no goal. By the median. */
  readonly isMet: boolean | null;
  /** How far the median is from the goal, as a share of it; null where it is met, or there is none. */
  readonly shortBy: number | null;
  /** What limits it, where it falls short. */
  readonly limit: string | null;
  readonly spread: Spread;
  readonly ours: SideRow;
  readonly reference: SideRow | null;
}

/** What one side came to, by run: things a second of processor time, or of the clock for a load. */
interface SideRow {
  readonly name: string;
  readonly rates: readonly number[];
  readonly more: readonly Measured['more'][];
}

/** More is better; of the others, less is. */
const GAINS: readonly Row['unit'][] = ['ratio', 'rate'];

export function isGain(unit: Row['unit']): boolean {
  return GAINS.includes(unit);
}

/** @param ours what it came to in each run; for a `duration` the rate is its ms */
export function makeRow(bench: string, figure: Figure, ours: readonly Measured[], reference: readonly Measured[]): Row {
  const values = ours.map((one, run) => figureOf(figure, one, reference[run] ?? null));
  const spread = spreadOf(values);
  const unit = unitOf(figure);
  const goal = figure.kind === 'duration' ? figure.goalMs : figure.goal;
  const isMet = goal === null ? null : isGain(unit) ? spread.median >= goal : spread.median <= goal;
  const sideOf = (name: string, measured: readonly Measured[]): SideRow => ({
    name,
    rates: figure.kind === 'duration' ? [] : measured.map(({ rate }) => rate),
    more: measured.map(({ more }) => more),
  });
  const other = figure.kind === 'duration' ? null : figure.reference;
  return {
    bench,
    figure: figure.name,
    what: figure.what,
    unit,
    goal,
    isMet,
    shortBy: isMet === false && goal !== null ? Math.abs(spread.median / goal - 1) : null,
    limit: isMet === false ? (figure.limit ?? null) : null,
    spread,
    ours: sideOf(figure.ours.name, ours),
    reference: other === null ? null : sideOf(other.name, reference),
  };
}

function unitOf(figure: Figure): Row['unit'] {
  if (figure.kind === 'duration') return 'ms';
  if (figure.kind === 'quantity') return figure.unit;
  return figure.kind === 'load' && figure.reference === null ? 'rate' : 'ratio';
}

function figureOf(figure: Figure, ours: Measured, reference: Measured | null): number {
  if (figure.kind === 'quantity') return figure.value(ours, reference);
  return reference === null ? ours.rate : ours.rate / reference.rate;
}
