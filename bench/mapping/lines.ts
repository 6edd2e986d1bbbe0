import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parse } from 'yaml';
import { decodeText, resolveCharset } from '../../src/hl7/charset.ts';
import { findOffset, formatDateTime, parseDateTime, toInstant } from '../../src/hl7/datetime.ts';
import { unescapeText } from '../../src/hl7/escape.ts';
import { type Header, readHeader } from '../../src/hl7/header.ts';

const TABLES = resolve(import.meta.dirname, '../../mappings/tables');
const ZONE = 'Europe/Stockholm';

/** The rows of one of the project's tables, for any system, by code. */
export function readTable(name: string, system = '*'): ReadonlyMap<string, string> {
  const { rows, fold = false } = parse(readFileSync(`${TABLES}/${name}.yaml`, 'utf8'));
  const entries = Object.entries((rows[system] ?? {}) as Record<string, string>);
  return new Map(entries.map(([code, value]) => [fold ? code.trim().toLowerCase() : code, value]));
}

/** A segment cut into its raw fields; field n is element n. */
export type Line = readonly string[];

/** What somebody who writes a map by hand reads a message with: split once, then by number. */
export class Lines {
  readonly header: Header;
  readonly msh: Line;
  readonly rest: readonly Line[];
  readonly #decode: (bytes: Uint8Array) => string;

  constructor(bytes: Uint8Array) {
    this.header = readHeader(bytes);
    const charset = resolveCharset(this.header.charset, { default: null, force: null });
    this.#decode = (part) => decodeText(part, charset);
    const { field } = this.header.delimiters;
    const lines = this.#decode(bytes)
      .split(/[\r\n]+/)
      .filter((line) => line !== '')
      .map((line) => line.split(field));
    const [first = [], ...rest] = lines;
    // MSH-1 is the separator itself.
    this.msh = ['MSH', ...first];
    this.rest = rest;
  }

  /** All repetitions of a field that say something. */
  all(line: Line | null, field: number): string[] {
    const raw = line?.[field] ?? '';
    if (raw === '') return [];
    const { repetition } = this.header.delimiters;
    const repetitions = raw.includes(repetition) ? raw.split(repetition) : [raw];
    return repetitions.filter((one) => this.isValued(one));
  }

  /** The first repetition of a field, raw; '' where there is none. */
  raw(line: Line | null, field: number): string {
    const raw = line?.[field] ?? '';
    if (raw === '') return '';
    const end = raw.indexOf(this.header.delimiters.repetition);
    return end < 0 ? raw : raw.slice(0, end);
  }

  /** A component of a field's first repetition as text. */
  text(line: Line | null, field: number, component: number, subcomponent = 0): string {
    return this.part(this.raw(line, field), component, subcomponent);
  }

  /** A component as text, unescaped and trimmed; '' where it is empty or HL7 null. */
  part(raw: string, component: number, subcomponent = 0): string {
    if (raw === '') return '';
    let found = cut(raw, this.header.delimiters.component, component);
    if (subcomponent > 0) found = cut(found, this.header.delimiters.subcomponent ?? '&', subcomponent);
    return this.isValued(found) && found !== '""' ? this.read(found) : '';
  }

  /** A raw text unescaped and trimmed. */
  read(raw: string): string {
    return this.unescape(raw).trim();
  }

  unescape(raw: string): string {
    return unescapeText(raw, this.header.delimiters, this.#decode);
  }

  /** False for what is empty or holds delimiters and blanks only. */
  isValued(raw: string): boolean {
    const { component, subcomponent } = this.header.delimiters;
    for (let index = 0; index < raw.length; index += 1) {
      const character = raw[index];
      if (character !== component && character !== subcomponent && character !== ' ') return true;
    }
    return false;
  }

  /** FHIR dateTime of a DTM; '' where it is none. */
  dateTime(text: string): string {
    const value = text === '' ? null : parseDateTime(text);
    if (value === null) return '';
    if (value.offsetMinutes !== null) return formatDateTime(value, 0);
    const offset = findOffset(value, ZONE);
    return formatDateTime(value, offset.kind === 'one' ? offset.offsetMinutes : offset.earlier);
  }

  /** UTC of a DTM, in a form that sorts; of an hour that exists twice the later. */
  instant(text: string): string {
    const value = parseDateTime(text);
    if (value === null) throw new Error('not a date-time');
    const offset = findOffset(value, ZONE);
    return new Date(toInstant(value, offset.kind === 'one' ? offset.offsetMinutes : offset.later)).toISOString();
  }
}

function cut(text: string, delimiter: string, number: number): string {
  let start = 0;
  for (let n = 1; n < number; n += 1) {
    const next = text.indexOf(delimiter, start);
    if (next < 0) return '';
    start = next + 1;
  }
  const end = text.indexOf(delimiter, start);
  return end < 0 ? text.slice(start) : text.slice(start, end);
}
