import type { FaultRecord } from '../contracts/fault.ts';
import type { StoredMessage } from '../contracts/journal.ts';
import { unescapeText } from '../hl7/escape.ts';
import { readHeader } from '../hl7/header.ts';
import type { Message } from '../hl7/message.ts';
import { readPart } from '../hl7/path.ts';
import type { RemoteJournalReader } from '../journal/reader.ts';
import { readLocation } from '../mapping/unused-fields.ts';
import { type HeldReason, isHeldByMapping, ReasonCount, readHeld } from './held-messages.ts';
import { judgeOn } from './judge.ts';
import type { Bench } from './workbench.ts';

/** A code that holds messages, as one sender writes it. */
export interface HeldCode {
  /** MSH-3 and MSH-4. */
  readonly sender: string;
  readonly table: string;
  /** The first coding of the field, which is what a row is written for most often. */
  readonly system: string;
  readonly code: string;
  readonly text: string;
  /** The field's other codings (CWE.4 to CWE.6, CWE.10 to CWE.12), in its order: a row for one of them will do. */
  readonly alternates: readonly Coding[];
  /** HL7 location in the first message. */
  readonly at: string;
  readonly messages: number;
  /** ISO times. */
  readonly firstSeen: string;
  readonly lastSeen: string;
}

export interface Coding {
  readonly system: string;
  readonly code: string;
  readonly text: string;
}

export interface HeldReport {
  readonly codes: readonly HeldCode[];
  readonly held: number;
  /** Held messages that the mappings as they are now would not hold. */
  readonly releasable: number;
  /** Why the others stay held. */
  readonly remaining: readonly HeldReason[];
}

/** Maps what is held again with the mappings as they are now: which codes they miss, and what else keeps it. */
export async function listHeldCodes(reader: RemoteJournalReader, bench: Bench): Promise<HeldReport> {
  const found = new Map<string, HeldCode>();
  const reasons = new ReasonCount();
  let held = 0;
  let releasable = 0;
  for await (const message of readHeld(reader)) {
    held += 1;
    const channel = bench.channels.find(({ name }) => name === message.channel);
    if (channel === undefined) {
      reasons.add(['no-channel']);
      continue;
    }
    const { state, faults, explanation } = judgeOn(message.bytes, channel, bench);
    const isGood = state === 'mapped' || state === 'skipped';
    if (isGood && isHeldByMapping(message)) releasable += 1;
    else reasons.add((isGood ? message.faults : faults).map(({ code }) => code));
    const read = explanation?.message ?? null;
    if (read === null) continue;
    const here = new Map<string, HeldCode>();
    for (const fault of faults.filter(({ code }) => code === 'code-unmapped')) {
      const one = describeCode(fault, read, message);
      if (one !== null) here.set(JSON.stringify([one.sender, one.table, one.system, one.code]), one);
    }
    for (const [key, one] of here) {
      const known = found.get(key);
      found.set(key, { ...(known ?? one), messages: (known?.messages ?? 0) + 1, lastSeen: one.lastSeen });
    }
  }
  const codes = [...found.values()];
  codes.sort((a, b) => b.messages - a.messages || (a.sender + a.code < b.sender + b.code ? -1 : 1));
  return { codes, held, releasable, remaining: reasons.list };
}

/** First components of the codings of a CWE. @see HL7 v2.7 §2A.13 */
const CODINGS = [1, 4, 10];

/** What stands where the mapping missed a row: every coding of the field, or the text as a whole. */
function describeCode(fault: FaultRecord, read: Message, message: StoredMessage): HeldCode | null {
  const raw = fault.at === null ? null : readLocation(read, fault.at);
  if (fault.at === null || raw === null) return null;
  const isComponent = /\.\d+$/.test(fault.at);
  const meaning = (part: string) =>
    unescapeText(part, read.delimiters, (bytes) => Buffer.from(bytes).toString('latin1')).trim();
  const part = (number: number) => meaning(readPart(raw, number, null, read));
  const codings: Coding[] = isComponent
    ? [{ code: meaning(raw), text: '', system: '' }]
    : CODINGS.map((at) => ({ code: part(at), text: part(at + 1), system: part(at + 2) }));
  const [first = { code: '', text: part(2), system: '' }, ...alternates] = codings.filter(({ code }) => code !== '');
  const at = new Date(message.receivedAt).toISOString();
  const table = (fault.detail ?? '').replace(/^table /, '');
  const seen = { at: fault.at, messages: 1, firstSeen: at, lastSeen: at };
  return { sender: senderOf(message.bytes), table, ...first, alternates, ...seen };
}

function senderOf(bytes: Uint8Array): string {
  const { sendingApplication, sendingFacility, delimiters } = readHeader(bytes);
  const first = (field: string) => field.split(delimiters.component)[0] ?? '';
  return [first(sendingApplication), first(sendingFacility)].filter((part) => part !== '').join(' / ');
}
