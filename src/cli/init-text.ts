import { basename } from 'node:path';
import type { MissedCode, Survey } from './survey.ts';

/** An organisationsnummer that is nobody's, with a valid check digit. */
const PLACEHOLDER_NUMBER = '559999-9991';

/** The text of `sluss.yaml` for one sender. */
export function configurationText(
  survey: Survey,
  { name, sample, mappings }: { name: string; sample: string; mappings: string },
): string {
  const { header } = survey;
  return lines(
    `# Begun by sluss init from ${comment(basename(sample))} (${header.messageCode}^${header.triggerEvent} ${comment(header.version)}).`,
    '# What the sample does not say is a question: "# ?".',
    'journal: journal.sqlite',
    '# Identifiers are derived from it. Made at the first start; keep it, and keep a copy.',
    'secret: { file: secret, create: true }',
    `mappings: [${scalar(mappings)}, mappings]`,
    '',
    'console:',
    '  port: 9464',
    '',
    'parties:',
    ...partyLines(survey, name),
    '',
    'targets:',
    '  fhir:',
    '    kind: fhir',
    '    # ? Base URL of the FHIR R4 server.',
    '    url: https://fhir.example.org/r4',
    '    # ? Is the client certificate enough (mtls), or are access tokens needed (oauth2)?',
    '    auth: mtls',
    '',
    'channels:',
    ...channelLines(survey, name, FIRST_PORT),
  );
}

/** Port of MLLP's registration; a second laboratory gets the next. */
export const FIRST_PORT = 2575;

/** What one more sender adds to a configuration that is there. */
export function additionText(survey: Survey, name: string, port: number): string {
  return lines('parties:', ...partyLines(survey, name), '', 'channels:', ...channelLines(survey, name, port));
}

function partyLines(survey: Survey, name: string): string[] {
  const { organisationNumber } = survey;
  const number =
    organisationNumber === null
      ? [
          '    # ? Organisationsnummer of the care provider, as in its client certificate. This one is a placeholder.',
          `    organisationsnummer: ${PLACEHOLDER_NUMBER}`,
        ]
      : [
          `    # MSH says ${organisationNumber}. ? Is it the care provider on whose behalf results are sent?`,
          `    organisationsnummer: ${organisationNumber.replace(/^(?:16)?(\d{6})-?(\d{4})$/, '$1-$2')}`,
        ];
  return [
    `  ${name}:`,
    '    # ? Name of the care provider as it shall print.',
    `    name: ${scalar(survey.sender || name)}`,
    ...number,
    '    # ? Client certificate towards the receiver, PEM; sluss check says what is wrong with it.',
    '    certificate:',
    `      cert: pki/${name}.crt`,
    `      key: pki/${name}.key`,
  ];
}

function channelLines(survey: Survey, name: string, port: number): string[] {
  return [
    `  ${name}:`,
    '    # ? Does it send over MLLP, to which address and port, with TLS? Or does it write files (kind: folder, path: …)?',
    `    source: { kind: mllp, host: 127.0.0.1, port: ${port} }`,
    `    mappings: [${name}]`,
    `    parties: [${name}]`,
    ...charsetLines(survey),
  ];
}

function charsetLines({ charset, looksLike }: Survey): string[] {
  if (charset !== null) return [`    # MSH-18 says ${comment(charset)}; nothing else is needed.`];
  if (looksLike === null) {
    return [
      '    # ? MSH-18 is empty, and the sample holds no letter beyond ASCII. Which character set does the sender write?',
      '    # charset: { default: 8859/1 }',
    ];
  }
  return [
    `    # MSH-18 is empty; the bytes of the sample are those of ${looksLike}. ? Is that so?`,
    `    charset: { default: ${looksLike} }`,
  ];
}

/** The text of the sender's mapping. */
export function overlayText(
  survey: Survey,
  { name, sample, base, schema }: { name: string; sample: string; base: string; schema: string },
): string {
  return lines(
    `# yaml-language-server: $schema=${schema}`,
    `# ${comment(survey.sender || name)}: what it does otherwise than ${base}. Begun by sluss init from ${comment(basename(sample))}.`,
    '# What the sample does not say is a question: "# ?".',
    `mapping: ${name}`,
    `extends: ${base}`,
    `summary: ${scalar(`ORU^R01 of ${survey.sender || name} → FHIR`)}`,
    ...zoneLines(survey),
    '',
    'settings:',
    '  # Tells this sender’s numbers from another’s.',
    `  sender: { value: ${scalar(survey.sender || name)} }`,
    ...tableLines(survey),
    ...warningLines(survey),
    ...unusedLines(survey),
  );
}

function zoneLines({ zone: { offsets, zone } }: Survey): string[] {
  if (offsets.length === 0) {
    return [
      '# ? Times in the sample bear no offset, so nothing says in which zone the sender’s clock runs. Which is it?',
      'zone: Europe/Stockholm',
    ];
  }
  const said = offsets.join(', ');
  return zone === null
    ? [`# ? Times bear the offset ${said}. In which zone are those that bear none?`, 'zone: Europe/Stockholm']
    : [`# ? Times bear the offset ${said}, as in this zone. Is it that of times without offset, too?`, `zone: ${zone}`];
}

/** One block, so that taking the # away gives one `tables:`. */
function tableLines({ systems, misses }: Survey): string[] {
  if (systems.length === 0 && misses.length === 0) return [];
  const tables = new Map<string, MissedCode[]>();
  for (const miss of misses) tables.set(miss.table, [...(tables.get(miss.table) ?? []), miss]);
  return [
    '',
    '# ? What do these mean? The tables have no row for them. Fill in what stands for …, and take away "# " of those lines',
    '#   and of the lines they stand under; leave out what the receiver does not need.',
    '# tables:',
    ...(systems.length === 0
      ? []
      : [
          '#   coding-systems: # Until a system has its URI, its codes are sent without a system.',
          '#     rows:',
          "#       '*':",
          ...systems.map(
            ({ system, example, count }) =>
              `#         ${scalar(system)}: http://… # ${times(count)}, for example ${comment(example)}`,
          ),
        ]),
    ...[...tables].flatMap(([table, rows]) => [
      `#   ${table}:`,
      '#     rows:',
      "#       '*':",
      ...rows.map(
        ({ code, text, field, count }) =>
          `#         ${scalar(code)}: … # ${field}, ${times(count)}${text === '' ? '' : `, ${comment(text)}`}`,
      ),
    ]),
  ];
}

function warningLines({ warnings }: Survey): string[] {
  if (warnings.length === 0) return [];
  return [
    '',
    '# ? Values at these places do not fit their type, and are kept as they came or left out. What is meant by them?',
    ...warnings.map(({ text, at }) => `#   ${at}: ${comment(text)}`),
  ];
}

function unusedLines({ unused }: Survey): string[] {
  if (unused.length === 0) return [];
  return [
    '',
    '# ? Nothing uses these fields of the sample. Does the receiver need any of them? A rule for one looks like this:',
    '#   resources:',
    '#     observation:',
    '#       set:',
    `#         note: [{ set: { text: { from: ${unused.find((field) => field.startsWith('OBX')) ?? unused[0]} } } }]`,
    ...wrapList(unused),
  ];
}

function wrapList(words: readonly string[]): string[] {
  const rows: string[] = [];
  for (const word of words) {
    const last = rows.at(-1);
    if (last === undefined || last.length + word.length > 96) rows.push(`#   ${word}`);
    else rows[rows.length - 1] = `${last}, ${word}`;
  }
  return rows;
}

const times = (count: number) => (count === 1 ? 'once' : `${count} times`);

/** A text within a comment: on one line, and no longer than is useful. */
function comment(text: string): string {
  // What a sample holds could end the comment, or drive a terminal.
  const line = oneLine(text);
  return line.length > 60 ? `${line.slice(0, 60).replace(/\s*\S*$/, '') || line.slice(0, 59)} …` : line;
}

const oneLine = (text: string) => text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, ' ');

/** A scalar as YAML takes it for a text. */
function scalar(text: string): string {
  const line = oneLine(text);
  return /^[A-Za-z][A-Za-z0-9._/-]*$/.test(line) && !/^(true|false|null|yes|no|on|off)$/i.test(line)
    ? line
    : `'${line.replaceAll("'", "''")}'`;
}

function lines(...all: string[]): string {
  return `${all.join('\n')}\n`;
}
