import type { AckCode } from '../contracts/source.ts';
import type { Header } from '../hl7/header.ts';

/** When a sender wants an answer: AL, NE, ER, SU of table 0155. */
export type Wish = 'always' | 'never' | 'on-error' | 'on-success';

/** How a message wants to be answered: once, or by an accept and an application acknowledgement apart. */
export type AckMode =
  | { readonly kind: 'original' }
  | { readonly kind: 'enhanced'; readonly accept: Wish; readonly application: Wish };

const ORIGINAL: AckMode = { kind: 'original' };
const WISHES: Readonly<Record<string, Wish>> = { AL: 'always', NE: 'never', ER: 'on-error', SU: 'on-success' };

/**
 * Reads the mode that a message chooses: original where MSH-15 and MSH-16 are both empty, else enhanced, where an empty
 * one of the two counts as NE. A value that is none of the table counts as AL: an answer too many harms nobody, one too
 * few keeps the sender waiting.
 * @param hasWayBack false = its source can give one answer only, so it is answered as in original mode
 * @see HL7 v2.5.1 §2.9.2, §2.15.9.15, §2.15.9.16
 */
export function readAckMode(header: Header | null, hasWayBack: boolean): AckMode {
  if (header === null || !hasWayBack) return ORIGINAL;
  const accept = readWish(header.acceptAck);
  const application = readWish(header.applicationAck);
  if (accept === null && application === null) return ORIGINAL;
  return { kind: 'enhanced', accept: accept ?? 'never', application: application ?? 'never' };
}

/** Null = empty; `""`, which deletes a value, leaves it empty too. */
function readWish(raw: string): Wish | null {
  const text = raw.trim().toUpperCase();
  if (text === '' || text === '""') return null;
  return WISHES[text] ?? 'always';
}

/** True where an answer with this code is to be written. */
export function isWanted(wish: Wish, code: AckCode): boolean {
  switch (wish) {
    case 'always':
      return true;
    case 'never':
      return false;
    case 'on-success':
      return isPositive(code);
    case 'on-error':
      return !isPositive(code);
  }
}

export function isPositive(code: AckCode): boolean {
  return code === 'AA' || code === 'CA';
}
