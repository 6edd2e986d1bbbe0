import type { Books, JournalDelivery, JournalMessage } from './books.ts';
import type { ExpectedDelivery, ExpectedMessage } from './oracle.ts';
import { ledgerHash } from './people.ts';
import type { Kind } from './kinds.ts';
import type { Sending } from './traffic.ts';
import { PROVIDERS } from './world.ts';

/** A message as it has to end, with the hash of its bytes. */
export interface Foreseen {
  readonly kind: Kind;
  readonly hash: string;
  readonly expected: ExpectedMessage;
}

/** A certificate that has to be issued, once it is found in the journal. */
interface Issued {
  readonly label: string;
  readonly foreseen: Foreseen;
  readonly expected: ExpectedDelivery;
  readonly found: JournalDelivery;
  readonly messageId: number;
}

/**
 * Holds the books against what was foreseen and against each other, row by row and both ways round. Gives every
 * disagreement with its place; nobody is named in it but by control ids and identifiers of certificates.
 */
export function reconcile(foreseen: readonly Foreseen[], books: Books): string[] {
  const wrong: string[] = [];
  const byHash = new Map(books.journal.map((message) => [`${message.channel} ${message.hash}`, message]));
  const issued: Issued[] = [];
  const seen = new Set<JournalMessage>();
  for (const one of foreseen) {
    const { sending } = one.expected;
    const label = `${sending.controlId} (${one.kind})`;
    const say = (text: string) => void wrong.push(`${label}: ${text}`);
    checkAnswers(one, books.inbox.answers.get(one.hash) ?? [], say);
    const message = byHash.get(`${sending.lab} ${one.hash}`);
    if (message === undefined) {
      say('is not in the journal');
      continue;
    }
    seen.add(message);
    checkMessage(one, message, say);
    issued.push(...pairDeliveries(one, message, label, say));
  }
  for (const message of books.journal) {
    if (!seen.has(message)) wrong.push(`message ${message.id} (${message.controlId}): nobody sent it`);
  }
  checkLedger(issued, books, wrong);
  checkInbox(issued, books, wrong);
  const hashes = new Map(foreseen.map(({ hash, expected }) => [expected.sending, hash]));
  checkEvidence(issued, books, (request) => byHash.get(`${request.lab} ${hashes.get(request)}`)?.id ?? null, wrong);
  return wrong;
}

type Say = (text: string) => void;

function differ(say: Say, what: string, expected: unknown, found: unknown): void {
  const [left, right] = [JSON.stringify(expected), JSON.stringify(found)];
  if (left !== right) say(`${what} is ${right}, not ${left}`);
}

const isAtKill = ({ kind }: Foreseen) => kind === 'while the engine is killed';

function checkAnswers(one: Foreseen, answers: readonly string[], say: Say): void {
  const { answer, timesSeen } = one.expected;
  // Who was not answered before the engine was killed sends again, and gets one answer all the same.
  const count = isAtKill(one) ? Math.max(1, answers.length) : timesSeen;
  differ(
    say,
    'the answer',
    Array.from({ length: count }, () => answer),
    answers,
  );
}

function checkMessage(one: Foreseen, message: JournalMessage, say: Say): void {
  const { expected } = one;
  differ(say, 'its control id in the journal', expected.sending.controlId, message.controlId);
  differ(say, 'its state in the journal', expected.state, message.state);
  differ(say, 'the reasons for leaving it out', expected.reasons.toSorted(), message.reasons.toSorted());
  differ(say, 'its faults', expected.faults.toSorted(), message.faults.toSorted());
  differ(say, 'how often it says what is known', expected.linked, message.linked);
  const mayBeTwice = isAtKill(one) && message.timesSeen === 2;
  if (!mayBeTwice) differ(say, 'how often it was seen', expected.timesSeen, message.timesSeen);
  differ(
    say,
    'whether its control id was used before',
    one.kind === 'a control id used twice',
    message.isControlIdReused,
  );
}

/** Which delivery of the journal is which of those foreseen: they are told apart by what became of them. */
function pairDeliveries(one: Foreseen, message: JournalMessage, label: string, say: Say): Issued[] {
  const left = [...message.deliveries];
  const issued: Issued[] = [];
  for (const expected of one.expected.deliveries) {
    const text = describe(expected);
    const index = left.findIndex((found) => describe(found) === text);
    const found = left[index];
    if (found === undefined) {
      say(`there is no delivery “${text}” in the journal, but ${left.map(describe).join(', ') || 'none'}`);
      continue;
    }
    left.splice(index, 1);
    if (expected.state === 'delivered') {
      issued.push({ label, foreseen: one, expected, found, messageId: message.id });
      checkFollowUps(expected, one, found, say);
    }
  }
  for (const found of left) say(`the journal has a delivery “${describe(found)}”`);
  return issued;
}

const describe = ({
  operation,
  party,
  state,
  why,
}: Pick<ExpectedDelivery, 'operation' | 'party' | 'state' | 'why'> | JournalDelivery) =>
  [operation, party, state, ...(why === null ? [] : [why])].join(' ');

function checkFollowUps({ issued }: ExpectedDelivery, { expected }: Foreseen, found: JournalDelivery, say: Say): void {
  const back = expected.sending.lab === 'kust' ? ['lis delivered'] : Array.from({ length: 3 }, () => 'files delivered');
  differ(say, 'what followed the certificate', back, found.followUps);
  checkTime('the journal', found.deliveredAt, issued, say);
}

function checkTime(book: string, at: number | null, issued: ExpectedDelivery['issued'], say: Say): void {
  const iso = (time: number) => new Date(time).toISOString();
  if (at === null || issued === null) say(`${book} does not say when it was issued`);
  else if (at < issued.from || at > issued.until)
    say(`${book} has it issued at ${iso(at)}, not between ${iso(issued.from)} and ${iso(issued.until)}`);
}

function checkLedger(issued: readonly Issued[], { ledger, refusals }: Books, wrong: string[]): void {
  const rows = Map.groupBy(ledger, ({ uvci }) => uvci);
  const claimed = new Set<string>();
  for (const { label, expected, found } of issued) {
    const say = (text: string) => void wrong.push(`${label}: ${text}`);
    const uvci = found.uvci ?? '?';
    if (claimed.has(uvci)) say(`the certificate ${uvci} is that of another result, too`);
    claimed.add(uvci);
    const [first, ...repeats] = rows.get(uvci) ?? [];
    if (first === undefined) {
      say(`the certificate ${uvci} is not in the ledger`);
      continue;
    }
    const provider = PROVIDERS.find(({ id }) => id === expected.party);
    differ(say, 'the care provider in the ledger', provider?.number, first.organisation);
    differ(say, 'the site in the ledger', provider?.name, first.stated);
    differ(
      say,
      'the kind in the ledger',
      expected.operation === 'test-certificate' ? 'observation' : 'recovery',
      first.operation,
    );
    if (first.personSha256 !== ledgerHash(expected.said.test.person)) say('the ledger has another person');
    checkTime('the ledger', first.at, expected.issued, say);
    if (repeats.some(({ bodySha256 }) => bodySha256 !== first.bodySha256))
      say('it was asked for again with other content');
    if (repeats.length >= found.attempts)
      say(`the ledger has ${repeats.length + 1} requests, the journal ${found.attempts} attempts`);
    // Whose answer was lost is asked for once more.
    if (!(repeats.at(-1) ?? first).answered) say('the last request of the ledger was never answered');
  }
  for (const [uvci, [first]] of rows) {
    if (!claimed.has(uvci))
      wrong.push(`the ledger has the certificate ${uvci} of ${first?.organisation}, which nobody may have asked for`);
  }
  for (const { sequence, path, status, message } of refusals) {
    if (status < 500) wrong.push(`request ${sequence} of the ledger (${path}) was refused with ${status}: ${message}`);
  }
}

function checkInbox(issued: readonly Issued[], { inbox }: Books, wrong: string[]): void {
  const returned = Map.groupBy(inbox.certificates, ({ uvci }) => uvci);
  for (const { label, foreseen, expected, found } of issued) {
    const say = (text: string) => void wrong.push(`${label}: ${text}`);
    const [first, ...more] = returned.get(found.uvci ?? '?') ?? [];
    returned.delete(found.uvci ?? '?');
    if (first === undefined) {
      say(`its certificate ${found.uvci} did not come back to the laboratory`);
      continue;
    }
    if (more.length > 0) say(`its certificate ${found.uvci} came back ${more.length + 1} times`);
    if (first.problem !== null) say(`what came back of ${found.uvci}: ${first.problem}`);
    differ(say, 'the laboratory it came back to', foreseen.expected.sending.lab, first.lab);
    if (first.says === null) continue;
    const { person, filler } = expected.said.test;
    differ(say, 'the laboratory’s own number of what came back', filler, first.says.filler);
    if (first.says.person !== (person.number ?? person.otherNumber)) say('what came back is of another person');
    const [given = '', ...others] = person.given.split(' ');
    const name = [person.family, given, others.join(' ')].join('^').replace(/\^+$/, '');
    if (first.says.name !== name) say('what came back has another name, or other letters of it');
  }
  for (const [uvci, [first]] of returned)
    wrong.push(`${uvci} lies at the laboratory ${first?.lab}, and was not to come`);
}

const IDENTIFICATION = {
  personnummer: 'personnummer',
  samordningsnummer: 'samordningsnummer',
  reservnummer: 'name-and-birth-date',
  abroad: 'name-and-birth-date',
} as const;

function checkEvidence(
  issued: readonly Issued[],
  { evidence, evidenceByParty, inbox }: Books,
  idOf: (request: Sending) => number | null,
  wrong: string[],
): void {
  const rows = Map.groupBy(evidence, ({ uvci }) => String(uvci));
  const mailboxes = new Map(inbox.certificates.map(({ uvci, says }) => [uvci, says?.inMailbox ?? null]));
  for (const { label, foreseen, expected, found, messageId } of issued) {
    const say = (text: string) => void wrong.push(`${label}: ${text}`);
    const [row, ...more] = rows.get(found.uvci ?? '?') ?? [];
    rows.delete(found.uvci ?? '?');
    if (row === undefined) {
      say(`the certificate ${found.uvci} is not in the evidence`);
      continue;
    }
    if (more.length > 0) say(`the certificate ${found.uvci} is in the evidence ${more.length + 1} times`);
    const { test, outcome } = expected.said;
    const { lab, at } = foreseen.expected.sending;
    const files = lab === 'kust' ? '1 delivered' : '3 delivered';
    const says: Readonly<Record<string, unknown>> = {
      message: messageId,
      delivery: found.id,
      party: expected.party,
      channel: lab,
      requestMessage: expected.request === null ? null : idOf(expected.request),
      certificate: expected.operation === 'test-certificate' ? 'test' : 'recovery',
      identification: IDENTIFICATION[test.person.identity],
      testType: test.kind === 'rat' ? 'RAT' : 'NAAT',
      result: outcome,
      handedOver: true,
      wayBack: files,
      actedBy: expected.actedBy,
    };
    for (const [column, value] of Object.entries(says)) differ(say, `“${column}” of the evidence`, value, row[column]);
    if (Date.parse(String(row.sampledAt)) !== test.sampledAt) say('the evidence has another time of the sample');
    const lateness = Date.parse(String(row.receivedAt)) - at;
    if (!(lateness >= 0 && lateness < 3_600_000)) say('the evidence has another time of its coming');
    checkTime('the evidence', Date.parse(String(row.issuedAt)), expected.issued, say);
    const inMailbox = mailboxes.get(found.uvci ?? '?') ?? null;
    if (inMailbox !== null) differ(say, '“inMailbox” of the evidence', inMailbox, row.inMailbox);
  }
  for (const uvci of rows.keys())
    wrong.push(`the evidence has the certificate ${uvci}, which nobody may have asked for`);
  const byParty = Map.groupBy(issued, ({ expected }) => expected.party);
  for (const { id } of PROVIDERS) {
    const say = (text: string) => void wrong.push(`${id}: ${text}`);
    differ(say, 'the number of its rows in the evidence', byParty.get(id)?.length ?? 0, evidenceByParty.get(id) ?? 0);
  }
}
