import { HL7_NULL } from '../hl7/message.ts';
import {
  type Cell,
  isValued,
  locate,
  locateSegment,
  type Path,
  PathError,
  parsePath,
  partOfCell,
  readCells,
  readFirstValued,
  selectSegments,
} from '../hl7/path.ts';
import { type FieldNeeds, needOf, needOfAny } from './field-need.ts';
import { suggest } from './problem.ts';
import { Found, type Scope } from './scope.ts';
import type { YamlNode } from './yaml-node.ts';

/** Reads one value a rule can name: `$name` of a `let`, a setting, or one of the engine's own. */
export interface ReadVariable {
  (scope: Scope): Found | null;
  /** The HL7 location to name when it gives nothing; where this is missing, or null, there is no such place. */
  readonly locateMissing?: (scope: Scope) => string | null;
}

/** Alternatives in the order they are tried: HL7 paths and variables. */
export interface Source {
  /** The first alternative that says something; HL7 null ends the search with nothing. */
  readFirst(scope: Scope): Found | null;
  /** Everything that is valued at the first alternative where anything is. */
  readAll(scope: Scope): Found[];
  /** The HL7 location to name when nothing was found. */
  locateMissing(scope: Scope): string | null;
  /** Where all of these are empty it finds nothing. */
  readonly needs: FieldNeeds;
}

type Alternative =
  | { readonly kind: 'path'; readonly path: Path }
  | { readonly kind: 'relative'; readonly component: number | null; readonly subcomponent: number | null }
  | { readonly kind: 'variable'; readonly read: ReadVariable; readonly members: readonly (string | number)[] };

/** `.` is the cell at hand, `.4.1` a component (or sub-component) of it. */
export const RELATIVE = /^\.(?:([1-9]\d?)(?:\.([1-9]\d?))?)?$/;

export const VARIABLE = /^\$([A-Za-z][A-Za-z0-9]*)((?:\.[A-Za-z][A-Za-z0-9]*|\[\d+\])*)$/;

/**
 * Compiles `PID-3[5="NNSWE"].1 | $person.number`.
 * @throws ProblemError at the character that is wrong
 */
export function compileSource(node: YamlNode, variables: ReadonlyMap<string, ReadVariable>): Source {
  return makeSource(
    splitAlternatives(node).map(({ text, offset }) => compileAlternative(text, offset, node, variables)),
  );
}

/** What stands between the bars of a source, and at which character. @throws ProblemError */
export function splitAlternatives(node: YamlNode): { readonly text: string; readonly offset: number }[] {
  const text = node.text('an HL7 path, or $name');
  const alternatives: { text: string; offset: number }[] = [];
  let offset = 0;
  // A bar within quotes belongs to the value that is tested for.
  const masked = text.replace(/"[^"]*"|'[^']*'/g, (quoted) => '_'.repeat(quoted.length));
  for (const { length } of masked.split('|')) {
    const piece = text.slice(offset, offset + length);
    const written = piece.trim();
    alternatives.push({ text: written, offset: offset + piece.indexOf(written) });
    offset += length + 1;
  }
  return alternatives;
}

function compileAlternative(
  written: string,
  start: number,
  node: YamlNode,
  variables: ReadonlyMap<string, ReadVariable>,
): Alternative {
  if (written.startsWith('$')) {
    const [, name, tail = ''] = VARIABLE.exec(written) ?? node.fail(`Not a variable: ${written}`, null, start);
    const read = variables.get(name ?? '');
    if (read === undefined) node.fail(`Nothing is called $${name}`, suggest(name ?? '', variables.keys()), start);
    const members = [...tail.matchAll(/\.([A-Za-z][A-Za-z0-9]*)|\[(\d+)\]/g)].map(([, member, index]) =>
      index === undefined ? (member ?? '') : Number(index),
    );
    return { kind: 'variable', read, members };
  }
  const relative = RELATIVE.exec(written);
  if (relative !== null) {
    const [component = null, subcomponent = null] = relative
      .slice(1)
      .map((part) => (part === undefined ? null : Number(part)));
    return { kind: 'relative', component, subcomponent };
  }
  try {
    const path = parsePath(written);
    if (path.field === null) node.fail(`A field is needed here, such as ${written}-3`, null, start);
    return { kind: 'path', path };
  } catch (error) {
    if (error instanceof PathError) node.fail(error.message, null, start + error.offset);
    throw error;
  }
}

function makeSource(alternatives: readonly Alternative[]): Source {
  const needs = needOfAny(alternatives.map((one) => (one.kind === 'path' ? needOf(one.path) : null)));
  return {
    needs,
    readFirst(scope) {
      for (const alternative of alternatives) {
        if (alternative.kind === 'variable') {
          const found = readMember(alternative.read(scope), alternative.members);
          if (found !== null) return found;
          continue;
        }
        const cell = firstValued(alternative, scope);
        if (cell === null) continue;
        scope.run.trail?.read(locate(cell));
        return cell.raw === HL7_NULL ? null : Found.inCell(cell);
      }
      return null;
    },
    readAll(scope) {
      const all: Found[] = [];
      let isSaid = false;
      for (const alternative of alternatives) {
        if (isSaid || all.length > 0) break;
        if (alternative.kind === 'variable') {
          const found = readMember(alternative.read(scope), alternative.members);
          if (found !== null) all.push(found);
          continue;
        }
        for (const cell of cellsOf(alternative, scope)) {
          if (!isValued(cell.raw, scope.run.message)) continue;
          scope.run.trail?.read(locate(cell));
          isSaid = true;
          if (cell.raw !== HL7_NULL) all.push(Found.inCell(cell));
        }
      }
      return all;
    },
    locateMissing(scope) {
      let elsewhere: string | null = null;
      for (const alternative of alternatives) {
        if (alternative.kind === 'relative') continue;
        if (alternative.kind === 'variable') {
          elsewhere ??= alternative.read.locateMissing?.(scope) ?? null;
          continue;
        }
        const [segment] = selectSegments(alternative.path, scope.group, scope.run.message);
        // A field of a segment that came is sooner mended than a segment that did not.
        if (segment !== undefined) return locatePath(alternative.path, locateSegment(segment));
        elsewhere ??= locatePath(alternative.path, alternative.path.segment);
      }
      return elsewhere;
    },
  };
}

function cellsOf(alternative: Exclude<Alternative, { kind: 'variable' }>, scope: Scope): readonly Cell[] {
  if (alternative.kind === 'path') return readCells(alternative.path, scope.group, scope.run.message);
  return scope.it === null
    ? []
    : [partOfCell(scope.it, alternative.component, alternative.subcomponent, scope.run.message)];
}

function firstValued(alternative: Exclude<Alternative, { kind: 'variable' }>, scope: Scope): Cell | null {
  const { message } = scope.run;
  if (alternative.kind === 'path') return readFirstValued(alternative.path, scope.group, message);
  if (scope.it === null) return null;
  const cell = partOfCell(scope.it, alternative.component, alternative.subcomponent, message);
  return isValued(cell.raw, message) ? cell : null;
}

/** Where a path points in a segment, whether or not anything stands there. */
function locatePath(path: Path, segment: string): string {
  const repetition = path.repetitions.kind === 'nth' ? `[${path.repetitions.number}]` : '';
  const parts = [path.component, path.subcomponent].filter((part) => part !== null).map((part) => `.${part}`);
  return `${segment}-${path.field}${repetition}${parts.join('')}`;
}

/** What stands under the members of a variable's value; null where there is no such member. */
export function readMember(found: Found | null, members: readonly (string | number)[]): Found | null {
  if (found === null || members.length === 0) return found;
  let value: unknown = found.value;
  for (const member of members) {
    if (value === null || typeof value !== 'object' || !Object.hasOwn(value, member)) return null;
    value = (value as Record<string | number, unknown>)[member];
  }
  return value === null || value === undefined || value === '' ? null : Found.made(value, found);
}
