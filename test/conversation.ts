import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { assemble } from '../src/assembly.ts';
import { ConfigError } from '../src/config/configuration.ts';
import type { FaultRecord } from '../src/contracts/fault.ts';
import type { Admitted, HistoryEvent, Journal } from '../src/contracts/journal.ts';
import type { Mapper } from '../src/contracts/mapper.ts';
import type { Ack, AckCode } from '../src/contracts/source.ts';
import { createTally } from '../src/engine/counters.ts';
import { ENDLESS_DISK } from '../src/engine/disk-reserve.ts';
import { createIntake } from '../src/engine/intake.ts';
import { ENDLESS_JUNK } from '../src/engine/junk-quota.ts';
import type { FindOperation } from '../src/engine/outcome.ts';
import { type Channel, ENGINE_SETTINGS } from '../src/engine/settings.ts';
import { createSettlements } from '../src/engine/settlements.ts';
import { BatchSplitter } from '../src/hl7/batch.ts';
import { openSqliteJournal } from '../src/journal/sqlite.ts';
import type { Conversation, ConversationInput } from '../src/simulators/conversation.ts';
import { createManualClock, createRecordedLog } from './engine/kit.ts';

export const CONVERSATIONS = resolve(import.meta.dirname, '../fixtures/conversations');
const CONFIGURATION = resolve(import.meta.dirname, '../fixtures/sluss.yaml');

/** The moment at which every conversation takes place. */
const NOW = Date.UTC(2022, 10, 15, 12);
/** Not anybody's secret: with it the identifiers of the goldens are always the same. */
const SECRET = 'the secret of the conversations: public, and good for nothing else';
const MAX_MESSAGE_BYTES = 16 << 20;

/** What the conversations are run against: `fixtures/sluss.yaml`, with its mappings compiled. */
export interface ConversationSetup {
  readonly mapper: Mapper;
  readonly channels: ReadonlyMap<string, ConversationChannel>;
  readonly findOperation: FindOperation;
}

interface ConversationChannel extends Channel {
  /** A file may hold several messages; a frame is one. */
  readonly takesFiles: boolean;
}

/**
 * Makes everything the configuration names, as the engine does, without starting any of it.
 * @throws Error with every problem of the configuration, of the mappings and of their own cases
 */
export async function loadSetup(file: string = CONFIGURATION): Promise<ConversationSetup> {
  const home = mkdtempSync(join(tmpdir(), 'sluss-setup-'));
  try {
    writeFileSync(join(home, 'secret'), SECRET);
    mkdirSync(join(home, 'pki'));
    writeFileSync(join(home, 'pki/ca.crt'), '');
    const logTo = { write: () => {} };
    const around = { env: { SLUSS_HOME: home }, logTo, colours: false, clock: createManualClock(NOW) };
    const assembly = await assemble(file, around, false);
    try {
      const { mapper, problems, failedCases } = assembly.loadMappings();
      const wrong = [...problems, ...failedCases()];
      if (mapper === null || wrong.length > 0) throw new ConfigError(wrong);
      const isFolder = new Map(
        assembly.configuration.channels.map(({ name, source }) => [name, source.plugin.name === 'folder']),
      );
      const channels = assembly.channels.map((channel) => ({
        ...channel,
        takesFiles: isFolder.get(channel.name) === true,
      }));
      const targets = new Map(assembly.targets.map(({ name, target }) => [name, target]));
      return {
        mapper,
        channels: new Map(channels.map((channel) => [channel.name, channel])),
        findOperation: (target, operation) => targets.get(target)?.operations[operation] ?? null,
      };
    } finally {
      await assembly.dispose();
    }
  } finally {
    rmSync(home, { recursive: true });
  }
}

interface Answer {
  readonly input: string;
  readonly answer: AckCode | null;
  readonly message: number | null;
  readonly repeated: boolean;
  readonly controlIdReused: boolean;
}

/**
 * Runs a conversation through the real intake and a journal of its own, without sending anything.
 * @returns the goldens it makes, by file name
 */
export async function runConversation(
  conversation: Conversation,
  setup: ConversationSetup,
): Promise<ReadonlyMap<string, Buffer>> {
  await using open = await openChannel(conversation.channel, setup);
  const goldens = new Map<string, Buffer>();
  const answers: Answer[] = [];
  for (const input of conversation.inputs) {
    const acks: Uint8Array[] = [];
    for (const { origin, bytes } of cutInput(input, open.takesFiles)) {
      const { ack, admitted } = await open.takeIn(bytes, origin);
      const { messageId, repeated, controlIdReused } = admitted;
      answers.push({ input: origin, answer: ack?.code ?? null, message: messageId, repeated, controlIdReused });
      acks.push(ack?.bytes ?? new Uint8Array(0));
    }
    // Files are answered inside an envelope of the source's own; here its content alone is compared.
    goldens.set(input.file.replace(/^in/, 'ack'), Buffer.concat(acks));
  }
  const { messages, sent } = await readJournal(open.journal, answers);
  goldens.set('record.json', toJson({ answers, messages }));
  goldens.set('sent.json', toJson(sent));
  return goldens;
}

/** A channel with the real intake and a journal of its own. */
interface OpenChannel extends AsyncDisposable {
  readonly takesFiles: boolean;
  readonly journal: Journal;
  /** Hands one message over. @throws Error where it was not stored */
  takeIn(bytes: Uint8Array, origin: string): Promise<{ readonly ack: Ack | null; readonly admitted: Admitted }>;
}

export async function openChannel(name: string, setup: ConversationSetup): Promise<OpenChannel> {
  const channel = setup.channels.get(name);
  if (channel === undefined) throw new Error(`there is no channel ${name}`);
  const folder = mkdtempSync(join(tmpdir(), 'sluss-conversation-'));
  const journal = await openSqliteJournal({ path: join(folder, 'journal.sqlite'), now: NOW });
  let admitted: Admitted | null = null;
  const clock = createManualClock(NOW);
  const log = createRecordedLog();
  const intake = createIntake(channel, {
    journal: {
      admit: async (admission) => {
        admitted = await journal.admit(admission);
        return admitted;
      },
      settle: (...outcome) => journal.settle(...outcome),
    },
    mapper: () => setup.mapper,
    findOperation: setup.findOperation,
    clock,
    log,
    tally: createTally(),
    settlements: createSettlements({ journal, clock, log }),
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
  return {
    takesFiles: channel.takesFiles,
    journal,
    async takeIn(bytes, origin) {
      admitted = null;
      const ack = await intake({ bytes, origin, sender: null, fault: null, reply: null });
      if (admitted === null) throw new Error(`${origin} was not stored`);
      return { ack, admitted };
    },
    async [Symbol.asyncDispose]() {
      await journal.close();
      rmSync(folder, { recursive: true });
    },
  };
}

/** The messages of an input, each with the name it has in the record. */
export function cutInput({ file, bytes }: ConversationInput, isFile: boolean): { origin: string; bytes: Uint8Array }[] {
  if (!isFile) return [{ origin: file, bytes }];
  const splitter = new BatchSplitter(MAX_MESSAGE_BYTES);
  const events = [...splitter.push(bytes), ...splitter.end()];
  const messages = events.filter((event) => event.kind === 'message');
  return messages.map((message, index) => ({ origin: `${file} #${index + 1}`, bytes: message.bytes }));
}

/** What the journal has of the conversation when everything has been taken in. */
async function readJournal(journal: Journal, answers: readonly Answer[]) {
  const messages: object[] = [];
  const sent: { readonly id: number; readonly delivery: object }[] = [];
  for (const id of new Set(answers.map(({ message }) => message).filter((message) => message !== null))) {
    const message = await journal.readMessage(id);
    if (message === null) throw new Error(`message ${id} is not in the journal`);
    const { controlId, state, timesSeen } = message;
    const skipped = message.skipped.map(({ reason, at }) => ({ reason, at }));
    const faults = message.faults.map(withoutWhere);
    const warnings = message.warnings.map(withoutWhere);
    const history = (await journal.readHistory(id)).map(historyLine);
    messages.push({ message: id, controlId, state, faults, warnings, skipped, timesSeen, history });
    for (const {
      id: deliveryId,
      messageId,
      target,
      operation,
      party,
      state,
      body,
      ...more
    } of await journal.readDeliveries(id)) {
      const notBefore = more.notBefore === null ? null : new Date(more.notBefore).toISOString();
      const json: unknown = JSON.parse(Buffer.from(body).toString('utf8'));
      const delivery = { message: messageId, target, operation, party, notBefore, state, body: json };
      sent.push({ id: deliveryId, delivery });
    }
  }
  sent.sort((a, b) => a.id - b.id);
  return { messages, sent: sent.map(({ delivery }) => delivery) };
}

/** A line added to a mapping file changes no conversation. */
function withoutWhere({ code, at, detail }: FaultRecord) {
  return { code, at, detail };
}

/** `mapped`, `delivery 1: queued`, `delivery 1: superseded (message 2)` */
function historyLine({ deliveryId, event, why }: HistoryEvent): string {
  return `${deliveryId === null ? '' : `delivery ${deliveryId}: `}${event}${why === null ? '' : ` (${why})`}`;
}

function toJson(value: unknown): Buffer {
  return Buffer.from(`${JSON.stringify(value, null, 2)}\n`);
}
