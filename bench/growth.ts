import { join } from 'node:path';
import type { MessageQuery } from '../src/contracts/operations.ts';
import { ANY_MESSAGE } from '../src/contracts/operations.ts';
import { type JournalReader, openJournalReader } from '../src/journal/reader.ts';
import type { Bench, LoadSide, Measured, QuantityFigure } from './figure.ts';
import { spreadOf } from './figure.ts';
import { countMessages, fillJournal } from './whole/filled-journal.ts';
import { type Load, measureIngest, shareOf } from './whole/measure.ts';

const SMALL = 10_000;
const LARGE = Number(process.env.BENCH_MESSAGES ?? 1_000_000);
/** Deliveries of as many persons, that wait for a receiver that is not there. */
const LANES = Math.min(50_000, LARGE / 20);
const LOAD: Load = { connections: 32, window: 1, count: 35_000, warmUp: 10_000 };
/** Far from the numbers of the messages that a filled journal holds. */
const FIRST = 1_000_000;
const REPEATS = 15;

const journal = (messages: number) => join(process.env.BENCH_FOLDER ?? '', `journal-${messages}.db`);

const empty: LoadSide = {
  name: 'empty journal',
  measure: (share) => measureIngest({ mapping: 'certificates' }, shareOf(LOAD, share)),
};
const filled = (messages: number): LoadSide => ({
  name: `journal of ${messages}`,
  measure: async (share) => {
    const journalInPlace = journal(messages);
    // It goes on from run to run: messages that it has had would only be sent again.
    const first = FIRST + countMessages(journalInPlace);
    return await measureIngest({ mapping: 'certificates', journalInPlace }, shareOf(LOAD, share), first);
  },
});
const reading: LoadSide = { name: `reads of ${LARGE}`, measure: async () => measureReads(journal(LARGE)) };

const looked = (name: string, what: string, goal: number | null): QuantityFigure => ({
  kind: 'quantity',
  name,
  what: `${what}, of ${LARGE} messages`,
  unit: 'ms',
  ours: reading,
  reference: null,
  value: ({ more }) => more[name] ?? 0,
  goal,
});

export const bench: Bench = {
  name: 'growth',
  summary: 'ingest and reading with much in the journal and many lanes waiting, against an empty journal',
  verify() {},
  async prepare(share) {
    // A first look needs only what has a goal.
    for (const messages of share < 1 ? [LARGE] : [SMALL, LARGE]) await fillJournal(journal(messages), messages, LANES);
  },
  figures: [
    ...[SMALL, LARGE].map((messages) => ({
      kind: 'load' as const,
      name: `ingest-${messages}`,
      what: `certificate mapping, 32 connections, ${messages} messages and ${LANES} lanes waiting ÷ empty journal`,
      ours: filled(messages),
      reference: empty,
      goal: messages === LARGE ? 0.8 : null,
    })),
    looked('list', 'the slowest of ten ways to list messages, a page of 20', 50),
    looked('show', 'one message with its deliveries and its history', 50),
    looked('search', 'by control id, and by a text that nothing holds: a page of 1 000 messages looked through', 50),
    looked('look', 'a text that nothing holds, 50 000 messages looked through, as sluss list --text does', null),
  ],
};

/** Each question asked several times: the medians, in ms, and the slowest first answer. */
function measureReads(path: string): Measured {
  const reader = openJournalReader(path);
  try {
    const last = countMessages(path);
    const at = reader.listLast(Number.MAX_SAFE_INTEGER, 1)[0]?.receivedAt ?? 0;
    const page = (query: Partial<MessageQuery>) => () =>
      void reader.findMessages({ ...ANY_MESSAGE, ...query }, { after: null, limit: 20 });
    const channel = 'laboratory';
    const target = 'covidbevis';
    const lists = [
      {},
      { channel },
      { state: 'held' as const },
      { state: 'refused' as const, channel },
      { deliveryState: 'waiting' as const, target },
      { deliveryState: 'held' as const },
      { deliveryState: 'delivered' as const, target, party: 'region-nord' },
      { party: 'region-nord', from: at - 3_600_000 },
      { channel, from: 0, to: at - 60_000 },
      { target, state: 'skipped' as const },
    ].map((query) => time(page(query)));
    const ids = Array.from({ length: REPEATS * 10 }, (_, index) => 1 + ((index * 7_919) % last));
    const shows = spreadOf(ids.map((id) => took(() => show(reader, id))));
    const searches = [{ controlId: 'W17' }, { controlId: 'nothing' }, { text: 'NO SUCH TEXT' }].map((query) =>
      time(page(query)),
    );
    const most = (timed: readonly Timed[], key: keyof Timed) => Math.max(...timed.map((one) => one[key]));
    return {
      rate: 0,
      more: {
        list: most(lists, 'medianMs'),
        show: shows.median,
        search: most(searches, 'medianMs'),
        look: took(() => look(reader, 50_000)),
        slowestFirst: Math.max(most(lists, 'firstMs'), most(searches, 'firstMs'), shows.max),
      },
    };
  } finally {
    reader.close();
  }
}

function show(reader: JournalReader, id: number): void {
  if (reader.readMessage(id) === null) throw new Error(`there is no message ${id}`);
  reader.readDeliveries(id);
  reader.readHistory(id);
}

/** Pages until so many messages were looked at, or all of them. */
function look(reader: JournalReader, messages: number): void {
  const query = { ...ANY_MESSAGE, text: 'NO SUCH TEXT' };
  let lookedAt = 0;
  for (let after = null as Parameters<typeof reader.findMessages>[1]['after']; ; ) {
    const found = reader.findMessages(query, { after, limit: 500 });
    lookedAt += found.lookedAt;
    if (found.next === null || lookedAt >= messages) return;
    after = found.next;
  }
}

interface Timed {
  readonly firstMs: number;
  readonly medianMs: number;
}

function time(call: () => void): Timed {
  const [firstMs = 0, ...rest] = Array.from({ length: REPEATS }, () => took(call));
  return { firstMs, medianMs: spreadOf(rest).median };
}

function took(call: () => void): number {
  const startedAt = performance.now();
  call();
  return performance.now() - startedAt;
}
