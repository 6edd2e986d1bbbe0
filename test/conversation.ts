import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { z } from 'zod';
import { loadConfiguration } from '../src/config/load.ts';
import type { Admitted, HistoryEvent, Journal } from '../src/contracts/journal.ts';
import type { Host, SourcePlugin } from '../src/contracts/plugin.ts';
import type { Ack, AckCode } from '../src/contracts/source.ts';
import { createTally } from '../src/engine/counters.ts';
import { createIntake } from '../src/engine/intake.ts';
import type { FindOperation } from '../src/engine/outcome.ts';
import { ENGINE_SETTINGS } from '../src/engine/settings.ts';
import { BatchSplitter } from '../src/hl7/batch.ts';
import type { CharsetPolicy } from '../src/hl7/charset.ts';
import { openSqliteJournal } from '../src/journal/sqlite.ts';
import { compileMappings } from '../src/mapping/compile.ts';
import { readMappingFiles } from '../src/mapping/load.ts';
import type { ExplainingMapper } from '../src/mapping/mapper.ts';
import { YamlNode } from '../src/mapping/yaml-node.ts';
import type { Conversation, ConversationInput } from '../src/simulators/conversation.ts';
import { mllpSource } from '../src/sources/mllp.ts';
import { covidbevisTarget } from '../src/targets/covidbevis.ts';
import { folderTarget } from '../src/targets/folder.ts';
import { partyConfig } from '../src/targets/parties.ts';
import { createManualClock, createRecordedLog } from './engine/kit.ts';

export const CONVERSATIONS = resolve(import.meta.dirname, '../fixtures/conversations');

/** The moment at which every conversation takes place. */
const NOW = Date.UTC(2022, 10, 15, 12);
/** Not anybody's secret: with it the identifiers of the goldens are always the same. */
const SECRET = 'the secret of the conversations: public, and good for nothing else';
const MAX_MESSAGE_BYTES = 16 << 20;

/** What the conversations are run against: `fixtures/sluss.yaml`, with its mappings compiled. */
export interface ConversationSetup {
  readonly mapper: ExplainingMapper;
  readonly channels: ReadonlyMap<string, ConversationChannel>;
  readonly findOperation: FindOperation;
}

interface ConversationChannel {
  readonly name: string;
  readonly parties: readonly string[];
  readonly charset: CharsetPolicy;
  readonly acknowledge: 'taken';
  /** A file may hold several messages; a frame is one. */
  readonly takesFiles: boolean;
}

const ROOT = resolve(import.meta.dirname, '..');

/** @throws Error with every problem of the configuration or of the mappings */
export async function loadSetup(file: string = join(ROOT, 'fixtures/sluss.yaml')): Promise<ConversationSetup> {
  const home = mkdtempSync(join(tmpdir(), 'sluss-setup-'));
  try {
    writeFileSync(join(home, 'secret'), SECRET);
    mkdirSync(join(home, 'pki'));
    writeFileSync(join(home, 'pki/ca.crt'), '');
    const configuration = await loadConfiguration({
      file,
      env: { SLUSS_HOME: home },
      party: partyConfig,
      plugins: [covidbevisTarget, folderTarget, mllpSource, takeAnySource('folder')],
      importPlugin: () => Promise.reject(new Error('no outside plugins here')),
      makeSecret: null,
    });
    const operations = new Map(
      configuration.targets.map(({ name, plugin, config }) => [
        name,
        plugin.create(config, hostOf(name, file)).operations,
      ]),
    );
    const compiled = compileMappings(readMappingFiles(configuration.mappings, ROOT), {
      channels: configuration.channels.map(({ name, mappings, parties, charset, zone, with: overrides }) => ({
        name,
        mappings,
        parties,
        charset,
        zone,
        overrides:
          overrides === null
            ? null
            : new YamlNode(overrides.node, relative(ROOT, overrides.file), overrides.lineCounter),
        node: null,
      })),
      operations: Object.fromEntries([...operations].map(([name, of]) => [name, Object.keys(of)])),
      parties: Object.entries(configuration.parties).map(([id, party]) => ({
        id,
        name: party.name,
        organisationNumber: party.organisationsnummer,
      })),
      secret: configuration.secret,
    });
    if (compiled.mapper === null) throw new Error(JSON.stringify(compiled.problems, null, 2));
    const channels = configuration.channels.map(({ name, parties, charset, acknowledge, source }) => ({
      name,
      parties,
      charset,
      acknowledge,
      takesFiles: source.plugin.name === 'folder',
    }));
    return {
      mapper: compiled.mapper,
      channels: new Map(channels.map((channel) => [channel.name, channel])),
      findOperation: (target, operation) => operations.get(target)?.[operation] ?? null,
    };
  } finally {
    rmSync(home, { recursive: true });
  }
}

/** A source as far as the configuration is concerned: conversations hand their messages to the intake themselves. */
function takeAnySource(name: string): SourcePlugin {
  return {
    kind: 'source',
    name,
    summary: name,
    config: z.looseObject({}),
    create: () => {
      throw new Error('conversations open no source');
    },
  };
}

/** For targets that are only asked for their operations. */
function hostOf(name: string, file: string): Host {
  const parties = {
    list: () => [],
    get: () => null,
    credentials: () => {
      throw new Error('conversations send nothing');
    },
  };
  const resolvePath = (path: string) => resolve(dirname(file), path);
  return { name, log: createRecordedLog(), clock: createManualClock(NOW), parties, resolvePath };
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
export interface OpenChannel extends AsyncDisposable {
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
    clock: createManualClock(NOW),
    log: createRecordedLog(),
    tally: createTally(),
    storeFirstBytes: ENGINE_SETTINGS.storeFirstBytes,
    isTaking: () => true,
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
    // Without `where`: a line added to a mapping file changes no conversation.
    const faults = message.faults.map(({ code, at, detail }) => ({ code, at, detail }));
    const history = (await journal.readHistory(id)).map(historyLine);
    messages.push({ message: id, controlId, state, faults, skipped, timesSeen, history });
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

/** `mapped`, `delivery 1: queued`, `delivery 1: superseded (message 2)` */
function historyLine({ deliveryId, event, why }: HistoryEvent): string {
  return `${deliveryId === null ? '' : `delivery ${deliveryId}: `}${event}${why === null ? '' : ` (${why})`}`;
}

function toJson(value: unknown): Buffer {
  return Buffer.from(`${JSON.stringify(value, null, 2)}\n`);
}
