import { createHash } from 'node:crypto';
import type { FaultCode, FaultRecord } from '../../src/contracts/fault.ts';
import type {
  Admission,
  AttemptEnd,
  Claimed,
  Journal,
  Outcome,
  OutcomeDraft,
  Slot,
} from '../../src/contracts/journal.ts';
import type { Delivery } from '../../src/contracts/target.ts';

/** A place where a journal lives, empty at first. It can be opened again after the journal was closed. */
export interface Place {
  open(options: { now: number; maxQueued?: number }): Promise<Journal>;
  remove(): Promise<void>;
}

export const SLOT: Slot = { target: 'register', party: 'p1', free: 100, without: [] };

export const fault = (code: FaultCode): FaultRecord => ({ code, at: null, where: null, detail: null });

export function draft(resultKey: string, more: Partial<OutcomeDraft> = {}): OutcomeDraft {
  return {
    resultKey,
    target: 'register',
    operation: 'issue',
    party: 'p1',
    laneKey: 'lane-1',
    body: Buffer.from(`{"result":"${resultKey}"}`),
    notBefore: null,
    notAfter: null,
    once: null,
    waived: null,
    needs: null,
    flaw: null,
    inDoubt: 'repeat',
    onCorrection: 'update',
    held: null,
    ...more,
  };
}

export function outcome(more: Partial<Outcome> = {}): Outcome {
  const nothing = { statements: [], drafts: [], skipped: [], provides: [], faults: [], warnings: [] };
  return { state: 'mapped', mappingVersion: 'v1', ...nothing, ...more };
}

/** One message, told apart from others by its text; `at` is when it was received. */
export function admission(text: string, at: number, more: Partial<Outcome> = {}, channel = 'lab'): Admission {
  const bytes = Buffer.from(text);
  return {
    channel,
    bytes,
    contentHash: createHash('sha256').update(bytes).digest('hex'),
    controlId: text,
    origin: 'mllp 127.0.0.1:40000',
    sender: null,
    receivedAt: at,
    owesAck: false,
    outcome: outcome(more),
  };
}

/** A message that states one result, with as many drafts as are given. */
export function stating(
  text: string,
  at: number,
  [resultKey, rank, digest]: readonly [string, string, string],
  drafts: readonly Partial<OutcomeDraft>[] = [{}],
  more: Partial<Outcome> = {},
): Admission {
  return admission(text, at, {
    statements: [{ resultKey, rank, digest }],
    drafts: drafts.map((one) => draft(resultKey, one)),
    ...more,
  });
}

export function ended(delivery: Delivery, at: number, more: Partial<AttemptEnd> = {}): AttemptEnd {
  return {
    deliveryId: delivery.id,
    attempt: delivery.attempt,
    at,
    durationMs: 5,
    outcome: { state: 'delivered' },
    response: null,
    followUps: [],
    ...more,
  };
}

export const retryAt = (nextAt: number, code: FaultCode = 'target-busy'): Partial<AttemptEnd> => ({
  outcome: { state: 'waiting', nextAt, fault: fault(code) },
});

/** Claims what there is in one slot and names the results, in order. */
export async function claimKeys(journal: Journal, now: number, slot: Partial<Slot> = {}): Promise<string[]> {
  const { deliveries } = await journal.claim([{ ...SLOT, ...slot }], now);
  return deliveries.map(({ resultKey }) => resultKey);
}

/** Claims one delivery and fails if there is not just one. */
export async function claimOne(journal: Journal, now: number, slot: Partial<Slot> = {}): Promise<Delivery> {
  const { deliveries }: Claimed = await journal.claim([{ ...SLOT, ...slot }], now);
  if (deliveries.length !== 1) throw new Error(`expected one delivery, got ${deliveries.length}`);
  return deliveries[0]!;
}

/** Claims the one delivery there is and records it as delivered. */
export async function deliverOne(journal: Journal, now: number): Promise<Delivery> {
  const delivery = await claimOne(journal, now);
  await journal.record(ended(delivery, now));
  return delivery;
}

/** States of a message's deliveries, each with the code of its fault where it has one. */
export async function statesOf(journal: Journal, messageId: number): Promise<string[]> {
  const deliveries = await journal.readDeliveries(messageId);
  return deliveries.map(({ state, fault }) => (fault === null ? state : `${state} ${fault.code}`));
}

/** The history of a message and its deliveries, as `event` or `event why`. */
export async function eventsOf(journal: Journal, messageId: number): Promise<string[]> {
  const history = await journal.readHistory(messageId);
  return history.map(({ event, why }) => (why === null ? event : `${event} ${why}`));
}

export const codesOf = (faults: readonly FaultRecord[]): FaultCode[] => faults.map(({ code }) => code);
