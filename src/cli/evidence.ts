import { type Command, Option } from 'commander';
import type { HistoryEvent, StoredDelivery, StoredMessage } from '../contracts/journal.ts';
import { ANY_MESSAGE, type FoundMessages, type PageMark } from '../contracts/operations.ts';
import type { RemoteJournalReader } from '../journal/reader.ts';
import { openReader } from '../open-journal.ts';
import { findJournal, type JournalOptions } from './open-operations.ts';
import { addJournalOptions } from './operator.ts';
import { readTime } from './search.ts';
import type { ExitCode, Terminal } from './terminal.ts';

interface EvidenceOptions extends JournalOptions {
  readonly from?: number;
  readonly to?: number;
  readonly party?: string;
  readonly format: 'csv' | 'ndjson';
  readonly personal?: true;
}

/** One certificate, as a quality review asks for it. Times are ISO, in UTC but for `sampledAt`. Null = not known. */
type Evidence = Readonly<
  Record<(typeof COLUMNS)[number] | (typeof PERSONAL)[number], string | number | boolean | null>
>;

const COLUMNS = [
  'message',
  'delivery',
  'party',
  'channel',
  'certificate',
  'mappingVersion',
  'requestMessage',
  'requestedAt',
  'identification',
  'testType',
  'result',
  'sampledAt',
  'receivedAt',
  'issuedAt',
  'attempts',
  'uvci',
  'mailbox',
  'inMailbox',
  'handedOver',
  'wayBack',
  'actedBy',
] as const;

const PERSONAL = ['identity', 'family', 'given', 'birthDate'] as const;

/** Operations whose deliveries are certificates. */
const CERTIFICATES: Readonly<Record<string, string>> = {
  'test-certificate': 'test',
  'recovery-certificate': 'recovery',
};
const TEST_TYPES: Readonly<Record<string, string>> = { 'LP6464-4': 'NAAT', 'LP217198-3': 'RAT' };
const RESULTS: Readonly<Record<string, string>> = { '260415000': 'negative', '260373001': 'positive' };
const PAGE = 500;

/**
 * `sluss evidence`: one row for each certificate that was issued, for a quality review. What it rests on is the journal
 * alone: the request as it left, the service's answer, and the history. Persons only where they are asked for.
 */
export async function evidence(options: EvidenceOptions, terminal: Terminal): Promise<ExitCode> {
  const reader = await openReader(await findJournal(options, terminal));
  try {
    const columns: readonly (keyof Evidence)[] = options.personal ? [...COLUMNS, ...PERSONAL] : COLUMNS;
    if (options.format === 'csv') terminal.print(columns.join(','));
    let [rows, withoutContent] = [0, 0];
    let lastPrunedAt: number | null = null;
    for (const messageId of await findIssued(reader, options)) {
      const message = await reader.readMessage(messageId);
      if (message === null) continue;
      for (const row of await readEvidence(reader, message, options.party ?? null)) {
        const values = columns.map((column) => [column, row[column]] as const);
        terminal.print(
          options.format === 'csv'
            ? values.map(([, value]) => csvCell(value)).join(',')
            : JSON.stringify(Object.fromEntries(values)),
        );
        rows += 1;
        if (!message.isPruned) continue;
        withoutContent += 1;
        lastPrunedAt = Math.max(lastPrunedAt ?? 0, message.receivedAt);
      }
    }
    terminal.complain(`${rows} ${rows === 1 ? 'certificate' : 'certificates'}`);
    if (lastPrunedAt !== null) {
      const day = new Date(lastPrunedAt).toISOString();
      terminal.complain(`${withoutContent} of them without content, as retention took it: complete from after ${day}`);
    }
    return 0;
  } finally {
    await reader.close();
  }
}

/** Ids of messages with something delivered, oldest first. */
async function findIssued(reader: RemoteJournalReader, { from, to, party }: EvidenceOptions): Promise<number[]> {
  const query = {
    ...ANY_MESSAGE,
    deliveryState: 'delivered' as const,
    from: from ?? null,
    to: to ?? null,
    party: party ?? null,
  };
  const ids: number[] = [];
  for (let after: PageMark | null = null; ; ) {
    const found: FoundMessages = await reader.findMessages(query, { after, limit: PAGE });
    ids.push(...found.messages.map(({ id }) => id));
    if (found.next === null) return ids.reverse();
    after = found.next;
  }
}

async function readEvidence(
  reader: RemoteJournalReader,
  message: StoredMessage,
  party: string | null,
): Promise<Evidence[]> {
  const deliveries = await reader.readDeliveries(message.id);
  const history = await reader.readHistory(message.id);
  return deliveries
    .filter((one) => one.state === 'delivered' && (party === null || one.party === party))
    .filter(({ operation }) => Object.hasOwn(CERTIFICATES, operation))
    .map((delivery) => {
      const asked = readJson(delivery.body);
      const answer = readJson(delivery.response?.body ?? null);
      const paper = at(answer, 'proofTypes', 0, 'delivery');
      const proof = at(answer, 'testProof') ?? at(answer, 'recoveryProof');
      // Followed by what was made of this certificate: of its result, and of no request.
      const wayBack = deliveries.filter(
        (one) => one.resultKey === delivery.resultKey && !Object.hasOwn(CERTIFICATES, one.operation),
      );
      const person = patientOf(asked);
      return {
        message: message.id,
        delivery: delivery.id,
        party: delivery.party,
        channel: delivery.channel,
        certificate: CERTIFICATES[delivery.operation] ?? null,
        mappingVersion: message.mappingVersion,
        requestMessage: delivery.needs?.providedBy ?? null,
        requestedAt: isoOf(delivery.needs?.providedAt ?? null),
        identification: identificationOf(person),
        testType: nameOf(TEST_TYPES, at(asked, 'code', 'coding', 0, 'code')),
        result: nameOf(RESULTS, at(asked, 'valueCodeableConcept', 'coding', 0, 'code')),
        sampledAt: textAt(asked, 'effectiveDateTime'),
        receivedAt: new Date(message.receivedAt).toISOString(),
        issuedAt: issuedAt(history, delivery),
        attempts: delivery.attempts,
        uvci: textAt(proof, 'metadata', 'uvci'),
        mailbox: textAt(paper, 'serviceSupplier'),
        inMailbox: flagOf(at(paper, 'delivered')),
        handedOver: wayBack.length > 0 && wayBack.every(({ state }) => state === 'delivered'),
        wayBack: summary(wayBack),
        actedBy: actorsOf(history, delivery.id),
        identity: textAt(person, 'identifier', 0, 'value'),
        family: textAt(person, 'name', 0, 'family') ?? textAt(proof, 'subject', 'familyName'),
        given: textAt(person, 'name', 0, 'given', 0) ?? textAt(proof, 'subject', 'givenName'),
        birthDate: textAt(person, 'birthDate') ?? textAt(proof, 'subject', 'birthDate'),
      };
    });
}

function patientOf(asked: unknown): unknown {
  const contained = at(asked, 'contained');
  return Array.isArray(contained) ? contained.find((one) => at(one, 'resourceType') === 'Patient') : undefined;
}

/** How the person was told apart: by which number, or by name and birth date. */
function identificationOf(person: unknown): string | null {
  const system = textAt(person, 'identifier', 0, 'system');
  if (system !== null) return system.slice(system.lastIndexOf('/') + 1);
  return textAt(person, 'birthDate') === null ? null : 'name-and-birth-date';
}

const isoOf = (at: number | null): string | null => (at === null ? null : new Date(at).toISOString());

function issuedAt(history: readonly HistoryEvent[], { id }: StoredDelivery): string | null {
  const event = history.find((one) => one.deliveryId === id && one.event === 'delivered');
  return event === undefined ? null : new Date(event.at).toISOString();
}

/** Who had a hand in it, and with what: `anna released`. */
function actorsOf(history: readonly HistoryEvent[], deliveryId: number): string {
  const acts = history
    .filter((one) => one.by !== 'engine' && (one.deliveryId === null || one.deliveryId === deliveryId))
    .map(({ by, event }) => `${by} ${event}`);
  return [...new Set(acts)].join('; ');
}

function summary(deliveries: readonly StoredDelivery[]): string {
  const counts = new Map<string, number>();
  for (const { state } of deliveries) counts.set(state, (counts.get(state) ?? 0) + 1);
  return [...counts].map(([state, count]) => `${count} ${state}`).join('; ');
}

function nameOf(names: Readonly<Record<string, string>>, code: unknown): string | null {
  return typeof code === 'string' ? (names[code] ?? code) : null;
}

/** What stands at a path of a JSON value; undefined = nothing. */
function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>(
    (inner, step) =>
      typeof inner === 'object' && inner !== null ? (inner as Record<string | number, unknown>)[step] : undefined,
    value,
  );
}

function textAt(value: unknown, ...path: readonly (string | number)[]): string | null {
  const found = at(value, ...path);
  return typeof found === 'string' ? found : null;
}

const flagOf = (value: unknown): boolean | null => (typeof value === 'boolean' ? value : null);

function readJson(bytes: Uint8Array | null): unknown {
  try {
    return bytes === null ? null : JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return null;
  }
}

/** @see RFC 4180; what a spreadsheet would take for a formula is told apart by an apostrophe */
function csvCell(value: string | number | boolean | null): string {
  const text = value === null ? '' : String(value);
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export function addEvidence(program: Command, terminal: Terminal, finish: (code: ExitCode) => void): void {
  addJournalOptions(
    program.command('evidence').description('one row for each certificate that was issued, for a quality review'),
  )
    .option('--from <time>', 'of messages received then or later: 2026-11-22, or 30d for ago', readTime)
    .option('--to <time>', 'of messages received before then', readTime)
    .option('--party <name>', 'of this care provider alone')
    .addOption(new Option('--format <format>', 'how it is written').choices(['csv', 'ndjson']).default('csv'))
    .option('--personal', 'with number, name and birth date: treat the file as a patient record')
    .addHelpText(
      'after',
      `
One row a certificate, oldest message first: which message brought the request
and when, how the person was identified, kind of test, result, times, UVCI,
whether the digital mailbox took it, what became of its way back (handedOver:
all of it arrived at the laboratory), and who had a hand in it. Without
--personal nobody can be told from it but by the UVCI. What retention has taken
(by default after 90 days) is empty, and the last line says from when the rows
are complete: export in time. The engine may run or not.

Examples:
  sluss evidence --from 2026-11-01 --to 2026-12-01 --party region-nord > november.csv
  sluss evidence --format ndjson | jq -r 'select(.inMailbox == false).uvci'`,
    )
    .action(async (options: EvidenceOptions) => finish(await evidence(options, terminal)));
}
