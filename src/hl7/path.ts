import { unescapeText } from './escape.ts';
import { findSegments, findSegmentsOf, type Group, isGroupName } from './group.ts';
import { HL7_NULL, type Message, type Segment } from './message.ts';

/**
 * A place in a message, as specifications write it: `PID-3[2].4.1`, `OBX-5[*]`, `PID-3[5="NNSWE"].1`,
 * `OBX[3.1="94500-6"]-5`, `ORDER_OBSERVATION.NTE[*]-3`. Fields, repetitions, components and sub-components count
 * from 1. Without a selector the first segment and the first repetition are meant.
 */
export interface Path {
  /** As it was written. */
  readonly text: string;
  readonly group: string | null;
  readonly segment: string;
  readonly segments: Selector;
  /** null = the segment as a whole; only where `each` or a presence test asks for it. */
  readonly field: number | null;
  readonly repetitions: Selector;
  readonly component: number | null;
  readonly subcomponent: number | null;
}

export type Selector =
  | { readonly kind: 'first' }
  | { readonly kind: 'all' }
  | { readonly kind: 'nth'; readonly number: number }
  | { readonly kind: 'where'; readonly tests: readonly SelectorTest[] };

interface SelectorTest {
  /** Only of segment selectors: `OBX[3.1="x"]`. */
  readonly field: number | null;
  readonly component: number | null;
  readonly subcomponent: number | null;
  readonly value: string;
}

/** What stands at one place: a whole repetition, or a component or sub-component of it, raw. */
export interface Cell {
  /** Raw text, never null: '' = empty or absent component of a field that is there. */
  readonly raw: string;
  readonly segment: Segment;
  readonly field: number;
  /** From 1. */
  readonly repetition: number;
  readonly component: number | null;
  readonly subcomponent: number | null;
}

/** Why a path could not be read, and at which character of it (from 0). */
export class PathError extends Error {
  readonly offset: number;

  constructor(message: string, offset: number) {
    super(message);
    this.name = 'PathError';
    this.offset = offset;
  }
}

const FIRST: Selector = { kind: 'first' };
const ALL: Selector = { kind: 'all' };

/** Reads one path. @throws PathError */
export function parsePath(text: string): Path {
  const reader = new PathReader(text);
  const group = reader.takeGroup();
  const segment = reader.takeSegmentName();
  const segments = reader.takeSelector(true);
  if (reader.isAtEnd) {
    return { text, group, segment, segments, field: null, repetitions: FIRST, component: null, subcomponent: null };
  }
  reader.take('-', 'a field number, as in PID-3');
  const field = reader.takeNumber('a field number');
  const repetitions = reader.takeSelector(false);
  const component = reader.takeIf('.') ? reader.takeNumber('a component number') : null;
  const subcomponent = component !== null && reader.takeIf('.') ? reader.takeNumber('a sub-component number') : null;
  if (!reader.isAtEnd) throw reader.error('Unexpected text after the path');
  return { text, group, segment, segments, field, repetitions, component, subcomponent };
}

class PathReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#text.length;
  }

  error(message: string): PathError {
    return new PathError(`${message}: ${this.#text}`, this.#at);
  }

  takeGroup(): string | null {
    const name = /^([A-Z][A-Z0-9_]{3,})\./.exec(this.#text)?.[1];
    if (name === undefined) return null;
    if (!isGroupName(name)) throw this.error(`No such group: ${name}`);
    this.#at = name.length + 1;
    return name;
  }

  takeSegmentName(): string {
    const name = /^[A-Z][A-Z0-9]{2}(?![A-Z0-9])/.exec(this.#text.slice(this.#at))?.[0];
    if (name === undefined) throw this.error('Expected a segment name, such as OBX');
    this.#at += 3;
    return name;
  }

  takeSelector(isOfSegment: boolean): Selector {
    if (!this.takeIf('[')) return FIRST;
    if (this.takeIf('*')) {
      this.take(']', '] after *');
      return ALL;
    }
    const nth = /^([1-9]\d*)\]/.exec(this.#text.slice(this.#at));
    if (nth !== null) {
      const number = this.takeNumber('a number');
      this.take(']', ']');
      return { kind: 'nth', number };
    }
    const tests: SelectorTest[] = [];
    do tests.push(this.#takeTest(isOfSegment));
    while (this.takeIf(','));
    this.take(']', '] or , after the test');
    return { kind: 'where', tests };
  }

  #takeTest(isOfSegment: boolean): SelectorTest {
    this.#skipSpace();
    const numbers = [this.takeNumber('a number, * or a test such as 5="NNSWE"')];
    while (this.takeIf('.')) numbers.push(this.takeNumber('a number'));
    const field = isOfSegment ? (numbers.shift() ?? null) : null;
    if (numbers.length > 2) throw this.error('Too many levels');
    this.#skipSpace();
    this.take('=', '= in the test');
    this.#skipSpace();
    const quoted = /^"([^"]*)"|^'([^']*)'/.exec(this.#text.slice(this.#at));
    if (quoted === null) throw this.error('Expected a value in quotes');
    this.#at += quoted[0].length;
    this.#skipSpace();
    return {
      field,
      component: numbers[0] ?? null,
      subcomponent: numbers[1] ?? null,
      value: quoted[1] ?? quoted[2] ?? '',
    };
  }

  takeNumber(what: string): number {
    const digits = /^[1-9]\d{0,2}/.exec(this.#text.slice(this.#at))?.[0];
    if (digits === undefined) throw this.error(`Expected ${what}`);
    this.#at += digits.length;
    return Number(digits);
  }

  take(character: string, what: string): void {
    if (!this.takeIf(character)) throw this.error(`Expected ${what}`);
  }

  takeIf(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at += 1;
    return true;
  }

  #skipSpace(): void {
    while (this.#text[this.#at] === ' ') this.#at += 1;
  }
}

/** The segments a path means within a group. */
export function selectSegments(path: Path, scope: Group, message: Message): readonly Segment[] {
  return select(path.segments, findSegmentsAt(path, scope), (segment, test) =>
    segment.repetitions(test.field ?? 1).some((repetition) => says(repetition, test, message)),
  );
}

/** The segments of a path's name within a group, before its selector chooses among them. */
export function findSegmentsAt(path: Pick<Path, 'group' | 'segment'>, scope: Group): readonly Segment[] {
  return path.group === null ? findSegments(scope, path.segment) : findSegmentsOf(scope, path.group, path.segment);
}

/**
 * Everything that stands at a path within a group, in message order; [] where nothing does. A field that is there but
 * empty gives a cell with an empty raw text.
 */
export function readCells(path: Path, scope: Group, message: Message): readonly Cell[] {
  const { field, repetitions } = path;
  if (field === null) return NOTHING;
  const cells: Cell[] = [];
  for (const segment of selectSegments(path, scope, message)) {
    if (repetitions.kind === 'first') {
      const raw = segment.firstRepetition(field);
      if (raw !== null) cells.push(cellOf(path, segment, field, raw, 1, message));
      continue;
    }
    if (repetitions.kind === 'all') {
      let repetition = 1;
      for (const raw of segment.repetitions(field))
        cells.push(cellOf(path, segment, field, raw, repetition++, message));
      continue;
    }
    if (repetitions.kind === 'nth') {
      const raw = segment.repetitions(field)[repetitions.number - 1];
      if (raw !== undefined) cells.push(cellOf(path, segment, field, raw, repetitions.number, message));
      continue;
    }
    const numbered = segment.repetitions(field).map((raw, index) => ({ raw, repetition: index + 1 }));
    const chosen = select(repetitions, numbered, ({ raw }, test) => says(raw, test, message));
    for (const { raw, repetition } of chosen) cells.push(cellOf(path, segment, field, raw, repetition, message));
  }
  return cells;
}

const NOTHING: readonly Cell[] = [];

/** The first cell of `readCells` that says something, for the many paths that are asked and find nothing; null = none does. */
export function readFirstValued(path: Path, scope: Group, message: Message): Cell | null {
  const { field } = path;
  if (field === null || path.segments.kind !== 'first' || path.repetitions.kind !== 'first')
    return readCells(path, scope, message).find(({ raw }) => isValued(raw, message)) ?? null;
  const segment = findSegmentsAt(path, scope)[0];
  const raw = segment?.firstRepetition(field) ?? '';
  if (segment === undefined || raw === '') return null;
  const cell = cellOf(path, segment, field, raw, 1, message);
  return isValued(cell.raw, message) ? cell : null;
}

/** The raw text of `readFirstValued`, for conditions, which ask for nothing else; '' = nothing says anything. */
export function readFirstRaw(path: Path, scope: Group, message: Message): string {
  const { field, segments, repetitions, component, subcomponent } = path;
  const isOne = repetitions.kind === 'first' || repetitions.kind === 'nth';
  if (field === null || segments.kind !== 'first' || !isOne) return readFirstValued(path, scope, message)?.raw ?? '';
  const segment = findSegmentsAt(path, scope)[0];
  const repetition =
    repetitions.kind === 'first'
      ? segment?.firstRepetition(field)
      : segment?.repetitions(field)[repetitions.number - 1];
  const raw = readPart(repetition ?? '', component, subcomponent, message);
  return isValued(raw, message) ? raw : '';
}

function cellOf(
  { component, subcomponent }: Path,
  segment: Segment,
  field: number,
  raw: string,
  repetition: number,
  message: Message,
): Cell {
  return { raw: readPart(raw, component, subcomponent, message), segment, field, repetition, component, subcomponent };
}

/** True if the part a test names means its value; delimiters in the value are escaped in the message. */
function says(raw: string, test: SelectorTest, message: Message): boolean {
  const part = readPart(raw, test.component, test.subcomponent, message);
  if (part === test.value) return true;
  const escaper = message.delimiters.escape;
  if (escaper === null || !part.includes(escaper)) return false;
  return unescapeText(part, message.delimiters, keepBytes) === test.value;
}

/** Which character set they are in is not known here. */
function keepBytes(): string {
  throw new RangeError('hexadecimal bytes');
}

/** True if the raw text says something: neither empty nor only delimiters. HL7 null says something. */
export function isValued(raw: string, message: Message): boolean {
  if (raw === '') return false;
  if (raw === HL7_NULL) return true;
  const { component, subcomponent } = message.delimiters;
  for (let index = 0; index < raw.length; index += 1) {
    const character = raw[index];
    if (character !== component && character !== subcomponent && character !== ' ') return true;
  }
  return false;
}

/**
 * A component or sub-component of a raw repetition; '' where it is not there. Component 1 of a text without
 * components is the text itself, and so is sub-component 1: HL7 lets a field grow that way.
 */
export function readPart(
  raw: string,
  component: number | null,
  subcomponent: number | null,
  message: Pick<Message, 'delimiters'>,
): string {
  if (component === null) return raw;
  const part = cut(raw, message.delimiters.component, component);
  if (subcomponent === null || message.delimiters.subcomponent === null) {
    return subcomponent !== null && subcomponent > 1 ? '' : part;
  }
  return cut(part, message.delimiters.subcomponent, subcomponent);
}

/**
 * A component of a cell, or a sub-component of that; where the cell is a component itself, its sub-components count.
 * Without a number it is the cell itself.
 */
export function partOfCell(cell: Cell, component: number | null, subcomponent: number | null, message: Message): Cell {
  if (component === null) return cell;
  if (cell.component === null) {
    return { ...cell, raw: readPart(cell.raw, component, subcomponent, message), component, subcomponent };
  }
  const raw = subcomponent === null && cell.subcomponent === null ? readSubcomponent(cell.raw, component, message) : '';
  return { ...cell, raw, subcomponent: component };
}

function readSubcomponent(raw: string, number: number, message: Message): string {
  const delimiter = message.delimiters.subcomponent;
  if (delimiter === null) return number === 1 ? raw : '';
  return cut(raw, delimiter, number);
}

/** The HL7 location of a cell as faults and trails name it: `PID-3[2].1`, `OBX[3]-5`. */
export function locate(cell: Omit<Cell, 'raw'>): string {
  const repetition = cell.repetition > 1 ? `[${cell.repetition}]` : '';
  const component = cell.component === null ? '' : `.${cell.component}`;
  const subcomponent = cell.subcomponent === null ? '' : `.${cell.subcomponent}`;
  return `${locateSegment(cell.segment)}-${cell.field}${repetition}${component}${subcomponent}`;
}

/** `PID` for the only kind there usually is, `OBX[3]` from the second of its name on. */
export function locateSegment(segment: Segment): string {
  return segment.occurrence > 1 || segment.name === 'OBX' || segment.name === 'OBR'
    ? `${segment.name}[${segment.occurrence}]`
    : segment.name;
}

function select<Item>(
  selector: Selector,
  items: readonly Item[],
  holds: (item: Item, test: SelectorTest) => boolean,
): readonly Item[] {
  switch (selector.kind) {
    case 'all':
      return items;
    case 'first':
      return items.length <= 1 ? items : items.slice(0, 1);
    case 'nth': {
      return items.slice(selector.number - 1, selector.number);
    }
    case 'where':
      return items.filter((item) => selector.tests.every((test) => holds(item, test)));
  }
}

function cut(text: string, delimiter: string, number: number): string {
  let start = 0;
  for (let n = 1; n < number; n += 1) {
    const next = text.indexOf(delimiter, start);
    if (next < 0) return '';
    start = next + delimiter.length;
  }
  const end = text.indexOf(delimiter, start);
  return end < 0 ? text.slice(start) : text.slice(start, end);
}
