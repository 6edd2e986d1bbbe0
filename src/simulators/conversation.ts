import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FaultCode } from '../contracts/fault.ts';
import type { DeliveryState, MessageState } from '../contracts/lifecycle.ts';
import type { AckCode } from '../contracts/source.ts';

/**
 * One golden case as it lies in `fixtures/conversations/<name>/`: what came, what was to be sent, what was answered.
 * `about.txt` holds one line that says what it shows, and `channel: <name>`; the rest is goldens.
 */
export interface Conversation {
  readonly name: string;
  /** Its folder's path. */
  readonly folder: string;
  readonly about: string;
  /** Channel of `fixtures/sluss.yaml` that it arrives on. */
  readonly channel: string;
  /** In order of arrival; one frame or one file each. A file may hold several messages. */
  readonly inputs: readonly ConversationInput[];
  /** null where no goldens have been written yet. */
  readonly expected: ExpectedConversation | null;
}

export interface ConversationInput {
  /** `in.hl7`, or `in-1.hl7` and so on. */
  readonly file: string;
  readonly bytes: Uint8Array;
}

/** The goldens, as they would be with a target that is not tried: what an engine sends at once is `waiting` here. */
export interface ExpectedConversation {
  /** One for each message that came, in order; null = not answered. */
  readonly answers: readonly (AckCode | null)[];
  /** One for each message that was stored, by its number in this conversation (a repeated one is the same), from 1. */
  readonly messages: readonly ExpectedMessage[];
  /** In the order they were admitted. */
  readonly deliveries: readonly ExpectedDelivery[];
  /**
   * A later message calls off a delivery of an earlier one, which must not have left by then: an engine that sends at
   * once comes to another end.
   */
  readonly needsWaiting: boolean;
}

export interface ExpectedMessage {
  /** Its number in this conversation, from 1. */
  readonly message: number;
  readonly state: MessageState;
  readonly faults: readonly { readonly code: FaultCode; readonly at: string | null }[];
  readonly skipped: readonly { readonly reason: string; readonly at: string | null }[];
}

export interface ExpectedDelivery {
  /** Number of the message in this conversation, from 1. */
  readonly message: number;
  readonly target: string;
  readonly operation: string;
  readonly party: string;
  /** ISO time; null = at once. */
  readonly notBefore: string | null;
  readonly state: DeliveryState;
}

/**
 * Reads every conversation below a folder, by name.
 * @throws Error where a folder is no conversation, naming it
 */
export function readConversations(folder: string): Conversation[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => readConversation(entry.name, join(folder, entry.name)))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function readConversation(name: string, folder: string): Conversation {
  const files = readdirSync(folder);
  const [about = '', place = ''] = readText(join(folder, 'about.txt')).split('\n');
  const channel = /^channel: (\S+)$/.exec(place)?.[1];
  if (about === '' || channel === undefined) throw new Error(`${folder}/about.txt: a line, then "channel: <name>"`);
  const inputs = files
    .filter((file) => /^in(-\d+)?\.hl7$/.test(file))
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    .map((file): ConversationInput => ({ file, bytes: readFileSync(join(folder, file)) }));
  if (inputs.length === 0) throw new Error(`${folder}: there is no in.hl7`);
  return { name, folder, about, channel, inputs, expected: readExpected(folder, files) };
}

function readExpected(folder: string, files: readonly string[]): ExpectedConversation | null {
  if (!files.includes('record.json') || !files.includes('sent.json')) return null;
  const record = JSON.parse(readText(join(folder, 'record.json'))) as {
    readonly answers: readonly { readonly answer: AckCode | null }[];
    readonly messages: readonly ExpectedMessage[];
  };
  const deliveries = JSON.parse(readText(join(folder, 'sent.json'))) as readonly ExpectedDelivery[];
  const last = Math.max(...record.messages.map(({ message }) => message));
  return {
    answers: record.answers.map(({ answer }) => answer),
    messages: record.messages,
    deliveries,
    needsWaiting: deliveries.some(({ state, message }) => state === 'cancelled' && message < last),
  };
}

function readText(path: string): string {
  return readFileSync(path, 'utf8');
}
