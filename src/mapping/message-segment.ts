import { DraftSegment } from '../hl7/draft-segment.ts';
import type { Segment } from '../hl7/message.ts';
import { locate, PathError, parsePath, selectSegments, type Path } from '../hl7/path.ts';
import { countComponents, countFields, SEGMENT_NAMES, typeOfComponent, typeOfField } from '../hl7/segment-field.ts';
import { type FieldPlace, type Wire, writeFound } from './field-text.ts';
import { isNothing, withTrail } from './from.ts';
import { ProblemError, suggest } from './problem.ts';
import { compileRule } from './rule.ts';
import { Found, type Scope, scopeAtCell } from './scope.ts';
import { compileSource } from './source.ts';
import type { Evaluate, Surroundings } from './surroundings.ts';
import { tryTo, tryWithin } from './try-to.ts';
import { compileWhen } from './when.ts';
import { Fault } from '../contracts/fault.ts';
import type { YamlNode } from './yaml-node.ts';

/** The segments of a message that is being made, in their order. */
export interface OutgoingSegments {
  readonly wire: Wire;
  readonly made: DraftSegment[];
}

/** A field or a part of one, with the rule that fills it. */
export interface FieldRule {
  readonly place: FieldPlace;
  /** Gives a list of what was found, as `Found`s; null = the field is left empty, whatever was copied there. */
  readonly find: Evaluate | null;
  readonly isLiteral: boolean;
  readonly where: string;
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

function readPath(text: string, node: YamlNode): Path {
  try {
    return parsePath(text);
  } catch (error) {
    if (error instanceof PathError) node.fail(error.message, null, Math.min(error.offset, text.length));
    throw error;
  }
}

/** `OBX-3: …`, `OBX-3.1: …`: each a rule; a problem of one is noted, and the others are looked at. */
export function compileFields(node: YamlNode, segment: string, around: Surroundings, mayClear: boolean): FieldRule[] {
  const rules: FieldRule[] = [];
  for (const [key, { keyNode, value }] of node.entries()) {
    try {
      const place = readPlace(key, keyNode, segment);
      if (value.isNull && !mayClear) value.fail('A value is missing here', 'leave the field out, or give it a rule');
      const find = value.isNull ? null : compileField(value, around);
      rules.push({ place, find, isLiteral: value.isNull || isLiteral(value), where: value.where });
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      around.problems.push(error.problem);
    }
  }
  // Whole fields first, so that a part may be put into what a field's rule wrote.
  const depth = ({ place }: FieldRule) => (place.component === null ? 0 : place.subcomponent === null ? 1 : 2);
  return rules.sort((a, b) => a.place.field - b.place.field || depth(a) - depth(b));
}

/** @throws ProblemError where HL7 has no such field in the segment */
function readPlace(key: string, node: YamlNode, segment: string): FieldPlace {
  const path = readPath(key, node);
  const { field, component, subcomponent } = path;
  if (field === null || path.group !== null || path.segments.kind !== 'first' || path.repetitions.kind !== 'first')
    return node.fail(`A field of this segment is needed, such as ${segment}-3 or ${segment}-3.1`);
  if (path.segment !== segment) node.fail(`${key} is no field of ${segment}`, `${segment}-${field}`);
  const place = { field, component, subcomponent, name: key };
  const fields = countFields(segment);
  if (fields === null) return { ...place, type: null };
  if (field > fields) node.fail(`${segment} has no field ${field}`, `${segment} has fields 1 to ${fields}`);
  let type = typeOfField(segment, field);
  for (const [what, part] of [['component', component] as const, ['sub-component', subcomponent] as const]) {
    if (part === null || type === null) continue;
    const count = countComponents(type);
    if (count !== null && part > count)
      node.fail(`${type} has no ${what} ${part}`, count === 1 ? `${type} is one value` : `it has 1 to ${count}`);
    type = typeOfComponent(type, part);
  }
  return { ...place, type };
}

const isLiteral = (node: YamlNode) => node.isScalar || (node.isMap && node.entries().has('value') && !hasWhen(node));
const hasWhen = (node: YamlNode) => node.entries().has('when');

/** What a rule may hold that takes a field as it stands in the message, with all its parts. */
const RAW_KEYS = ['from', 'all', 'when', 'required', 'because'];

/**
 * Compiles the rule of a field. `from` and `all` without a conversion take what stands in the message as it stands there,
 * with its components and sub-components; any other rule makes texts.
 */
function compileField(node: YamlNode, around: Surroundings): Evaluate {
  if (!node.isMap) return listed(compileRule(node, around));
  const entries = node.entries();
  for (const key of ['set', 'include', 'ref', 'refs', 'call'])
    if (entries.has(key)) entries.get(key)?.keyNode.fail(`${key}: makes no text`, `name the parts: OBX-3.1, OBX-3.2`);
  const [from, all] = [entries.get('from')?.value, entries.get('all')?.value];
  const isRaw =
    [...entries.keys()].every((key) => RAW_KEYS.includes(key)) && (from === undefined) !== (all === undefined);
  if (isRaw) return compileRaw(node, around);
  const first = entries.get('first')?.value;
  if (first !== undefined && [...entries.keys()].every((key) => ['first', 'because'].includes(key))) {
    const rules = first.items().map((item) => compileField(item, around));
    return (scope) => {
      for (const rule of rules) {
        const found = rule(scope);
        if (!isNothing(found)) return found;
      }
      return null;
    };
  }
  return listed(compileRule(node, around));
}

function compileRaw(node: YamlNode, around: Surroundings): Evaluate {
  const keys = node.keys(['from', 'all', 'when', 'required', 'because']);
  const [from, all] = [keys.get('from'), keys.get('all')];
  const nodes = all === undefined ? [from ?? node] : all.isList ? all.items() : [all];
  const sources = nodes.map((one) => compileSource(one, around.variables));
  const when = keys.get('when');
  const holds = when === undefined ? null : compileWhen(when, around.variables);
  const isRequired = keys.get('required')?.flag() ?? false;
  const where = node.where;
  const find: Evaluate = (scope) => {
    if (all !== undefined) return Found.made(sources.flatMap((source) => flat(source.readAll(scope))));
    const found = sources[0]?.readFirst(scope) ?? null;
    return found === null ? null : Found.made(flat([found]));
  };
  const traced = withTrail(find, where);
  return (scope) => {
    if (holds !== null && !holds(scope)) return null;
    const found = traced(scope);
    if (isRequired && isNothing(found))
      throw new Fault('field-required', { at: sources[0]?.locateMissing(scope) ?? null, where });
    return found;
  };
}

/** What a rule makes, as a list; a list it makes is repetitions. */
function listed(make: Evaluate): Evaluate {
  return (scope) => {
    const found = make(scope);
    return found === null ? null : Found.made(flat([found]));
  };
}

const flat = (found: readonly Found[]): Found[] =>
  found.flatMap((one) => (Array.isArray(one.value) ? one.value.map((item) => Found.made(item, one)) : [one]));

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
