import { mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { BatchSplitter } from '../src/hl7/batch.ts';
import { readHeader } from '../src/hl7/header.ts';
import { parseMessage } from '../src/hl7/message.ts';
import type { Bench, LoadSide, Measured } from './figure.ts';
import { benchMessage } from './whole/bench-message.ts';
import { type Installation, install, type RunningEngine } from './whole/installation.ts';

const IN_ONE_FILE = 100_000;
const FILES = 10_000;
const LOOK_MS = 10;

const batch: LoadSide = { name: 'engine, one file', measure: measureBatch };
const files: LoadSide = { name: 'engine, many files', measure: measureFiles };
const parsing: LoadSide = { name: 'split and parsed, nothing else', measure: measureParsing };

export const bench: Bench = {
  name: 'folder',
  summary: 'files → mapped → on disk → answers beside them',
  verify() {},
  figures: [
    {
      kind: 'load',
      name: 'batch',
      what: `${IN_ONE_FILE} messages in one batch file, certificate mapping: from its appearing to its being done`,
      ours: batch,
      reference: null,
      goal: 8_000,
      limit:
        'the mapping and the journal’s thread, as for MLLP (ingest): a message takes 315 to 333 µs of both processors',
    },
    {
      kind: 'load',
      name: 'batch ÷ parsing',
      what: 'the same ÷ the file split and every field of its messages parsed, in memory',
      ours: batch,
      reference: parsing,
      goal: null,
    },
    {
      kind: 'quantity',
      name: 'files',
      what: `${FILES} files of one message: from the first appearing to the last being done`,
      unit: 's',
      ours: files,
      reference: null,
      value: ({ more }) => more.tookS ?? 0,
      goal: 10,
      limit:
        'the library that watches the folder looks at every file in it whenever one comes or goes, which is two thirds of the time of 10 000 files: asked for the folder’s own events alone it took 25 s, which is left until what that does to files that are still being written is understood. The rest: files are taken one after the other, each with commits and renames of its own that the disk has to confirm',
    },
  ],
};

async function measureBatch(share: number): Promise<Measured> {
  const count = Math.ceil(IN_ONE_FILE * share);
  return await measureInbox(count, (folder) => writeFileSync(join(folder, 'batch.hl7'), makeBatch(count)), 1);
}

async function measureFiles(share: number): Promise<Measured> {
  const count = Math.ceil(FILES * share);
  const write = (folder: string) => {
    for (let number = 0; number < count; number += 1) {
      writeFileSync(join(folder, `${String(number).padStart(6, '0')}.hl7`), certificate(number));
    }
  };
  return await measureInbox(count, write, count);
}

/** Files are written elsewhere and then all appear at once, as one rename does it for each. */
async function measureInbox(messages: number, write: (folder: string) => void, files: number): Promise<Measured> {
  await using site = await install({ source: 'folder', answer: 'closed' });
  const prepared = join(site.folder, 'prepared');
  mkdirSync(prepared);
  write(prepared);
  const engine = await site.launch();
  const before = engine.spentMs();
  const startedAt = performance.now();
  for (const name of readdirSync(prepared)) renameSync(join(prepared, name), join(site.inbox, name));
  await allDone(site, engine, files);
  const tookMs = performance.now() - startedAt;
  const waiting = site.deliveries('waiting');
  if (waiting !== messages) throw new Error(`of ${messages} messages ${waiting} became deliveries`);
  const allUs = ((engine.spentMs().all - before.all) * 1_000) / messages;
  return { rate: (messages * 1_000) / tookMs, more: { tookS: tookMs / 1_000, allUs, residentMb: engine.residentMb() } };
}

/** Done is a file with its answers beside it. */
async function allDone(site: Installation, engine: RunningEngine, files: number): Promise<void> {
  const done = join(site.inbox, 'done');
  while (readdirSync(done).filter((name) => name.endsWith('.hl7')).length < files) {
    engine.mustRun();
    await wait(LOOK_MS * Math.max(1, files / 200));
  }
}

/** Every segment of every message split into its fields. */
async function measureParsing(share: number): Promise<Measured> {
  const count = Math.ceil(IN_ONE_FILE * share);
  const bytes = makeBatch(count);
  const startedAt = performance.now();
  const splitter = new BatchSplitter(1 << 24);
  let parsed = 0;
  for (const event of [...splitter.push(bytes), ...splitter.end()]) {
    if (event.kind !== 'message') continue;
    const { delimiters } = readHeader(event.bytes);
    const message = parseMessage(Buffer.from(event.bytes).toString('utf8'), delimiters);
    for (const segment of message.segments) segment.field(1);
    parsed += 1;
  }
  if (parsed !== count) throw new Error(`of ${count} messages ${parsed} were parsed`);
  return { rate: (count * 1_000) / (performance.now() - startedAt), more: {} };
}

function makeBatch(count: number): Buffer {
  const messages = Array.from({ length: count }, (_, number) => certificate(number));
  return Buffer.concat([
    Buffer.from('BHS|^~\\&|ANALYS|LAB|SLUSS|COVIDBEVIS|20221114153000\r'),
    ...messages,
    Buffer.from(`BTS|${count}\r`),
  ]);
}

const certificate = (number: number) => benchMessage(number, { kind: 'certificate' });
