import { existsSync, globSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { FAULTS } from '../../src/contracts/fault.ts';
import { checkResource } from '../../src/fhir/check-resource.ts';
import { BatchSplitter } from '../../src/hl7/batch.ts';
import { decodeText, encodeText, findCharset, resolveCharset } from '../../src/hl7/charset.ts';
import { STANDARD_DELIMITERS } from '../../src/hl7/delimiters.ts';
import { readHeader } from '../../src/hl7/header.ts';
import { frameMessage, MllpDecoder } from '../../src/hl7/mllp.ts';
import { listLost } from './conservation.ts';
import { type Bundle, bundlesOf, mapMessage, mapperOf } from './kit.ts';

// Public messages that nobody of us wrote. They are not part of the project, so the test does without them.
const CORPUS = resolve(import.meta.dirname, '../../../shared/corpus');
const files = existsSync(CORPUS) ? globSync('**/*.hl7', { cwd: CORPUS }).sort() : [];
if (files.length === 0) console.warn(`corpus.test.ts: nothing to do, there is no ${relative(process.cwd(), CORPUS)}`);

const POLICY = { default: 'UNICODE UTF-8', force: null };

describe.runIf(files.length > 0)('any message of the corpus', () => {
  const mapper = mapperOf('oru-r01');
  const messages = files.flatMap((file) =>
    split(readFileSync(join(CORPUS, file))).map((bytes, index) => ({ name: `${file} #${index + 1}`, bytes })),
  );
  const mapped = messages.map((one) => ({ ...one, mapped: mapMessage(mapper, one.bytes) }));
  const results = mapped.filter((one) => one.mapped.drafts.length > 0);

  test('becomes a bundle, or is refused because it is no result or no HL7', () => {
    const refused = mapped.filter((one) => one.mapped.drafts.length === 0);
    for (const { name, mapped: one } of refused) {
      expect(one.faults, name).not.toEqual([]);
      for (const { code } of one.faults) expect(FAULTS[code].blame, `${name} ${code}`).toBe('message');
    }
    console.info(`oru-r01: ${results.length} of ${messages.length} messages become bundles`);
    expect(results.length).toBeGreaterThan(80);
  });

  test('is valid FHIR, refers to nothing that is not there, and can be sent again', () => {
    for (const { name, mapped: one } of results) {
      for (const bundle of bundlesOf(one)) {
        expect(checkResource(bundle), name).toEqual([]);
        const urls = new Set(bundle.entry.map(({ fullUrl }) => fullUrl));
        expect(urls.size, name).toBe(bundle.entry.length);
        for (const reference of referencesIn(bundle)) expect(urls, name).toContain(reference);
        for (const { request } of bundle.entry) {
          expect(request.method === 'PUT' || request.ifNoneExist !== undefined, name).toBe(true);
        }
      }
    }
  });

  test('keeps every code, value, note and patient number, or says where it did not', () => {
    for (const { name, bytes, mapped: one } of results)
      expect(listLost(bytes, bundlesOf(one), one.warnings), name).toEqual([]);
  });

  test('gives the same bytes again', () => {
    for (const { name, bytes, mapped: one } of results) {
      expect(bodies(mapMessage(mapper, bytes)), name).toEqual(bodies(one));
    }
  });

  test.each<[string, (bytes: Uint8Array) => Uint8Array]>([
    ['with LF for CR', (bytes) => rewrite(bytes, (text) => text.replaceAll('\r', '\n'))],
    ['with CRLF for CR', (bytes) => rewrite(bytes, (text) => text.replaceAll('\r', '\r\n'))],
    ['out of an MLLP frame', (bytes) => unframe(frameMessage(bytes))],
    ['with other delimiters', withOtherDelimiters],
    ['in 8859/1 that MSH-18 declares', inLatin1],
  ])('says the same %s', (_, change) => {
    for (const { name, bytes, mapped: one } of results) {
      expect(bodies(mapMessage(mapper, change(bytes))), name).toEqual(bodies(one));
    }
  });

  test('has the same resources under the same ids when it is sent under another control id at another time', () => {
    for (const { name, bytes, mapped: one } of results) {
      const again = rewrite(bytes, (text) => {
        const delimiter = text[3] ?? '|';
        const [head = '', ...rest] = text.split('\r');
        const fields = head.split(delimiter);
        fields[6] = '20300101000000+0000';
        fields[9] = 'ANOTHER';
        return [fields.join(delimiter), ...rest].join('\r');
      });
      const [before, after] = [one, mapMessage(mapper, again)].map((each) => bundlesOf(each).map(lastingUrls));
      // Of nobody, and without a number, a result is only told by its message.
      if (!isAnonymous(bytes)) expect(after, name).toEqual(before);
    }
  });
});

const lastingUrls = (bundle: Bundle) =>
  bundle.entry
    .filter(({ resource }) => resource.resourceType !== 'MessageHeader')
    .map(({ request, fullUrl }) => `${request.method} ${request.url} ${fullUrl}`);

function isAnonymous(bytes: Uint8Array): boolean {
  const text = Buffer.from(bytes).toString('latin1');
  const pid = /(?:^|\r)PID([^\r]*)/.exec(text)?.[1]?.split(text[3] ?? '|') ?? [];
  const isNobody = [2, 3, 5].every((field) => (pid[field] ?? '').replaceAll(/[\^&~ ]/g, '') === '');
  const orders = [...text.matchAll(/(?:^|\r)(?:OBR|ORC)([^\r]*)/g)].map(
    (match) => match[1]?.split(text[3] ?? '|') ?? [],
  );
  return isNobody || orders.every((order) => [2, 3, 7].every((field) => (order[field] ?? '') === ''));
}

const bodies = ({ drafts }: { drafts: readonly { body: Uint8Array }[] }) =>
  drafts.map(({ body }) => Buffer.from(body).toString());

function referencesIn(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(referencesIn);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) =>
    name === 'reference' && typeof inner === 'string' ? [inner] : referencesIn(inner),
  );
}

function split(bytes: Uint8Array): Uint8Array[] {
  const splitter = new BatchSplitter(64 << 20);
  const events = [...splitter.push(bytes), ...splitter.end()];
  const cut = events.filter((event) => event.kind === 'message').map((event) => event.bytes);
  return (cut.length > 0 ? cut : [bytes]).map((one) =>
    rewrite(one, (text) => text.trimEnd().replaceAll(/\r\n?|\n/g, '\r')),
  );
}

/** Changes the text and leaves its bytes what they are. */
function rewrite(bytes: Uint8Array, change: (text: string) => string): Uint8Array {
  return Buffer.from(change(Buffer.from(bytes).toString('latin1')), 'latin1');
}

function unframe(frame: Uint8Array): Uint8Array {
  const [event] = new MllpDecoder(64 << 20).push(frame).filter(({ kind }) => kind === 'message');
  if (event?.kind !== 'message') throw new Error('no frame');
  return event.bytes;
}

/** The same message with delimiters that none of its texts has. */
function withOtherDelimiters(bytes: Uint8Array): Uint8Array {
  const { delimiters } = readHeader(bytes);
  const text = Buffer.from(bytes).toString('latin1');
  const isStandard = Object.entries(STANDARD_DELIMITERS).every(
    ([name, value]) => name === 'truncation' || delimiters[name as keyof typeof delimiters] === value,
  );
  const others = { '|': '\u0024', '^': '%', '~': '\u0060', '\\': '!', '&': ';' };
  if (!isStandard || [...Object.values(others)].some((other) => text.includes(other)) || text[8] !== '|') return bytes;
  // What had to be escaped need not be any more.
  const meanings = { F: '|', S: '^', T: '&', R: '~', E: '\\' };
  const body = text
    .slice(9)
    .replaceAll(/\\([FSTRE])\\|[|^~\\&]/g, (found, escaped?: string) =>
      escaped === undefined ? others[found as keyof typeof others] : meanings[escaped as keyof typeof meanings],
    );
  return Buffer.from(
    `MSH${others['|']}${others['^']}${others['~']}${others['\\']}${others['&']}${others['|']}${body}`,
    'latin1',
  );
}

/** The same message in 8859/1, where all its characters are there. */
function inLatin1(bytes: Uint8Array): Uint8Array {
  const header = readHeader(bytes);
  const text = decodeText(bytes, resolveCharset(header.charset, POLICY)).replace(/^\ufeff/, '');
  const latin1 = findCharset('8859/1');
  if (latin1 === null || /[^\x00-\xff]/.test(text)) return bytes;
  const [head = '', ...rest] = text.split('\r');
  const fields = head.split(header.delimiters.field);
  while (fields.length < 18) fields.push('');
  fields[17] = '8859/1';
  return encodeText([fields.join(header.delimiters.field), ...rest].join('\r'), latin1);
}
