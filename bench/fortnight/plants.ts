import type { Books, JournalDelivery } from './books.ts';

/** Falsified books: what the comparison is there to find. */
export const PLANTS: Readonly<Record<string, (books: Books) => Books>> = {
  'ledger-row-lost': (books) => ({ ...books, ledger: withoutOne(books.ledger) }),
  'ledger-row-too-many': (books) => ({
    ...books,
    ledger: [...books.ledger, { ...middleOf(books.ledger), uvci: 'URN:UVCI:01:SE:EHM/TNORDNOBODY' }],
  }),
  'other-party': (books) => ({
    ...books,
    ledger: changeOne(books.ledger, (row) => ({ ...row, organisation: '5560360793' })),
  }),
  'other-person': (books) => ({
    ...books,
    ledger: changeOne(books.ledger, (row) => ({ ...row, personSha256: '0'.repeat(64) })),
  }),
  'too-early': (books) => ({
    ...books,
    ledger: changeOne(books.ledger, (row) => ({ ...row, at: row.at - 86_400_000 })),
  }),
  'refused-by-the-service': (books) => ({
    ...books,
    refusals: [
      ...books.refusals,
      { sequence: 1, at: 0, organisation: null, path: '/recovery', status: 400, message: 'planted' },
    ],
  }),
  'inbox-message-lost': (books) => ({
    ...books,
    inbox: { ...books.inbox, certificates: withoutOne(books.inbox.certificates.filter(({ lab }) => lab === 'kust')) },
  }),
  'inbox-of-another': (books) => ({
    ...books,
    inbox: {
      ...books.inbox,
      certificates: changeOne(books.inbox.certificates, (one) => ({
        ...one,
        lab: one.lab === 'kust' ? 'skog' : 'kust',
      })),
    },
  }),
  'answer-lost': (books) => {
    const [[hash] = ['']] = books.inbox.answers;
    return {
      ...books,
      inbox: { ...books.inbox, answers: new Map([...books.inbox.answers].filter(([one]) => one !== hash)) },
    };
  },
  'evidence-row-lost': (books) => ({ ...books, evidence: withoutOne(books.evidence) }),
  'evidence-of-another': (books) => ({
    ...books,
    evidence: changeOne(books.evidence, (row) => ({
      ...row,
      result: row.result === 'negative' ? 'positive' : 'negative',
    })),
  }),
  'message-lost': (books) => ({ ...books, journal: withoutOne(books.journal) }),
  'delivery-in-another-state': (books) => ({
    ...books,
    journal: books.journal.map((message) => ({
      ...message,
      deliveries: message.deliveries.map(
        (one): JournalDelivery => (one.state === 'waiting' ? { ...one, state: 'delivered' } : one),
      ),
    })),
  }),
  'delivery-twice': (books) => ({
    ...books,
    journal: changeOne(
      books.journal,
      (one) => ({ ...one, deliveries: [...one.deliveries, ...one.deliveries] }),
      ({ deliveries }) => deliveries.length > 0,
    ),
  }),
  'alarm-lost': (books) => ({ ...books, alarms: books.alarms.filter(({ name }) => name !== 'certificate-ended') }),
};

const middleOf = <Thing>(things: readonly Thing[]): Thing => things[things.length >> 1] as Thing;

function withoutOne<Thing>(things: readonly Thing[]): Thing[] {
  const one = middleOf(things);
  return things.filter((thing) => thing !== one);
}

function changeOne<Thing>(
  things: readonly Thing[],
  change: (thing: Thing) => Thing,
  fits: (thing: Thing) => boolean = () => true,
): Thing[] {
  const one = middleOf(things.filter(fits));
  return things.map((thing) => (thing === one ? change(thing) : thing));
}
