import { DraftSegment } from '../hl7/draft-segment.ts';
import type { Segment } from '../hl7/message.ts';
import { locate, type Path, selectSegments } from '../hl7/path.ts';
import { countFields, SEGMENT_NAMES, typeOfField } from '../hl7/segment-field.ts';
import { type Wire, writeFound } from './field-text.ts';
import { isNothing, withTrail } from './from.ts';
import { compileFields, type FieldRule, readPath } from './message-field.ts';
import { suggest } from './problem.ts';
import { Found, type Scope, scopeAtCell } from './scope.ts';
import { compileSource } from './source.ts';
import type { Evaluate, Surroundings } from './surroundings.ts';
import { tryTo, tryWithin } from './try-to.ts';
import { compileWhen } from './when.ts';
import type { YamlNode } from './yaml-node.ts';

/** The segments of a message that is being made, in their order. */
export interface OutgoingSegments {
  readonly wire: Wire;
  readonly made: DraftSegment[];
}

const KEYS = ['segment', 'copy', 'each', 'when', 'fields', 'because'] as const;

/** Compiles one entry of `segments:`. @throws ProblemError */
export function compileSegment(
  node: YamlNode,
  around: Surroundings,
): (scope: Scope, segments: OutgoingSegments) => void {
  const keys = node.keys(KEYS);
  const [named = null, copied = null] = [keys.get('segment'), keys.get('copy')];
  if ((named === null) === (copied === null))
    node.fail('An entry needs either segment: and its name, or copy: and a segment of the message');
  const copy = copied === null ? null : readCopy(copied);
  const name = copy?.segment ?? readName(named as YamlNode);
  const fieldsNode = keys.get('fields');
  const fields = fieldsNode === undefined ? [] : compileFields(fieldsNode, name, around, copy !== null);
  if (copy === null && (fieldsNode?.entries().size ?? 0) === 0) node.fail(`The segment needs fields: { ${name}-1: … }`);
  const when = keys.get('when');
  const holds = when === undefined ? null : compileWhen(when, around.variables);
  const eachNode = keys.get('each');
  const each = eachNode === undefined ? null : compileSource(eachNode, around.variables);
  const where = node.where;

  const make = (scope: Scope, segments: OutgoingSegments) => {
    if (holds !== null && !holds(scope)) return;
    if (copy === null) writeSegment(name, fields, null, where, scope, segments);
    else
      for (const segment of selectSegments(copy, scope.group, scope.run.message))
        writeSegment(name, fields, segment, where, scope, segments);
  };
  return (scope, segments) => {
    if (each === null) make(scope, segments);
    else for (const { cell } of each.readAll(scope)) make(scopeAtCell(scope, cell), segments);
  };
}

function readName(node: YamlNode): string {
  const name = node.text('a segment, such as OBX');
  if (name === 'MSH') node.fail('MSH is written by the engine', 'header: { MSH-5: … } says what is otherwise in it');
  if (!/^[A-Z][A-Z0-9]{2}$/.test(name)) node.fail(`Not a segment’s name: ${name}`);
  if (!name.startsWith('Z') && countFields(name) === null)
    node.fail(`HL7 has no segment ${name}`, suggest(name, SEGMENT_NAMES) ?? 'segments of one’s own begin with Z');
  return name;
}

function readCopy(node: YamlNode): Path {
  const path = readPath(node.text('a segment of the message, such as PID'), node);
  if (path.field !== null) node.fail('copy takes whole segments, such as PID or NTE[*]', 'a field: fields: …');
  if (path.segment === 'MSH') node.fail('MSH is written by the engine');
  return path;
}

/** Where a number within its segments stands in field 1, the engine counts; these begin again below another segment. */
const COUNTED_WITHIN: Readonly<Record<string, readonly string[]>> = {
  OBX: ['OBR', 'SPM', 'TXA'],
  SPM: ['OBR'],
  OBR: ['PID'],
};

/** The next number of a segment of this name: notes are counted from the segment they stand under. */
function nextNumber(name: string, made: readonly DraftSegment[]): number {
  const begins = COUNTED_WITHIN[name] ?? [];
  let count = 1;
  for (let index = made.length - 1; index >= 0; index -= 1) {
    const other = made[index]?.name ?? '';
    if (begins.includes(other) || (name === 'NTE' && other !== 'NTE')) break;
    if (other === name) count += 1;
  }
  return count;
}

function writeSegment(
  name: string,
  fields: readonly FieldRule[],
  copied: Segment | null,
  where: string,
  scope: Scope,
  { wire, made }: OutgoingSegments,
): void {
  const occurrence = made.filter((one) => one.name === name).length + 1;
  const label = labelOf(name, occurrence);
  const segment = new DraftSegment(name, wire.delimiters);
  if (copied !== null) copySegment(copied, segment, fields, label, where, scope, wire);
  const isFound = fillSegment(segment, fields, label, scope, wire);
  const hasRules = fields.some((rule) => !rule.isLiteral);
  if (copied === null && hasRules && !isFound) return;
  const isNumbered = typeOfField(name, 1) === 'SI' && !fields.some(({ place }) => place.field === 1);
  if (isNumbered) segment.put(FIRST_FIELD, String(nextNumber(name, made)));
  made.push(segment);
}

const FIRST_FIELD = { field: 1, component: null, subcomponent: null };

/** As `locateSegment` names the segment once the message is read. */
function labelOf(name: string, occurrence: number): string {
  return occurrence > 1 || name === 'OBX' || name === 'OBR' ? `${name}[${occurrence}]` : name;
}

/** Puts what the rules find. @returns whether one of them that is no literal found something */
export function fillSegment(
  segment: DraftSegment,
  fields: readonly FieldRule[],
  label: string,
  scope: Scope,
  wire: Wire,
): boolean {
  const { trail } = scope.run;
  let isFound = false;
  for (const { place, find, isLiteral, where } of fields) {
    if (find === null) {
      segment.put(place, '');
      continue;
    }
    const write: Evaluate = (inner) => {
      const found = find(inner);
      if (found === null || isNothing(found)) return null;
      // What OBX-5 is, OBX-2 says.
      const type =
        segment.name === 'OBX' && place.field === 5 && place.component === null ? segment.field(2) : place.type;
      return Found.made(writeFound(found.value as Found[], { ...place, type }, wire, inner.run, where));
    };
    const step = `${label}-${place.field}`;
    trail?.ruled(step, where);
    const written = trail === null ? tryTo(write, scope) : tryWithin(trail, step, write, scope);
    if (written === null) continue;
    segment.put(place, written.value as string);
    if (!isLiteral) isFound = true;
  }
  return isFound;
}

function copySegment(
  from: Segment,
  to: DraftSegment,
  fields: readonly FieldRule[],
  label: string,
  where: string,
  scope: Scope,
  wire: Wire,
): void {
  const { trail } = scope.run;
  const replaced = new Set(fields.filter(({ place }) => place.component === null).map(({ place }) => place.field));
  for (let field = 1; field <= from.lastField; field += 1) {
    if (replaced.has(field) || (from.field(field) ?? '') === '') continue;
    const cells = from
      .repetitions(field)
      .map((raw, index) => ({ raw, segment: from, field, repetition: index + 1, component: null, subcomponent: null }));
    const place = { field, component: null, subcomponent: null, name: `${to.name}-${field}`, type: null };
    const write: Evaluate = ({ run }) => {
      for (const cell of cells) run.trail?.read(locate(cell));
      return Found.made(
        writeFound(
          cells.map((cell) => Found.inCell(cell)),
          place,
          wire,
          run,
          where,
        ),
      );
    };
    const traced = withTrail(write, where);
    const written = trail === null ? tryTo(traced, scope) : tryWithin(trail, `${label}-${field}`, traced, scope);
    if (written !== null) to.put(place, written.value as string);
  }
}
