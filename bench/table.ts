import { spreadOf } from './figure.ts';
import { isGain, type Row } from './row.ts';

/** The table as `npm run bench` prints it: a line a figure, and what limits it where it falls short. */
export function titles(): string {
  const numbers = ['min', 'median', 'max', 'goal'].map((title) => title.padStart(8)).join('');
  return `\n${'figure'.padEnd(26)}${numbers}  ${'goal is'.padEnd(12)}${'ours/s'.padStart(9)}${'ref/s'.padStart(9)}  what`;
}

export function lineOf(row: Row): string {
  const { figure, spread, unit, ours, reference, what, limit } = row;
  const numbers = [spread.min, spread.median, spread.max].map((value) => writeNumber(value).padStart(8)).join('');
  const rates = [ours.rates, reference?.rates ?? []].map(writeRate).join('');
  const name = `${figure}${unit === 'ratio' ? '' : ` (${UNITS[unit]})`}`;
  const says = [what, ...writeMore(row)].join('; ');
  const line = `${name.padEnd(26)}${numbers}${writeGoal(row).padStart(8)}  ${writeVerdict(row).padEnd(12)}${rates}  ${says}`;
  return limit === null ? line : `${line}\n${''.padEnd(8)}limited by: ${limit}`;
}

export const UNITS: Readonly<Record<Row['unit'], string>> = {
  ratio: '×',
  rate: '/s',
  ms: 'ms',
  s: 's',
  MB: 'MB',
  times: '×',
};

export function writeGoal({ goal, unit }: Row): string {
  return goal === null ? '–' : `${isGain(unit) ? '≥' : '≤'} ${goal}`;
}

/** `met`, `short 12 %`, or `–` where there is no goal. */
export function writeVerdict({ isMet, shortBy }: Row): string {
  if (isMet === null) return '–';
  return isMet ? 'met' : `short ${Math.max(1, Math.round((shortBy ?? 0) * 100))} %`;
}

export function writeNumber(value: number): string {
  return value.toFixed(Math.abs(value) < 10 ? 2 : Math.abs(value) < 1000 ? 1 : 0);
}

function writeRate(rates: readonly number[]): string {
  const isRate = rates.some((rate) => rate > 0);
  return (isRate ? spreadOf(rates).median.toFixed(0) : '–').padStart(9);
}

/** Medians of what else was measured of our side. */
function writeMore({ ours: { more } }: Row): string[] {
  return Object.keys(more[0] ?? {}).map((key) => {
    const { median } = spreadOf(more.map((one) => one[key] ?? 0));
    return `${key} ${writeNumber(median)}`;
  });
}
