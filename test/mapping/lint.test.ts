import { describe, expect, it } from 'vitest';
import { lintMappings } from '../../src/mapping/lint.ts';
import { formatProblem } from '../../src/mapping/problem.ts';
import { PROJECT_FILES, yaml } from './kit.ts';

const TABLES = [
  "table: states\nrows:\n  '*': { F: final, P: preliminary }\n",
  "table: kinds\nrows:\n  '*': { A: naat, B: rat }\n",
  'table: by-system\nrows:\n  LN: { 1-8: final }\n',
  "table: flags\nrows:\n  '*': { 'Y': true, 'N': false }\n",
];

const PATIENT = 'resource: patient\nset:\n  resourceType: Patient\n  gender: unknown\n';

function lint(files: Record<string, string>): string[] {
  const named = Object.entries(files).map(([name, text]) => ({ path: `${name}.yaml`, text }));
  return lintMappings(named).map((finding) => `${finding.severity} ${formatProblem(finding)}`);
}

/** Findings about the elements of an Observation, in the file `o`; its first element stands in line 5. */
function ofObservation(set: string, more: Record<string, string> = {}): string[] {
  const observation = `resource: observation\nset:\n  resourceType: Observation\n  code: { from: OBX-3, as: CodeableConcept }\n${set.replace(/^/gm, '  ')}\n`;
  const status = /^status:/m.test(set) ? '' : '  status: final\n';
  return lint({ o: observation + status, ...wholeMapping(''), ...more }).filter((line) => / o\.yaml:/.test(line));
}

/** Findings about a mapping, in the file `m`; what is given begins in line 2. */
function ofMapping(part: string, deliver = ''): string[] {
  return lint({ o: OBSERVATION, ...wholeMapping(part, deliver) }).filter((line) => / m\.yaml:/.test(line));
}

const OBSERVATION =
  'resource: observation\nset:\n  resourceType: Observation\n  status: final\n  code: { from: OBX-3, as: CodeableConcept }\n';

function wholeMapping(part: string, deliver = ''): Record<string, string> {
  const tables = Object.fromEntries(TABLES.map((text, index) => [`t${index}`, text]));
  const bundle = `deliver:
  - to: t/op
    bundle:
      - { entry: patient, include: patient, key: PID-3 }
      - { entry: observation, each: OBSERVATION, include: observation, key: OBX-3 }
`;
  const m = `mapping: m
${part === '' ? '' : `${part}\n`}match: { type: ORU^R01 }
zone: UTC
each: PATIENT_RESULT
lane: PID-3
result: { key: PID-3, rank: MSH-7, digest: OBX-5 }
${deliver === '' ? bundle : deliver}`;
  return { m, p: PATIENT, ...tables };
}

describe('the project’s own mapping files', () => {
  it('have nothing that lint finds', () => {
    expect(lintMappings(PROJECT_FILES).map(formatProblem)).toEqual([]);
  });
});

describe('what is right is not told', () => {
  it.each([
    'status: { from: OBX-11.1, table: states, onMiss: hold }',
    'status: { first: [{ from: OBX-11, table: states, onMiss: nothing }, { value: unknown }] }',
    'valueString: { all: OBX-5[*], join: " " }',
    "'value[x]': { from: OBX-5, as: by OBX-2, unit: OBX-6 }",
    'valueBoolean: { from: OBX-5, table: flags, onMiss: hold }',
    'subject: { ref: patient }',
    'note: [{ set: { text: { from: NTE-3 } } }]',
    'interpretation: { all: OBX-8[*], as: CodeableConcept }',
    'interpretation:\n  each: OBX-8[*]\n  set: { text: { from: .1 } }',
    "valueString: { when: valued(OBX-5), from: OBX-5 }\nvalueInteger: { when: '!valued(OBX-5)', from: OBX-9, as: integer }",
    "_effectiveDateTime: { set: { extension: [{ set: { url: 'http://x.example', valueCode: unknown } }] } }",
    'effectiveDateTime: { from: ZAB-90.40.3 }'.replace('from', 'as: dateTime, from'),
    'issued: { from: OBX-19, as: looseInstant }',
    'extension: [{ set: { url: http://x.example, valueAddress: { from: PID-11, as: A } } }]',
    'performer: [{ set: { reference: "#2" } }]',
  ])('%s', (set) => {
    const datatype = 'datatype: A\nset: { city: { from: .3 } }\n';
    expect(ofObservation(set, { d: datatype })).toEqual([]);
  });
});

describe('in what is read', () => {
  it.each<[string, string]>([
    [
      'subject: { when: valued(OBY-3), ref: patient }',
      'error o.yaml:5:25 HL7 has no segment OBY (did you mean "OBR"?)',
    ],
    ['valueString: { from: OBX-50 }', 'error o.yaml:5:22 OBX has no field 50 (OBX has fields 1 to 33)'],
    ['valueString: { from: NTE-3 | OBX-50 }', 'error o.yaml:5:30 OBX has no field 50 (OBX has fields 1 to 33)'],
    ['valueString: { from: PID-3.44 }', 'error o.yaml:5:22 CX has no component 44 (CX has components 1 to 12)'],
    ['valueString: { from: PID-3.4.9 }', 'error o.yaml:5:22 HD has no sub-component 9 (HD has sub-components 1 to 3)'],
    ['valueString: { from: OBX-11.2 }', 'warning o.yaml:5:22 ID has no component 2 (ID is one value)'],
    [
      `valueString: { from: 'PID-3[44="x"].1' }`,
      'error o.yaml:5:22 CX has no component 44 (CX has components 1 to 12)',
    ],
    [`valueString: { from: 'OBX[40="x"]-5' }`, 'error o.yaml:5:22 OBX has no field 40 (OBX has fields 1 to 33)'],
    ['valueString: { from: OBX-5 | OBX-5 }', 'error o.yaml:5:30 OBX-5 stands here twice: the second is never tried'],
    [
      'bodySite: { each: "OBX-77[*]", set: { text: { from: .1 } } }',
      'error o.yaml:5:19 OBX has no field 77 (OBX has fields 1 to 33)',
    ],
    [
      'valueQuantity: { from: OBX-5, as: Quantity, unit: OBX-66 }',
      'error o.yaml:5:51 OBX has no field 66 (OBX has fields 1 to 33)',
    ],
    ['bodySite: { from: OBX-20, as: Site }', 'error s.yaml:2:22 CWE has no component 30 (CWE has components 1 to 22)'],
  ])('%s', (set, finding) => {
    const site = 'datatype: Site\nset: { text: { from: .30 } }\n';
    const found = lint({
      o: `resource: observation\nset:\n  resourceType: Observation\n  status: final\n  code: { from: OBX-3, as: CodeableConcept }\n`,
      ...wholeMapping(''),
    });
    expect(found.filter((line) => line.startsWith('error'))).toEqual([]);
    const all = lint({
      ...wholeMapping(''),
      o: `resource: observation\nset:\n  resourceType: Observation\n  code: { from: OBX-3, as: CodeableConcept }\n  ${set}\n  status: final\n`,
      s: site,
    });
    expect(all).toContain(
      finding.replace(/(o\.yaml:5:)(\d+)/, (_, start: string, column: string) => start + (Number(column) + 2)),
    );
  });
});

describe('in what is made', () => {
  it.each<[string, string]>([
    ['statuss: final', '5:3 Observation has no element "statuss" (did you mean "status"?)'],
    [
      'value: { from: OBX-5 }',
      '5:3 Observation has no element "value" (its name says its type: valueQuantity, valueCodeableConcept, valueString, valueBoolean, valueInteger, valueRange, valueRatio, valueSampledData, valueTime, valueDateTime, valuePeriod)',
    ],
    [
      'valueAttachment: { from: OBX-5, as: Attachment }',
      '5:3 Observation has no element "valueAttachment" (its name says its type: valueQuantity, valueCodeableConcept, valueString, valueBoolean, valueInteger, valueRange, valueRatio, valueSampledData, valueTime, valueDateTime, valuePeriod)',
    ],
    ['subject: { set: { refrence: "#1" } }', '5:21 Reference has no element "refrence" (did you mean "reference"?)'],
    ['category: [{ set: { codings: [] } }]', '5:23 CodeableConcept has no element "codings" (did you mean "coding"?)'],
    [
      'valueBoolean: "true"',
      '5:17 "true" is no boolean, as Observation.valueBoolean wants (true or false, without quotes)',
    ],
    [
      'valueBoolean: { from: OBX-5 }',
      '5:25 Observation.valueBoolean is a boolean, this makes a string (a table with true and false, or as: boolean)',
    ],
    ['valueInteger: { from: OBX-5 }', '5:25 Observation.valueInteger is an integer, this makes a string (as: integer)'],
    [
      'valueInteger: 1.5',
      '5:17 1.5 is no integer, as Observation.valueInteger wants (a text stands in quotes where it looks like a number)',
    ],
    [
      'effectiveDateTime: { from: OBX-14 }',
      '5:30 Observation.effectiveDateTime is a dateTime, this makes a string (as: dateTime)',
    ],
    ['effectiveDateTime: 24 December', '5:22 "24 December" is no dateTime, as Observation.effectiveDateTime wants'],
    [
      'method: { from: OBX-17 }',
      '5:19 Observation.method is a CodeableConcept, this makes a string (as: CodeableConcept)',
    ],
    [
      'method: { from: OBX-17, as: Quantity }',
      '5:31 Observation.method is a CodeableConcept, this makes a Quantity (as: CodeableConcept)',
    ],
    ['method: blue', '5:11 Observation.method is a CodeableConcept, not a single value (as: CodeableConcept)'],
    [
      'method: [{ from: OBX-17, as: CodeableConcept }]',
      '5:11 Observation.method is one value, this makes a list (from: takes the first; all: … with join: makes one text)',
    ],
    [
      'method: { all: OBX-17, as: CodeableConcept }',
      '5:11 Observation.method is one value, this makes a list (from: takes the first; all: … with join: makes one text)',
    ],
    [
      'interpretation: { from: OBX-8, as: CodeableConcept }',
      '5:19 Observation.interpretation is a list, this makes one value (put it into a list: - { … }, or use all:)',
    ],
    [
      'performer: { ref: patient }',
      '5:14 Observation.performer is a list, this makes one value (put it into a list: - { … }, or use all:)',
    ],
    ['device: { ref: patient }', '5:18 Observation.device cannot refer to a Patient (Device, DeviceMetric)'],
    [
      'subject: { from: PID-3 }',
      '5:20 Observation.subject is a Reference, this makes a string ({ ref: patient }, or { ref: practitioner, of: OBR-16 })',
    ],
    [
      "'value[x]': { from: OBX-5 }",
      '5:23 Observation.value[x] does not know which type this has (as: by OBX-2 brings its type along; else name it, such as valueQuantity)',
    ],
    [
      'valueString: { from: OBX-5, as: by OBX-2 }',
      '5:35 as: by … makes a value of many types, Observation.valueString has one (use value[x])',
    ],
    [
      'valueString: { from: OBX-5 }\nvalueInteger: 3',
      '6:3 valueString and valueInteger may both be made, Observation has one value[x] (give them when: …)',
    ],
    [
      'status: finall',
      '5:11 Observation.status takes no "finall": it is none of observation-status (did you mean "final"?)',
    ],
    [
      'status: { from: OBX-11, table: states, default: finished }',
      '5:51 Observation.status takes no "finished": it is none of observation-status (amended, cancelled, corrected, entered-in-error, final, preliminary, registered, unknown)',
    ],
    ['valueString: { set: { text: x } }', '5:23 Observation.valueString is a string: it has no elements'],
    ['contained: [{ set: { id: a } }]', '5:22 Observation.contained needs resourceType: …'],
    [
      'contained: [{ set: { resourceType: Pateint } }]',
      '5:38 FHIR R4 has no resource "Pateint" (did you mean "Patient"?)',
    ],
    ['component: [{ set: { valueString: x } }]', '5:22 Observation.component needs code, and nothing sets it'],
    ['note: [{ set: { authorString: x } }]', '5:17 Annotation needs text, and nothing sets it'],
    [
      'valueString: { first: [{ value: a }, { from: OBX-5 }] }',
      '5:40 This is never tried: the rule at o.yaml:5:26 always makes something',
    ],
    [
      'method: { needs: [txet], set: { text: { from: OBX-17.2 } } }',
      '5:21 Nothing sets "txet", which is needed (did you mean "text"?)',
    ],
    ['issued: { from: OBX-19, as: date }', '5:31 Observation.issued is an instant, this makes a date (as: instant)'],
  ])('%s', (set, finding) => {
    expect(ofObservation(set)).toContain(`error o.yaml:${finding}`);
  });

  it('warns of a code that is whatever the message holds', () => {
    expect(ofObservation('status: { from: OBX-11 }')).toEqual([
      expect.stringContaining('warning o.yaml:5:19 Observation.status takes only codes of observation-status'),
    ]);
  });

  it('tells a table’s row that the element does not take, at the row', () => {
    const found = lint({
      ...wholeMapping(''),
      o: OBSERVATION.replace('final', '{ from: OBX-11, table: states, onMiss: hold }'),
      t0: "table: states\nrows:\n  '*':\n    F: final\n    P: preliminar\n",
    });
    expect(found).toContain(
      'error t0.yaml:5:5 Observation.status takes no "preliminar": it is none of observation-status (did you mean "preliminary"?)',
    );
  });

  it('tells a required element that nobody sets, in the resource’s first line, or where an overlay takes it away', () => {
    const found = lint({ ...wholeMapping(''), o: OBSERVATION.replace(/ {2}code.*\n/, '') });
    expect(found).toContain('error o.yaml:1:1 Observation needs code, and nothing sets it');
    const overlay = 'mapping: over\nextends: m\nresources: { observation: { set: { status: null } } }\n';
    expect(lint({ ...wholeMapping(''), o: OBSERVATION, over: overlay })).toContain(
      'error over.yaml:3:36 Observation needs status, and nothing sets it',
    );
  });
});

describe('in a mapping', () => {
  it.each<[string, string]>([
    [
      'let:\n  kind: { from: OBX-3, table: kinds, onMiss: hold }\nskip: [{ when: kind == "natt", reason: r }]',
      'error m.yaml:4:24 kind is never "natt" (did you mean "naat"?)',
    ],
    [
      'let:\n  kind: { from: OBX-3, table: kinds, onMiss: hold }\nskip: [{ when: \'!(kind in ["rat", "x"])\', reason: r }]',
      'error m.yaml:4:35 kind is never "x" (it is one of naat, rat)',
    ],
    [
      'skip: [{ when: 1 == 1, reason: r }]',
      'error m.yaml:2:16 This is always true: it asks nothing of the message (leave when: out, or ask)',
    ],
    [
      'skip: [{ when: \'"a" == "b"\', reason: r }]',
      'error m.yaml:2:16 This is always false: it asks nothing of the message (leave when: out, or ask)',
    ],
    [
      'skip: [{ when: 1 == 1, reason: r }, { when: valued(OBX-5), reason: s }]',
      'warning m.yaml:2:45 This is never reached: m.yaml:2:16 always holds',
    ],
    [
      'skip: [{ when: valued(OBX-5), reason: r }, { when: valued(OBX-5), reason: s }]',
      'warning m.yaml:2:52 This is never reached: m.yaml:2:16 asks the same before it',
    ],
    ['skip: [{ when: OBX-99 == "x", reason: r }]', 'error m.yaml:2:16 OBX has no field 99 (OBX has fields 1 to 33)'],
    ['let:\n  kind: { from: OBX-3 }', 'warning m.yaml:3:3 Nothing asks for the let "kind"'],
    ['settings:\n  kind: { from: OBX-3 }', 'warning m.yaml:3:3 Nothing asks for the setting "kind"'],
    ['party: MSH-44', 'error m.yaml:2:8 MSH has no field 44 (MSH has fields 1 to 28)'],
    [
      'resources: { device: { set: { id: x } } }',
      'warning m.yaml:2:14 This mapping does not include the resource "device"',
    ],
    [
      "let:\n  kind: { from: OBX-3.1, table: by-system, onMiss: hold }\nskip: [{ when: kind == 'final', reason: r }]",
      'warning m.yaml:3:33 by-system has rows under LN, and is asked without a coding system: they are never found (ask with the whole field, such as OBX-3)',
    ],
  ])('%s', (part, finding) => {
    const files = {
      o: OBSERVATION,
      device: 'resource: device\nset: { resourceType: Device }\n',
      ...wholeMapping(part),
    };
    expect(lint(files)).toContain(finding);
  });

  it.each<[string, string]>([
    [
      'when: OBX-11 == "F"',
      'warning m.yaml:9:11 This is never reached: m.yaml:2:16 leaves the result out when it holds',
    ],
    ['when: 1 > 2', 'error m.yaml:9:11 This is always false: it asks nothing of the message (leave when: out, or ask)'],
    ['notBefore: { after: OBX-90, days: 1 }', 'error m.yaml:9:25 OBX has no field 90 (OBX has fields 1 to 33)'],
  ])('a delivery with %s', (line, finding) => {
    const deliver = `deliver:\n  - to: t/op\n    ${line}\n    body: { include: observation }\n`;
    const skip = 'skip: [{ when: OBX-11 == "F", reason: r }]';
    expect(ofMapping(skip, deliver.replace(/^(deliver:\n {2}- to: t\/op\n)/, '$1'))).toContain(
      finding.replace('m.yaml:9', 'm.yaml:10'),
    );
  });

  it.each<[string, string]>([
    [
      '{ entry: d, each: reference, include: patient, key: . }',
      'warning m.yaml:10:9 No rule refers to the entry "d", so it is never made',
    ],
    ['{ entry: d, each: NK1-2, include: patient, key: PID-3 }', ''],
    [
      '{ entry: d, each: OBY, include: patient, key: PID-3 }',
      'error m.yaml:10:27 HL7 has no segment OBY (did you mean "OBR"?)',
    ],
    ['{ entry: d, set: { gender: male }, key: PID-3 }', 'error m.yaml:10:26 The entry needs resourceType: …'],
    [
      '{ entry: d, include: patient, key: PID-333 }',
      'error m.yaml:10:44 PID has no field 333 (PID has fields 1 to 40)',
    ],
  ])('an entry of a bundle: %s', (entry, finding) => {
    const deliver = `deliver:\n  - to: t/op\n    bundle:\n      - ${entry}\n`;
    const found = ofMapping('', deliver).filter((line) => line.includes(':10:'));
    expect(found).toEqual(finding === '' ? [] : expect.arrayContaining([finding]));
  });

  it('tells what a channel says with: …', () => {
    const { m = '', ...rest } = wholeMapping(
      'settings: { kind: { from: OBX-3 } }\nskip: [{ when: kind == "x", reason: r }]',
    );
    const files = Object.entries({ m, ...rest, o: OBSERVATION }).map(([path, text]) => ({ path, text }));
    const found = lintMappings(files, [{ mappings: ['m'], overrides: yaml('kind: { from: OBX-77 }', 'sluss.yaml') }]);
    expect(found.map(formatProblem)).toContain('sluss.yaml:1:15 OBX has no field 77 (OBX has fields 1 to 33)');
  });
});

describe('in tables and beside them', () => {
  it('tells rows that are never found', () => {
    expect(lint({ t: "table: t\nrows:\n  '*': { ' F': final, '': none }\n" })).toEqual([
      'warning t.yaml:1:1 Nothing uses the table "t"',
      'error t.yaml:3:10 This row is never found: texts are looked up without spaces around them',
      'error t.yaml:3:23 This row is never found: nothing is looked up for an empty text',
    ]);
  });

  it('warns of files nobody uses', () => {
    expect(lint({ r: 'resource: r\nset: { resourceType: Device }\n', d: 'datatype: D\nset: {}\n' })).toEqual([
      'warning d.yaml:1:1 Nothing uses the datatype "D"',
      'warning r.yaml:1:1 Nothing uses the resource "r"',
    ]);
  });

  it('looks into HL7 messages, and warns of those nobody uses', () => {
    const message =
      'message: back\ntype: ORU^R01\nsegments:\n  - copy: PIX\n  - segment: OBX\n    fields: { OBX-5: { from: OBX-77 } }\n';
    const deliver = 'deliver: [{ to: t/op, message: back }]\n';
    const used = lint({ b: message, ...wholeMapping('', deliver) }).filter((line) => / b\.yaml:/.test(line));
    expect(used).toEqual([
      'error b.yaml:4:11 HL7 has no segment PIX (did you mean "PID"?)',
      'error b.yaml:6:30 OBX has no field 77 (OBX has fields 1 to 33)',
    ]);
    expect(lint({ b: message })).toEqual(['warning b.yaml:1:1 Nothing uses the message "back"']);
  });

  it('never throws for what cannot be compiled', () => {
    for (const text of [
      'mapping: m',
      'mapping: m\ndeliver: 7',
      'resource: o\nset: 7',
      'mapping: m\nlet: [a]\ndeliver: [7]',
      'mapping: m\nextends: m',
    ])
      expect(() => lint({ x: text })).not.toThrow();
  });
});
