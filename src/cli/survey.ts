import { unescapeText } from '../hl7/escape.ts';
import { type Header, readHeader } from '../hl7/header.ts';
import { HL7_NULL, type Message } from '../hl7/message.ts';
import { readPart } from '../hl7/path.ts';
import { listUnusedFields, readLocation } from '../mapping/unused-fields.ts';
import { judge } from './judge.ts';
import type { FileMessage } from './message-file.ts';
import { readZone, type SampleZone } from './sample-zone.ts';
import { isStandardCode } from './standard-codes.ts';
import type { Bench } from './workbench.ts';

/** What a sample says of its sender, and what it leaves open. */
export interface Survey {
  readonly header: Header;
  /** MSH-4.1, else MSH-3.1. */
  readonly sender: string;
  /** What a component of MSH-4 or MSH-3 says that has the form of an organisationsnummer; null = nothing has. */
  readonly organisationNumber: string | null;
  /** What MSH-18 says; null = nothing. */
  readonly charset: string | null;
  /** What the bytes look like where MSH-18 says nothing; null = they are ASCII, and tell nothing. */
  readonly looksLike: 'UNICODE UTF-8' | '8859/1' | null;
  readonly zone: SampleZone;
  /** Codes that no table of the mapping has a row for, by table. */
  readonly misses: readonly MissedCode[];
  /** Names of coding systems that coding-systems does not have, with a code of each. */
  readonly systems: readonly UnknownSystem[];
  readonly warnings: readonly { readonly text: string; readonly at: string }[];
  /** Fields that the mapping does not use. */
  readonly unused: readonly string[];
}

export interface MissedCode {
  readonly table: string;
  readonly code: string;
  readonly text: string;
  /** `OBX-11` */
  readonly field: string;
  readonly count: number;
}

interface UnknownSystem {
  readonly system: string;
  readonly example: string;
  readonly count: number;
}

/** Fields of codes whose system the receiver will want to know. */
const CODED = ['OBR-4', 'OBX-3', 'OBX-5', 'SPM-4'];
const CODED_TYPES = ['CE', 'CWE', 'CNE', 'CF'];

/** Tables that a miss says nothing of: what is not in them is simply not said. */
const OPTIONAL_TABLES = /-systems$|^absent-reasons$|^person-location-types$|^specimen-availability$/;

/**
 * Looks through sample messages of one sender.
 * @param isKnownSystem true of a name that the table of coding systems has
 * @throws Fault where the first is no HL7 message
 */
export function surveySample(
  sample: readonly FileMessage[],
  bench: Bench,
  isKnownSystem: (name: string) => boolean,
): Survey {
  const [first] = sample;
  if (first === undefined) throw new Error('there is no message');
  const header = readHeader(first.bytes);
  const misses = new Map<string, MissedCode>();
  const systems = new Map<string, UnknownSystem>();
  const warnings = new Map<string, { text: string; at: string }>();
  const unused = new Set<string>();
  const messages: Message[] = [];
  for (const { bytes } of sample) {
    const { explanation, warnings: found } = judge(bytes, bench);
    const message = explanation?.message ?? null;
    if (message === null || explanation === null) continue;
    for (const { table, at } of explanation.misses) noteMiss(misses, table, at, message);
    for (const [system, example] of listSystems(message)) {
      if (isKnownSystem(system)) continue;
      const known = systems.get(system);
      systems.set(system, { system, example: known?.example ?? example, count: (known?.count ?? 0) + 1 });
    }
    for (const { code, at, detail } of found) {
      const place = fieldOf(at ?? '');
      warnings.set(`${code} ${place}`, { text: detail ?? code, at: place });
    }
    for (const { field } of listUnusedFields(message, explanation.used)) unused.add(field);
    messages.push(message);
  }
  const looksLike = guessCharset(sample);
  // A header is read one character a byte.
  const decode = (field: string) =>
    looksLike === 'UNICODE UTF-8' ? Buffer.from(field, 'latin1').toString('utf8') : field;
  const facility = splitField(decode(header.sendingFacility), header);
  const application = splitField(decode(header.sendingApplication), header);
  return {
    header,
    sender: facility[0] || application[0] || '',
    organisationNumber: [...facility, ...application].find(looksLikeOrganisationNumber) ?? null,
    charset: header.charset === '' ? null : header.charset,
    looksLike,
    zone: readZone(messages),
    misses: [...misses.values()],
    systems: [...systems.values()],
    warnings: [...warnings.values()],
    unused: [...unused].filter((field) => !/^(PID|OBR|OBX|SPM|NTE|PV1|NK1)-1$/.test(field)),
  };
}

function noteMiss(misses: Map<string, MissedCode>, table: string, at: string, message: Message): void {
  if (OPTIONAL_TABLES.test(table)) return;
  const raw = readLocation(message, at);
  if (raw === null || raw === '' || raw === HL7_NULL) return;
  const [, universal = '', kind = ''] = raw.split(message.delimiters.subcomponent ?? '&');
  // An authority that names itself by an OID needs no row.
  if (kind === 'ISO' || /^[0-2](\.\d+)+$/.test(universal)) return;
  const isWhole = !/\.\d+$/.test(at);
  const code = meaning(isWhole ? readPart(raw, 1, null, message) : raw, message);
  if (code === '' || isStandardCode(table, code)) return;
  const text = isWhole ? meaning(readPart(raw, 2, null, message), message) : '';
  const key = JSON.stringify([table, code]);
  const known = misses.get(key);
  misses.set(key, { table, code, text: known?.text ?? text, field: fieldOf(at), count: (known?.count ?? 0) + 1 });
}

/** Each coded value's system (CE.3, CE.6) with the value as an example. */
function listSystems(message: Message): [system: string, example: string][] {
  return message.segments.flatMap((segment) =>
    CODED.flatMap((place): [string, string][] => {
      const [name, number] = place.split('-');
      if (segment.name !== name) return [];
      if (place === 'OBX-5' && !CODED_TYPES.includes(segment.field(2) ?? '')) return [];
      return segment.repetitions(Number(number)).flatMap((raw) =>
        [3, 6].flatMap((component): [string, string][] => {
          const part = (index: number) => meaning(readPart(raw, index, null, message), message);
          const system = part(component);
          return system === '' ? [] : [[system, `${place} ${part(component - 2)} ${part(component - 1)}`.trim()]];
        }),
      );
    }),
  );
}

function meaning(raw: string, message: Message): string {
  return unescapeText(raw, message.delimiters, (bytes) => Buffer.from(bytes).toString('latin1')).trim();
}

/** `OBX[3]-5[2].1` → `OBX-5.1`: which field, whichever of its kind. */
function fieldOf(at: string): string {
  return at.replace(/\[\d+\]/g, '');
}

/** The character set that the bytes are in by their look; null = they are ASCII, and any would do. */
export function guessCharset(sample: readonly FileMessage[]): Survey['looksLike'] {
  const bytes = Buffer.concat(sample.map((message) => message.bytes));
  if (bytes.every((byte) => byte < 0x80)) return null;
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return 'UNICODE UTF-8';
  } catch {
    return '8859/1';
  }
}

function splitField(raw: string, { delimiters }: Header): string[] {
  return raw.split(delimiters.component).map((part) => part.trim());
}

/** Ten digits of which the last fits the others, and the third is at least 2, as no person's is. */
function looksLikeOrganisationNumber(text: string): boolean {
  const digits = /^(?:16)?(\d{6})-?(\d{4})$/.exec(text)?.slice(1).join('') ?? '';
  if (digits === '' || Number(digits[2]) < 2) return false;
  const sum = [...digits].reduce((total, digit, index) => {
    const product = Number(digit) * (index % 2 === 0 ? 2 : 1);
    return total + (product > 9 ? product - 9 : product);
  }, 0);
  return sum % 10 === 0;
}
