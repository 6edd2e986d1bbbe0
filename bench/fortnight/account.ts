import type { Books, JournalDelivery } from './books.ts';
import type { ExpectedDelivery } from './oracle.ts';
import type { Foreseen } from './reconcile.ts';
import { PROVIDERS } from './world.ts';

/** One line of the summary; null = this book does not say such things. */
export interface AccountRow {
  readonly group: string;
  readonly name: string;
  readonly expected: number;
  readonly journal: number | null;
  readonly ledger: number | null;
  readonly inbox: number | null;
  readonly evidence: number | null;
}

type Counts = ReadonlyMap<string, number>;

/** Counts every book by itself; a line whose numbers differ is a disagreement. */
export function takeAccount(foreseen: readonly Foreseen[], books: Books): AccountRow[] {
  return [
    ...ofCertificates(foreseen, books),
    ...ofDeliveries(foreseen, books),
    ...ofMessages(foreseen, books),
    ...ofKinds(foreseen, books),
  ];
}

export const isUneven = ({ expected, journal, ledger, inbox, evidence }: AccountRow): boolean =>
  [journal, ledger, inbox, evidence].some((count) => count !== null && count !== expected);

function countBy<Thing>(things: Iterable<Thing>, name: (thing: Thing) => string | null): Counts {
  const counts = new Map<string, number>();
  for (const thing of things) {
    const key = name(thing);
    if (key !== null) counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

/** A line for every name that any of the books has. */
function rowsOf(
  group: string,
  expected: Counts,
  others: Partial<Record<'journal' | 'ledger' | 'inbox' | 'evidence', Counts>>,
): AccountRow[] {
  const all = [expected, ...Object.values(others)].flatMap((counts) => [...counts.keys()]);
  return [...new Set(all)].map((name) => {
    const of = (counts: Counts | undefined) => (counts === undefined ? null : (counts.get(name) ?? 0));
    const { journal, ledger, inbox, evidence } = others;
    const found = { journal: of(journal), ledger: of(ledger), inbox: of(inbox), evidence: of(evidence) };
    return { group, name, expected: expected.get(name) ?? 0, ...found };
  });
}

const KINDS: Readonly<Record<string, string>> = {
  'test-certificate': 'test certificate',
  'recovery-certificate': 'recovery certificate',
  observation: 'test certificate',
  recovery: 'recovery certificate',
  T: 'test certificate',
  R: 'recovery certificate',
  test: 'test certificate',
};

function ofCertificates(foreseen: readonly Foreseen[], { journal, ledger, inbox, evidence }: Books): AccountRow[] {
  const name = (party: string | undefined, kind: string) => `${KINDS[kind] ?? kind}, ${party ?? '?'}`;
  const of = (one: { party: string; operation: string; state: string }) =>
    one.state === 'delivered' ? name(one.party, one.operation) : null;
  const firsts = ledger.filter(({ repeat }) => repeat === 0);
  const byNumber = (number: string) => PROVIDERS.find((one) => one.number === number)?.id;
  const fromUvci = (uvci: string) => {
    const text = uvci.slice(uvci.indexOf('/') + 1);
    const party = PROVIDERS.find(({ uvciPrefix }) => text.slice(1).startsWith(uvciPrefix));
    return name(party?.id, text.charAt(0));
  };
  const expected = foreseen.flatMap((one) => one.expected.deliveries);
  const rows = rowsOf('issued', countBy(expected, of), {
    journal: countBy(
      journal.flatMap(({ deliveries }) => deliveries),
      of,
    ),
    ledger: countBy(firsts, (one) => name(byNumber(one.organisation), one.operation)),
    inbox: countBy(inbox.certificates, ({ uvci }) => fromUvci(uvci)),
    evidence: countBy(evidence, (row) => name(String(row.party), String(row.certificate))),
  });
  const labs = rowsOf(
    'came back to',
    countBy(
      foreseen.flatMap(({ expected: one }) => one.deliveries.map((each) => ({ ...each, lab: one.sending.lab }))),
      (one) => (one.state === 'delivered' ? one.lab : null),
    ),
    {
      journal: countBy(
        journal.flatMap(({ channel, deliveries }) => deliveries.map((one) => ({ ...one, channel }))),
        (one) => (one.state === 'delivered' && one.followUps.length > 0 ? one.channel : null),
      ),
      inbox: countBy(inbox.certificates, ({ lab }) => lab),
      evidence: countBy(evidence, (row) => (row.handedOver === true ? String(row.channel) : null)),
    },
  );
  return [...rows.sort((a, b) => (a.name < b.name ? -1 : 1)), ...labs];
}

function ofDeliveries(foreseen: readonly Foreseen[], { journal, evidence }: Books): AccountRow[] {
  const name = ({ state, why }: Pick<ExpectedDelivery, 'state' | 'why'> | JournalDelivery) =>
    state === 'delivered' ? null : state === 'waiting' ? 'waiting for day 11' : `${state}: ${why}`;
  const expected = foreseen.flatMap((one) => one.expected.deliveries);
  const acted = (by: string) => (by === '' ? null : by);
  return [
    ...rowsOf('not issued', countBy(expected, name), {
      journal: countBy(
        journal.flatMap((one) => one.deliveries),
        name,
      ),
    }),
    ...rowsOf(
      'a person’s act',
      countBy(expected, ({ actedBy }) => acted(actedBy)),
      {
        evidence: countBy(evidence, ({ actedBy }) => acted(String(actedBy ?? ''))),
      },
    ),
  ];
}

function ofMessages(foreseen: readonly Foreseen[], { journal, inbox }: Books): AccountRow[] {
  const words = ({
    state,
    reasons,
    faults,
  }: {
    state: string;
    reasons: readonly string[];
    faults: readonly string[];
  }) =>
    [state, [...faults, ...(state === 'mapped' ? [] : reasons)].toSorted().join(', ')]
      .filter((text) => text !== '')
      .join(': ');
  const expected = foreseen.map((one) => one.expected);
  const again = (seen: number) => (seen > 1 ? 'the same bytes again' : null);
  const sure = foreseen.filter(({ kind }) => kind !== 'while the engine is killed').map((one) => one.expected);
  const unsure = new Set(foreseen.filter(({ kind }) => kind === 'while the engine is killed').map(({ hash }) => hash));
  const answers = [...inbox.answers].flatMap(([hash, codes]) => (unsure.has(hash) ? codes.slice(0, 1) : codes));
  const answered = expected.flatMap(({ answer, timesSeen }) => Array.from({ length: timesSeen }, () => answer));
  return [
    ...rowsOf('message', countBy(expected, words), { journal: countBy(journal, words) }),
    ...rowsOf(
      'repeated',
      countBy(sure, ({ timesSeen }) => again(timesSeen)),
      {
        journal: countBy(journal, ({ timesSeen, hash }) => (unsure.has(hash) ? null : again(timesSeen))),
      },
    ),
    ...rowsOf(
      'repeated',
      countBy(expected, ({ linked }) => (linked > 0 ? 'the same result again' : null)),
      {
        journal: countBy(journal, ({ linked }) => (linked > 0 ? 'the same result again' : null)),
      },
    ),
    ...rowsOf(
      'answer',
      countBy(answered, (code) => code),
      { inbox: countBy(answers, (code) => code) },
    ),
  ];
}

/** What was sent, and how many certificates came of it. */
function ofKinds(foreseen: readonly Foreseen[], { journal, ledger, inbox, evidence }: Books): AccountRow[] {
  const kinds = new Map(foreseen.map(({ hash, kind }) => [hash, kind]));
  const issued = journal.flatMap(({ hash, deliveries }) =>
    deliveries
      .filter(({ state }) => state === 'delivered')
      .map(({ uvci }) => [uvci ?? '?', kinds.get(hash) ?? '?'] as const),
  );
  const kindOf = new Map<string, string>(issued);
  const expected = new Map<string, number>(foreseen.map(({ kind }) => [kind, 0]));
  for (const { kind, expected: one } of foreseen)
    for (const { state } of one.deliveries)
      if (state === 'delivered') expected.set(kind, (expected.get(kind) ?? 0) + 1);
  return rowsOf('certificates of', expected, {
    journal: countBy(issued, ([, kind]) => kind),
    ledger: countBy(new Set(ledger.map(({ uvci }) => uvci)), (uvci) => kindOf.get(uvci) ?? '?'),
    inbox: countBy(inbox.certificates, ({ uvci }) => kindOf.get(uvci) ?? '?'),
    evidence: countBy(evidence, ({ uvci }) => kindOf.get(String(uvci)) ?? '?'),
  });
}

/** An aligned table for people; `≠` stands before a line that does not agree. */
export function drawAccount(rows: readonly AccountRow[]): string[] {
  const head = ['', '', 'expected', 'journal', 'ledger', 'inbox', 'evidence'];
  const cell = (count: number | null) => (count === null ? '·' : String(count));
  let group = '';
  const body = rows.map((row) => {
    const first = row.group === group ? '' : row.group;
    group = row.group;
    const counts = [row.expected, row.journal, row.ledger, row.inbox, row.evidence].map(cell);
    return [first, `${isUneven(row) ? '≠ ' : ''}${row.name}`, ...counts];
  });
  const widths = head.map((_, column) => Math.max(...[head, ...body].map((line) => line[column]?.length ?? 0)));
  const pad = (text: string, column: number) =>
    column < 2 ? text.padEnd(widths[column] ?? 0) : text.padStart(widths[column] ?? 0);
  return [head, ...body].map((line) => line.map(pad).join('  ').trimEnd());
}
