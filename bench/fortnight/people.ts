import { createHash } from 'node:crypto';
import type { Randomness } from './randomness.ts';

export type Identity = 'personnummer' | 'samordningsnummer' | 'reservnummer' | 'abroad';

/** Somebody who does not exist. */
export interface Person {
  readonly identity: Identity;
  /** Personnummer or samordningsnummer, 12 digits; null = has none. */
  readonly number: string | null;
  /** Reservnummer, or the number of a passport; null = has none. */
  readonly otherNumber: string | null;
  readonly family: string;
  /** With a space between several. */
  readonly given: string;
  /** `YYYYMMDD` */
  readonly born: string;
  /** Personnummer of the guardian; null = none is named. */
  readonly guardian: string | null;
}

const FAMILY = [
  ...['Åberg', 'Öst', 'Ängström', 'Lindqvist', 'von Sydow', 'af Geijerstam', 'van der Meer', 'Nyström', 'Hägg'],
  ...['Sjöö', 'Müller', 'Núñez', "O'Brien", 'Ek-Lund', 'Gren\\T\\Ros', 'de la Gardie'],
];
const GIVEN = ['Åsa', 'Örjan', 'Anna Maria', 'Björn', 'Elsa', 'Zoë', 'Jean-Luc', 'Pär Olof Gustaf', 'Siv', 'Ærø'];

/** People of whom no two are the same. */
export function createPeople(random: Randomness) {
  let count = 0;
  const name = () => ({ family: random.pick(FAMILY), given: random.pick(GIVEN) });
  const bornBetween = (from: number, to: number) => {
    const at = Date.UTC(from, 0, 1) + Math.floor(random.next() * (to - from) * 365.25) * 86_400_000;
    return new Date(at).toISOString().slice(0, 10).replaceAll('-', '');
  };
  const used = new Set<string>();
  const serial = () => String(100 + (count++ % 900));
  /** A number that nobody else has. */
  const unique = (make: () => string): string => {
    const number = make();
    if (used.has(number)) return unique(make);
    used.add(number);
    return number;
  };
  const numberOf = (born: string) => unique(() => withLuhn(born.slice(0, 2), `${born.slice(2)}${serial()}`));
  const adult = () => bornBetween(1935, 2002);

  return {
    resident(born = adult()): Person {
      return { identity: 'personnummer', number: numberOf(born), otherNumber: null, ...name(), born, guardian: null };
    },
    coordinated(): Person {
      const born = adult();
      const day = String(Number(born.slice(6)) + 60);
      const number = unique(() => withLuhn(born.slice(0, 2), `${born.slice(2, 6)}${day}${serial()}`));
      return { identity: 'samordningsnummer', number, otherNumber: null, ...name(), born, guardian: null };
    },
    /** One with a reservnummer of Region Stockholm. */
    reserved(): Person {
      const digits = `${random.between(10, 21)}${String(count++).padStart(5, '0')}`;
      const otherNumber = withLuhn(`99${random.between(19, 22)}`, digits);
      return { identity: 'reservnummer', number: null, otherNumber, ...uniqueName(), born: adult(), guardian: null };
    },
    foreign(): Person {
      const otherNumber = `P${String(7_000_000 + count++)}`;
      return { identity: 'abroad', number: null, otherNumber, ...uniqueName(), born: adult(), guardian: null };
    },
    minor(year: number, withGuardian: boolean): Person {
      const born = bornBetween(year - 14, year - 3);
      const guardian = withGuardian ? numberOf(bornBetween(year - 50, year - 25)) : null;
      return { identity: 'personnummer', number: numberOf(born), otherNumber: null, ...name(), born, guardian };
    },
    numberOf,
  };

  /** Whoever has no number is told apart by name and birth date. */
  function uniqueName() {
    return { family: random.pick(FAMILY), given: `${random.pick(GIVEN)} ${letters(count)}` };
  }
}

/** What the service's ledger calls somebody. */
export function ledgerHash({ number, family, given, born }: Person): string {
  const birthDate = `${born.slice(0, 4)}-${born.slice(4, 6)}-${born.slice(6)}`;
  const text = number ?? [plain(family), ...given.split(' '), birthDate].join('\n');
  return createHash('sha256').update(text).digest('hex');
}

/** As it reads without HL7's escape. */
export const plain = (text: string): string => text.replaceAll('\\T\\', '&');

/** A number with its check digit: Luhn's, over the ten last. */
function withLuhn(head: string, digits: string): string {
  const sum = [...digits].reduce((total, digit, index) => {
    const weighted = Number(digit) * (index % 2 === 0 ? 2 : 1);
    return total + (weighted > 9 ? weighted - 9 : weighted);
  }, 0);
  return `${head}${digits}${(10 - (sum % 10)) % 10}`;
}

/** The same number with a check digit that is wrong. */
export function misspelt(number: string): string {
  return `${number.slice(0, -1)}${(Number(number.slice(-1)) + 1) % 10}`;
}

function letters(number: number): string {
  const digits = number.toString(26).padStart(3, '0');
  const text = [...digits].map((digit) => String.fromCharCode(97 + Number.parseInt(digit, 26))).join('');
  return text.charAt(0).toUpperCase() + text.slice(1);
}
