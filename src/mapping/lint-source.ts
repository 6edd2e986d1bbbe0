import { type Path, PathError, parsePath } from '../hl7/path.ts';
import { countComponents, countFields, SEGMENT_NAMES, typeOfComponent, typeOfField } from '../hl7/segment-field.ts';
import { Findings } from './finding.ts';
import { ANYTHING, type LintScope, type Made } from './lint-scope.ts';
import { ProblemError, suggest } from './problem.ts';
import { RELATIVE, splitAlternatives, VARIABLE } from './source.ts';
import type { YamlNode } from './yaml-node.ts';

/** What is known of what a source finds. */
export interface SourceFacts {
  readonly made: Made;
  /** HL7 type of the cell; null = not known, or of several kinds. */
  readonly cell: string | null;
  /** A whole field is read, which may bear a coding system beside its code. */
  readonly isWhole: boolean;
}

const RAW: Made = { ...ANYTHING, type: 'string', isRaw: true };

/** Looks at `PID-3.1 | $name`: segments, fields, components, and alternatives that are never tried. */
export function lintSource(node: YamlNode, scope: LintScope): SourceFacts {
  let alternatives: ReturnType<typeof splitAlternatives>;
  try {
    alternatives = splitAlternatives(node);
  } catch (error) {
    if (error instanceof ProblemError) return { made: ANYTHING, cell: null, isWhole: true };
    throw error;
  }
  const seen = new Set<string>();
  const facts = alternatives.map(({ text, offset }) => {
    if (seen.has(text))
      scope.findings.error(node, `${text} stands here twice: the second is never tried`, null, offset);
    seen.add(text);
    return lintAlternative(text, offset, node, scope);
  });
  const [first] = facts;
  if (first === undefined) return { made: ANYTHING, cell: null, isWhole: true };
  const isAlike = facts.every(({ made }) => made.type === first.made.type && made.isList === first.made.isList);
  return {
    made: isAlike ? (facts.length === 1 ? first.made : { ...first.made, values: null, isAlways: false }) : ANYTHING,
    cell: facts.every(({ cell }) => cell === first.cell) ? first.cell : null,
    isWhole: facts.some(({ isWhole }) => isWhole),
  };
}

function lintAlternative(text: string, offset: number, node: YamlNode, scope: LintScope): SourceFacts {
  if (text.startsWith('$')) {
    const [, name = '', members = ''] = VARIABLE.exec(text) ?? [];
    scope.asked.variables.add(name);
    const made = members === '' ? (scope.variables.get(name)?.made() ?? ANYTHING) : ANYTHING;
    return { made, cell: null, isWhole: false };
  }
  const relative = RELATIVE.exec(text);
  if (relative !== null) {
    const [component = null, subcomponent = null] = relative
      .slice(1)
      .map((part) => (part === undefined ? null : Number(part)));
    const findings = new Findings();
    const cell = lintParts(scope.cell, component, subcomponent, { node, offset, scope: { ...scope, findings } });
    const at = `${node.where}+${offset}`;
    const [finding = null] = findings.list;
    const before = scope.used.relatives.get(at);
    if (finding === null || before === undefined) scope.used.relatives.set(at, finding);
    return { made: RAW, cell, isWhole: component === null };
  }
  try {
    const path = parsePath(text);
    return { made: RAW, cell: lintPath(path, { node, offset, scope }), isWhole: path.component === null };
  } catch (error) {
    if (error instanceof PathError) return { made: ANYTHING, cell: null, isWhole: true };
    throw error;
  }
}

interface Place {
  readonly node: YamlNode;
  readonly offset: number;
  readonly scope: LintScope;
}

/** Looks at one HL7 path; gives the type of what stands there, where there is only one. */
export function lintPath(path: Path, place: Place): string | null {
  const { node, offset, scope } = place;
  if (path.segment.startsWith('Z')) return null;
  const fields = countFields(path.segment);
  if (fields === null) {
    const hint = suggest(path.segment, SEGMENT_NAMES) ?? 'segments of one’s own begin with Z';
    scope.findings.error(node, `HL7 has no segment ${path.segment}`, hint, offset);
    return null;
  }
  if (path.segments.kind === 'where')
    for (const test of path.segments.tests) {
      const type = lintField(path.segment, test.field ?? 1, fields, place);
      lintParts(type, test.component, test.subcomponent, place);
    }
  if (path.field === null) return null;
  const type = lintField(path.segment, path.field, fields, place);
  if (path.repetitions.kind === 'where')
    for (const test of path.repetitions.tests) lintParts(type, test.component, test.subcomponent, place);
  return lintParts(type, path.component, path.subcomponent, place);
}

function lintField(segment: string, field: number, fields: number, { node, offset, scope }: Place): string | null {
  if (field <= fields) return typeOfField(segment, field);
  scope.findings.error(node, `${segment} has no field ${field}`, `${segment} has fields 1 to ${fields}`, offset);
  return null;
}

function lintParts(
  type: string | null,
  component: number | null,
  subcomponent: number | null,
  place: Place,
): string | null {
  if (component === null) return type;
  const part = lintPart(type, component, 'component', place);
  return subcomponent === null ? part : lintPart(part, subcomponent, 'sub-component', place);
}

function lintPart(type: string | null, number: number, what: string, { node, offset, scope }: Place): string | null {
  const count = type === null ? null : countComponents(type);
  if (type === null || count === null) return null;
  if (number <= count) return typeOfComponent(type, number);
  // Where the standard has one value senders put more; where it has a list, a number beyond it is a slip.
  const message = `${type} has no ${what} ${number}`;
  if (count === 1) scope.findings.warn(node, message, `${type} is one value`, offset);
  else scope.findings.error(node, message, `${type} has ${what}s 1 to ${count}`, offset);
  return null;
}
