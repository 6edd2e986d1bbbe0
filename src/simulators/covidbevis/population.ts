import { createHash } from 'node:crypto';

const GIVEN = [
  ...['Alva', 'Åke', 'Ärla', 'Örjan', 'Björn', 'Cecilia', 'Désirée', 'Elsa', 'Fredrik', 'Göran', 'Hülya', 'Ingmar'],
  ...['Jörgen', 'Karin', 'Lennart', 'Märta', 'Nils', 'Olof', 'Pär', 'Réka', 'Signe', 'Tuva', 'Ulrika', 'Yngve'],
];
const FAMILY = [
  ...['Åkerström', 'Ärlebäck', 'Öberg', 'Bergqvist', 'Claesson', 'Dahlgren', 'Ekström', 'Forsberg', 'Grönlund'],
  ...['Hägglund', 'Isaksson', 'Jönsson', 'Källström', 'Lindén', 'Månsson', 'Nyström', "O'Farrell", 'Påhlsson'],
  ...['Rosén', 'Sjögren', 'Törnqvist', 'Ulfsson', 'Wallén', 'af Trolle-Løve'],
];

export interface RegisteredName {
  readonly given: string;
  readonly family: string;
}

/** Looks a name up in a population register that does not exist: equal numbers always give equal names. */
export function lookUpName(personNumber: string): RegisteredName {
  const hash = createHash('sha256').update(`fictitious population ${personNumber}`).digest();
  const pick = (list: readonly string[], at: number): string => list[hash.readUInt16BE(at) % list.length] ?? '';
  const second = (hash[6] ?? 0) % 4 === 0 ? ` ${pick(GIVEN, 2)}` : '';
  return { given: `${pick(GIVEN, 0)}${second}`, family: pick(FAMILY, 4) };
}

/** Whether a person has a digital mailbox: three in four of those with a number have, always the same ones. */
export function hasDigitalMailbox(personNumber: string | null): boolean {
  if (personNumber === null) return false;
  return (createHash('sha256').update(`mailbox ${personNumber}`).digest()[0] ?? 0) % 4 !== 0;
}
