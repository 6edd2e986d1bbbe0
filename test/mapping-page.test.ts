import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type FaultRecord, faultText } from '../src/contracts/fault.ts';
import { bodyText } from '../src/mapping/body-text.ts';
import { runCases } from '../src/mapping/case.ts';
import { lintMappings } from '../src/mapping/lint.ts';
import { formatProblem } from '../src/mapping/problem.ts';
import { type ChannelWish, compile, PROJECT_FILES } from './mapping/kit.ts';

const PAGE = readFileSync(join(import.meta.dirname, '../docs/mapping.md'), 'utf8');
const OPERATIONS = {
  fhir: ['transaction'],
  covidbevis: ['test-certificate', 'recovery-certificate'],
  certificates: ['write'],
  lis: ['message'],
};

interface Block {
  readonly language: string;
  /** The word behind the language: `Observation` of `json Observation`. */
  readonly about: string;
  readonly text: string;
}

interface Example {
  readonly title: string;
  readonly blocks: Block[];
}

/** The page cut at its headings. */
function readExamples(): Example[] {
  const examples: Example[] = [{ title: '', blocks: [] }];
  let open: { language: string; about: string; lines: string[] } | null = null;
  for (const line of PAGE.split('\n')) {
    const fence = /^```(\w+) ?(\w*)$/.exec(line);
    if (open === null && fence !== null) open = { language: fence[1] ?? '', about: fence[2] ?? '', lines: [] };
    else if (open === null && line.startsWith('#')) examples.push({ title: line.replace(/^#+ /, ''), blocks: [] });
    else if (open !== null && line === '```') {
      const { language, about, lines } = open;
      examples.at(-1)?.blocks.push({ language, about, text: lines.join('\n') });
      open = null;
    } else open?.lines.push(line);
  }
  return examples.filter(({ blocks }) => blocks.length > 0);
}

const all = readExamples();
const around =
  all
    .flatMap(({ blocks }) => blocks)
    .find(({ about }) => about === 'around')
    ?.text.split('\n') ?? [];
const examples = all.filter(({ blocks }) => blocks.some(({ about }) => about !== 'around'));

/** The message with the segments before it that the example does not show. */
function wholeMessage({ text, about }: Block): Uint8Array {
  const shown = text.split('\n');
  const before = around.filter((line) => !shown.some((other) => other.startsWith(line.slice(0, 3))));
  const place = (line: string) => ['MSH', 'PID', 'OBR'].indexOf(line.slice(0, 3));
  const whole = [...before, ...shown].sort((a, b) => (place(a) < 0 ? 9 : place(a)) - (place(b) < 0 ? 9 : place(b)));
  return Buffer.from(`${whole.join('\r')}\r`, about === 'latin1' ? 'latin1' : 'utf8');
}

/** JSON in which a number is its digits: 4.10 is not 4.1. */
function readJson(text: string): unknown {
  return JSON.parse(text, (_, value: unknown, context?: { readonly source?: string }) =>
    typeof value === 'number' ? { digits: context?.source } : value,
  );
}

function runExample({ blocks }: Example): (about: string) => unknown {
  const of = (language: string, about: string) =>
    blocks.filter((block) => block.language === language && block.about === about).map(({ text }) => text);
  const files = of('yaml', '').map((text, index) => ({ path: `example-${index}.yaml`, text }));
  const mapping = files.flatMap(({ text }) => /^mapping: (\S+)$/m.exec(text)?.[1] ?? [])[0] ?? 'oru-r01';
  const said = of('yaml', 'channel').map((text) => parse(text) as ChannelWish)[0] ?? {};
  const rules = of('yaml', 'with')[0];
  const wish: ChannelWish = {
    mappings: [mapping],
    ...said,
    charset: { default: null, force: null, ...said.charset },
    ...(rules === undefined ? {} : { with: rules }),
  };
  const compiled = compile([...PROJECT_FILES, ...files], wish, { operations: OPERATIONS });
  expect(compiled.problems.map(formatProblem)).toEqual([]);
  expect(lintMappings([...PROJECT_FILES, ...files]).map(formatProblem)).toEqual([]);
  const own = compiled.channels
    .get('lab')
    ?.mappings.filter(({ name }) => files.some(({ text }) => text.includes(name)));
  for (const one of own ?? []) expect(runCases(one).map(formatProblem)).toEqual([]);
  const message = blocks.find(({ language }) => language === 'hl7') as Block;
  const mapped = compiled.mapper?.map(wholeMessage(message), { channel: 'lab', sender: null });
  if (mapped === undefined) throw new Error('no mapper');
  const bodies = mapped.drafts.map(({ body }) => readJson(bodyText(body)));
  const told = (records: readonly FaultRecord[]) =>
    records.map(({ code, at, detail }) => [code, at, detail].filter((part) => part !== null).join(' '));
  return (about) => {
    if (about === 'warnings') return told(mapped.warnings);
    if (about === 'skipped') return mapped.skipped.map(({ reason }) => reason);
    if (about === 'faults') return told(mapped.faults);
    if (about === 'deliver') return mapped.drafts.map(({ target, operation }) => `${target}/${operation}`);
    expect(mapped.faults.map(faultText)).toEqual([]);
    if (about === 'body') return bodies[0];
    const { entry } = bodies[0] as {
      readonly entry: readonly { readonly resource: { readonly resourceType: string } }[];
    };
    return entry.map(({ resource }) => resource).filter(({ resourceType }) => resourceType === about);
  };
}

describe('docs/mapping.md', () => {
  it('has examples enough, and recipes in order', () => {
    expect(around.map((line) => line.slice(0, 3))).toEqual(['MSH', 'PID', 'OBR']);
    expect(examples.length).toBeGreaterThan(25);
    const recipes = examples.map(({ title }) => Number.parseInt(title, 10)).filter((number) => !Number.isNaN(number));
    expect(recipes).toEqual(Array.from({ length: 24 }, (_, index) => index + 1));
  });

  it.each(examples.map((example) => [example.title, example] as const))('%s', (_, example) => {
    const used = example.blocks.filter(({ language, about }) =>
      language === 'yaml' ? ['', 'channel', 'with'].includes(about) : ['hl7', 'json'].includes(language),
    );
    expect(used).toEqual(example.blocks);
    expect(example.blocks.filter(({ language }) => language === 'hl7')).toHaveLength(1);
    const results = example.blocks.filter(({ language }) => language === 'json');
    expect(results).not.toEqual([]);
    const outcome = runExample(example);
    for (const { about, text } of results) {
      const expected = readJson(text);
      const made = outcome(about);
      const isList = Array.isArray(expected) || !Array.isArray(made);
      if (typeof (expected as unknown[])[0] === 'string') expect(made).toEqual(expected);
      else expect(isList ? made : made[0]).toMatchObject(expected as object);
    }
  });
});
