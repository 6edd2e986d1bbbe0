import { keepLasting } from '../../fhir/lasting-value.ts';
import type { Run } from '../scope.ts';
import type { Table } from '../table.ts';

/** Beyond these, texts are no codes, or somebody sends new ones without end. */
const MAX_TEXTS = 5000;
const MAX_CHARACTERS = 300;

/**
 * What was made of the texts of coded fields. A laboratory has a few thousand codes, units and ranges, and sends them
 * again and again; measured, in DECISIONS.md, 57. The values are shared and frozen.
 */
export class Remembered<Value> {
  readonly #known = new Map<string, Value>();

  /** What `make` makes of the text, now or before. Nothing but the text may count for it. */
  recall(text: string, make: (text: string) => Value): Value {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    if (text.length > MAX_CHARACTERS) return make(text);
    if (this.#known.size >= MAX_TEXTS) this.#known.clear();
    // A copy, since a part of a message's text would keep all of it in memory.
    const copy = Buffer.from(text).toString();
    const made = keepLasting(make(copy));
    this.#known.set(copy, made);
    return made;
  }
}

/** What was made with each table of coding systems, since a mapping may have its own. */
export function rememberBySystems<Value>(): (systems: Table | null) => Remembered<Value> {
  const without = new Remembered<Value>();
  const bySystems = new WeakMap<Table, Remembered<Value>>();
  return (systems) => {
    if (systems === null) return without;
    let known = bySystems.get(systems);
    if (known === undefined) {
      known = new Remembered<Value>();
      bySystems.set(systems, known);
    }
    return known;
  };
}

/** True if a raw text's meaning hangs on it alone: no unusual delimiters, nothing escaped. */
export function isPlain(raw: string, { message: { delimiters } }: Run): boolean {
  if (delimiters.component !== '^' || delimiters.subcomponent !== '&') return false;
  return delimiters.escape === null || !raw.includes(delimiters.escape);
}
