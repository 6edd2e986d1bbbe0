import { createHash } from 'node:crypto';
import type { Ledger } from '../../src/simulators/covidbevis/ledger.ts';
import type { Books, DeliveryRow, HistoryRow, MessageRow } from './books.ts';
import type { Planned } from './load.ts';
import { personHash } from './message.ts';

export interface Accounts {
  /** What is not as it must be; [] = all is. */
  readonly violations: readonly string[];
  readonly figures: {
    readonly taken: number;
    readonly results: number;
    readonly certificates: number;
    /** Requests beyond the first for one identifier: attempts whose end nobody knew, made again by design. */
    readonly repeats: number;
    /**
     * Those of them that came when a later delivery of their lane had arrived: only an engine whose clock stood still
     * between its look at the lease and its request makes such.
     */
    readonly lateRepeats: number;
    readonly attempts: number;
    readonly lanes: number;
    readonly historyLines: number;
  };
}

const sha256 = (bytes: Buffer | string) => createHash('sha256').update(bytes).digest('hex');

/**
 * Holds what was promised against what was done: the messages that were taken (AA), in the order of their senders,
 * against the service's ledger and the journal's books.
 * @param senders for each sender, what was taken from it, in the order in which it sent
 */
export function settleAccounts(senders: readonly (readonly Planned[])[], ledger: Ledger, books: Books): Accounts {
  const violations: string[] = [];
  const note = (text: string) => {
    if (violations.length < 40) violations.push(text);
  };
  const { deliveries, history } = books;
  const messages = new Map(books.messages.map((row) => [row.contentHash, row]));
  for (const problem of books.problems) note(problem);
  checkHistory(messages, deliveries, history, note);
  const requests = deliveries.filter(({ target }) => target === 'covidbevis');
  checkSenders(senders, messages, requests, ledger, note);
  checkLedger(requests, ledger, note);
  const lanes = checkLanes(requests, ledger, note);
  const entries = ledger.entries();
  return {
    violations,
    figures: {
      taken: senders.flat().length,
      results: senders.flat().reduce((sum, { newResults }) => sum + newResults.length, 0),
      certificates: ledger.certificates(),
      repeats: entries.filter(({ repeat }) => repeat > 0).length,
      lateRepeats: countLateRepeats(requests, ledger),
      attempts: requests.reduce((sum, { attempts }) => sum + attempts, 0),
      lanes: lanes.size,
      historyLines: history.length,
    },
  };
}

type Note = (text: string) => void;

/** Every state was reached by a chain of events without a gap, and every attempt has its end. */
function checkHistory(
  messages: ReadonlyMap<string, MessageRow>,
  deliveries: readonly DeliveryRow[],
  history: readonly HistoryRow[],
  note: Note,
): void {
  const groups = Map.groupBy(history, (row) =>
    row.delivery_id === null ? `m${row.message_id}` : `d${row.delivery_id}`,
  );
  const walk = (name: string, state: string) => {
    const rows = groups.get(name) ?? [];
    let at: string | null = null;
    let open = 0;
    for (const row of rows) {
      if (row.event === 'attempt') open += 1;
      if (row.to_state === null) continue;
      if (row.from_state !== at) note(`${name}: ${row.event} goes from ${row.from_state}, but it was ${at}`);
      if (row.event === 'retry' || row.event === 'delivered') open -= 1;
      if (open < 0 || open > 1) note(`${name}: ${row.event} ends an attempt that did not begin, or two`);
      at = row.to_state;
    }
    if (at !== state) note(`${name}: it is ${state}, by its history ${at}`);
    return rows;
  };
  for (const message of messages.values()) {
    const rows = walk(`m${message.id}`, message.state);
    const resent = rows.filter(({ event }) => event === 'resent').length;
    if (resent !== message.times_seen - 1) note(`m${message.id}: seen ${message.times_seen} times, ${resent} × resent`);
  }
  for (const { id, state, attempts } of deliveries) {
    const begun = walk(`d${id}`, state).filter(({ event }) => event === 'attempt').length;
    if (begun !== attempts) note(`d${id}: ${attempts} attempts, ${begun} in its history`);
  }
}

/** What was taken is in the journal, and each of its results at the service once, in the sender's order. */
function checkSenders(
  senders: readonly (readonly Planned[])[],
  messages: ReadonlyMap<string, MessageRow>,
  requests: readonly DeliveryRow[],
  ledger: Ledger,
  note: Note,
): void {
  const byMessage = Map.groupBy(requests, ({ message_id }) => message_id);
  const owners = new Map<string, string>();
  for (const { identifier, organisation } of ledger.entries()) owners.set(identifier, organisation);
  for (const taken of senders) {
    const expected = new Map<number, string[]>();
    for (const { bytes, controlId, party, person, newResults } of taken) {
      const message = messages.get(sha256(bytes));
      if (message === undefined) {
        note(`${controlId} was taken, but is not in the journal`);
        continue;
      }
      const made = (byMessage.get(message.id) ?? []).map(({ body }) => identifierOf(body));
      if (made.length !== newResults.length) {
        note(
          `${controlId} (message ${message.id}) states ${newResults.length} results, and made ${made.length} deliveries`,
        );
      }
      for (const identifier of made) {
        const owner = owners.get(identifier);
        if (owner === undefined) note(`${controlId}: ${identifier} never reached the service`);
        else if (owner !== party.number) note(`${controlId}: ${identifier} of ${party.number} went under ${owner}`);
      }
      expected.set(person, [...(expected.get(person) ?? []), ...made]);
    }
    for (const [person, identifiers] of expected) {
      const seen = ledger.order(personHash(person));
      if (seen.join() !== identifiers.join()) {
        note(`person ${person}: the service saw ${seen.join(' ')}, they were sent as ${identifiers.join(' ')}`);
      }
    }
  }
}

/** What the service has comes from the journal, once each but for attempts in doubt, and under the right certificate. */
function checkLedger(requests: readonly DeliveryRow[], ledger: Ledger, note: Note): void {
  const deliveries = new Map(requests.map((row) => [identifierOf(row.body), row]));
  if (deliveries.size !== requests.length) note('two deliveries have one identifier');
  const bodies = new Map<string, string>();
  for (const { identifier, bodySha256 } of ledger.entries()) {
    if ((bodies.get(identifier) ?? bodySha256) !== bodySha256) note(`${identifier} came with different bodies`);
    bodies.set(identifier, bodySha256);
  }
  for (const [identifier, count] of ledger.countsByIdentifier()) {
    const row = deliveries.get(identifier);
    if (row === undefined) note(`${identifier} reached the service, but the journal has nothing of it`);
    else if (count > row.attempts) note(`${identifier} came ${count} times in ${row.attempts} attempts`);
    else if (row.state !== 'delivered') note(`${identifier} reached the service, but is ${row.state}`);
  }
  const crossed = ledger.crossed().length;
  if (crossed > 0) note(`${crossed} requests came under another care provider's certificate`);
  if (ledger.certificates() !== bodies.size) note('an identifier got two certificates');
  const refused = ledger.refusals().filter(({ status }) => status < 500 && status !== 429);
  for (const { status, message } of refused) note(`the service refused with ${status}: ${message}`);
}

const byLane = (requests: readonly DeliveryRow[]) =>
  Map.groupBy(requests, ({ target, party, lane_key }) => `${target} ${party} ${lane_key}`);

/** Within a lane the service saw first what was admitted first. */
function checkLanes(requests: readonly DeliveryRow[], ledger: Ledger, note: Note): ReturnType<typeof byLane> {
  const firstSeen = new Map(ledger.order().map((identifier, index) => [identifier, index]));
  const lanes = byLane(requests);
  for (const rows of lanes.values()) {
    const seen = rows.map(({ body }) => firstSeen.get(identifierOf(body)) ?? -1);
    if (seen.some((place, index) => index > 0 && place < (seen[index - 1] ?? 0))) {
      note(`the lane of delivery ${rows[0]?.id} was not served in its order`);
    }
  }
  return lanes;
}

function countLateRepeats(requests: readonly DeliveryRow[], ledger: Ledger): number {
  const places = new Map<string, { lane: string; place: number }>();
  for (const [lane, rows] of byLane(requests)) {
    for (const [place, { body }] of rows.entries()) places.set(identifierOf(body), { lane, place });
  }
  const furthest = new Map<string, number>();
  let late = 0;
  for (const { identifier } of ledger.entries()) {
    const { lane, place } = places.get(identifier) ?? { lane: '', place: 0 };
    const seen = furthest.get(lane) ?? -1;
    if (place < seen) late += 1;
    else furthest.set(lane, place);
  }
  return late;
}

function identifierOf(body: Buffer): string {
  const { identifier } = JSON.parse(body.toString()) as { identifier: { value: string }[] };
  return identifier[0]?.value ?? '';
}
