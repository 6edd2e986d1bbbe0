import type { KeyObject } from 'node:crypto';
import { createHmac } from 'node:crypto';
import type { Seen as SeenByCovidbevis } from '../simulators/covidbevis/ledger.ts';
import type { Seen as SeenByFhir } from '../simulators/fhir/ledger.ts';
import type { CameBack } from '../simulators/lis.ts';

/** organisationsnummer → id of the party. */
export type PartyIds = ReadonlyMap<string, string>;

const OPERATIONS: Readonly<Record<string, string>> = {
  observation: 'test-certificate',
  recovery: 'recovery-certificate',
  ping: 'ping',
};

/** One request as a line of the terminal: `✓ test-certificate      region-nord  2E31A` */
export function tellCovidbevis(seen: SeenByCovidbevis, parties: PartyIds): string {
  switch (seen.kind) {
    case 'accepted': {
      const { operation, organisation, identifier, repeat, answered } = seen.entry;
      const notes = [...(repeat > 0 ? [`again (${repeat})`] : []), ...(answered ? [] : ['answer spoilt'])];
      const note = notes.length === 0 ? '' : `  ${notes.join(', ')}`;
      return line('✓', OPERATIONS[operation] ?? operation, organisation, parties, identifier + note);
    }
    case 'refused': {
      const { path, organisation, status, message } = seen.refusal;
      return line('✗', OPERATIONS[path.slice(1)] ?? path, organisation, parties, `${status} ${message}`);
    }
    case 'pinged':
      return line('✓', 'ping', seen.organisation, parties, '');
    case 'dropped':
      return line('✗', OPERATIONS[seen.operation] ?? seen.operation, seen.organisation, parties, 'connection closed');
  }
}

/** The row of `--ledger`; null = it is not entered. Whatever tells of a person is a hash under this run's key. */
export function rowOfCovidbevis(seen: SeenByCovidbevis, key: KeyObject): object | null {
  if (seen.kind === 'refused') return { kind: 'refused', ...seen.refusal };
  if (seen.kind !== 'accepted') return null;
  const { bodySha256, personSha256, ...entry } = seen.entry;
  return { kind: 'accepted', ...entry, bodyHash: hash(bodySha256, key), personHash: hash(personSha256, key) };
}

/** What came back to a LIS as a line of the terminal: `← ORU^R01  22-00001  URN:UVCI:…  BY-PROVIDER  PDF of 9 kB` */
export function tellCameBack({ type, fillerNumber, uvci, handover, document }: CameBack): string {
  const [code = '', event = ''] = type.split('^');
  const size = document === null ? 'no document' : `PDF of ${Math.ceil(document.byteLength / 1000)} kB`;
  const parts = [`${code}^${event}`, fillerNumber, uvci, handover, size].filter((part) => part !== '');
  return `← ${parts.join('  ')}`;
}

/** One request as a line of the terminal; null = it is told with its request. */
export function tellFhir(seen: SeenByFhir, parties: PartyIds): string | null {
  if (seen.kind === 'write') return null;
  if (seen.kind === 'dropped') {
    return line('✗', `${seen.method} ${placeOf(seen.path)}`, seen.organisation, parties, 'connection closed');
  }
  const { method, path, organisation, status, answered } = seen.entry;
  const note = answered ? '' : '  answer spoilt';
  return line(status < 400 ? '✓' : '✗', `${method} ${placeOf(path)}`, organisation, parties, `${status}${note}`);
}

/** The row of `--ledger`; null = it is not entered. Identifiers and ids are hashes under this run's key. */
export function rowOfFhir(seen: SeenByFhir, key: KeyObject): object | null {
  if (seen.kind === 'dropped') return null;
  if (seen.kind === 'write') {
    const { identifiers, id, ...entry } = seen.entry;
    const identifierHashes = identifiers.map((one) => hash(one, key));
    return { kind: 'write', ...entry, idHash: hash(id, key), identifierHashes };
  }
  const { path, headers, ...entry } = seen.entry;
  const isConditional = Object.hasOwn(headers, 'if-none-exist');
  return { kind: entry.status < 400 ? 'accepted' : 'refused', ...entry, place: placeOf(path), isConditional };
}

/** A path without the id, which a sender may have made of anything. */
const placeOf = (path: string) => path.split('/').slice(0, 3).join('/');

/** Without a key, a personnummer could be found again by trying them all. */
const hash = (text: string, key: KeyObject) => createHmac('sha256', key).update(text).digest('hex');

function line(mark: string, what: string, organisation: string | null, parties: PartyIds, rest: string): string {
  const party = organisation === null ? '–' : (parties.get(organisation) ?? organisation);
  return `${mark} ${what.padEnd(20)}  ${party.padEnd(11)}  ${rest}`.trimEnd();
}
