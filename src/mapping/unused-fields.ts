import type { Message, Segment } from '../hl7/message.ts';
import { isValued, locate, readPart } from '../hl7/path.ts';

/** A field, or one component of it, that says something in a message and that no rule read. */
export interface UnusedField {
  /** `OBX-17`, `PID-3.9`: segment and field, whichever segment and repetition it stood in. */
  readonly field: string;
  readonly count: number;
  /** HL7 location of the first. */
  readonly at: string;
}

/** Of MSH: delimiters, type, control id, processing id, version, acknowledgement, character set. */
const READ_BY_ENGINE: ReadonlySet<number> = new Set([1, 2, 9, 10, 11, 12, 15, 16, 18]);

/**
 * The fields of a message that nobody read, in the order of the message. Of a field that was read in part, the
 * components that were not. What the engine itself goes by is passed over.
 * @param used HL7 locations, as a trail notes them
 */
export function listUnusedFields(message: Message, used: ReadonlySet<string>): UnusedField[] {
  const found = new Map<string, { count: number; at: string }>();
  const parts = partsRead(used);
  const note = (field: string, at: string) => {
    const known = found.get(field);
    if (known === undefined) found.set(field, { count: 1, at });
    else known.count += 1;
  };
  for (const segment of message.segments) {
    for (let field = 1; field <= segment.lastField; field += 1) {
      if (segment.name === 'MSH' && READ_BY_ENGINE.has(field)) continue;
      for (const [index, raw] of segment.repetitions(field).entries()) {
        if (!isValued(raw, message)) continue;
        const at = locate(cellOf(segment, field, index + 1));
        if (used.has(at)) continue;
        const read = parts.get(at);
        if (read === undefined) {
          note(`${segment.name}-${field}`, at);
          continue;
        }
        const count = raw.split(message.delimiters.component).length;
        for (let component = 1; component <= count; component += 1) {
          if (read.has(component) || !isValued(readPart(raw, component, null, message), message)) continue;
          note(`${segment.name}-${field}.${component}`, `${at}.${component}`);
        }
      }
    }
  }
  return [...found].map(([field, { count, at }]) => ({ field, count, at }));
}

/** Components that were read, by the location of their field. */
function partsRead(used: ReadonlySet<string>): Map<string, Set<number>> {
  const parts = new Map<string, Set<number>>();
  for (const location of used) {
    const [, field, component] = /^([^.]+)\.(\d+)/.exec(location) ?? [];
    if (field === undefined) continue;
    const read = parts.get(field) ?? new Set();
    read.add(Number(component));
    parts.set(field, read);
  }
  return parts;
}

/** The raw text at a location as a trail or a fault names it; null where nothing stands there. */
export function readLocation(message: Message, location: string): string | null {
  const [, name, occurrence, field, repetition, component, subcomponent] =
    /^([A-Z][A-Z0-9]{2})(?:\[(\d+)\])?-(\d+)(?:\[(\d+)\])?(?:\.(\d+))?(?:\.(\d+))?$/.exec(location) ?? [];
  const segment = message.segments.find((one) => one.name === name && one.occurrence === Number(occurrence ?? 1));
  const raw = segment?.repetitions(Number(field))[Number(repetition ?? 1) - 1];
  if (raw === undefined) return null;
  const numberOf = (text: string | undefined) => (text === undefined ? null : Number(text));
  return readPart(raw, numberOf(component), numberOf(subcomponent), message);
}

function cellOf(segment: Segment, field: number, repetition: number) {
  return { segment, field, repetition, component: null, subcomponent: null };
}
