/**
 * `npm run soak [-- --messages 2000000] [--step 100000] [--connections 8] [--window 16] [--answer small|canned]`: the
 * real engine as a process of its own takes message after message, from MLLP to the certificate service's stand-in (mutual
 * TLS; answers of 2 kB, or canned ones with a PDF and a QR code, which fill the disk with 22 kB a message). After
 * each step it says what a step cost and what the engine holds; at the end, what the journal's bytes are made of. Ends
 * with 1 where memory grew by more than a fifth after the first step, handles were left open, a message was not taken,
 * or the service's ledger and the journal do not agree.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import Database from 'better-sqlite3';
import { settled } from '../test/whole/crash-run.ts';
import { testMessage } from '../test/whole/message.ts';
import { sendWithManners } from '../test/whole/mllp-sender.ts';
import { makeSite, type Site } from '../test/whole/site.ts';

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '2000000' },
    step: { type: 'string', default: '100000' },
    connections: { type: 'string', default: '8' },
    window: { type: 'string', default: '16' },
    answer: { type: 'string', default: 'small' },
  },
});
const connections = Number(values.connections);
const step = Math.min(Number(values.step), Number(values.messages));
/** Of one connection at a time: what is prepared must not be what grows. */
const PORTION = 1_000;
const PATIENCE_MS = 600_000;
const MEMORY_GROWTH = 1.2;
/** Connections to the service come and go within the pool. */
const HANDLES_TO_SPARE = 20;

interface Holding {
  readonly residentMb: number;
  readonly handles: number;
}

const answer = values.answer === 'canned' ? 'canned' : 'small';
await using site = await makeSite({ service: { answer }, target: ['concurrency: 16'] });
const engine = await site.start();
const port = await site.port('lab-nord');
const look = (): Holding => {
  const status = readFileSync(`/proc/${engine.pid}/status`, 'utf8');
  const residentMb = Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
  return { residentMb, handles: readdirSync(`/proc/${engine.pid}/fd`).length };
};
const atRest = look();
console.log(`load ${loadavg()[0]?.toFixed(1)}; at start ${atRest.residentMb} MB, ${atRest.handles} handles`);

const problems: string[] = [];
let sent = 0;
let journalBytes = 0;
let first: Holding | null = null;
while (sent < Number(values.messages) && problems.length === 0) {
  const beganAt = performance.now();
  const count = Math.min(step, Number(values.messages) - sent);
  await sendStep(sent, count);
  const takenMs = performance.now() - beganAt;
  sent += count;
  await settled(engine, site, PATIENCE_MS);
  const allMs = performance.now() - beganAt;
  const now = look();
  const bytes = sizeOf(site.journalFile);
  const perSecond = (ms: number) => Math.round((count * 1_000) / ms);
  console.log(
    `${sent}: AA ${perSecond(takenMs)}/s, delivered ${perSecond(allMs)}/s, resident ${now.residentMb} MB, heap ${await readHeapMb()} MB, ` +
      `${now.handles} handles, journal ${Math.round(bytes / 1e6)} MB (${Math.round((bytes - journalBytes) / count)} bytes a message)`,
  );
  journalBytes = bytes;
  first ??= now;
}
const last = look();
if (first !== null && last.residentMb > first.residentMb * MEMORY_GROWTH) {
  problems.push(`resident memory grew from ${first.residentMb} MB after the first step to ${last.residentMb} MB`);
}
if (last.handles > atRest.handles + HANDLES_TO_SPARE) {
  problems.push(`${last.handles} handles are open, at start it was ${atRest.handles}`);
}
const { code } = await engine.stop();
if (code !== 0) problems.push(`the engine ended with ${code}`);
const { ledger } = site.standIn;
if (ledger.certificates() !== sent) problems.push(`${sent} were taken, ${ledger.certificates()} certificates issued`);
if (ledger.crossed().length > 0) problems.push(`${ledger.crossed().length} went under another certificate`);
for (const line of readJournal(site)) console.log(line);
for (const problem of problems) console.error(`NOT AS IT MUST BE: ${problem}`);
console.log(`${sent} messages, ${problems.length} problems`);
process.exitCode = problems.length > 0 ? 1 : 0;

/** Every connection has its own persons and takes each answer up; whatever is not AA ends it all. */
async function sendStep(from: number, count: number): Promise<void> {
  const each = Math.floor(count / connections);
  const senders = Array.from({ length: connections }, async (_, connection) => {
    const start = from + connection * each;
    const end = connection === connections - 1 ? from + count : start + each;
    for (let at = start; at < end; at += PORTION) {
      const sendings = Array.from({ length: Math.min(PORTION, end - at) }, (__, index) => sendingOf(at + index));
      const taken = new Set<string>();
      const figures = await sendWithManners(sendings, {
        port: async () => port,
        window: Number(values.window),
        onTaken: ({ controlId }) => void taken.add(controlId),
      });
      problems.push(...figures.wrong);
      if (taken.size !== sendings.length) problems.push(`${taken.size} of ${sendings.length} were taken`);
    }
  });
  await Promise.all(senders);
}

/** One in ten is a second result of the person before. */
function sendingOf(number: number) {
  const controlId = `K${number}`;
  const person = number - (number % 10 === 9 ? 1 : 0);
  return { controlId, bytes: testMessage({ controlId, person, results: [controlId] }) };
}

async function readHeapMb(): Promise<string> {
  const page = await (await fetch(`${await engine.consoleUrl()}/metrics`)).text();
  const bytes = /^\w*nodejs_heap_size_used_bytes (\S+)/m.exec(page)?.[1];
  return bytes === undefined ? '?' : String(Math.round(Number(bytes) / 1e6));
}

function sizeOf(path: string): number {
  return [path, `${path}-wal`].reduce((sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0), 0);
}

/** What the journal says of itself: whole, everything delivered, and where its bytes are. */
function readJournal({ journalFile }: Site): string[] {
  const db = new Database(journalFile, { readonly: true });
  try {
    const number = (sql: string) => Number(db.prepare(sql).pluck().get());
    if (db.pragma('quick_check', { simple: true }) !== 'ok') problems.push('the journal is not whole');
    const stored = number("select count(*) from messages where state = 'mapped'");
    const delivered = number("select count(*) from deliveries where state = 'delivered'");
    if (stored !== sent || delivered !== sent) {
      problems.push(`${sent} were taken; the journal has ${stored} mapped and ${delivered} delivered`);
    }
    const tables = db
      .prepare<[], { name: string; size: number; unused: number; pages: number }>(
        'select name, sum(pgsize) as size, sum(unused) as unused, count(*) as pages from dbstat group by name order by size desc',
      )
      .all();
    const lines = tables
      .filter(({ size }) => size / sent >= 1)
      .map(({ name, size, unused }) => {
        const share = `${Math.round(size / sent)} bytes a message`.padStart(24);
        return `${share}  ${name}, ${Math.round((unused * 100) / size)} % of it free`;
      });
    const free = number('select freelist_count from pragma_freelist_count');
    return [`the journal, ${Math.round(sizeOf(journalFile) / sent)} bytes a message, ${free} free pages:`, ...lines];
  } finally {
    db.close();
  }
}
