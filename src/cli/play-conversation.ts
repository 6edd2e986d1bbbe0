import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Journal } from '../contracts/journal.ts';
import type { Log } from '../contracts/log.ts';
import { createTally } from '../engine/counters.ts';
import { ENDLESS_DISK } from '../engine/disk-reserve.ts';
import { createIntake } from '../engine/intake.ts';
import { ENDLESS_JUNK } from '../engine/junk-quota.ts';
import { ENGINE_SETTINGS } from '../engine/settings.ts';
import { parseExactJson } from '../fhir/exact-json.ts';
import { openSqliteJournal } from '../journal/sqlite.ts';
import { bodyText } from '../mapping/body-text.ts';
import { type JudgedDelivery, judge, judgeOn } from './judge.ts';
import { type FileMessage, readMessageFile } from './message-file.ts';
import type { Bench, BenchChannel } from './workbench.ts';

/** The moment at which every conversation takes place, so that its answers are always the same. */
const NOW = Date.UTC(2022, 10, 15, 12);

const SILENT: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** What became of a conversation's messages: its goldens, and what made them. */
export interface Played {
  /** `sent.json`, in the order the deliveries were admitted. */
  readonly sent: readonly SentDelivery[];
  /** One for each `in*.hl7`: the name of its golden, and the answers one after the other. */
  readonly acks: readonly { readonly file: string; readonly bytes: Buffer }[];
  /** For each of `sent`, what made it. */
  readonly makers: readonly (JudgedDelivery | null)[];
}

export interface SentDelivery {
  /** Number of the message in this conversation, from 1. */
  readonly message: number;
  readonly target: string;
  readonly operation: string;
  readonly party: string;
  /** ISO time; null = at once. */
  readonly notBefore: string | null;
  readonly state: string;
  readonly body: unknown;
}

/** True of a folder that holds `in.hl7`, or `in-1.hl7` and so on. */
export function isConversation(folder: string): boolean {
  return readdirSync(folder).some((file) => INPUT.test(file));
}

const INPUT = /^in(-\d+)?\.hl7$/;

/** The channel that `about.txt` names (`channel: lab-nord`); null = it does not, or is not there. */
function readChannelName(folder: string): string | null {
  try {
    return /^channel: (\S+)$/m.exec(readFileSync(join(folder, 'about.txt'), 'utf8'))?.[1] ?? null;
  } catch {
    return null;
  }
}

/** Takes the messages of a conversation in, through the real intake and a journal of their own; nothing is sent. */
export async function playConversation(folder: string, bench: Bench): Promise<Played> {
  const inputs = readdirSync(folder)
    .filter((file) => INPUT.test(file))
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  const named = readChannelName(folder);
  const home = mkdtempSync(join(tmpdir(), 'sluss-test-'));
  const journal = await openSqliteJournal({ path: join(home, 'journal.sqlite'), now: NOW });
  try {
    const acks: { file: string; bytes: Buffer }[] = [];
    const judged: JudgedDelivery[] = [];
    for (const file of inputs) {
      const answers: Uint8Array[] = [];
      for (const message of readMessageFile(join(folder, file))) {
        const channel = chooseChannel(message, named, bench);
        judged.push(...judgeOn(message.bytes, channel, bench).deliveries);
        answers.push((await takeIn(message, channel, bench, journal))?.bytes ?? new Uint8Array(0));
      }
      acks.push({ file: basename(file).replace(/^in/, 'ack'), bytes: Buffer.concat(answers) });
    }
    const stored = await readSent(journal);
    const makers = stored.map(({ target, operation, text }) => {
      const maker = judged.find((one) => one.target === target && one.operation === operation && one.body === text);
      return maker ?? null;
    });
    return { sent: stored.map(({ text: _, ...delivery }) => delivery), acks, makers };
  } finally {
    await journal.close();
    rmSync(home, { recursive: true });
  }
}

function chooseChannel(message: FileMessage, named: string | null, bench: Bench): BenchChannel {
  const name = named ?? judge(message.bytes, bench).channel;
  const found = bench.channels.find((channel) => channel.name === name);
  if (found !== undefined) return found;
  const [only, ...others] = bench.channels;
  if (only === undefined || others.length > 0) throw new Error(`there is no channel ${name}`);
  return only;
}

async function takeIn(message: FileMessage, channel: BenchChannel, bench: Bench, journal: Journal) {
  const intake = createIntake(channel, {
    journal,
    mapper: () => bench.mapper,
    findOperation: bench.findOperation,
    clock: { now: () => NOW, wakeAt: () => () => {} },
    log: SILENT,
    tally: createTally(),
    // Nothing is sent here, so nothing ends: with `settled` it is answered for what was made of it.
    settlements: { wait: async (id) => (await journal.readStandings([id]))[0] ?? 'overdue' },
    // Nothing is owed for later where there is no connection.
    owedAcks: { add() {}, waive() {} },
    storeFirstBytes: () => ENGINE_SETTINGS.storeFirstBytes,
    isTaking: () => true,
    reserve: ENDLESS_DISK,
    junk: ENDLESS_JUNK,
    onAdmitted: () => {},
    onJournal: () => {},
    onLeftOver: () => {},
  });
  const origin = `${basename(message.file)} #${message.number}`;
  return await intake({ bytes: message.bytes, origin, sender: null, fault: null, reply: null });
}

async function readSent(journal: Journal) {
  const all: (SentDelivery & { id: number; text: string })[] = [];
  for (let id = 1; (await journal.readMessage(id)) !== null; id += 1) {
    for (const delivery of await journal.readDeliveries(id)) {
      const { target, operation, party, state } = delivery;
      const text = bodyText(delivery.body);
      const notBefore = delivery.notBefore === null ? null : new Date(delivery.notBefore).toISOString();
      const body = parseExactJson(text);
      all.push({ id: delivery.id, message: id, target, operation, party, notBefore, state, body, text });
    }
  }
  all.sort((a, b) => a.id - b.id);
  return all.map(({ id: _, ...delivery }) => delivery);
}
