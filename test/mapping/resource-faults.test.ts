import { describe, expect, it } from 'vitest';
import { compileMappings } from '../../src/mapping/compile.ts';

const CHANNEL = {
  name: 'lab',
  mappings: ['m'],
  parties: ['nord'],
  charset: { default: null, force: null },
  zone: null,
  overrides: null,
  targets: null,
  node: null,
};
const HEAD = `mapping: m
match: { type: ORU^R01 }
zone: Europe/Stockholm
each: OBSERVATION
lane: PID-3
result: { key: [OBX-3], rank: [MSH-7], digest: [OBX-5] }
`;
const MESSAGE = [
  'MSH|^~\\&|LIS|LAB|SLUSS|FHIR|20220301101500||ORU^R01^ORU_R01|T1|P|2.5.1',
  'PID|1||A1~A2||Doe^Jane||19700230|W',
  'OBR|1||F1|X1^^L',
  'OBX|1|ST|X1^^L||pos||||||Q',
  'OBX|2|ST|X2^^L||neg||||||F',
].join('\r');

function mapperOf(deliver: string, others: Record<string, string> = {}) {
  const files = Object.entries({ 'm.yaml': HEAD + deliver, ...others }).map(([path, text]) => ({ path, text }));
  const { mapper, problems } = compileMappings(files, {
    channels: [CHANNEL],
    operations: { fhir: ['transaction'] },
    parties: [{ id: 'nord', name: 'Nord', organisationNumber: '2321000016' }],
    secret: new Uint8Array(32),
  });
  expect(problems).toEqual([]);
  if (mapper === null) throw new Error('no mapper');
  return mapper;
}

const CONTEXT = { channel: 'lab', sender: null };
const bytes = new TextEncoder().encode(MESSAGE);

describe('a body that is no valid FHIR', () => {
  const mapper = mapperOf(`deliver:
  - to: fhir/transaction
    body:
      set:
        resourceType: { value: Observation }
        status:
          from: OBX-11
        code: { from: OBX-3, as: CodeableConcept }
`);

  it('is a fault with the element, the line that made it and the field it was made of, and no value', () => {
    const { faults, drafts } = mapper.map(bytes, CONTEXT);
    expect(faults).toEqual([
      {
        code: 'mapping-incomplete',
        at: 'OBX[1]-11',
        where: 'm.yaml:13:11',
        detail: expect.stringMatching(/^status: Is not a code of the value set that is required here\. \(\S+\)$/),
      },
      expect.objectContaining({ at: 'OBX[2]-11', where: 'm.yaml:13:11' }),
    ]);
    expect(drafts).toEqual([]);
  });

  it('says the same to whoever asks why, who sees the body too', () => {
    const { mapped, results } = mapper.explain(bytes, CONTEXT);
    expect(mapped).toEqual(mapper.map(bytes, CONTEXT));
    expect(JSON.parse(results[0]?.made[0]?.body ?? '')).toMatchObject({ status: 'Q' });
  });

  it('holds its own result and no other', () => {
    const good = new TextEncoder().encode(MESSAGE.replace('||||||F', '||||||final'));
    const { faults, drafts, statements } = mapper.map(good, CONTEXT);
    expect(faults.map(({ at }) => at)).toEqual(['OBX[1]-11']);
    expect([drafts.length, statements.length]).toEqual([1, 1]);
  });

  it('without an element that no rule made is blamed on the delivery', () => {
    const { faults } = mapperOf(`deliver:
  - to: fhir/transaction
    body: { set: { resourceType: { value: Observation }, status: { value: final }, code: { from: OBX-8 } } }
`).map(bytes, CONTEXT);
    expect(faults).toEqual([expect.objectContaining({ code: 'mapping-incomplete', where: 'm.yaml:8:5', at: null })]);
  });

  it('is nothing to a body that is no resource', () => {
    const { faults, drafts } = mapperOf(`deliver:
  - { to: fhir/transaction, body: { set: { status: { from: OBX-11 } } } }
`).map(bytes, CONTEXT);
    expect([faults.length, drafts.length]).toEqual([0, 2]);
  });
});

describe('a resource of a bundle that is no valid FHIR', () => {
  const others = {
    'patient.yaml': `resource: patient
set:
  resourceType: { value: Patient }
  identifier:
    all: PID-3[*]
    as: Identifier
  gender: { from: PID-8 }
`,
    'identifier.yaml': `datatype: Identifier
set:
  value: .1
  use: .1
`.replace(/: \.1/g, ': { from: .1 }'),
  };
  const mapper = mapperOf(
    `deliver:
  - to: fhir/transaction
    bundle:
      - entry: nobody
        key: [OBX-3]
        set: { resourceType: { value: Patient }, gender: { from: PID-30 } }
      - entry: observation
        key: [OBX-3]
        set:
          resourceType: { value: Observation }
          status: { value: final }
          code: { from: OBX-3, as: CodeableConcept }
          subject: { ref: patient }
          specimen: { ref: patient }
      - entry: patient
        key: [PID-3]
        include: patient
`,
    others,
  );

  it('is found by its place in the bundle, whichever was made first', () => {
    const { faults, drafts } = mapper.map(bytes, CONTEXT);
    expect(drafts).toEqual([]);
    expect(faults.map(({ at, where, detail }) => [detail?.split(':')[0], where, at])).toEqual([
      ['entry[0].resource.specimen', 'm.yaml:20:28', null],
      ['entry[1].resource.identifier[0].use', 'patient.yaml:5:5', 'PID-3'],
      ['entry[1].resource.identifier[1].use', 'patient.yaml:5:5', 'PID-3'],
      ['entry[1].resource.gender', 'patient.yaml:7:11', 'PID-8'],
    ]);
  });

  it('has a trail whose elements stand where they stand in the body', () => {
    const { results, used } = mapper.explain(bytes, CONTEXT);
    const elements = results[0]?.made[0]?.trail.map(({ element }) => element) ?? [];
    expect(elements).toContain('entry[1]');
    expect(elements).toContain('entry[1].resource.gender');
    expect(elements.every((element) => element.startsWith('entry['))).toBe(true);
    expect(used.has('PID-8')).toBe(true);
    expect(used.has('PID-7')).toBe(false);
  });
});
