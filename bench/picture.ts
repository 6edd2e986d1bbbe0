import { spreadOf } from './figure.ts';
import type { Row } from './row.ts';
import type { Results } from './run.ts';

interface Bar {
  readonly label: string;
  readonly rate: number;
  readonly kind: 'ours' | 'volatile' | 'theirs';
}

const FILLS: Readonly<Record<Bar['kind'], string>> = { ours: '#1f6f8b', volatile: '#c9ced3', theirs: '#d98e5f' };
const WIDTH = 860;
const LABEL_WIDTH = 330;
const NUMBER_WIDTH = 90;
const BAR_HEIGHT = 22;
const STEP = 30;

/** Mirth (OIE 4.5.2) as measured once on a machine of this kind: in, durable, at 32 connections; and to its receiver. */
const MIRTH = { in: 729, through: 157 };

/** Messages a second as bars: what an answer after the commit costs, and what others reach without one. */
export function drawPicture({ rows, machine, date }: Results): string {
  const find = (figure: string): Row | null => rows.find((row) => row.figure === figure) ?? null;
  const bar = (label: string, rates: readonly number[] | undefined, kind: Bar['kind']): Bar[] =>
    rates === undefined || rates.length === 0 ? [] : [{ label, rate: spreadOf(rates).median, kind }];
  const groups: { title: string; bars: Bar[] }[] = [
    {
      title: 'MLLP in → answered, 32 connections, messages a second',
      bars: [
        ...bar('Sluss: certificates, on disk', find('mapped-32')?.ours.rates, 'ours'),
        ...bar('Sluss: mapping off, on disk', find('mapped-32')?.reference?.rates, 'ours'),
        ...bar('simple-hl7, nothing stored', find('simple-hl7-32')?.reference?.rates, 'volatile'),
        ...bar('@medplum/hl7, nothing stored', find('medplum-32')?.reference?.rates, 'volatile'),
        ...bar('Mirth 4.5.2, on disk *', [MIRTH.in], 'theirs'),
      ],
    },
    {
      title: 'MLLP in → delivered over mutual TLS, messages a second',
      bars: [
        ...bar('Sluss, on disk', find('small')?.ours.rates, 'ours'),
        ...bar('Mirth 4.5.2, on disk *', [MIRTH.through], 'theirs'),
      ],
    },
  ];
  const parts: string[] = [];
  let y = 34;
  for (const { title, bars } of groups) {
    parts.push(text(20, y, title, 'font-weight="600"'));
    y += 14;
    const most = Math.max(...bars.map(({ rate }) => rate));
    for (const one of bars) {
      const width = Math.max(1, ((WIDTH - LABEL_WIDTH - NUMBER_WIDTH) * one.rate) / most);
      const middle = y + BAR_HEIGHT - 6;
      parts.push(text(LABEL_WIDTH - 12, middle, one.label, 'text-anchor="end"'));
      parts.push(
        `<rect x="${LABEL_WIDTH}" y="${y}" width="${width.toFixed(1)}" height="${BAR_HEIGHT}" rx="2" fill="${FILLS[one.kind]}"/>`,
      );
      parts.push(text(LABEL_WIDTH + width + 8, middle, Math.round(one.rate).toLocaleString('en').replaceAll(',', ' ')));
      y += STEP;
    }
    y += 34;
  }
  parts.push(
    text(
      20,
      y - 8,
      `${machine}; ${date}; medians. * measured once, on another machine of this kind`,
      'font-size="12" fill="#667"',
    ),
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y + 8}" font-family="system-ui, sans-serif" font-size="14" fill="#223">
<rect width="100%" height="100%" fill="#fff"/>
${parts.join('\n')}
</svg>
`;
}

function text(x: number, y: number, content: string, more = ''): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${x.toFixed(0)}" y="${y}" ${more}>${escaped}</text>`;
}
