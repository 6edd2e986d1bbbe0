import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { StoredDelivery } from '../../src/contracts/journal.ts';
import { ANY_MESSAGE, type PageMark } from '../../src/contracts/operations.ts';
import { openJournalReader } from '../../src/journal/reader.ts';
import type { LedgerEntry, Refusal } from '../../src/simulators/covidbevis/ledger.ts';
import { runSluss } from './run-sluss.ts';
import type { Site } from './site.ts';
import type { Lab } from './world.ts';

/** What everybody has written down in the end; each of the books by its own means. */
export interface Books {
  readonly journal: readonly JournalMessage[];
  readonly ledger: readonly LedgerEntry[];
  readonly refusals: readonly Refusal[];
  readonly inbox: Inbox;
  readonly evidence: readonly EvidenceRow[];
  /** Rows of the export as CSV, by care provider. */
  readonly evidenceByParty: ReadonlyMap<string, number>;
  readonly alarms: readonly RaisedAlarm[];
}

export interface JournalMessage {
  readonly id: number;
  readonly channel: string;
  /** Of its bytes. */
  readonly hash: string;
  readonly controlId: string | null;
  readonly state: string;
  readonly reasons: readonly string[];
  readonly faults: readonly string[];
  readonly timesSeen: number;
  readonly linked: number;
  readonly isControlIdReused: boolean;
  readonly deliveries: readonly JournalDelivery[];
}

export interface JournalDelivery {
  readonly id: number;
  readonly operation: string;
  readonly party: string;
  readonly state: string;
  /** How it was cancelled, or why it is held. */
  readonly why: string | null;
  readonly attempts: number;
  readonly notBefore: number | null;
  readonly deliveredAt: number | null;
  readonly uvci: string | null;
  /** What was made of its answer: `lis delivered`. */
  readonly followUps: readonly string[];
}

/** What came back to a laboratory. */
export interface Inbox {
  /** Answers to what was sent, by the hash of the message's bytes, in the order in which they came. */
  readonly answers: ReadonlyMap<string, readonly string[]>;
  readonly certificates: readonly ReturnedCertificate[];
  /** Frames that came more than once, byte for byte. */
  readonly repeatedFrames: number;
}

export interface ReturnedCertificate {
  readonly lab: Lab;
  readonly uvci: string;
  /** What else it says, where it came as a message; null = as files. */
  readonly says: {
    readonly filler: string;
    readonly person: string;
    readonly name: string;
    readonly inMailbox: boolean;
  } | null;
  /** What is wrong with it by itself; null = nothing. */
  readonly problem: string | null;
}

export type EvidenceRow = Readonly<Record<string, string | number | boolean | null>>;

export interface RaisedAlarm {
  readonly name: string;
  readonly party: string | null;
  readonly count: number;
}

export async function readBooks(
  site: Site,
  answers: ReadonlyMap<string, readonly string[]>,
  log: readonly { readonly event: string; readonly [field: string]: unknown }[],
): Promise<Books> {
  const { configFile, journalFile, standIn } = site;
  const ndjson = await runSluss(['evidence', '-c', configFile, '--format', 'ndjson']);
  const evidence = linesOf(ndjson).map((line) => JSON.parse(line) as EvidenceRow);
  const parties = [...new Set(evidence.map(({ party }) => String(party)))];
  const counts = parties.map(async (party) => {
    const csv = await runSluss(['evidence', '-c', configFile, '--party', party]);
    return [party, linesOf(csv).length - 1] as const;
  });
  const frames = [...new Set(site.lis.frames)];
  return {
    journal: readJournal(journalFile),
    ledger: standIn.ledger.entries(),
    refusals: standIn.ledger.refusals(),
    inbox: {
      answers,
      certificates: [...frames.map(readFrame), ...readFiles(site.outbox)],
      repeatedFrames: site.lis.frames.length - frames.length,
    },
    evidence,
    evidenceByParty: new Map(await Promise.all(counts)),
    alarms: log.filter(({ event }) => event === 'alarm-raised').map(toAlarm),
  };
}

const linesOf = (text: string) => text.split('\n').filter((line) => line !== '');

/** Several alarms of one name and moment are one line, which says how many they are. */
function toAlarm(line: { readonly [field: string]: unknown }): RaisedAlarm {
  const isOne = ['party', 'target', 'channel'].some((field) => line[field] !== undefined);
  const party = typeof line.party === 'string' ? line.party : null;
  return { name: String(line.alarm), party, count: isOne ? 1 : Number(line.count ?? 1) };
}

export const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

function readJournal(file: string): JournalMessage[] {
  const reader = openJournalReader(file);
  try {
    const ids: number[] = [];
    for (let after: PageMark | null = null; ; ) {
      const page = reader.findMessages(ANY_MESSAGE, { after, limit: 500 });
      ids.push(...page.messages.map(({ id }) => id));
      if (page.next === null) break;
      after = page.next;
    }
    return ids.reverse().flatMap((id) => {
      const message = reader.readMessage(id);
      if (message === null) return [];
      const history = reader.readHistory(id);
      const all = reader.readDeliveries(id);
      const count = (name: string) => history.filter(({ event }) => event === name).length;
      const toDelivery = (one: StoredDelivery): JournalDelivery => {
        const events = history.filter(({ deliveryId }) => deliveryId === one.id);
        const cancelled = events.findLast(({ to }) => to === 'cancelled');
        const delivered = events.findLast(({ event }) => event === 'delivered');
        return {
          id: one.id,
          operation: one.operation,
          party: one.party,
          state: one.state,
          why:
            one.state === 'cancelled'
              ? (cancelled?.event ?? '?')
              : one.state === 'held'
                ? (one.fault?.code ?? '?')
                : null,
          attempts: one.attempts,
          notBefore: one.notBefore,
          deliveredAt: delivered?.at ?? null,
          uvci: one.state === 'delivered' ? uvciOf(one.response?.body ?? null) : null,
          followUps: all.filter(({ follows }) => follows === one.id).map(({ target, state }) => `${target} ${state}`),
        };
      };
      return {
        id,
        channel: message.channel,
        hash: hashOf(message.bytes),
        controlId: message.controlId,
        state: message.state,
        reasons: message.skipped.map(({ reason }) => reason),
        faults: message.faults.map(({ code, detail }) => (code.startsWith('rule-') ? `${code}: ${detail}` : code)),
        timesSeen: message.timesSeen,
        linked: count('linked'),
        isControlIdReused: count('control-id-reused') > 0,
        deliveries: all.filter(({ follows }) => follows === null).map(toDelivery),
      };
    });
  } finally {
    reader.close();
  }
}

interface Answer {
  readonly testProof?: { readonly metadata: { readonly uvci: string } };
  readonly recoveryProof?: { readonly metadata: { readonly uvci: string } };
}

function uvciOf(body: Uint8Array | null): string | null {
  if (body === null) return null;
  const { testProof, recoveryProof } = JSON.parse(Buffer.from(body).toString('utf8')) as Answer;
  return (testProof ?? recoveryProof)?.metadata.uvci ?? null;
}

/** An ORU^R01 as the LIS of `kust` got it, each byte one character. */
function readFrame(frame: string): ReturnedCertificate {
  const segments = frame.split('\r').map((line) => line.split('|'));
  const field = (name: string, number: number) => segments.find(([first]) => first === name)?.[number] ?? '';
  const value = (code: string) =>
    segments.find(([name, , , what = '']) => name === 'OBX' && what.startsWith(`${code}^`))?.[5] ?? '';
  const handover = value('HANDOVER').split('^')[0] ?? '';
  const document = Buffer.from(value('CERTIFICATE').split('^')[4] ?? '', 'base64')
    .subarray(0, 5)
    .toString('latin1');
  const problem =
    document !== '%PDF-' ? 'holds no document' : /^(MAILBOX|BY-PROVIDER)$/.test(handover) ? null : 'no handover';
  return {
    lab: 'kust',
    uvci: value('UVCI'),
    says: {
      filler: field('OBR', 3),
      person: field('PID', 3).split('^')[0] ?? '',
      name: field('PID', 5),
      inMailbox: handover === 'MAILBOX',
    },
    problem,
  };
}

/** What lies in the folder of `skog`: three files a certificate. */
function readFiles(folder: string): ReturnedCertificate[] {
  const names = new Set(readdirSync(folder));
  const metadata = [...names].filter((name) => name.endsWith('.json'));
  const known = new Set(
    metadata.flatMap((name) => ['.json', '.pdf', '.png'].map((ending) => name.replace(/\.json$/, ending))),
  );
  const stray = [...names].filter((name) => !known.has(name));
  return [
    ...metadata.map((name): ReturnedCertificate => {
      const { uvci } = JSON.parse(readFileSync(join(folder, name), 'utf8')) as { uvci: string };
      const begins = (ending: string, with_: string) => {
        const other = name.replace(/\.json$/, ending);
        return names.has(other) && readFileSync(join(folder, other)).toString('latin1').startsWith(with_);
      };
      const isNamed = uvci.endsWith(name.replace(/\.json$/, ''));
      const isWhole = begins('.pdf', '%PDF-') && begins('.png', '\x89PNG');
      return { lab: 'skog', uvci, says: null, problem: isNamed && isWhole ? null : 'the files do not belong together' };
    }),
    ...stray.map(
      (name): ReturnedCertificate => ({ lab: 'skog', uvci: name, says: null, problem: 'a file on its own' }),
    ),
  ];
}
