import { partOfCell, readPart } from '../../hl7/path.ts';
import { type Found, foundText, type Run, readRaw } from '../scope.ts';
import type { Table } from '../table.ts';
import { isPlain, rememberBySystems } from './remembered.ts';

export interface Coding {
  readonly system?: string;
  readonly version?: string;
  readonly code?: string;
  readonly display?: string;
}

export interface CodeableConcept {
  readonly coding?: readonly Coding[];
  readonly text?: string;
}

/**
 * CodeableConcept of CE, CWE, CNE, IS or ID: up to three codings and the original text. A code whose system the table
 * does not know keeps its code without a system, since a made-up URI would say more than the sender did; a display
 * without a code becomes text. Never throws.
 * @see HL7 v2-to-FHIR, datatype map CWE[CodeableConcept]
 */
export function readCodeableConcept(found: Found, run: Run, systems: Table | null): CodeableConcept | null {
  const { cell } = found;
  const isWhole = cell !== null && cell.component === null;
  if (!isWhole || !isPlain(cell.raw, run)) return makeCodeableConcept(found, run, systems);
  return conceptsOf(systems).recall(cell.raw, (raw) => makeCodeableConcept(found.part(raw), run, systems));
}

const conceptsOf = rememberBySystems<CodeableConcept | null>();

function makeCodeableConcept(found: Found, run: Run, systems: Table | null): CodeableConcept | null {
  const part = partReader(found, run);
  const text = part(9) || TRIPLETS.map(([code, name]) => (part(code) === '' ? part(name) : '')).find(Boolean) || '';
  const coding = TRIPLETS.map(([code, name, system, version]) => {
    const display = part(name);
    if (part(code) !== '') return readCoding(part(code), display, part(system), part(version), systems);
    return display === '' || display === text ? null : { display };
  }).filter((one) => one !== null);
  if (coding.length === 0 && text === '') return null;
  return { ...(coding.length > 0 ? { coding } : {}), ...(text === '' ? {} : { text }) };
}

/** Code, name, system and version of the three codings. */
const TRIPLETS = [
  [1, 2, 3, 7],
  [4, 5, 6, 8],
  [10, 11, 12, 13],
] as const;

/** Reads the components of what was found, unescaped and trimmed; a text without components is its first. */
export function partReader(found: Found, run: Run): (component: number, subcomponent?: number) => string {
  const { cell } = found;
  if (cell === null) return (component) => (component === 1 ? foundText(found, run).trim() : '');
  if (cell.subcomponent !== null) return (component) => (component === 1 ? foundText(found, run).trim() : '');
  return (component, subcomponent) => {
    // Of a component its sub-components are the parts: HL7 nests one level by another delimiter.
    const raw =
      cell.component === null
        ? readPart(cell.raw, component, subcomponent ?? null, run.message)
        : partOfCell(cell, component, null, run.message).raw;
    return raw === '' || raw === '""' ? '' : readRaw(raw, run).trim();
  };
}

function readCoding(code: string, display: string, system: string, version: string, systems: Table | null): Coding {
  const uri = systemUri(system, systems);
  return {
    ...(uri === null ? {} : { system: uri }),
    ...(version === '' || uri === null ? {} : { version }),
    code: code.replace(/\s+/g, ' '),
    ...(display === '' ? {} : { display }),
  };
}

/** The URI of a coding system named as in table 0396, by OID or by URI; null = local or unknown. */
export function systemUri(name: string, systems: Table | null): string | null {
  if (name === '') return null;
  const row = systems?.find([{ code: name, system: '' }]) ?? null;
  if (row !== null && (typeof row.value === 'string' || row.value === null)) return row.value;
  if (/^(?:https?:\/\/|urn:)\S+$/.test(name)) return name;
  if (/^[0-2](?:\.(?:0|[1-9]\d*))+$/.test(name)) return `urn:oid:${name}`;
  const table = /^HL7(\d{4})$/i.exec(name)?.[1] ?? /^(\d{4})$/.exec(name)?.[1];
  return table === undefined ? null : `http://terminology.hl7.org/CodeSystem/v2-${table}`;
}
