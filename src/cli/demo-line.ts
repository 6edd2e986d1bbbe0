import type { PlayedLine } from './demo-stage.ts';

/** The columns of one line, padded and cut; colours come after, as they would be counted. */
export interface DemoLine {
  readonly name: string;
  readonly answer: string;
  readonly state: string;
  /** '' where there is no room for it. */
  readonly took: string;
  readonly detail: string;
}

const NAME_WIDTH = 31;
/** On a narrow terminal: what leaves room for an operation, its party and the number of files in 80 columns. */
const NARROW_NAME_WIDTH = 26;
const ROOMY_WIDTH = 96;

/** Lays one line out for a terminal of so many columns; null = not a terminal, nothing is cut. */
export function layOutLine(name: string, line: PlayedLine, width: number | null): DemoLine {
  const isNarrow = width !== null && width < ROOMY_WIDTH;
  const nameWidth = isNarrow ? NARROW_NAME_WIDTH : NAME_WIDTH;
  const ms = line.durationMs === 0 ? '' : `${Math.round(line.durationMs)} ms`;
  const columns = {
    name: cut(name, nameWidth).padEnd(nameWidth),
    answer: line.answer.padEnd(2),
    state: line.state.padEnd(7),
    took: isNarrow ? '' : ` ${ms.padStart(8)}`,
  };
  const head = 'v '.length + nameWidth + ' AA '.length + columns.state.length + columns.took.length + '  '.length;
  return { ...columns, detail: width === null ? line.detail : cut(line.detail, Math.max(width - head, 1)) };
}

/** Joins parts in their order; one that comes several times stands once, with how often. */
export function joinParts(parts: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const part of parts) counts.set(part, (counts.get(part) ?? 0) + 1);
  return [...counts].map(([part, count]) => (count === 1 ? part : `${count} × ${part}`)).join(', ');
}

/** The first fault of a message and how many more it has; [] = none. */
export function tellFaults(faults: readonly { readonly code: string; readonly at: string | null }[]): string[] {
  const [first] = faults;
  if (first === undefined) return [];
  const more = faults.length === 1 ? '' : ` +${faults.length - 1}`;
  return [`${first.code}${first.at === null ? '' : ` at ${first.at}`}${more}`];
}

const cut = (text: string, width: number) => (text.length <= width ? text : `${text.slice(0, width - 1).trimEnd()}…`);
