import { Fault } from '../contracts/fault.ts';
import { type Path, PathError, parsePath } from '../hl7/path.ts';
import { countComponents, countFields, typeOfComponent, typeOfField } from '../hl7/segment-field.ts';
import type { FieldPlace } from './field-text.ts';
import { isNothing, withTrail } from './from.ts';
import { ProblemError } from './problem.ts';
import { compileRule } from './rule.ts';
import { Found } from './scope.ts';
import { compileSource } from './source.ts';
import type { Evaluate, Surroundings } from './surroundings.ts';
import { compileWhen } from './when.ts';
import type { YamlNode } from './yaml-node.ts';

/** A field or a part of one, with the rule that fills it. */
export interface FieldRule {
  readonly place: FieldPlace;
  /** Gives a list of what was found, as `Found`s; null = the field is left empty, whatever was copied there. */
  readonly find: Evaluate | null;
  readonly isLiteral: boolean;
  readonly where: string;
}

/** Reads a path; what is wrong with it is a problem at its character. @throws ProblemError */
export function readPath(text: string, node: YamlNode): Path {
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
