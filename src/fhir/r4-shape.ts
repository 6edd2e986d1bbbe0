import { checkBundle } from './bundle-rules.ts';
import { PRIMITIVE_FORMATS, type PrimitiveFormat } from './primitive-format.ts';
import { R4_ELEMENTS, R4_RESOURCE_TYPES, R4_VALUE_SETS } from './r4-elements.generated.ts';
import { RESOURCE_INVARIANTS } from './resource-invariants.ts';
import { type Invariant, TYPE_INVARIANTS } from './type-invariants.ts';

/** A type of FHIR R4, or a group of elements inside one, as far as a check needs to know it. */
export interface Shape {
  /** `Observation`, `Quantity`, `Observation.component`. */
  readonly name: string;
  /** The type itself, then what it is based on. */
  readonly lineage: readonly string[];
  readonly isResource: boolean;
  /** By the name it has in JSON: of a choice `valueQuantity`, and of a primitive's extensions `_status`. */
  readonly elements: ReadonlyMap<string, ElementShape>;
  readonly required: readonly RequiredElement[];
  /** Rules on an object of this type as a whole, its own before those of what it is based on. */
  readonly invariants: readonly Invariant[];
}

export interface ElementShape {
  readonly isList: boolean;
  /** Primitive types only. */
  readonly format: PrimitiveFormat | null;
  /** The name of what must be found there, as FHIR has it: `dateTime`, `Quantity`. */
  readonly type: string;
  /** `_status`: id and extensions of the primitive `status`, which is named here. */
  readonly companionOf: string | null;
  /** `value[x]` and its place among the choices of this type, counted from 0. */
  readonly choice: { readonly name: string; readonly index: number } | null;
  /** The codes of a required binding; of a CodeableConcept with their system before them (`system|code`). */
  readonly codes: { readonly name: string; readonly set: ReadonlySet<string> } | null;
  /** Types a reference may point to; null = any. */
  readonly targets: ReadonlySet<string> | null;
}

interface RequiredElement {
  readonly name: string;
  /** Any of these in JSON is enough. */
  readonly anyOf: readonly string[];
}

// Blocks are cut when this file is loaded (1 ms) and read when a type is first met: a process that sends one kind of
// resource never pays for the others.
const blocks = new Map<string, readonly string[]>(
  R4_ELEMENTS.trim()
    .split(/\n(?! )/)
    .map((block) => [/^\S+/.exec(block)?.[0] ?? '', block.split('\n')]),
);
const valueSets = new Map<string, NonNullable<ElementShape['codes']>>(
  R4_VALUE_SETS.trim()
    .split('\n')
    .map((line) => {
      const [key = '', codes = ''] = line.split(': ');
      return [key, { name: key.replace('concept ', ''), set: new Set(codes.split(' ')) }];
    }),
);
const shapes = new Map<string, Shape>();

/** The names of all resource types of R4. */
export const RESOURCE_TYPES: ReadonlySet<string> = new Set(R4_RESOURCE_TYPES.trim().split('\n'));

/** The shape of a type that the table has. */
export function shapeOf(name: string): Shape {
  let shape = shapes.get(name);
  if (shape === undefined) {
    shape = readShape(name);
    shapes.set(name, shape);
  }
  return shape;
}

/** The shape of a resource; null = no resource, or of a type the table does not have. */
export function resourceShapeOf(resourceType: unknown): Shape | null {
  if (typeof resourceType !== 'string' || !RESOURCE_TYPES.has(resourceType) || !blocks.has(resourceType)) return null;
  return shapeOf(resourceType);
}

function readShape(name: string): Shape {
  const [head = '', ...lines] = blocks.get(name) ?? [];
  const base = head.split(' < ')[1];
  const inherited = base === undefined ? null : shapeOf(base);
  const elements = new Map<string, ElementShape>(inherited?.elements);
  const required: RequiredElement[] = [...(inherited?.required ?? [])];
  let choices = 0;
  for (const line of lines) {
    const [path = '', cardinality = '', ...rest] = line.trim().split(' ');
    const equals = rest.indexOf('=');
    const types = equals < 0 ? rest : rest.slice(0, equals);
    const valueSet = equals < 0 ? null : (rest[equals + 1] ?? '');
    const choice = path.endsWith('[x]') ? { name: path, index: choices++ } : null;
    const names: string[] = [];
    for (const type of types) {
      const made = readElement(type, cardinality, choice, valueSet);
      const property = choice === null ? path : path.replace('[x]', capitalise(made.type));
      elements.set(property, made);
      names.push(property);
      if (made.format === null || made.type === 'xhtml') continue;
      elements.set(`_${property}`, { ...made, format: null, type: 'Element', companionOf: property, codes: null });
      names.push(`_${property}`);
    }
    if (cardinality.startsWith('1')) required.push({ name: path, anyOf: names });
  }
  const lineage = [name, ...(inherited?.lineage ?? [])];
  const invariants = [
    ...(name === 'Bundle' ? [checkBundle] : []),
    ...lineage.flatMap((type) => [TYPE_INVARIANTS.get(type), RESOURCE_INVARIANTS.get(type)]),
  ].filter((invariant) => invariant !== undefined);
  return { name, lineage, isResource: lineage.includes('Resource'), elements, required, invariants };
}

function readElement(
  text: string,
  cardinality: string,
  choice: ElementShape['choice'],
  valueSet: string | null,
): ElementShape {
  const [type = '', targets] = text.split(/[()]/);
  const codes = valueSet === null ? null : valueSets.get(type === 'CodeableConcept' ? `concept ${valueSet}` : valueSet);
  return {
    isList: cardinality.endsWith('*'),
    format: PRIMITIVE_FORMATS.get(type) ?? null,
    type,
    companionOf: null,
    choice,
    codes: codes ?? null,
    targets: targets === undefined ? null : new Set(targets.split('|')),
  };
}

function capitalise(type: string): string {
  // A profile of a type bears the type's name in JSON.
  return type === 'SimpleQuantity' ? 'Quantity' : type.charAt(0).toUpperCase() + type.slice(1);
}
