import { Fault } from '../contracts/fault.ts';
import { isExactNumber } from '../fhir/json.ts';
import { type Charset, encodeExactly } from '../hl7/charset.ts';
import { parseDateTime } from '../hl7/datetime.ts';
import type { Delimiters } from '../hl7/delimiters.ts';
import type { SegmentPlace } from '../hl7/draft-segment.ts';
import { escapeText, transcodeText } from '../hl7/escape.ts';
import type { Cell } from '../hl7/path.ts';
import type { Found, Run } from './scope.ts';

/** How the message that is being made is written. */
export interface Wire {
  readonly delimiters: Delimiters;
  readonly charset: Charset;
  /** Name and version of what the message came in are the same, so that a raw text may stay as it is. */
  readonly isAsItCame: boolean;
}

/** A place in an outgoing segment, with what it may hold. */
export interface FieldPlace extends SegmentPlace {
  /** `OBX-5.2`, for people. */
  readonly name: string;
  /** HL7 type; null = not known, or of several kinds. */
  readonly type: string | null;
}

const CONTROL = /[\x00-\x1f]/;

/** Lexical form of types that are one value, where what rules made is easily of another. */
const FORMS: Readonly<Record<string, (text: string) => boolean>> = {
  DTM: (text) => parseDateTime(text) !== null,
  TS: (text) => parseDateTime(text) !== null,
  DT: (text) => text.length <= 8 && parseDateTime(text) !== null,
  NM: (text) => /^[+-]?(?:\d+\.?\d*|\.\d+)$/.test(text),
  SI: (text) => /^\d+$/.test(text),
};

/**
 * What was found as the raw text of a place. What stands in the message keeps its parts: a component becomes the
 * components of a field, a field the sub-components of a component. Texts are escaped whole.
 * @throws Fault where it does not fit, or the character set lacks a character of it
 */
export function writeFound(found: readonly Found[], place: FieldPlace, wire: Wire, run: Run, where: string): string {
  const [first = null] = found;
  const wrong = (detail: string, at = first?.at ?? null) =>
    new Fault('mapping-incomplete', { at, where, detail: `${place.name}: ${detail}` });
  if (found.length > 1 && place.component !== null) throw wrong('several values for one component');
  const texts = found.map((one) => {
    const text =
      one.cell === null ? writeValue(one.value, place, wire, wrong) : writeCell(one.cell, place, wire, run, wrong);
    // Of what is escaped to nothing but ASCII the set may lack nothing: only the text as it will stand tells.
    if (encodeExactly(text, wire.charset) === null)
      throw new Fault('value-unmapped', { at: one.at, where, detail: `a character that ${wire.charset.name} lacks` });
    return text;
  });
  return texts.join(wire.delimiters.repetition);
}

function writeValue(value: unknown, place: FieldPlace, wire: Wire, wrong: (detail: string) => Fault): string {
  const isObject = typeof value === 'object' && value !== null;
  if (isObject && !isExactNumber(value)) throw wrong('an object is no text');
  const text = isObject ? JSON.stringify(value) : String(value);
  if (place.type !== null && !(FORMS[place.type]?.(text) ?? true)) throw wrong(`no ${place.type}`);
  return escapeText(text, wire.delimiters);
}

function writeCell(
  cell: Cell,
  place: FieldPlace,
  { delimiters, isAsItCame }: Wire,
  run: Run,
  wrong: (detail: string) => Fault,
): string {
  const isSameLevel = (cell.component === null) === (place.component === null) && cell.subcomponent === null;
  // A text that was broken into lines holds line feeds: as they are they would end the segment.
  const isClean = !CONTROL.test(cell.raw);
  if (isAsItCame && isSameLevel && isClean && place.subcomponent === null) return cell.raw;
  const from = run.message.delimiters;
  const parts = cutParts(cell, from).map((part) =>
    part.map((leaf) => transcodeText(leaf, from, delimiters, run.decodeBytes)),
  );
  const { component, subcomponent } = delimiters;
  const isPromoted = place.component === null && cell.component !== null;
  if (place.subcomponent !== null) {
    if (parts.length > 1 || (parts[0]?.length ?? 0) > 1) throw wrong('a sub-component has no parts');
    return parts[0]?.[0] ?? '';
  }
  const inner = subcomponent ?? component;
  if (isPromoted) return (parts[0] ?? []).join(component);
  if (place.component === null) return parts.map((part) => part.join(inner)).join(component);
  if (cell.component !== null) return (parts[0] ?? []).join(inner);
  if (parts.some((part) => part.length > 1)) throw wrong('a component has no components');
  return parts.map(([leaf = '']) => leaf).join(inner);
}

/** Components and, in each, sub-components; a cell that is a component has one of the former. */
function cutParts(cell: Cell, { component, subcomponent }: Delimiters): string[][] {
  const components = cell.component === null ? cell.raw.split(component) : [cell.raw];
  const isLeaf = subcomponent === null || cell.subcomponent !== null;
  return components.map((one) => (isLeaf ? [one] : one.split(subcomponent)));
}
