import { FAULTS } from '../contracts/fault.ts';
import {
  as,
  because,
  flag,
  GROUPS,
  ifThen,
  listOf,
  mapOf,
  object,
  oneOf,
  RULE,
  ref,
  ruleOr,
  type Schema,
  summary,
  text,
  when,
} from './rule-schema.ts';

const rows = (values: Schema): Schema =>
  mapOf(
    mapOf(values, 'Codes of one coding system.'),
    'Rows by coding system, as the message names it; * = any, or none.',
  );
const cell: Schema = {
  type: ['string', 'number', 'boolean', 'object'],
  description: 'What the code becomes; gives: says that it becomes nothing, or stays.',
  properties: {
    gives: oneOf(
      { nothing: 'the code is known and has no equal: no miss, and nothing is made', keep: 'the code as it is' },
      'In place of a value.',
    ),
    because,
  },
  additionalProperties: false,
};
const systems = mapOf(
  listOf({ type: ['string', 'number'] }, 'Other names.'),
  'Other names senders use for a coding system: { LN: [LOINC] }.',
);

/** Written so that editors tell of a number where one is meant. */
const number = (description: string): Schema => ({
  description,
  type: ['integer', 'string', 'object'],
  minimum: 0,
  pattern: '^\\$',
  ...ifThen({ type: 'object' }, ref('rule')),
});

const schedule = object({
  after: as('part', 'The time to count from: a $name or a rule that makes a time with offset.'),
  days: number('Calendar days after it, in local time: notBefore is the beginning of that day, notAfter its end.'),
  hours: number('Hours after it.'),
  because,
});

const ENTRY: Record<string, Schema> = {
  each: text('A group or segment: one resource for each. reference: one for each cell that a ref names.', {
    examples: [...GROUPS, 'NK1', 'reference'],
  }),
  when,
  include: RULE.include as Schema,
  set: RULE.set as Schema,
  key: as('parts', 'What tells it from others of its kind; its id is derived from this.'),
  write: oneOf(
    {
      update: 'PUT under our own derived id',
      create: 'POST if nothing has its identifier; what is there stays as it is',
      'conditional-update': 'PUT by its identifier',
    },
    'How it is written, so that sending it twice does no harm.',
  ),
  merge: text('Condition under which groups with equal keys speak of one resource.', { examples: ['valued(SPM-2)'] }),
  volatile: flag('It differs from message to message though the results are the same.'),
  because,
};

const entry = object({ entry: text('The entry’s name, for ref and refs.'), ...ENTRY }, ['entry', 'key'], {
  oneOf: [{ required: ['include'] }, { required: ['set'] }],
  description: 'A resource of the bundle.',
});

const fieldRules = (description: string, names: string, fields: Schema): Schema => ({
  type: 'object',
  description,
  propertyNames: { pattern: names },
  additionalProperties: fields,
});
const SEGMENT: Schema = object(
  {
    segment: text('The segment’s name.', { examples: ['OBX', 'OBR', 'NTE', 'EVN', 'TXA'] }),
    copy: text('A segment of the message that came, taken over as it is; NTE[*] takes all.', {
      examples: ['PID', 'ORC', 'OBR', 'NTE[*]'],
    }),
    each: RULE.each as Schema,
    when,
    fields: fieldRules(
      'Fields, components and sub-components by name, each with its rule: { OBX-3.1: … }. Escaped by the engine.',
      '^[A-Z][A-Z0-9]{2}-[0-9]+([.][0-9]+){0,2}$',
      { anyOf: [ref('rule'), { type: 'null', description: 'Leaves a copied field empty.' }] },
    ),
    because,
  },
  [],
  {
    oneOf: [{ required: ['segment', 'fields'] }, { required: ['copy'] }],
    description: 'A segment that is made, or one that is copied. Set ids are counted by the engine.',
  },
);
const CONTENT: Record<string, Schema> = {
  type: text('MSH-9: code, event and structure.', {
    pattern: '^[A-Z0-9]{3}\\^[A-Z0-9]{3}(\\^[A-Z0-9_]+)?$',
    examples: ['ORU^R01^ORU_R01', 'MDM^T02^MDM_T02'],
  }),
  version: {
    type: ['string', 'number'],
    description: 'MSH-12; without it the version of the message that came.',
    examples: ['2.5.1', '2.3'],
  },
  charset: text('MSH-18; without it the character set of the message that came.', {
    examples: ['8859/1', 'UNICODE UTF-8'],
  }),
  header: fieldRules(
    'Fields of MSH that are otherwise than the engine has them: sender and receiver turned round, MSH-7 and MSH-11.',
    '^MSH-[0-9]+([.][0-9]+){0,2}$',
    { anyOf: [ref('rule'), { type: 'null', description: 'Leaves the field empty.' }] },
  ),
  segments: listOf(SEGMENT, 'All segments but MSH, in order.'),
  because,
};

const DELIVERY: Record<string, Schema> = {
  to: text('Target and operation, as sluss.yaml has them.', {
    pattern: '^[^/\\s]+/[^/\\s]+$',
    examples: ['fhir/transaction', 'covidbevis/test-certificate', 'certificates/write'],
  }),
  when,
  notBefore: { ...schedule, description: 'Not sent before this.' },
  notAfter: { ...schedule, description: 'Not sent any more from this on.' },
  once: object(
    {
      key: as('parts', 'What the results have in common, such as the person.'),
      after: as('part', 'The time that decides which is the first.'),
      days: number('Calendar days after it: until the end of that day no other counts.'),
      hours: number('Hours after it until which no other counts.'),
      because,
    },
    ['key', 'after'],
    { description: 'Of several results only the first gives rise to it.' },
  ),
  needs: object(
    {
      key: as('parts', 'What a message has to provide, before this one or after it; the same parts as under provides.'),
      reason: text('Why it is left out until then: not-requested.', { pattern: '^[a-z0-9]+(-[a-z0-9]+)*$' }),
      because,
    },
    ['key', 'reason'],
    { description: 'Not sent before some message has provided this.' },
  ),
  body: as('rule', 'What is sent.'),
  bundle: listOf(ref('entry'), 'Entries of a transaction Bundle that is sent.'),
  message: {
    description: 'An HL7 message that is sent: the name of a message file, or the message written out.',
    type: ['string', 'object'],
    properties: CONTENT,
    additionalProperties: false,
    required: ['type', 'segments'],
  },
  head: as('elements', 'Elements of the Bundle itself.'),
  optional: flag('Left out where the target is not configured.'),
  because,
};
const delivery = (more: Record<string, Schema>): Schema =>
  object({ ...DELIVERY, ...more }, ['to'], {
    oneOf: [{ required: ['body'] }, { required: ['bundle'] }, { required: ['message'] }],
  });

const reasons = (description: string, more: Record<string, Schema> = {}): Schema =>
  listOf(
    object(
      {
        when,
        reason: text('A word that people read: not-final.', { pattern: '^[a-z0-9]+(-[a-z0-9]+)*$' }),
        ...more,
        because,
      },
      ['when', 'reason'],
    ),
    description,
  );
const messageType = text('Code and event of MSH-9.', { pattern: '^[A-Z0-9]+\\^[A-Z0-9]+$', examples: ['ORU^R01'] });
const place = { at: as('part', 'The field to name in the fault.') };

const inPart = (description: string): Schema => ({ type: 'object', description });
const expectedDelivery = object(
  {
    to: DELIVERY.to as Schema,
    party: text('The care provider, as sluss.yaml names it; compared where that is at hand.'),
    body: inPart('What is sent, in part: what is not named may be there as well; null = not there.'),
    resources: listOf(
      object({ resourceType: text('FHIR type.') }, ['resourceType'], {
        additionalProperties: true,
        description: 'A resource in part: what is not named may be there as well; null = not there.',
      }),
      'Resources of the bundle, in any order; others may be there as well.',
    ),
    without: listOf({ type: 'string' }, 'Resource types the bundle must not have.'),
  },
  ['to'],
  { description: 'A delivery and what it holds.' },
);
const expectedCodes = (description: string): Schema =>
  listOf(
    {
      anyOf: [
        { enum: Object.keys(FAULTS) },
        object(
          {
            code: { enum: Object.keys(FAULTS), description: 'The code, as docs/faults.md lists them.' },
            at: text('Where in the message: OBX[1]-3.'),
            detail: text('What is said beside: table known-tests.'),
          },
          ['code'],
        ),
      ],
    },
    description,
  );

const testCase = object(
  {
    name: text('What the case shows.'),
    message: text('The message; its lines are its segments.'),
    answer: inPart(
      'What the receiver of its first delivery answers; then what follows is expected, and not what is sent.',
    ),
    expect: object(
      {
        deliver: listOf(
          { anyOf: [{ type: 'string' }, expectedDelivery] },
          'Deliveries that are made, in order: target/operation, or that with what it is.',
        ),
        skipped: listOf(
          {
            anyOf: [
              { type: 'string' },
              object({ reason: text('The reason.'), at: text('Where: OBX[2].') }, ['reason'], {}),
            ],
          },
          'Reasons of results left out.',
        ),
        faults: expectedCodes('Codes of the faults it meets.'),
        warnings: expectedCodes('Codes of the warnings it gives; not compared where not named.'),
      },
      [],
      { description: 'What becomes of it; deliver, skipped and faults that are not named must be empty.' },
    ),
    because,
  },
  ['name', 'message', 'expect'],
);

const lists = (description: string): Schema => ({ type: ['array', 'object'], description });
const addition = object(
  {
    prepend: lists('Comes before what is inherited: a list of rules, or elements that are lists: { coding: [ … ] }.'),
    append: lists('Comes after what is inherited: a list of rules, or elements that are lists.'),
    because,
  },
  [],
  { description: 'Adds to what is inherited.' },
);

const mapping = object(
  {
    mapping: text('The mapping’s name, as channels in sluss.yaml say it.'),
    extends: text('The mapping this one differs from; whatever is not said here is as it is there.', {
      examples: ['oru-r01'],
    }),
    summary,
    because,
    match: object(
      {
        type: {
          anyOf: [messageType, listOf(messageType, 'Any of these.')],
          description: 'Code and event of MSH-9, or several.',
        },
        processing: listOf({ enum: ['P', 'T', 'D'] }, 'Values of MSH-11 it takes; without it, any.'),
      },
      ['type'],
      { description: 'Which messages it takes.' },
    ),
    zone: text('Time zone of times without offset; a channel’s goes before it.', { examples: ['Europe/Stockholm'] }),
    settings: mapOf(ref('rule'), 'Names that a channel may set otherwise, under with:.'),
    each: { enum: GROUPS, description: 'The group that is one result.' },
    let: mapOf(ref('rule'), 'Names for what rules use more than once: $name.'),
    party: as('part', 'The care provider on whose behalf: its name in sluss.yaml, or its organisation number.'),
    provides: listOf(
      object({ when, key: as('parts', 'The same parts as under needs.'), because }, ['key']),
      'What the message brings that deliveries need, such as a request; also where it is no result.',
    ),
    ignore: reasons('What is no result of this mapping at all.'),
    skip: reasons('Results that give no delivery; they are stated all the same. From top to bottom.', {
      counts: flag('Of results of which only the first counts (once) it is one all the same.'),
    }),
    refuse: reasons('What is the sender’s to mend: refuses the whole message.', place),
    hold: reasons('What a person has to look at: holds the result.', place),
    lane: as('parts', 'Deliveries with the same value are sent one after the other.'),
    result: object(
      {
        key: as('parts', 'What tells one result from another.'),
        rank: as('parts', 'Which of two versions is newer: the greater one.'),
        digest: as('parts', 'What makes a new version, besides what is delivered.'),
        because,
      },
      [],
      { description: 'What makes two results the same, and which is newer.' },
    ),
    deliver: listOf(
      delivery(
        Object.fromEntries([
          ['then', listOf(delivery({}), 'What the receiver’s answer gives rise to; $response is the answer.')],
        ]),
      ),
      'Deliveries that a result gives rise to.',
    ),
    resources: mapOf(
      object({
        set: mapOf(
          ifThen({ type: 'object', anyOf: [{ required: ['prepend'] }, { required: ['append'] }] }, addition, {
            anyOf: [ref('rule'), { type: 'null', description: 'Leaves the element out.' }],
          }),
          'Elements set otherwise, or added; prepend and append add to their lists; null leaves one out.',
        ),
        because,
      }),
      'What this mapping sets otherwise in resources it includes.',
    ),
    entries: mapOf(
      { anyOf: [object(ENTRY), { type: 'null', description: 'Leaves the entry out.' }] },
      'What this mapping says otherwise of entries of the bundle, by their names; null leaves one out.',
    ),
    tables: mapOf(
      object({ rows: rows({ anyOf: [{ type: 'null', description: 'Takes the row away.' }, cell] }), systems, because }),
      'Rows of this mapping’s own in tables.',
    ),
    tests: listOf(testCase, 'Cases: a message, and what becomes of it.'),
  },
  ['mapping'],
);

const table = object(
  {
    table: text('The table’s name, as rules say it.'),
    summary,
    because,
    fold: flag('Compare without regard to case.'),
    systems,
    rows: rows(cell),
  },
  ['table', 'rows'],
);
const resource = object(
  {
    resource: text('The resource’s name, as include says it.'),
    summary,
    because,
    needs: RULE.needs as Schema,
    set: RULE.set as Schema,
  },
  ['resource', 'set'],
);
const datatype = object(
  {
    datatype: text('The datatype’s name, as as: says it.'),
    summary,
    because,
    set: RULE.set as Schema,
    rule: as('rule', 'A rule instead of a set.'),
  },
  ['datatype'],
  { oneOf: [{ required: ['set'] }, { required: ['rule'] }] },
);

const message = object({ message: text('The message’s name, as deliveries say it.'), summary, ...CONTENT }, [
  'message',
  'type',
  'segments',
]);

const KINDS: Readonly<Record<string, Schema>> = { mapping, resource, datatype, message, table };

/**
 * The schema of all five kinds of mapping files, for editors: completion, hints and mistakes while typing. It says which keys there are
 * and what they take; what names mean across files, and whether paths and elements exist, `sluss check` knows.
 */
export function mappingJsonSchema(): object {
  const kinds = Object.entries(KINDS);
  const first = object(
    Object.fromEntries(
      kinds.map(([kind, schema]) => [kind, (schema.properties as Record<string, Schema>)[kind] as Schema]),
    ),
    [],
    { minProperties: 1 },
  );
  const byKind = kinds.reduceRight<Schema>(
    (otherwise, [kind]) => ifThen({ required: [kind] }, ref(kind), otherwise),
    first,
  );
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Sluss mapping file',
    description: 'A message mapping, a resource, a datatype, an HL7 message or a table: its first key says which.',
    type: 'object',
    ...byKind,
    definitions: {
      ...KINDS,
      entry,
      elements: mapOf(ref('rule'), 'Elements by name, each with its rule.'),
      rule: ruleOr(
        'A rule (one of from, all, value, text, set, include, call, ref, refs, first, since), a value, or a list.',
        'rule',
      ),
      part: ruleOr('A path or $name, or a rule.', 'part'),
      parts: ruleOr('Paths, $names or rules.', 'part'),
    },
  };
}
