import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { configurationJsonSchema } from '../src/config/json-schema.ts';
import { ALARMS } from '../src/contracts/alarm.ts';
import { FAULTS, Fault } from '../src/contracts/fault.ts';
import { readMappingFiles } from '../src/mapping/load.ts';
import { BUILT_IN_PLUGINS } from '../src/plugins.ts';
import { type Answer, classifyAnswer, classifyError, type Failure } from '../src/targets/classify.ts';
import { covidbevisTarget } from '../src/targets/covidbevis.ts';
import { fhirTarget } from '../src/targets/fhir.ts';
import { folderTarget } from '../src/targets/folder.ts';
import { mllpTarget } from '../src/targets/mllp.ts';
import { partyConfig } from '../src/targets/parties.ts';
import { hostOf, partiesOf } from './targets/covid-world.ts';

const read = (page: string) => readFileSync(join(import.meta.dirname, '../docs', page), 'utf8');

/** The cells of a page's table, by its first heading cell. */
function readTable(page: string, head: string): string[][] {
  const lines = read(page).split('\n');
  const start = lines.findIndex((line) => line.startsWith(`| ${head} |`));
  expect(start, `the table ${head} of ${page}`).toBeGreaterThan(0);
  const end = lines.findIndex((line, index) => index > start && !line.startsWith('|'));
  return lines.slice(start + 2, end).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

const plain = (cell = '') => cell.replaceAll('`', '');

describe('docs/targets.md', () => {
  it('names every operation, and what becomes of doubt and correction', () => {
    const host = hostOf(partiesOf({}));
    const url = 'https://receiver.example.org';
    const targets = {
      covidbevis: covidbevisTarget.create(covidbevisTarget.config.parse({ url }), host),
      fhir: fhirTarget.create(fhirTarget.config.parse({ url }), host),
      folder: folderTarget.create({ path: 'nowhere' }, host),
      mllp: mllpTarget.create(mllpTarget.config.parse({ host: 'lis.example.org', port: 2575 }), host),
    };
    const inCode = Object.entries(targets).flatMap(([target, { operations }]) =>
      Object.entries(operations).map(([name, { inDoubt, onCorrection }]) => [target, name, inDoubt, onCorrection]),
    );
    const onPage = readTable('targets.md', 'target').map(([target, operation, , ...rest]) => [
      target,
      plain(operation),
      ...rest,
    ]);
    expect(onPage).toEqual(inCode);
  });

  const rows = readTable('targets.md', 'answer');
  const judged = ([, code, blame, pauses]: readonly string[]) => [plain(code), plain(blame), plain(pauses)];
  const inCode = (failure: Failure | null) => {
    if (failure === null) return ['delivered', '', ''];
    const { code } = failure.fault;
    return [code, FAULTS[code].blame, FAULTS[code].pauses ?? ''];
  };
  const answer = (status: number, more: Partial<Answer> = {}): Answer => ({
    status,
    contentType: null,
    retryAfter: null,
    body: new Uint8Array(0),
    ...more,
  });

  it('judges every status as the code does', () => {
    const onPage = new Map<number, string[]>();
    for (const row of rows) {
      if (!/^[\d–, ]+$/.test(row[0] ?? '')) continue;
      for (const range of (row[0] ?? '').split(', ')) {
        const [from, to = from] = range.split('–').map(Number);
        for (let status = from ?? 0; status <= (to ?? 0); status++) {
          expect(onPage.has(status), `${status} stands there once`).toBe(false);
          onPage.set(status, judged(row));
        }
      }
    }
    for (let status = 100; status < 600; status++) {
      expect([status, onPage.get(status)]).toEqual([status, inCode(classifyAnswer(answer(status), 0))]);
    }
    expect(onPage.size).toBe(500);
  });

  const broken = (code: string) => classifyError(Object.assign(new Error('broken'), { code }));
  const late = classifyError(new Error('aborted'), AbortSignal.abort(new Fault('target-timeout')));
  const body = Buffer.from('<html>400 The SSL certificate error</html>');
  it.each<[string, Failure | null]>([
    ['400 in HTML', classifyAnswer(answer(400, { contentType: 'text/html', body }), 0)],
    ['500–599 with Retry-After', classifyAnswer(answer(503, { retryAfter: '9' }), 0)],
    ['connection refused', broken('ECONNREFUSED')],
    ['connection refused, reset', broken('ECONNRESET')],
    ['connection refused, reset, or no such host', broken('ENOTFOUND')],
    ['TLS refused', broken('ERR_TLS_CERT_ALTNAME_INVALID')],
    ['no answer within', late],
  ])('judges %s as the code does', (beginning, failure) => {
    expect(judged(rows.find(([first]) => first?.startsWith(beginning)) ?? [])).toEqual(inCode(failure));
  });
});

describe('docs/alarms.md', () => {
  const rows = readTable('alarms.md', 'alarm');

  it('has every alarm of the table, as the table has it', () => {
    const onPage = rows.map(([name, severity, , , , toDo]) => [plain(name), severity, toDo]);
    expect(onPage).toEqual(Object.entries(ALARMS).map(([name, { severity, toDo }]) => [name, severity, toDo]));
  });

  it.each(rows.map((row) => [plain(row[0]), row.at(-1) ?? '']))('has a test that there is for %s', (_, test) => {
    const [, file = '', title = ''] = /^`([a-z-]+\.test\.ts)`: (.+)$/.exec(test) ?? [];
    expect(readFileSync(join(import.meta.dirname, 'engine', file), 'utf8')).toContain(`it('${title}'`);
  });
});

describe('the pages', () => {
  const known = new Set<string>();
  const gather = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    const { properties } = value as { properties?: object };
    for (const key of Object.keys(properties ?? {})) known.add(key);
    for (const one of Object.values(value)) gather(one);
  };
  gather(configurationJsonSchema(partyConfig, BUILT_IN_PLUGINS));
  /** Of an operation, of a mapping, of a certificate, of the service's answer. */
  const others = ['inDoubt', 'notBefore', 'notAfter', 'serialNumber', 'proofTypes', 'validThrough'];

  for (const { text } of readMappingFiles([join(import.meta.dirname, '../mappings/messages')], '.'))
    for (const [, name = ''] of (/^settings:\n([\s\S]*?)^\S/m.exec(text)?.[1] ?? '').matchAll(/^ {2}(\w+):/gm))
      known.add(name);

  it.each(['sources.md', 'targets.md', 'operation.md', 'alarms.md', 'retention.md', 'failures.md', 'covidbevis.md'])(
    '%s names only keys that there are',
    (page) => {
      const words = [...read(page).matchAll(/`([a-z][a-z]*[A-Z][A-Za-z]*)\b[^`]*`/g)].map((match) => match[1] ?? '');
      expect(words.filter((word) => !known.has(word) && !others.includes(word))).toEqual([]);
      expect(words.length).toBeGreaterThan(0);
    },
  );

  it.each(['sources.md', 'targets.md', 'operation.md', 'failures.md', 'covidbevis.md'])(
    '%s names only faults and alarms that there are',
    (page) => {
      const form =
        /`((?:target|frame|journal|party|answer|code|certificate|already|later)-[a-z-]+|deliveries-expired|too-many|not-hl7)`/g;
      const faults = [...read(page).matchAll(form)].map((match) => match[1] ?? '');
      const unknown = faults.filter((code) => !Object.hasOwn(FAULTS, code) && !Object.hasOwn(ALARMS, code));
      expect(unknown).toEqual([]);
      expect(faults.length).toBeGreaterThan(0);
    },
  );
});

describe('the links of the pages', () => {
  const folder = join(import.meta.dirname, '../docs');
  const pages = [...readdirSync(folder).filter((file) => file.endsWith('.md')), '../README.md'];
  /** As code forges make them of a heading. */
  const anchorsOf = (text: string) =>
    [...text.replaceAll(/^```[\s\S]*?^```/gm, '').matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    );

  it.each(pages)('%s lead to pages and headings that there are', (page) => {
    const links = [...readFileSync(join(folder, page), 'utf8').matchAll(/\]\(([^)\s]+)\)/g)].map(([, to = '']) => to);
    for (const link of links.filter((to) => !to.includes('://'))) {
      const [path = '', anchor] = link.split('#');
      const file = join(folder, dirname(page), path === '' ? page.replace(/^.*\//, '') : path);
      expect(existsSync(file), link).toBe(true);
      if (anchor !== undefined) expect(anchorsOf(readFileSync(file, 'utf8')), link).toContain(anchor);
    }
  });
});

describe('docs/failures.md', () => {
  const lines = read('failures.md').split('\n');
  const rows = lines.filter((line) => line.startsWith('| ') && !line.startsWith('| what fails'));
  const cells = (row: string) => row.split('|').slice(1, -1);

  it('names a test in every row', () => {
    expect(rows.length).toBeGreaterThan(80);
    for (const row of rows) {
      expect(cells(row), row).toHaveLength(5);
      expect(cells(row)[4], row).toMatch(/^ `[\w/-]+` › ./);
    }
  });

  it.each([...new Set(rows.flatMap((row) => (cells(row)[4] ?? '').split('<br>')).map((one) => one.trim()))])(
    'names a test that there is: %s',
    (named) => {
      const [, file = '', title = ''] = /^`([\w/-]+)` › (.+)$/.exec(named) ?? [];
      const folder = import.meta.dirname;
      const [found] = [`${file}.test.ts`, `${file}.ts`].filter((path) => existsSync(join(folder, path)));
      expect(found, named).toBeDefined();
      const titles = [...readFileSync(join(folder, found ?? ''), 'utf8').matchAll(/(?:'([^'\n]+)'|`([^`\n]+)`),/g)];
      expect(
        titles.some(([, plain = '', other = '']) => `${plain}${other}`.includes(title)),
        named,
      ).toBe(true);
    },
  );
});
