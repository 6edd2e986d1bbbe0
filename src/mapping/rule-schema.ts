import { CONVERSION_FACTS } from './conversion-facts.ts';
import { FUNCTIONS } from './functions.ts';

export type Schema = Readonly<Record<string, unknown>>;

export const ref = (name: string): Schema => ({ $ref: `#/definitions/${name}` });
export const text = (description: string, more: Schema = {}): Schema => ({ type: 'string', description, ...more });
export const flag = (description: string): Schema => ({ type: 'boolean', description });
export const listOf = (items: Schema, description: string): Schema => ({ type: 'array', items, description });
/** The description of a reference stands in an `allOf` beside it, since draft 7 reads nothing beside `$ref`. */
export const as = (name: string, description: string): Schema => ({ allOf: [ref(name)], description });
/** Words with what each means; editors show both. */
export const oneOf = (words: Readonly<Record<string, string>>, description: string): Schema => ({
  description: `${description} ${Object.entries(words)
    .map(([word, meaning]) => `${word} = ${meaning}`)
    .join('; ')}.`,
  enum: Object.keys(words),
});
export const object = (
  properties: Record<string, Schema>,
  required: readonly string[] = [],
  more: Schema = {},
): Schema => ({
  type: 'object',
  additionalProperties: false,
  properties,
  ...(required.length === 0 ? {} : { required }),
  ...more,
});
/** Written so because an object with a `then` of its own is taken for a promise. */
export const ifThen = (condition: Schema, consequence: Schema, otherwise: Schema | null = null): Schema =>
  Object.fromEntries([['if', condition], ['then', consequence], ...(otherwise === null ? [] : [['else', otherwise]])]);
export const mapOf = (values: Schema, description: string): Schema => ({
  type: 'object',
  additionalProperties: values,
  description,
});

export const GROUPS = ['PATIENT_RESULT', 'ORDER_OBSERVATION', 'OBSERVATION', 'SPECIMEN', 'PATIENT', 'VISIT'];
const PATHS = ['PID-3.1', 'OBX-5[*]', 'PID-3[5="NNSWE"].1', 'ORC-2 | OBR-2', '$name', '.1'];
const DATATYPES = ['Identifier', 'HumanName', 'Address', 'by OBX-2'];

export const because = text('Where this comes from: the paragraph of a specification, a letter from the laboratory.');
export const summary = text('What the file is for, in one line.');
export const when = text('CEL condition with HL7 paths and names in it: valued(OBX-5) && OBX-11 in ["F", "C"].', {
  examples: ['valued(OBX-5)', 'OBX-11 in ["F", "C"]', '!valued(OBR-8)'],
});
// `.1` is a number to YAML.
const source = (description: string): Schema => ({ type: ['string', 'number'], description, examples: PATHS });
const sources = (description: string): Schema => ({
  description,
  anyOf: [source(description), listOf(source('A path or $name.'), description)],
});

const AS = `Conversion: one of the engine, by OBX-2 (the type that field names), or a datatype file. ${Object.entries(
  CONVERSION_FACTS,
)
  .map(([name, facts]) => `${name} = ${facts.summary}`)
  .join('; ')}.`;

export const RULE: Record<string, Schema> = {
  from: source('The first thing found: HL7 paths or $names, | between them.'),
  all: sources('Everything found, as a list; several sources one after the other.'),
  value: { type: ['string', 'number', 'boolean'], description: 'The same value, whatever the message holds.' },
  text: text('A text with names in braces: {identifier}.pdf. Where a name gives nothing, nothing is made.'),
  set: as('elements', 'Elements by name, each with its rule. Made only if one of its rules finds something.'),
  needs: listOf({ type: 'string' }, 'Elements of the set: without at least one of them nothing is made.'),
  include: text('A resource file’s name: what it sets.', { examples: ['patient', 'observation', 'unknown-code'] }),
  call: oneOf(
    Object.fromEntries(Object.keys(FUNCTIONS).map((name) => [name, 'a function of the engine'])),
    'A function; of: says what it is called with.',
  ),
  ref: text('Reference to the nearest entry of the bundle with this name; with of: to one made for that cell.', {
    examples: ['patient', 'encounter', 'service-request'],
  }),
  refs: text('References to all entries of this name in the nearest group; with of: to one made for each cell.', {
    examples: ['observation', 'practitioner'],
  }),
  first: listOf(ref('rule'), 'The first of these rules that makes something.'),
  since: mapOf(
    { type: ['string', 'number', 'boolean'] },
    'Values by the date from which each holds; of: says whose day counts. Before the first date nothing.',
  ),
  of: sources('What a call, ref, refs or since is about: paths or $names.'),
  each: source('The rule once for each cell found here; relative paths (.1) start at it. Makes a list.'),
  as: {
    description: AS,
    anyOf: [{ enum: Object.keys(CONVERSION_FACTS), description: AS }, text(AS, { examples: DATATYPES })],
  },
  unit: as(
    'part',
    'Where the unit stands, for Quantity, ReferenceRange and by; or a rule that sets unit, system, code.',
  ),
  precision: {
    enum: ['year', 'month', 'day', 'hour', 'minute', 'second', 'fraction'],
    description: 'The least precise time that will do; less is a fault.',
  },
  overlap: oneOf(
    {
      refuse: 'refuse the message',
      earlier: 'take the earlier of the two',
      later: 'take the later of the two',
    },
    'What a local time means that the change of the clock skips or repeats.',
  ),
  table: text('A table file’s name: what was found is looked up there.', { examples: ['observation-status'] }),
  onMiss: oneOf(
    {
      keep: 'keep what was found as it is',
      hold: 'hold the result for a person',
      refuse: 'refuse the message',
      default: 'take default:',
      nothing: 'make nothing',
    },
    'What happens when the table has no row; a miss is never silent.',
  ),
  default: { type: ['string', 'number', 'boolean'], description: 'What to take when the table has no row.' },
  split: text('Cuts each text found at this.'),
  join: text('Makes one text of all that was found, with this in between.'),
  when,
  required: flag('That nothing was found is a fault.'),
  because,
};

const SOURCES = ['from', 'all', 'value', 'text', 'set', 'include', 'call', 'ref', 'refs', 'first', 'since'];
const ANYWHERE = ['each', 'when', 'required', 'because'];
const CONVERTING = ['as', 'unit', 'precision', 'overlap', 'table', 'onMiss', 'default'];
const COMPANY: Readonly<Record<string, readonly string[]>> = {
  from: CONVERTING,
  all: [...CONVERTING, 'split', 'join'],
  set: ['needs'],
  call: ['of', 'table'],
  ref: ['of'],
  refs: ['of'],
  since: ['of'],
};

/**
 * A rule, or a plain value, or a list of them, in one schema rather than in alternatives: editors then complain about
 * the key that is wrong, and not about the type that was meant.
 */
export const ruleOr = (description: string, items: string): Schema => ({
  type: ['object', 'array', 'string', 'number', 'boolean'],
  description,
  properties: RULE,
  additionalProperties: false,
  items: ref(items),
  dependencies: { precision: ['as'], overlap: ['as'], unit: ['as'], onMiss: ['table'], default: ['table'] },
  allOf: [
    ifThen({ type: 'object' }, { oneOf: SOURCES.map((name) => ({ required: [name] })) }),
    ...SOURCES.map((name) =>
      ifThen(
        { type: 'object', required: [name] },
        { propertyNames: { enum: [name, ...(COMPANY[name] ?? []), ...ANYWHERE] } },
      ),
    ),
  ],
});
