import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { drawPicture } from './picture.ts';
import type { Row } from './row.ts';
import type { Results } from './run.ts';
import { UNITS, writeGoal, writeNumber, writeVerdict } from './table.ts';

const ROOT = join(import.meta.dirname, '..');
const BEGIN = '<!-- Made by `npm run bench -- --readme`; do not edit. -->';
const END = '<!-- End of what the bench made. -->';

/**
 * Puts the figures into README.md, with a picture and all of them as JSON in docs/.
 * @throws Error where they are of a quick run, or README.md has no place for them
 */
export function writePerformance(results: Results): void {
  if (results.isQuick) throw new Error('figures of a quick run say nothing: they are not put into README.md');
  const file = join(ROOT, 'README.md');
  writeFileSync(file, putBetween(readFileSync(file, 'utf8'), writeSection(results)));
  writeFileSync(join(ROOT, 'docs/performance.json'), `${JSON.stringify(results, null, 2)}\n`);
  writeFileSync(join(ROOT, 'docs/performance.svg'), drawPicture(results));
}

/** @throws Error where the marks are missing */
export function putBetween(text: string, section: string): string {
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`README.md has no “${BEGIN}” with an end`);
  return `${text.slice(0, begin + BEGIN.length)}\n\n${section.trim()}\n\n${text.slice(end)}`;
}

/** What has a goal, and what limits it where it falls short; the rest is in the JSON. */
export function writeSection({ rows, runs, machine, versions, revision, date }: Results): string {
  const aimed = rows.filter(({ goal }) => goal !== null);
  const short = aimed.filter(({ isMet }) => isMet === false);
  const lines = aimed.map((row) => {
    const { median, min, max } = row.spread;
    const unit = UNITS[row.unit] === '×' ? ' ×' : ` ${UNITS[row.unit]}`;
    const figure = `**${writeNumber(median)}${unit}** (${writeNumber(min)} – ${writeNumber(max)})`;
    return `| ${row.bench} | ${row.what.replaceAll('|', '\\|')} | ${figure} | ${writeGoal(row)} | ${writeVerdict(row)} |`;
  });
  return [
    `Measured on ${date} on one machine (${machine}; ${versions}; revision ${revision}), on which the senders, the engine`,
    `and what it delivers to ran side by side. Each figure is the median of ${runs} runs, with the least and the greatest; sides that`,
    'are compared took turns. [docs/performance.json](docs/performance.json) has every run; `npm run bench` makes all of it anew.',
    '',
    '![Messages a second, with and without durability](docs/performance.svg)',
    '',
    '| bench | what | median (least – greatest) | goal | |',
    '|---|---|---|---|---|',
    ...lines,
    '',
    ...short.map(writeShortfall),
    ...(short.length === 0 ? [] : ['']),
  ].join('\n');
}

function writeShortfall(row: Row): string {
  return `- \`${row.figure}\` (${row.bench}) is ${writeVerdict(row)} of its goal${row.limit === null ? '' : `: ${row.limit}`}.`;
}
