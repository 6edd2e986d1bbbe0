import { Fault } from '../../contracts/fault.ts';
import { readPart } from '../../hl7/path.ts';
import type { FunctionCall } from '../functions.ts';
import { type Found, foundText } from '../scope.ts';

/** Who the identifiers of PID-3 say a person is, as far as Swedish numbering goes. */
export interface SwedishIdentity {
  /** `reserve` = a reserve number only; `none` = no Swedish number at all. */
  readonly kind: 'personnummer' | 'samordningsnummer' | 'reserve' | 'none';
  /** 12 digits for the first two kinds, else null. */
  readonly number: string | null;
  /** The day that a national number says, `YYYY-MM-DD`. Where a day's numbers ran out it is a neighbouring one. Else null. */
  readonly birthDate: string | null;
  /** Names the person for lanes and result keys: the best identifier there is with its kind or authority; null = none. */
  readonly key: string | null;
}

type Kind = 'personnummer' | 'samordningsnummer' | 'reserve' | 'local';

interface Identifier {
  readonly kind: Kind;
  readonly value: string;
  readonly authority: string;
  readonly at: string | null;
}

/**
 * Reads Swedish person identities out of CX identifiers. The table says what an authority's OID (CX.4.2), its
 * namespace (CX.4.1) or the type code (CX.5) stands for: `national`, `personnummer`, `samordningsnummer`, `reserve` or
 * `local`; where none has a row, a type code of another country's (`NNDNK`) is local, and else, as for a national
 * number whose authority's OID is not Swedish, the value's shape decides. Whatever the sender calls it, day 61–91 is a samordningsnummer, and what has the form and the check digit of
 * a reserve number is one. Check digits are verified.
 * @throws Fault `check-digit` · `field-type` (ten digits: the century would be a guess) · `identities-disagree` ·
 * `mapping-incomplete` (the table says something else)
 * @see SKV 704 (personnummer), SKV M 2010:3 (samordningsnummer), Inera "Lokala Reservidn" 1.2
 */
export function readSwedishIdentity(call: FunctionCall): SwedishIdentity {
  const identifiers = call.found.map((found) => readIdentifier(found, call)).filter((found) => found !== null);
  const national = identifiers.filter(({ kind }) => kind === 'personnummer' || kind === 'samordningsnummer');
  const [first] = national;
  const other = national.find(({ value }) => value !== first?.value);
  if (other !== undefined) throw new Fault('identities-disagree', { at: other.at, where: call.where });
  if (first !== undefined) {
    const { kind, value } = first;
    return { kind: kind as 'personnummer', number: value, birthDate: birthDateOf(value), key: `${kind}:${value}` };
  }
  const reserve = identifiers.find(({ kind }) => kind === 'reserve');
  const best = reserve ?? identifiers[0];
  const key = best === undefined ? null : `${best.kind}:${best.authority}:${best.value}`;
  return { kind: reserve === undefined ? 'none' : 'reserve', number: null, birthDate: null, key };
}

/** Arc of the OIDs that Sweden hands out; national authorities and the regions have theirs below it. */
const SWEDEN = '1.2.752.';

const STATED: readonly unknown[] = ['national', 'personnummer', 'samordningsnummer', 'reserve', 'local', null];

/** What the table or the type code says of an identifier; null = nothing. */
function readStated(codes: readonly [oid: string, namespace: string, type: string], call: FunctionCall): unknown {
  const find = (...among: readonly string[]) => call.table?.find(among.map((code) => ({ code, system: '' }))) ?? null;
  const [oid, namespace, type] = codes;
  const ofAuthority = find(oid, namespace);
  const row = ofAuthority ?? find(type);
  if (row === null) return /^NN[A-Z]{3}$/.test(type) ? 'local' : null;
  // Every country has national numbers (NI, SS): of an authority abroad they are not Sweden's.
  const isAbroad = oid !== '' && !oid.startsWith(SWEDEN);
  if (ofAuthority === null && row.value === 'national' && isAbroad && type !== 'NNSWE') return null;
  if (!STATED.includes(row.value)) {
    throw new Fault('mapping-incomplete', { where: row.where, detail: 'a kind of identifier' });
  }
  return row.value;
}

function readIdentifier(found: Found, call: FunctionCall): Identifier | null {
  if (found.cell === null) return null;
  const part = (component: number, subcomponent: number | null = null) => {
    const raw = readPart(found.cell?.raw ?? '', component, subcomponent, call.run.message);
    return foundText(found.part(raw), call.run).trim();
  };
  const written = part(1);
  if (written === '' || written === '""') return null;
  const [namespace, oid, type] = [part(4, 1), part(4, 2), part(5)];
  const stated = readStated([oid, namespace, type], call);
  const value = written.replace(/[-+ ]/g, '').toUpperCase();
  const at = found.at === null ? null : `${found.at}.1`;
  const authority = oid || namespace || type;
  const refuse = (code: 'check-digit' | 'field-type', detail: string) =>
    new Fault(code, { at, where: call.where, detail });

  if (stated === 'local') return { kind: 'local', value: written, authority, at };
  const reserve = checkReserveNumber(value);
  if (stated === 'reserve') {
    if (reserve === 'wrong') throw refuse('check-digit', 'reservnummer');
    if (reserve === 'unknown' && !/^[A-Z0-9]{4,20}$/.test(value)) throw refuse('field-type', 'reservnummer');
    return { kind: 'reserve', value, authority, at };
  }
  const national = nationalKind(value);
  if (stated === null) {
    if (national !== null && isLuhn(value.slice(2))) return { kind: national, value, authority: '', at };
    // Nobody says whose number it is, and it looks like a person's: a slip of the pen, not a local number.
    if (national !== null && authority === '') throw refuse('check-digit', national);
    return { kind: 'local', value: written, authority, at };
  }
  // The sender says it is a national number: then it has to be one.
  if (reserve === 'right') return { kind: 'reserve', value, authority, at };
  if (/^\d{10}$/.test(value)) throw refuse('field-type', 'personnummer with its century, 12 digits');
  if (national === null) throw refuse('field-type', 'personnummer or samordningsnummer');
  if (!isLuhn(value.slice(2))) throw refuse('check-digit', national);
  return { kind: national, value, authority: '', at };
}

/** What twelve digits with a real date in them are; null = neither. */
function nationalKind(value: string): 'personnummer' | 'samordningsnummer' | null {
  const parts = /^((?:18|19|20)\d\d)(\d\d)(\d\d)\d{4}$/.exec(value);
  if (parts === null) return null;
  const day = Number(parts[3]);
  const isCoordination = day > 60;
  const date = new Date(Date.UTC(Number(parts[1]), Number(parts[2]) - 1, isCoordination ? day - 60 : day));
  const isReal = date.getUTCMonth() === Number(parts[2]) - 1 && date.getUTCDate() === (isCoordination ? day - 60 : day);
  if (!isReal) return null;
  return isCoordination ? 'samordningsnummer' : 'personnummer';
}

function birthDateOf(number: string): string {
  const day = Number(number.slice(6, 8));
  return `${number.slice(0, 4)}-${number.slice(4, 6)}-${String(day > 60 ? day - 60 : day).padStart(2, '0')}`;
}

/** Luhn's check, weights 2 and 1 from the left of ten digits. */
function isLuhn(digits: string): boolean {
  let sum = 0;
  for (const [index, digit] of [...digits].reverse().entries()) {
    const weighted = Number(digit) * (index % 2 === 0 ? 1 : 2);
    sum += weighted > 9 ? weighted - 9 : weighted;
  }
  return sum % 10 === 0;
}

/** Whether a number has a form of reserve number whose check digit is known, and has the right one. */
function checkReserveNumber(value: string): 'right' | 'wrong' | 'unknown' {
  const judge = (isRight: boolean) => (isRight ? 'right' : 'wrong');
  // Stockholm
  if (/^99(?:19|2[0-2])\d{8}$/.test(value)) return judge(isLuhn(value.slice(4)));
  const westernGotaland = /^(\d{8})([KMX])(\d{3})$/.exec(value);
  if (westernGotaland !== null) {
    const letter = { K: '5', M: '7', X: '8' }[westernGotaland[2] as 'K' | 'M' | 'X'];
    return judge(isLuhn(`${westernGotaland[1]?.slice(2)}${letter}${westernGotaland[3]}`));
  }
  if (/^\d{8}[A-Z]{2}[A-Z0-9]\d$/.test(value)) return judge(isNationalReserveNumber(value));
  // Inera: the day is none of a calendar's
  if (/^\d{6}(?:3[2-9]|4\d|5\d)\d{4}$/.test(value)) return judge(isLuhn(value.slice(2)));
  return 'unknown';
}

/** Nationellt reservid: Luhn over eleven characters, letters as their ASCII value, each product's digits added. */
function isNationalReserveNumber(value: string): boolean {
  let sum = 0;
  for (const [index, character] of [...value.slice(0, 11)].reverse().entries()) {
    const number = /\d/.test(character) ? Number(character) : character.charCodeAt(0);
    const weighted = index % 2 === 0 ? number * 2 : number;
    sum += [...String(weighted)].reduce((total, digit) => total + Number(digit), 0);
  }
  return (10 - (sum % 10)) % 10 === Number(value[11]);
}
