import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import fc from 'fast-check';

const FOLDER = resolve(import.meta.dirname, '../../fixtures/oru-r01');
const originals = globSync('*.hl7', { cwd: FOLDER })
  .sort()
  .map((file) => readFileSync(join(FOLDER, file), 'utf8').trim().split('\n'));

const TYPES =
  'NM SN ST TX FT CE CWE CNE CF IS ID DT TM TS DTM DR NR NA CQ MO CX XPN XAD XCN XTN XON EI HD ED RP VR ZZ CWE^^HL70125'.split(
    ' ',
  );
const VALUES = [
  '5.10',
  '0065.88',
  '-0.0',
  '+7',
  '1,0',
  '<7',
  '>= 100',
  '7(H)',
  '?7',
  '1e5',
  '1 000',
  '.5',
  '5.',
  '99999999999999999999.000000000000000001',
  '^28',
  '<^100',
  '^1^-^5',
  '^5^-^1',
  '^1^:^128',
  '^2^+',
  '<>^5',
  '=^3',
  '^1^-',
  '10^20',
  '3^mL&millilitre&UCUM',
  '260415000^Not detected^SCT',
  '^only text',
  'a^A^L^b^B^LN^^^as written',
  'a\\T\\b \\S\\ \\F\\ \\E\\ \\R\\',
  'line\\.br\\line',
  'a\\X0D\\b',
  '\\H\\bold\\N\\',
  '20240229081500',
  '2024-02-29',
  '20240230',
  '20240331023000',
  '20241027023000+0100',
  '2024022908',
  '0815',
  '20240101^20231231',
  'LAB^application^pdf^Base64^JVBERi0=',
  'LAB^^pdf^Base64^AAAAA',
  'LAB^text^plain^A^Plain words',
  'https://lab.example/1.pdf^^application^pdf',
  'Positiv åäö €',
  '""',
  '',
];
const UNITS = ['', 'mmol/L', 'mmol/L^^UCUM', '1^ML^METRIC', 'x^text^L^g/L^gram^UCUM', '""', '%'];
const VERSIONS = ['2.2', '2.3', '2.3.1', '2.4', '2.5', '2.5.1', '2.6', '2.7', '2.8', '2.8.2'];
const JUNK = ['', '""', '^^^', '~', '&', '^a&b&c', 'a~b^c', '\\T\\', 'x'.repeat(70), '20240501', '\u0001'];

export type Lines = string[];
type Change = (lines: Lines) => Lines;

const nth = (lines: Lines, at: number) => 1 + (at % Math.max(1, lines.length - 1));
const setField = (line: string, field: number, value: string) => {
  const fields = line.split('|');
  while (fields.length <= field) fields.push('');
  fields[field] = value;
  return fields.join('|');
};
const atSegment = (name: string, at: number, change: (line: string) => string): Change => {
  return (lines) => {
    const places = lines.flatMap((line, index) => (line.startsWith(name) ? [index] : []));
    const index = places[at % Math.max(1, places.length)];
    return index === undefined ? lines : lines.with(index, change(lines[index] ?? ''));
  };
};

const position = fc.nat(60);
/** What repeats does not begin with HL7's null, which would say that there is nothing. */
const repetitions = fc
  .tuple(
    fc.constantFrom(...VALUES.filter((value) => value !== '""')),
    fc.array(fc.constantFrom(...VALUES), { minLength: 1, maxLength: 2 }),
  )
  .map(([first, others]) => [first, ...others]);
const change: fc.Arbitrary<Change> = fc.oneof(
  // Another value, with its unit.
  fc
    .tuple(position, fc.constantFrom(...TYPES, ''), fc.constantFrom(...VALUES), fc.constantFrom(...UNITS))
    .map(([at, type, value, unit]) =>
      atSegment('OBX', at, (line) => setField(setField(setField(line, 2, type), 5, value), 6, unit)),
    ),
  fc
    .tuple(position, fc.constantFrom(...TYPES), repetitions)
    .map(([at, type, values]) =>
      atSegment('OBX', at, (line) => setField(setField(line, 2, type), 5, values.join('~'))),
    ),
  fc
    .tuple(position, fc.constantFrom('2,0 - 3', '1.5-3', '<5', '>10', '3 - 1', 'neg', '-5 - -1', '0.10 – 0.20'))
    .map(([at, range]) => atSegment('OBX', at, (line) => setField(line, 7, range))),
  // A field that is spoilt, empty or HL7's null.
  fc.tuple(position, fc.integer({ min: 1, max: 40 }), fc.constantFrom(...JUNK)).map(
    ([at, field, junk]): Change =>
      (lines) => {
        const index = nth(lines, at);
        return lines.with(index, setField(lines[index] ?? '', field, junk));
      },
  ),
  // Segments elsewhere, twice, or not at all.
  fc.tuple(position, position).map(
    ([from, to]): Change =>
      (lines) => {
        const index = nth(lines, from);
        const rest = lines.toSpliced(index, 1);
        return rest.toSpliced(1 + (to % rest.length), 0, lines[index] ?? '');
      },
  ),
  fc.tuple(position, position).map(
    ([from, to]): Change =>
      (lines) => {
        return lines.toSpliced(1 + (to % lines.length), 0, lines[nth(lines, from)] ?? '');
      },
  ),
  position.map(
    (at): Change =>
      (lines) =>
        lines.length < 3 ? lines : lines.toSpliced(nth(lines, at), 1),
  ),
  fc
    .tuple(
      position,
      fc.constantFrom(
        'NTE|1||odd note',
        'SPM|1|^S9||BLD^Blood^HL70487|||||||||||||20240501',
        'ORC|RE|P9|F9',
        'OBR|1||F9|T9^Test^L',
        'OBX|1|NM|Z9^Extra^L|1|4.20|g/L|||||F',
        'PV1|1|Q|W^1^2',
        'PID|2||other',
        'ZXX|1|a',
      ),
    )
    .map(
      ([at, line]): Change =>
        (lines) =>
          lines.toSpliced(nth(lines, at), 0, line),
    ),
  fc.constantFrom(...VERSIONS).map((version) => atSegment('MSH', 0, (line) => setField(line, 11, version))),
);

/** The lines of a message of our own, changed in up to six ways. */
export const variation: fc.Arbitrary<Lines> = fc
  .tuple(fc.constantFrom(...originals), fc.array(change, { minLength: 1, maxLength: 6 }))
  .map(([lines, changes]) => changes.reduce((changed, one) => one(changed), lines));

/** How the same message may be written. */
export const WRITINGS: Readonly<Record<string, (text: string) => string>> = {
  'with LF': (text) => text.replaceAll('\r', '\n'),
  'with CRLF': (text) => text.replaceAll('\r', '\r\n'),
  'ended twice': (text) => `${text}\r\r`,
  'with other delimiters': (text) => {
    const others: Readonly<Record<string, string>> = { '|': '$', '^': '%', '~': '`', '\\': '!', '&': ';' };
    const meanings: Readonly<Record<string, string>> = { F: '|', S: '^', T: '&', R: '~', E: '\\' };
    if (/[$%`!;]/.test(text) || !text.startsWith('MSH|^~\\&|')) return text;
    // What had to be escaped need not be any more.
    const body = text
      .slice(9)
      .replaceAll(
        /\\([FSTRE])\\|[|^~\\&]/g,
        (one, escaped?: string) => (escaped ? meanings[escaped] : others[one]) ?? one,
      );
    return `MSH$%\`!;$${body}`;
  },
};
