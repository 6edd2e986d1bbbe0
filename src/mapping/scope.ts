import type { Fault, FaultRecord } from '../contracts/fault.ts';
import type { Charset } from '../hl7/charset.ts';
import { unescapeText } from '../hl7/escape.ts';
import type { Group } from '../hl7/group.ts';
import type { Message } from '../hl7/message.ts';
import { type Cell, locate } from '../hl7/path.ts';
import type { Trail } from './trail.ts';

/**
 * What a rule found: a value that is there, and where it came from, where it came from one place. The location is only
 * written out when a fault or a trail asks for it.
 */
export class Found {
  readonly value: unknown;
  /** The cell itself, while nothing has been made of it yet; conversions and tables read its components. */
  readonly cell: Cell | null;
  readonly #origin: Cell | null;

  private constructor(value: unknown, cell: Cell | null, origin: Cell | null) {
    this.value = value;
    this.cell = cell;
    this.#origin = origin;
  }

  /** What stands in a cell, not yet converted. */
  static inCell(cell: Cell): Found {
    return new Found(cell.raw, cell, cell);
  }

  /** A value that was made, out of what was found or out of nothing. */
  static made(value: unknown, from: Found | null = null): Found {
    return new Found(value, null, from === null ? null : from.#origin);
  }

  /** The same cell with another raw text: a part of it. */
  part(raw: string): Found {
    return this.cell === null ? this : new Found(raw, { ...this.cell, raw }, this.#origin);
  }

  /** HL7 location, such as `OBX[2]-5`; null = made of no single place. */
  get at(): string | null {
    return this.#origin === null ? null : locate(this.#origin);
  }
}

/** A care provider as mappings see it in `$party`. */
export interface PartyFacts {
  readonly id: string;
  readonly name: string;
  readonly organisationNumber: string;
}

/** One message under one mapping. */
export interface Run {
  readonly message: Message;
  readonly root: Group;
  /** IANA zone of times without offset. */
  readonly zone: string;
  /** The message's own. */
  readonly charset: Charset;
  readonly decodeBytes: (bytes: Uint8Array) => string;
  /** When the answer came that something follows from, ms since the epoch; null = the message itself is mapped. */
  readonly answeredAt: number | null;
  /** Null unless somebody asked why. */
  readonly trail: Trail | null;
  /** What was kept as it came although it did not fit. */
  readonly warnings: FaultRecord[];
}

/** The resources of a bundle that is being made, as rules refer to them. */
export interface References {
  /** fullUrls of the entries of that name nearest to the scope: within its group, or the nearest one around it. */
  find(entry: string, scope: Scope): readonly string[];
  /** Makes the entry's resource for one cell, or finds the equal one made before; null = nothing came of it. */
  make(entry: string, cell: Cell, scope: Scope): string | null;
}

/** One result of a message while its rules are evaluated. */
export interface Scope {
  readonly run: Run;
  /** The result's own scope: what `let` makes is the same for all that is made within it. */
  readonly home: Scope | null;
  readonly group: Group;
  /** By variable index: what a `let` gave, `undefined` while nobody asked. A fault is kept and thrown again. */
  readonly memo: (Found | null | Fault | undefined)[];
  readonly faults: Set<Fault>;
  /** The cell that relative paths (`.1`) start at: of a datatype, of `each`, of a resource made for a reference. */
  readonly it: Cell | null;
  /** Where references are resolved while a bundle is made; null = no bundle is. */
  readonly bundle: References | null;
  party: PartyFacts | null;
  /** What the identifier of the delivery is derived from. */
  identifier: string | null;
  /** The receiver's answer, parsed; only for what follows one. */
  response: unknown;
}

/** What HL7 may carry and no FHIR string may. */
const CONTROL = /[\x00-\x08\x0b\x0c\x0e-\x1f]/;
const CONTROLS = new RegExp(CONTROL, 'g');

/** A scope like another but for the cell at hand. Written out, so that all scopes have one shape for the engine below. */
export function scopeAtCell(scope: Scope, it: Cell | null): Scope {
  const { run, home, group, memo, faults, bundle, party, identifier, response } = scope;
  return { run, group, home, memo, it, bundle, faults, party, identifier, response };
}

/** A scope like another but for the group. */
export function scopeAtGroup(scope: Scope, group: Group): Scope {
  const { run, home, memo, faults, it, bundle, party, identifier, response } = scope;
  return { run, group, home, memo, it, bundle, faults, party, identifier, response };
}

/** The meaning of a cell's raw text; see `readRaw`. */
export function textOf(cell: Cell, run: Run): string {
  return readRaw(cell.raw, run);
}

/**
 * The meaning of a raw text, without control characters. Where components stand in it, they are separated as messages
 * usually are, so that the delimiters a sender chose make no difference.
 */
export function readRaw(raw: string, run: Run): string {
  const { delimiters } = run.message;
  const isUsual = delimiters.component === '^' && (delimiters.subcomponent ?? '&') === '&';
  const text = isUsual ? unescapeText(raw, delimiters, run.decodeBytes) : readUnusual(raw, run);
  return CONTROL.test(text) ? text.replace(CONTROLS, '') : text;
}

function readUnusual(raw: string, { message: { delimiters }, decodeBytes }: Run): string {
  const meaningOf = (part: string) => unescapeText(part, delimiters, decodeBytes);
  return raw
    .split(delimiters.component)
    .map((part) =>
      (delimiters.subcomponent === null ? [part] : part.split(delimiters.subcomponent)).map(meaningOf).join('&'),
    )
    .join('^');
}

/** A found value as text: a cell's meaning, or the value as it would be written. */
export function foundText(found: Found, run: Run): string {
  if (found.cell !== null) return textOf(found.cell, run);
  return typeof found.value === 'object' && found.value !== null ? JSON.stringify(found.value) : String(found.value);
}
