import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { resourceShapeOf, shapeOf } from '../../src/fhir/r4-shape.ts';
import { generateResourceSchema } from '../generate-resource-schema.ts';

describe('the table of R4 elements', () => {
  it('is what HL7’s definitions give: if not, `npm run generate`', () => {
    const { path, text } = generateResourceSchema();
    expect(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8') === text).toBe(true);
    expect(generateResourceSchema().text === text).toBe(true);
  });

  it('has every type that it names', () => {
    const seen = new Set<string>();
    const pending = ['Bundle', 'Observation', 'Patient', 'Provenance', 'Element'];
    for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
      if (seen.has(name)) continue;
      seen.add(name);
      const shape = shapeOf(name);
      expect(shape.elements.size, name).toBeGreaterThan(0);
      for (const element of shape.elements.values()) if (element.format === null) pending.push(element.type);
    }
    expect(seen.size).toBeGreaterThan(50);
  });

  it('knows the elements of a choice, of a primitive’s extensions, and of what a type is based on', () => {
    const { elements, required, lineage } = shapeOf('Observation');
    expect(lineage).toEqual(['Observation', 'DomainResource', 'Resource']);
    expect(elements.get('valueQuantity')).toMatchObject({
      type: 'Quantity',
      isList: false,
      choice: { name: 'value[x]' },
    });
    expect(elements.get('_valueString')).toMatchObject({ type: 'Element', companionOf: 'valueString' });
    expect(elements.get('id')).toMatchObject({ type: 'id' });
    expect([...(elements.get('subject')?.targets ?? [])].sort()).toEqual(['Device', 'Group', 'Location', 'Patient']);
    expect(elements.get('status')?.codes?.set.has('final')).toBe(true);
    expect(required.map(({ name }) => name)).toEqual(['status', 'code']);
    expect(shapeOf('Observation.referenceRange').elements.get('low')?.type).toBe('SimpleQuantity');
  });

  it('has no shape for what is no resource of the table', () => {
    for (const name of ['Quantity', 'Observation.component', 'Resource', 'Appointment', '__proto__', '', 7, null]) {
      expect(resourceShapeOf(name)).toBeNull();
    }
  });
});
