import { type Judged, judge } from './rules.ts';
import { HOUR_MS, MINUTE_MS, onDay } from './swedish-time.ts';
import type { Case, Said, Sending } from './traffic.ts';
import { blockAt, type World } from './world.ts';

/**
 * What has to become of a case, worked out from the rules of `docs/covidbevis.md` and `docs/results.md` alone: it knows
 * neither HL7 nor mapping files, and shares no code with what it judges.
 */
export interface ExpectedMessage {
  readonly sending: Sending;
  readonly answer: 'AA' | 'AE' | 'AR';
  state: 'mapped' | 'skipped' | 'refused' | 'held';
  readonly reasons: string[];
  readonly faults: string[];
  timesSeen: number;
  /** It says what is known already, of so many results. */
  linked: number;
  readonly deliveries: ExpectedDelivery[];
}

export interface ExpectedDelivery {
  readonly operation: 'test-certificate' | 'recovery-certificate';
  readonly said: Said;
  readonly party: string;
  state: 'waiting' | 'delivered' | 'held' | 'cancelled';
  /** How it was cancelled, or why it is held; null for what waits or was delivered. */
  why: string | null;
  /** When it is issued, at the earliest and at the latest. */
  issued: { readonly from: number; readonly until: number } | null;
  /** From then on it is not to be issued. */
  readonly notAfter: number;
  /** Its time ended while it waited: there is an alarm. */
  wasLate: boolean;
  /** The message that asked for it; null = none did. */
  request: Sending | null;
  /** A person had a hand in it. */
  actedBy: string;
}

/** A time lies so near to another that nobody can say which comes first. */
export class Ambiguous extends Error {}

/** Around the begin and the end of a block, and around a kill. */
const NEAR_MS = 20 * MINUTE_MS;
/** After a block it takes its time until the last lane goes on. */
const AFTERMATH_MS = 2 * HOUR_MS;
const USUAL_MS = 30 * MINUTE_MS;

interface Live extends ExpectedDelivery {
  readonly order: number;
  readonly result: Result;
  readonly saidAt: Version;
  admittedAt: number;
  notBefore: number | null;
  /** The request that it rests on. */
  readonly need: string;
  /** Of positive results: until when no later one counts. */
  readonly onceUntil: number | null;
  message: ExpectedMessage;
}

interface Version {
  readonly rank: string;
  readonly digest: string;
}

interface Result {
  known: Version | null;
  readonly deliveries: Live[];
}

/** @throws Ambiguous */
export function foresee({ sendings, acts }: Case, world: World): ExpectedMessage[] {
  const results = new Map<string, Result>();
  /** What was asked for so far, in whatever message. */
  const requests = new Map<string, Sending>();
  const messages = new Map<Sending, ExpectedMessage>();
  const all: Live[] = [];

  const advanceTo = (at: number) => {
    for (const one of all.filter(({ state }) => state === 'waiting')) {
      const readyAt = Math.max(one.admittedAt, one.notBefore ?? 0);
      const block = blockAt(world, one.party, readyAt);
      const from = block?.until ?? readyAt;
      const until = from + (block === null ? USUAL_MS : AFTERMATH_MS);
      if (readyAt > at) continue;
      if (from < one.notAfter && one.notAfter < until) throw new Ambiguous('ends while it is sent');
      if (one.notAfter <= from) {
        // It is cancelled by whoever looks at it next, which may take until the block is over.
        if (at < one.notAfter) continue;
        if (at < from && at !== world.endAt) throw new Ambiguous('its time has ended, and nobody has looked');
        end(one, 'cancelled', 'expired');
        one.wasLate = true;
      } else if (from <= at) {
        if (at < until && at > from && block !== null) throw new Ambiguous('in the aftermath of a block');
        one.state = 'delivered';
        one.why = null;
        one.issued = { from, until };
      }
    }
  };

  const steps = [
    ...sendings.map((sending) => ({ at: sending.at, sending, act: null })),
    ...acts.map((act) => ({ at: act.at, sending: null, act })),
  ].sort((a, b) => a.at - b.at);
  for (const { at, sending, act } of steps) {
    demandDistance(at, world);
    advanceTo(at - 1);
    if (sending !== null) take(sending);
    else if (act !== null) perform(act.what, messages.get(act.of)!, at);
    settleFirsts(all);
    advanceTo(at);
  }
  advanceTo(world.endAt);
  settleFirsts(all);
  return [...messages.values()];

  function take(sending: Sending): void {
    if (sending.repeats !== null) {
      messages.get(sending.repeats)!.timesSeen += 1;
      return;
    }
    const judged = sending.says.map((said): Judged => {
      const one = judge(said, sending, world);
      // What nobody asked for troubles nobody.
      return one.held?.startsWith('rule-holds') && said.asked.length === 0 ? {} : one;
    });
    const refusal = judged.find(({ refused }) => refused !== undefined)?.refused;
    const message: ExpectedMessage = {
      sending,
      answer: refusal?.answer ?? 'AA',
      state: refusal === undefined ? 'mapped' : 'refused',
      reasons: refusal === undefined ? judged.flatMap(({ skipped }) => skipped ?? []) : [],
      faults: refusal === undefined ? judged.flatMap(({ held }) => held ?? []) : [refusal.fault],
      timesSeen: 1,
      linked: 0,
      deliveries: [],
    };
    messages.set(sending, message);
    if (refusal !== undefined) return;
    const asked = sending.says.flatMap((said, index) => (judged[index]?.held === undefined ? requestsOf(said) : []));
    for (const request of asked) if (!requests.has(request)) requests.set(request, sending);
    const stated = sending.holds === 'results' ? sending.says : [];
    const drafts = stated.map((said, index) => state(said, judged[index]!, message));
    for (const one of all) if (one.why === 'lacking' && asked.includes(one.need)) letGo(one, sending);
    if (message.faults.length > 0) message.state = 'held';
    else if (stated.length > 0 && message.reasons.length === stated.length && !drafts.includes('sent'))
      message.state = 'skipped';
  }

  /** What lacked its request goes, as if it came now. */
  function letGo(one: Live, request: Sending): void {
    const { at } = request;
    one.request = request;
    if (one.notAfter <= at) {
      end(one, 'cancelled', 'expired');
      return;
    }
    if (one.notAfter < at + USUAL_MS) throw new Ambiguous('ends as it is asked for');
    one.state = 'waiting';
    one.why = null;
    one.admittedAt = at;
    if (one.message.state === 'skipped') one.message.state = 'mapped';
  }

  /** Believes what is said of one result, and queues what follows from it. */
  function state(said: Said, judged: Judged, message: ExpectedMessage): 'sent' | 'none' {
    // What is held by the mapping is not believed until somebody has mended it.
    if (judged.held !== undefined || judged.unstated === true) return 'none';
    const { sending } = message;
    const key = `${said.test.person.number ?? said.test.person.otherNumber ?? said.test.person.family} ${said.test.filler} ${said.test.kind}`;
    const result = results.get(key) ?? { known: null, deliveries: [] };
    results.set(key, result);
    const order = { P: '0', F: '1', C: '2', D: '3' }[said.status];
    const version: Version = {
      rank: `${String(sending.writtenAt).padStart(15, '0')} ${order}`,
      digest: JSON.stringify([said.outcome, said.status, said.test.sampledAt, said.test.device]),
    };
    const draft =
      judged.skipped === undefined || judged.counts === true ? makeDraft(said, judged, message, result, version) : null;
    if (result.known === null) {
      result.known = version;
      if (draft !== null) all.push(draft);
    } else if (result.known.digest === version.digest) {
      message.linked += 1;
      if (version.rank > result.known.rank) result.known = version;
      const standsFor = (one: Live) =>
        one !== draft &&
        one.operation === draft?.operation &&
        one.saidAt.digest === version.digest &&
        (one.state !== 'cancelled' || STILL_STANDS.includes(one.why ?? ''));
      if (draft !== null && (draft.why === 'waived' || !result.deliveries.some(standsFor))) all.push(draft);
      else if (draft !== null) drop(draft, message, result);
    } else if (version.rank < result.known.rank) {
      if (draft !== null) {
        end(draft, 'cancelled', 'stale');
        all.push(draft);
      }
    } else {
      result.known = version;
      const issued = result.deliveries.some((one) => one.state === 'delivered');
      // What is to be held is held, though its time is over.
      const isBorne = draft !== null && (draft.state !== 'cancelled' || draft.why === 'expired');
      for (const one of result.deliveries) {
        if (one !== draft && (one.state === 'waiting' || one.state === 'held' || one.why === 'lacking'))
          end(one, 'cancelled', 'superseded');
      }
      if (issued && isBorne) end(draft, 'held', 'already-delivered');
      else if (issued) message.faults.push('already-delivered');
      if (draft !== null) all.push(draft);
    }
    // That it was asked for in another message the mapping does not know.
    if (draft !== null && draft.why !== 'waived' && !requestsOf(said).includes(draft.need))
      message.reasons.push('not-requested');
    const isAsked = draft !== null && requestsOf(said).includes(draft.need);
    const isSent = isAsked || (draft !== null && draft.state !== 'cancelled');
    return isSent && judged.skipped === undefined ? 'sent' : 'none';
  }

  function drop(draft: Live, message: ExpectedMessage, result: Result): void {
    message.deliveries.splice(message.deliveries.indexOf(draft), 1);
    result.deliveries.splice(result.deliveries.indexOf(draft), 1);
  }

  function makeDraft(said: Said, judged: Judged, message: ExpectedMessage, result: Result, saidAt: Version): Live {
    const { at } = message.sending;
    const { sampledAt } = said.test;
    const isTest = said.outcome === 'negative';
    const notBefore = isTest ? null : onDay(sampledAt, 11);
    const notAfter = isTest ? sampledAt + 72 * HOUR_MS : onDay(sampledAt, 181);
    const draft: Live = {
      operation: isTest ? 'test-certificate' : 'recovery-certificate',
      said,
      party: said.test.provider.id,
      state: 'waiting',
      why: null,
      issued: null,
      wasLate: false,
      request: requests.get(`${isTest ? 'test' : 'recovery'} ${said.test.filler}`) ?? null,
      actedBy: '',
      order: all.length,
      result,
      saidAt,
      admittedAt: at,
      notBefore,
      notAfter,
      need: `${isTest ? 'test' : 'recovery'} ${said.test.filler}`,
      onceUntil: isTest ? null : onDay(sampledAt, 181),
      message,
    };
    if (judged.counts === true) end(draft, 'cancelled', 'waived');
    else if (!requests.has(draft.need)) end(draft, 'cancelled', 'lacking');
    else if (notAfter <= at) end(draft, 'cancelled', 'expired');
    else if (notAfter < at + USUAL_MS) throw new Ambiguous('ends as it comes');
    message.deliveries.push(draft);
    result.deliveries.push(draft);
    return draft;
  }

  function perform(what: 'release' | 'cancel', message: ExpectedMessage, at: number): void {
    for (const one of message.deliveries as Live[]) {
      if (one.state !== 'held') continue;
      if (what === 'cancel') end(one, 'cancelled', 'cancelled');
      else {
        one.state = 'waiting';
        one.why = null;
        // From now on it is like one that has just come.
        one.notBefore = Math.max(one.notBefore ?? 0, at);
        one.actedBy = 'anna released';
      }
    }
  }
}

/** Ways of being cancelled after which the same result, said again, changes nothing. */
const STILL_STANDS: readonly string[] = ['expired', 'cancelled', 'not-first', 'lacking'];

const requestsOf = ({ asked, test }: Said): string[] => asked.map((one) => `${one} ${test.filler}`);

function end(one: ExpectedDelivery, state: ExpectedDelivery['state'], why: string): void {
  one.state = state;
  one.why = why;
}

/** Of a person's positive tests only the first counts. */
function settleFirsts(all: readonly Live[]): void {
  const rivals = all
    .filter((one) => one.onceUntil !== null && one.why !== 'superseded' && one.why !== 'stale' && isStillSaid(one))
    .sort((a, b) => a.said.test.sampledAt - b.said.test.sampledAt || a.order - b.order);
  const counting: Live[] = [];
  const covers = (first: Live, other: Live) =>
    first.result !== other.result &&
    first.said.test.sampledAt <= other.said.test.sampledAt &&
    other.said.test.sampledAt < (first.onceUntil ?? 0);
  for (const one of rivals) {
    const first = counting.find((other) => covers(other, one));
    if (one.state === 'delivered') counting.push(one);
    else if (first !== undefined) {
      if (one.state === 'waiting') end(one, 'cancelled', 'not-first');
    } else {
      counting.push(one);
      const isTaken = rivals.some((other) => other.state === 'delivered' && covers(one, other));
      if (isTaken && one.state === 'waiting') end(one, 'held', 'later-delivered');
      else if (!isTaken && one.why === 'not-first') {
        one.state = 'waiting';
        one.why = null;
      }
    }
  }
}

const isStillSaid = (one: Live): boolean => one.state === 'delivered' || one.saidAt.digest === one.result.known?.digest;

/** @throws Ambiguous where nobody can say what comes first */
function demandDistance(at: number, world: World): void {
  const near = (moment: number, before = NEAR_MS, after = NEAR_MS) => at > moment - before && at < moment + after;
  const isNear =
    world.blocks.some(({ from, until }) => near(from) || near(until, NEAR_MS, AFTERMATH_MS)) ||
    [world.restartAt, world.wrongRenewalAt, world.outageClosedAt].some((moment) => near(moment)) ||
    at > world.endAt - 2 * HOUR_MS ||
    at < world.startAt;
  if (isNear) throw new Ambiguous('near to an event');
}
