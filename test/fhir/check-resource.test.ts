import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkResource } from '../../src/fhir/check-resource.ts';
import { exactNumber } from '../../src/fhir/json.ts';
import { RESOURCE_TYPES, shapeOf } from '../../src/fhir/r4-shape.ts';
import { RESOURCE_RULES } from '../../src/fhir/resource-issue.ts';
import { BREAKING_CHANGES } from './breaking-changes.ts';
import { at, change, pathsOf } from './change.ts';
import { VALID_RESOURCES } from './valid-resources.ts';

const MARKER = 'Zebrafinch';
describe('checkResource', () => {
  it.each(Object.entries(VALID_RESOURCES))('finds nothing wrong with a valid resource: %s', (_, resource) => {
    expect(checkResource(resource)).toEqual([]);
    expect(checkResource(JSON.parse(JSON.stringify(resource)))).toEqual([]);
  });

  for (const [name, path, value, rule, where = path] of BREAKING_CHANGES) {
    it(`reports one change: ${name} at ${path} = ${JSON.stringify(value)} → ${rule}`, () => {
      const issues = checkResource(change(VALID_RESOURCES[name], path, value));
      expect(issues.map((issue) => `${issue.rule} ${issue.path}`)).toContain(`${rule} ${where}`);
    });
  }

  it('reports every required element that is taken away, wherever it is', () => {
    let removed = 0;
    for (const resource of Object.values(VALID_RESOURCES)) {
      for (const { path, missing } of requiredElementsOf(resource)) {
        const issues = checkResource(change(resource, path, undefined));
        expect(issues.map((issue) => `${issue.rule} ${issue.path}`)).toContain(`required ${missing}`);
        removed++;
      }
    }
    expect(removed).toBeGreaterThan(50);
  });

  it('reports what each of the rows is about once, and a missing companion for a status not at all', () => {
    const bare = { ...VALID_RESOURCES.panel, status: undefined };
    expect(checkResource(bare)).toEqual([]);
    const issues = checkResource({ ...VALID_RESOURCES.observation, status: 'done', colour: 'red' });
    expect(issues).toEqual([
      { path: 'status', rule: 'value-set', message: `${RESOURCE_RULES['value-set']} (observation-status)` },
      { path: 'colour', rule: 'unknown-element', message: RESOURCE_RULES['unknown-element'] },
    ]);
  });

  it.each([
    [
      'a document without identifier',
      { resourceType: 'Bundle', type: 'document', timestamp: '2024-01-01T00:00:00Z' },
      'bdl-9',
    ],
    ['an organization without name and identifier', { resourceType: 'Organization', active: true }, 'org-1'],
    ['null', null, 'empty'],
    ['undefined', undefined, 'json-type'],
    ['a text', 'Observation', 'json-type'],
    ['a list', [VALID_RESOURCES.observation], 'json-type'],
    ['an exact number', exactNumber('1.0'), 'resource-type'],
  ])('refuses %s', (_, resource, rule) => {
    expect(checkResource(resource).map((issue) => issue.rule)).toContain(rule);
  });

  it.each([
    ['a value that is undefined counts as left out', 'observation', 'valueString', undefined],
    [
      'a decimal may have an exponent and any number of digits',
      'observation',
      'valueQuantity.value',
      exactNumber('1.500000000000000000000e-7'),
    ],
    ['a leap day of a leap century', 'patient', 'birthDate', '2000-02-29'],
    ['a year alone', 'patient', 'birthDate', '1990'],
    ['a reference by its identifier alone', 'observation', 'subject', { identifier: { value: '1' } }],
    [
      'a reference to something absolute that says no type',
      'observation',
      'subject',
      { reference: 'https://example.org/x' },
    ],
    [
      'a period whose day, west of us, has not ended',
      'encounter',
      'period',
      { start: '2024-01-02T09:00:00Z', end: '2024-01-01' },
    ],
    [
      'an extension of a primitive instead of the value',
      'patient',
      '_birthDate',
      { extension: [{ url: 'x', valueTime: '10:00:00' }] },
    ],
    [
      'a period whose ends are in different precisions',
      'encounter',
      'period',
      { start: '2024-01-01T10:00:00Z', end: '2024-01' },
    ],
    [
      'a period whose dates an unknown zone can explain',
      'encounter',
      'period',
      { start: '2024-01-02', end: '2024-01-01T23:30:00Z' },
    ],
    ['a range in two units', 'panel', 'component[0].valueRange.low', { value: 2000, unit: 'mg/L' }],
  ] as const)('accepts what FHIR accepts: %s', (_, name, path, value) => {
    expect(checkResource(change(VALID_RESOURCES[name], path, value))).toEqual([]);
  });

  it('sees what a contained resource refers to, and that nothing is contained for nobody', () => {
    const role = { resourceType: 'PractitionerRole', id: 'role', practitioner: { reference: '#doctor' } };
    const doctor = { resourceType: 'Practitioner', id: 'doctor', name: [{ text: 'x' }] };
    const report = { ...VALID_RESOURCES.diagnosticReport, contained: [role, doctor] };
    expect(checkResource({ ...report, performer: [{ reference: '#role' }] })).toEqual([]);
    expect(checkResource(report).map((issue) => issue.path)).toEqual(['contained[0]']);
    const wrong = checkResource({
      ...report,
      performer: [{ reference: '#role' }, { reference: '#doctor' }, { reference: '#' }],
    });
    expect(wrong.map((issue) => `${issue.rule} ${issue.path}`)).toEqual(['ref-1 performer[2]']);
  });

  it('takes a link to the container for a link, and not one to itself', () => {
    const { observation } = VALID_RESOURCES;
    const part = { resourceType: 'Observation', id: 'part', status: 'final', code: { text: 'x' } };
    const withPart = (hasMember: string) => ({
      ...observation,
      device: undefined,
      contained: [{ ...part, hasMember: [{ reference: hasMember }] }],
    });
    expect(checkResource(withPart('#'))).toEqual([]);
    expect(checkResource(withPart('#part')).map((issue) => issue.rule)).toEqual(['dom-3']);
  });

  it('keeps the contained resources of two entries, and of what follows them, apart', () => {
    const { observation } = VALID_RESOURCES;
    const entry = (resource: object, id: string) => ({
      resource: { ...resource, id },
      request: { method: 'PUT', url: `Observation/${id}` },
    });
    const second = { ...observation, contained: undefined };
    const bundle = {
      resourceType: 'Bundle',
      type: 'transaction',
      entry: [entry(observation, 'a'), entry(second, 'b')],
    };
    expect(checkResource(bundle).map((issue) => `${issue.rule} ${issue.path}`)).toEqual([
      'ref-1 entry[1].resource.device',
    ]);
    const signature = { type: [{ code: 'x' }], when: '2024-01-01T00:00:00Z', who: { reference: '#analyser' } };
    const signed = checkResource({ ...bundle, entry: [entry(observation, 'a')], signature });
    expect(signed.map((issue) => `${issue.rule} ${issue.path}`)).toEqual(['ref-1 signature.who']);
  });

  it('ends on what has no end, and lists at most 100 issues', () => {
    const extension: Record<string, unknown> = { url: 'x' };
    extension.extension = [extension, extension];
    const issues = checkResource({ ...VALID_RESOURCES.patient, extension: [extension] });
    expect(issues).toHaveLength(100);
    expect(issues[0]?.rule).toBe('too-deep');
    expect(checkResource({ ...VALID_RESOURCES.patient, name: Array(1000).fill({}) })).toHaveLength(100);
  });

  it('reads the base64 of a large document', () => {
    const data = 'QUJD'.repeat(4_000_000);
    expect(checkResource({ ...VALID_RESOURCES.binary, data })).toEqual([]);
    expect(checkResource({ ...VALID_RESOURCES.binary, data: `${data}*AAA` })).toHaveLength(1);
  });

  it.each([
    ['patient', 'photo[0].contentType', `a/b${';x'.repeat(100_000)} `],
    ['observation', 'text.div', `<div xmlns="http://www.w3.org/1999/xhtml">${'<'.repeat(500_000)}</div>`],
    ['observation', 'code.coding[0].code', `${'a '.repeat(300_000)} `],
    ['observation', 'subject.reference', `http://${'/A/'.repeat(200_000)}`],
    ['observation', 'effectiveDateTime', '2'.repeat(500_000)],
  ] as const)('is done at once with a long text that nearly fits: %s.%s', (name, path, value) => {
    // A form that is tried in more than one way would not come to an end here.
    expect(checkResource(change(VALID_RESOURCES[name], path, value)).length).toBeLessThan(3);
  });

  it('never throws and never repeats a value, whatever is planted where', () => {
    const planted = fc.constantFrom<unknown>(
      MARKER,
      `${MARKER} ${MARKER}`,
      `#${MARKER}`,
      `${MARKER}/${MARKER}`,
      `Patient/${MARKER}!`,
      `urn:uuid:${MARKER}`,
      { [MARKER]: MARKER },
      { [`a ${MARKER}`]: MARKER, resourceType: MARKER, reference: MARKER },
      [MARKER, null, [MARKER]],
      { resourceType: 'Patient', id: MARKER, gender: MARKER },
      exactNumber('1.50'),
      exactNumber(`"${MARKER}"`),
    );
    const resources = Object.values(VALID_RESOURCES);
    fc.assert(
      fc.property(fc.nat(resources.length - 1), fc.nat(), planted, (which, place, value) => {
        const resource = resources[which];
        const paths = pathsOf(resource);
        const issues = checkResource(change(resource, paths[place % paths.length] ?? '', value));
        expect(JSON.stringify(issues)).not.toContain(MARKER);
      }),
      { numRuns: 5000 },
    );
  });

  it('tries every rule somewhere in this file', () => {
    const elsewhere = ['too-deep', 'bdl-9', 'org-1'];
    const tried = new Set<string>([...BREAKING_CHANGES.map((row) => row[3]), ...elsewhere]);
    expect(Object.keys(RESOURCE_RULES).filter((rule) => !tried.has(rule))).toEqual([]);
    expect(BREAKING_CHANGES.length).toBeGreaterThan(120);
  });
});

/** What the table says is required of the elements that a resource has, where nothing else stands in for it. */
function requiredElementsOf(resource: unknown): { path: string; missing: string }[] {
  const found: { path: string; missing: string }[] = [];
  const walk = (value: unknown, type: string, path: string): void => {
    if (typeof value !== 'object' || value === null || 'rawJSON' in value) return;
    const stated = 'resourceType' in value ? String(value.resourceType) : type;
    const shape = shapeOf(RESOURCE_TYPES.has(stated) ? stated : type);
    const prefix = path === '' ? '' : `${path}.`;
    for (const { name, anyOf } of shape.required) {
      const present = anyOf.filter((one) => at(value, one) !== undefined);
      if (present.length === 1) found.push({ path: `${prefix}${present[0]}`, missing: `${prefix}${name}` });
    }
    for (const [key, item] of Object.entries(value)) {
      const element = shape.elements.get(key);
      if (element === undefined || element.format !== null) continue;
      if (Array.isArray(item)) item.forEach((one, index) => void walk(one, element.type, `${prefix}${key}[${index}]`));
      else walk(item, element.type, `${prefix}${key}`);
    }
  };
  walk(resource, '', '');
  return found;
}
