import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { checkResource } from '../../src/fhir/check-resource.ts';
import { makeGoldens } from './golden.ts';
import { allOf, bundlesOf, mapMessage, mapperOf, only } from './kit.ts';

const mapper = mapperOf('oru-r01');
const goldens = makeGoldens();
const HEAD = 'MSH|^~\\&|LIS|NORD|||20240501120000+0200||ORU^R01|M1|P|2.5.1\n';
const PATIENT = 'PID|1||100-1^^^NORD||Berg^Alva\n';

const bundleOf = (body: string) => bundlesOf(mapMessage(mapper, `${HEAD}${body}`))[0];

describe('a message of our own', () => {
  it.each(goldens.map((golden) => [golden.name, golden] as const))('%s gives its golden', (name, { path, made }) => {
    const expected = existsSync(path) ? readFileSync(path, 'utf8') : '';
    expect(made, `if this is right: npm run goldens ${name}`).toBe(expected);
    const { faults, bundle } = JSON.parse(made) as { faults: unknown; bundle: unknown };
    expect(faults).toEqual([]);
    expect(checkResource(bundle)).toEqual([]);
  });
});

describe('an order', () => {
  const two = `${PATIENT}OBR|1||F1|A^A^L\nOBX|1|CWE|Q^Question^L||Y||||||O||||||||||||||||||QST\nOBR|2||F2|B^B^L\nOBX|1|ST|B^B^L||b||||||F`;

  it('without results of its own has none, and asks no questions of another', () => {
    const bundle = bundleOf(two);
    const [first, second] = allOf(bundle, 'DiagnosticReport');
    expect(first?.result).toBeUndefined();
    expect(second?.result).toHaveLength(1);
    const [asked, silent] = allOf(bundle, 'ServiceRequest');
    expect(asked?.supportingInfo).toHaveLength(1);
    expect(silent?.supportingInfo).toBeUndefined();
  });

  it('of nobody has a report, and no request, for FHIR wants to know for whom', () => {
    const bundle = bundleOf('OBR|1||F1|A^A^L\nOBX|1|ST|A^A^L||a||||||F');
    expect(allOf(bundle, 'ServiceRequest')).toEqual([]);
    expect(only(bundle, 'DiagnosticReport').subject).toBeUndefined();
  });

  it('that says the same code twice has two observations', () => {
    const bundle = bundleOf(`${PATIENT}OBR|1||F1|A^A^L\nOBX|1|ST|A^A^L||a||||||F\nOBX|2|ST|A^A^L||b||||||F`);
    expect(allOf(bundle, 'Observation').map(({ valueString }) => valueString)).toEqual(['a', 'b']);
  });
});

describe('a specimen', () => {
  const orders = (first: string, second: string) =>
    `${PATIENT}OBR|1||F1|A^A^L\nOBX|1|ST|A^A^L||a||||||F\n${first}\nOBR|2||F2|B^B^L\nOBX|1|ST|B^B^L||b||||||F\n${second}`;

  it('of two orders is one, that both asked for', () => {
    const bundle = bundleOf(orders('SPM|1|^S1||BLD^Blood^HL70487', 'SPM|1|^S1||BLD^Blood^HL70487'));
    const [specimen, ...others] = allOf(bundle, 'Specimen');
    expect(others).toEqual([]);
    expect(specimen?.request).toHaveLength(2);
    for (const report of allOf(bundle, 'DiagnosticReport')) expect(report.specimen).toHaveLength(1);
  });

  it('of another kind under the same number is another', () => {
    const bundle = bundleOf(orders('SPM|1|^S1||BLD^Blood^HL70487', 'SPM|1|^S1||UR^Urine^HL70487'));
    expect(allOf(bundle, 'Specimen')).toHaveLength(2);
  });

  it('without a number is never taken for another without one', () => {
    const bundle = bundleOf(
      orders('SPM|1|||BLD^Blood^HL70487\nSPM|2|||BLD^Blood^HL70487', 'SPM|1|||BLD^Blood^HL70487'),
    );
    expect(allOf(bundle, 'Specimen')).toHaveLength(3);
  });

  it('is none of an order that names none', () => {
    const bundle = bundleOf(orders('SPM|1|^S1||BLD^Blood^HL70487', ''));
    const [, second] = allOf(bundle, 'DiagnosticReport');
    expect(second?.specimen).toBeUndefined();
    const [, observation] = allOf(bundle, 'Observation');
    expect(observation?.specimen).toBeUndefined();
  });
});

describe('a person, a place, an organization', () => {
  const order = (xcn: string) => bundleOf(`${PATIENT}OBR|1||F1|A^A^L||||||||||||${xcn}\nOBX|1|ST|A^A^L||a||||||F`);
  const entryOf = (bundle: ReturnType<typeof bundleOf>, type: string) =>
    bundle?.entry.find(({ resource }) => resource.resourceType === type);

  it('with an identifier of a known authority is made only where there is none such', () => {
    const entry = entryOf(order('21^Ek^Bo^^^^^^NPI&2.16.840.1.113883.4.6&ISO'), 'Practitioner');
    expect(entry?.request).toEqual({
      method: 'POST',
      url: 'Practitioner',
      ifNoneExist: 'identifier=http%3A%2F%2Fhl7.org%2Ffhir%2Fsid%2Fus-npi%7C21',
    });
  });

  it('without one is written under an id of ours, where it overwrites nobody', () => {
    const entry = entryOf(order('21^Ek^Bo'), 'Practitioner');
    expect(entry?.request.url).toBe(`Practitioner/${entry?.resource.id}`);
  });

  it('of which nothing but a type is said is nobody', () => {
    expect(entryOf(order('^^^^^^^^^^^^NPI'), 'Practitioner')).toBeUndefined();
  });
});

describe('a message header', () => {
  const header = (application: string) =>
    only(
      bundlesOf(mapMessage(mapper, `MSH|^~\\&|${application}||||||ORU^R01|1|P|2.3\n${PATIENT}OBR|1||F1|A`))[0],
      'MessageHeader',
    );

  it.each([
    ['LIS^1.2.752.1.1^ISO', 'urn:oid:1.2.752.1.1'],
    ['LIS^lis.example^DNS', 'urn:dns:lis.example'],
    ['LIS^https://lis.example/a^URI', 'https://lis.example/a'],
  ])('of %s has the endpoint %s', (application, endpoint) => {
    expect(header(application).source).toMatchObject({ name: 'LIS', endpoint });
  });

  it.each(['LIS', 'LIS^not an oid^ISO', 'LIS^1.2.3^L'])('of %s says that its endpoint is not known', (application) => {
    const url = 'http://hl7.org/fhir/StructureDefinition/data-absent-reason';
    expect(header(application).source).toEqual({
      name: 'LIS',
      _endpoint: { extension: [{ url, valueCode: 'unknown' }] },
    });
  });
});

describe('a field that a sender spoils', () => {
  const JUNK = [
    '',
    '""',
    'a  b',
    '^^^',
    '&',
    '~',
    '1,0',
    '-5',
    '9'.repeat(300),
    '2022-13-01',
    '20240501',
    '^^^^^^^x',
    '\u0001',
    '\\X41\\',
    '^^http://a b',
    'urn:oid:x',
    '^a^UUID',
    'PRN^PRN^PRN',
  ];

  it.each(goldens.map((golden) => [golden.name, golden] as const))(
    'of %s is told, or left out, and never keeps the rest from leaving',
    (name, { path }) => {
      const lines = readFileSync(path.replace(/json$/, 'hl7'), 'utf8').trim().split('\n');
      let turn = name.length;
      for (let line = 1; line < lines.length; line += 1) {
        const fields = (lines[line] ?? '').split('|');
        for (let field = 1; field < Math.max(fields.length, 30); field += 1) {
          const junk = JUNK[turn++ % JUNK.length] ?? '';
          const spoilt = [...Array.from({ length: Math.max(fields.length, field + 1) }, (_, n) => fields[n] ?? '')];
          spoilt[field] = junk;
          const message = lines.with(line, spoilt.join('|')).join('\r');
          const { faults } = mapMessage(mapper, new TextEncoder().encode(message));
          expect(faults, `${fields[0]}-${field} = ${JSON.stringify(junk)}`).toEqual([]);
        }
      }
    },
  );
});
