import { type ElementShape, type Shape, shapeOf } from '../fhir/r4-shape.ts';
import { listed } from './finding.ts';
import type { LintScope, Made } from './lint-scope.ts';
import { suggest } from './problem.ts';
import type { YamlNode } from './yaml-node.ts';

/** What must come to stand somewhere in a resource. */
export interface Expected extends Pick<ElementShape, 'type' | 'isList' | 'format' | 'codes' | 'targets'> {
  /** `Observation.status`, for people. */
  readonly path: string;
}

const TEXTS = 'string code uri url canonical id markdown oid uuid base64Binary mimeType currency xhtml'.split(' ');

/** Where a made value of a primitive type may stand. */
const FITS: Readonly<Record<string, readonly string[]>> = {
  string: TEXTS,
  code: TEXTS,
  uri: TEXTS,
  url: TEXTS,
  date: ['date', 'dateTime', 'string'],
  dateTime: ['dateTime', 'string'],
  instant: ['instant', 'dateTime', 'string'],
  integer: ['integer', 'unsignedInt', 'positiveInt', 'decimal'],
  decimal: ['decimal'],
  boolean: ['boolean'],
};

/** What to write instead of a text. */
const CONVERT: Readonly<Record<string, string>> = {
  boolean: 'a table with true and false, or as: boolean',
  date: 'as: date',
  dateTime: 'as: dateTime',
  instant: 'as: instant',
  integer: 'as: integer',
  unsignedInt: 'as: integer',
  positiveInt: 'as: integer',
  decimal: 'as: decimal',
  Identifier: 'as: Identifier',
  HumanName: 'as: HumanName',
  Address: 'as: Address',
  ContactPoint: 'as: ContactPoint',
  CodeableConcept: 'as: CodeableConcept',
  Coding: 'as: Coding',
  Quantity: 'as: Quantity',
  Attachment: 'as: Attachment',
  Reference: '{ ref: patient }, or { ref: practitioner, of: OBR-16 }',
  Annotation: 'set: { text: … }',
};

/** The shape of a type; null = the table does not have it. */
export function knownShape(type: string): Shape | null {
  const shape = shapeOf(type);
  return shape.elements.size === 0 ? null : shape;
}

/** What an element of a type must be; what is wrong with its name is found. */
export function expectElement(shape: Shape, name: string, keyNode: YamlNode, scope: LintScope): Expected | null {
  const path = `${shape.name}.${name}`;
  const element = shape.elements.get(name);
  if (element !== undefined) return { ...element, path };
  const choices = [...shape.elements].filter(([, one]) => one.choice?.name === name && one.companionOf === null);
  const [choice] = choices;
  if (choice !== undefined) return { ...choice[1], type: 'choice', format: null, codes: null, targets: null, path };
  const [base = name] = /^[a-z]+/.exec(name) ?? [];
  const typed = [...shape.elements].filter(([, one]) => one.choice?.name === `${base}[x]` && one.companionOf === null);
  const names = [...shape.elements.keys()].filter((one) => !one.startsWith('_'));
  const hint =
    typed.length > 0
      ? `its name says its type: ${listed(
          typed.map(([one]) => one),
          20,
        )}`
      : (suggest(name, names) ?? `known: ${listed(names, 30)}`);
  scope.findings.error(keyNode, `${shape.name} has no element "${name}"`, hint);
  return null;
}

/** Looks whether what a rule makes can stand where it is put. */
export function checkMade(made: Made, expected: Expected, node: YamlNode, scope: LintScope): void {
  const { findings } = scope;
  if (made.values !== null) {
    for (const { value, where } of made.values) checkValue(value, expected, where, scope);
    return;
  }
  if (made.type === null) return;
  if (expected.type === 'choice' || made.type === 'choice') {
    if (expected.type === made.type) return;
    if (expected.type === 'choice')
      findings.error(
        node,
        `${expected.path} does not know which type this has`,
        'as: by OBX-2 brings its type along; else name it, such as valueQuantity',
      );
    else findings.error(node, `as: by … makes a value of many types, ${expected.path} has one`, 'use value[x]');
    return;
  }
  if (!isFit(made.type, expected)) {
    const hint = CONVERT[expected.type] ?? null;
    findings.error(
      node,
      `${expected.path} is ${withArticle(expected.type)}, this makes ${withArticle(made.type)}`,
      hint,
    );
    return;
  }
  if (made.isRaw && expected.codes !== null)
    findings.warn(
      node,
      `${expected.path} takes only codes of ${expected.codes.name}, and this is whatever the message holds`,
      `look it up in a table: ${listed(expected.codes.set)}`,
    );
}

/** Looks at one value that will stand there. */
export function checkValue(value: unknown, expected: Expected, where: string, scope: LintScope): void {
  const { findings } = scope;
  if (expected.type === 'choice') return;
  if (expected.format === null) {
    if (typeof value !== 'object' || value === null)
      findings.errorAt(
        where,
        `${expected.path} is ${withArticle(expected.type)}, not a single value`,
        CONVERT[expected.type] ?? null,
      );
    return;
  }
  const verdict = expected.format(value);
  if (verdict !== 'fits') {
    const quoted = expected.type === 'boolean' ? 'true or false, without quotes' : null;
    const text = `${JSON.stringify(value)} is no ${expected.type}, as ${expected.path} wants`;
    findings.errorAt(
      where,
      text,
      typeof value === 'string' ? quoted : 'a text stands in quotes where it looks like a number',
    );
    return;
  }
  if (expected.codes !== null && !expected.codes.set.has(String(value))) {
    const { name, set } = expected.codes;
    const hint = suggest(String(value), set) ?? listed(set, 30);
    findings.errorAt(where, `${expected.path} takes no "${value}": it is none of ${name}`, hint);
  }
}

function isFit(type: string, expected: Expected): boolean {
  const primitive = FITS[type];
  if (primitive !== undefined) return primitive.includes(expected.type);
  if (expected.format !== null) return type === expected.type;
  if (type === expected.type) return true;
  return shapeOf(expected.type).lineage.includes(type) || shapeOf(type).lineage.includes(expected.type);
}

export function withArticle(type: string): string {
  return `${/^[aeiouAEIO]/.test(type) ? 'an' : 'a'} ${type}`;
}
