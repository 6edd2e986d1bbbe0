import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { StoredDelivery, StoredMessage } from '../contracts/journal.ts';
import type { Sluss } from '../main.ts';
import type { Conversation, ExpectedDelivery, ExpectedMessage } from '../simulators/conversation.ts';
import { createLaboratory } from '../simulators/laboratory.ts';
import { joinParts, tellFaults } from './demo-line.ts';

/** Where a conversation is played. */
export interface Stage {
  readonly sluss: Sluss;
  /** Folder that the folder source watches. */
  readonly inbox: string;
}

export interface PlayedLine {
  /** MSA-1, or '–' where nothing is to be answered. */
  readonly answer: string;
  readonly state: string;
  /** What left, under which party, or why nothing did. */
  readonly detail: string;
  readonly durationMs: number;
}

export interface Played {
  readonly name: string;
  /** One a message. */
  readonly lines: readonly PlayedLine[];
  /** Where it ended otherwise than its goldens say; [] = as written down. */
  readonly differences: readonly string[];
}

const SETTLE_MS = 20_000;
const LOOK_EVERY_MS = 10;
/** An answer that must not come is waited for this long. */
const SILENCE_MS = 300;

/** Sends a conversation as its laboratory would, waits until everything it gave rise to has ended, and compares. */
export async function playConversation(conversation: Conversation, stage: Stage): Promise<Played> {
  const before = await lastMessageId(stage.sluss);
  const startedAt = performance.now();
  const answers: string[] = [];
  for (const [index, input] of conversation.inputs.entries()) {
    const expected = conversation.expected?.answers ?? [];
    const isSilent = conversation.inputs.length === expected.length && expected[index] === null;
    answers.push(...(await hand(input.bytes, isSilent, `${conversation.name}-${index}.hl7`, conversation, stage)));
  }
  const outcome = await settle(before, stage.sluss);
  const durationMs = performance.now() - startedAt;
  const lines: PlayedLine[] = outcome.messages.map(({ message, deliveries }, index) => ({
    answer: answers[index] ?? '–',
    state: message.state,
    detail: describe(message, deliveries),
    durationMs: index === 0 ? durationMs : 0,
  }));
  for (const extra of answers.slice(lines.length)) {
    lines.push({ answer: extra, state: 'same', detail: 'known: nothing sent twice', durationMs: 0 });
  }
  return { name: conversation.name, lines, differences: compare(conversation, answers, outcome) };
}

async function hand(
  bytes: Uint8Array,
  isSilent: boolean,
  name: string,
  conversation: Conversation,
  { sluss, inbox }: Stage,
): Promise<string[]> {
  const address = sluss.sources.find(({ channel }) => channel === conversation.channel)?.address ?? '';
  if (address.startsWith('folder:')) return dropFile(bytes, inbox, name);
  const { hostname: host, port } = new URL(address.replace(/^mllps?:/, 'http:'));
  const laboratory = createLaboratory({ host, port: Number(port), ...(isSilent ? { timeoutMs: SILENCE_MS } : {}) });
  try {
    const { ackText } = await laboratory.send(bytes);
    return answerCodes(ackText);
  } catch (error) {
    if (isSilent) return ['–'];
    throw error;
  } finally {
    await laboratory.close();
  }
}

/** Writes the file as a careful sender does, under another name first, and waits for its answer. */
async function dropFile(bytes: Uint8Array, inbox: string, name: string): Promise<string[]> {
  const draft = join(inbox, `${name}.part`);
  writeFileSync(draft, bytes);
  renameSync(draft, join(inbox, name));
  const places = ['done', 'failed'].map((folder) => join(inbox, folder, `${name}.ack`));
  for (let waited = 0; waited < SETTLE_MS; waited += LOOK_EVERY_MS) {
    const ack = places.find((place) => existsSync(place));
    if (ack !== undefined) return answerCodes(readFileSync(ack, 'latin1'));
    await wait(LOOK_EVERY_MS);
  }
  return [];
}

/** MSA-1 of every answer, also of the answers within a batch. */
function answerCodes(ackText: string): string[] {
  return ackText
    .split(/[\r\n]+/)
    .filter((line) => line.startsWith('MSA'))
    .map((line) => line.slice(4, 6));
}

interface Outcome {
  readonly messages: readonly { readonly message: StoredMessage; readonly deliveries: readonly StoredDelivery[] }[];
}

async function lastMessageId(sluss: Sluss): Promise<number> {
  const { messages } = await sluss.journal.readOverview(Date.now());
  return messages.reduce((sum, { count }) => sum + count, 0);
}

/** Reads what came after a message until nothing of it waits any more. */
async function settle(after: number, sluss: Sluss): Promise<Outcome> {
  for (let waited = 0; ; waited += LOOK_EVERY_MS) {
    const messages: { message: StoredMessage; deliveries: StoredDelivery[] }[] = [];
    for (let id = after + 1; ; id += 1) {
      const message = await sluss.journal.readMessage(id);
      if (message === null) break;
      messages.push({ message, deliveries: await sluss.journal.readDeliveries(id) });
    }
    const isWaiting = messages.some(({ deliveries }) => deliveries.some(({ state }) => state === 'waiting'));
    if (!isWaiting || waited > SETTLE_MS) return { messages };
    await wait(LOOK_EVERY_MS);
  }
}

function describe(message: StoredMessage, deliveries: readonly StoredDelivery[]): string {
  const sent = deliveries
    .filter(({ target }) => target === 'covidbevis')
    .map(({ operation, party, state, fault }) => {
      const why = fault === null ? '' : ` (${fault.code})`;
      return state === 'delivered' ? `${operation} → ${party}` : `${operation} ${state}${why}`;
    });
  const delivered = deliveries.filter(({ state }) => state === 'delivered');
  const files = delivered.filter(({ target }) => target === 'certificates').length;
  const back = delivered.filter(({ operation }) => operation === 'message').length;
  const parts = [
    // First what is wrong: the end of a line may be cut.
    ...tellFaults(message.faults),
    ...sent,
    ...(files > 0 ? [`${files} files`] : []),
    ...(back > 0 ? [`${back} to the LIS`] : []),
    ...message.skipped.map(({ reason }) => reason),
  ];
  return parts.length === 0 ? 'nothing new: what it states is known' : joinParts(parts);
}

/** How it ended against how it should have. Deliveries that the goldens show as waiting have been delivered by now. */
function compare(conversation: Conversation, answers: readonly string[], outcome: Outcome): string[] {
  const { expected } = conversation;
  if (expected === null) return ['it has no goldens'];
  const differences: string[] = [];
  const check = (what: string, made: unknown, wanted: unknown) => {
    const [got, want] = [JSON.stringify(made), JSON.stringify(wanted)];
    if (got !== want) differences.push(`${what}: ${got} instead of ${want}`);
  };
  check(
    'answers',
    answers,
    expected.answers.map((answer) => answer ?? '–'),
  );
  // An engine that sends at once has sent what a later message would have called off.
  if (expected.needsWaiting) return differences;
  check(
    'messages',
    outcome.messages.map(({ message }) => madeMessage(message)),
    expected.messages.map(wantedMessage),
  );
  const deliveries = outcome.messages.flatMap(({ message, deliveries }, index) =>
    deliveries
      .filter(({ target }) => target === 'covidbevis')
      .map((delivery) => ({ ...delivery, message, number: index + 1 })),
  );
  check(
    'deliveries',
    deliveries.map(({ number, operation, party, state }) => [number, operation, party, state]),
    expected.deliveries.map(({ message, operation, party, state }: ExpectedDelivery) => [
      message,
      operation,
      party,
      state === 'waiting' ? 'delivered' : state,
    ]),
  );
  for (const { deliveries } of outcome.messages) {
    const left = deliveries.filter(({ follows, state }) => follows !== null && state !== 'delivered');
    if (left.length > 0) differences.push(`${left.length} files or messages back did not arrive`);
  }
  return differences;
}

const madeMessage = (message: StoredMessage) => [
  message.state,
  message.faults.map(({ code, at }) => [code, at]),
  message.skipped.map(({ reason }) => reason),
];

const wantedMessage = (message: ExpectedMessage) => [
  message.state,
  message.faults.map(({ code, at }) => [code, at]),
  message.skipped.map(({ reason }) => reason),
];
