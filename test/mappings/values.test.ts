import { describe, expect, it } from 'vitest';
import { allOf, bundlesOf, type Json, mapMessage, mapperOf } from './kit.ts';

const mapper = mapperOf('oru-r01');

/** The Observation of one OBX, and the warnings. */
function observe(type: string, value: string, unit = ''): { readonly observation: Json; readonly warnings: string[] } {
  const mapped = mapMessage(
    mapper,
    `MSH|^~\\&|LAB|NORD|||20240501120000+0200||ORU^R01^ORU_R01|M1|P|2.5.1
PID|1||P1^^^NORD^MR||Berg^Alva
OBR|1|O1|F1|T^Test^L|||20240501080000+0200||||||||||||||||||F
OBX|1|${type}|X^Analyte^L||${value}|${unit}|||||F`,
  );
  const [observation = {}] = allOf(bundlesOf(mapped)[0], 'Observation');
  return { observation, warnings: mapped.warnings.map(({ at, detail }) => `${at} ${detail}`) };
}

function madeOf(type: string, value: string, unit = ''): Json {
  const { observation } = observe(type, value, unit);
  return Object.fromEntries(Object.entries(observation).filter(([name]) => /^value|^component/.test(name)));
}

const UCUM = { system: 'http://unitsofmeasure.org' };
const original = (text: string) => [{ url: 'http://hl7.org/fhir/StructureDefinition/originalText', valueString: text }];

/** What becomes of OBX-5 by its type. Numbers as JavaScript reads them; their digits are looked at further down. */
describe('a value', () => {
  it.each<[type: string, value: string, unit: string, made: Json]>([
    ['NM', '5.2', 'mmol/L', { valueQuantity: { value: 5.2, unit: 'mmol/L' } }],
    ['NM', '5.2', 'mmol/L^^UCUM', { valueQuantity: { value: 5.2, unit: 'mmol/L', ...UCUM, code: 'mmol/L' } }],
    ['NM', '5', '1^ML^METRIC', { valueQuantity: { value: 5, unit: 'ML' } }],
    [
      'NM',
      '5',
      'x^text^L^g/L^gram per litre^UCUM',
      { valueQuantity: { value: 5, unit: 'gram per litre', ...UCUM, code: 'g/L' } },
    ],
    ['NM', '+007.5', '', { valueQuantity: { value: 7.5 } }],
    ['NM', '-.5', '', { valueQuantity: { value: -0.5 } }],
    ['NM', '1,0', 'mmol/L', { valueString: '1,0' }],
    ['NM', '<7', '', { valueString: '<7' }],
    ['NM', '7(H)', '', { valueString: '7(H)' }],
    ['NM', '1e5', '', { valueString: '1e5' }],
    ['NM', '12^mg', '', { valueString: '12^mg' }],
    ['SN', '<^100', 'g/L', { valueQuantity: { value: 100, comparator: '<', unit: 'g/L' } }],
    ['SN', '>=^90', '', { valueQuantity: { value: 90, comparator: '>=' } }],
    ['SN', '=^56', 'a^year^UCUM', { valueQuantity: { value: 56, unit: 'year', ...UCUM, code: 'a' } }],
    ['SN', '^182', 'mg/dl', { valueQuantity: { value: 182, unit: 'mg/dl' } }],
    [
      'SN',
      '^1^-^5',
      'u',
      { valueRange: { extension: original('1 - 5'), low: { value: 1, unit: 'u' }, high: { value: 5, unit: 'u' } } },
    ],
    ['SN', '^5^-^1', '', { valueString: '5 - 1' }],
    [
      'SN',
      '^1^:^128',
      '',
      { valueRatio: { extension: original('1 : 128'), numerator: { value: 1 }, denominator: { value: 128 } } },
    ],
    [
      'SN',
      '<^1^/^8',
      '',
      {
        valueRatio: {
          extension: original('< 1 / 8'),
          numerator: { value: 1, comparator: '<' },
          denominator: { value: 8 },
        },
      },
    ],
    ['SN', '^2^+', 'mg', { valueString: '2 + mg' }],
    ['SN', '<>^5', 'mg', { valueString: '<> 5 mg' }],
    ['SN', '~', '', {}],
    ['SN', '5', '', { valueString: '5' }],
    ['SN', '^5^^6', '', { valueString: '5 6' }],
    [
      'CE',
      '260415000^Not detected^SCT',
      '',
      {
        valueCodeableConcept: {
          coding: [{ system: 'http://snomed.info/sct', code: '260415000', display: 'Not detected' }],
        },
      },
    ],
    [
      'CWE',
      'a^A^L^b^B^LN^^2.77^as it reads',
      '',
      {
        valueCodeableConcept: {
          coding: [
            { code: 'a', display: 'A' },
            { system: 'http://loinc.org', version: '2.77', code: 'b', display: 'B' },
          ],
          text: 'as it reads',
        },
      },
    ],
    ['CWE', '^only text', '', { valueCodeableConcept: { text: 'only text' } }],
    ['CWE', '^name^^^^^^^original', '', { valueCodeableConcept: { coding: [{ display: 'name' }], text: 'original' } }],
    ['CWE^^HL70125', 'POS', '', { valueCodeableConcept: { coding: [{ code: 'POS' }] } }],
    [
      'CNE',
      '1^one^LN',
      '',
      { valueCodeableConcept: { coding: [{ system: 'http://loinc.org', code: '1', display: 'one' }] } },
    ],
    ['IS', 'Y', '', { valueCodeableConcept: { coding: [{ code: 'Y' }] } }],
    ['ST', 'free text', '', { valueString: 'free text' }],
    ['ST', 'a\\T\\b\\.br\\c', '', { valueString: 'a&b\nc' }],
    ['FT', 'first\\.br\\second~third', '', { valueString: 'first\nsecond\nthird' }],
    ['TX', 'first~second', '', { valueString: 'first\nsecond' }],
    ['', 'no type', '', { valueString: 'no type' }],
    ['DT', '20240229', '', { valueDateTime: '2024-02-29' }],
    ['DT', '202402', '', { valueDateTime: '2024-02' }],
    ['TS', '20240501081500', '', { valueDateTime: '2024-05-01T08:15:00+02:00' }],
    ['DTM', '20240501081500.25-0500', '', { valueDateTime: '2024-05-01T08:15:00.25-05:00' }],
    ['DTM', '20241340', '', { valueString: '20241340' }],
    ['TM', '0815', '', { valueTime: '08:15:00' }],
    ['TM', '081530.5', '', { valueTime: '08:15:30.5' }],
    ['TM', '0815+0200', '', { valueString: '0815+0200' }],
    ['DR', '20240101^20240201', '', { valuePeriod: { start: '2024-01-01', end: '2024-02-01' } }],
    ['DR', '20240101^20231231', '', { valueString: '20240101^20231231' }],
    ['DR', '20240101', '', { valuePeriod: { start: '2024-01-01' } }],
    ['NR', '1.5^3', 'g', { valueRange: { low: { value: 1.5, unit: 'g' }, high: { value: 3, unit: 'g' } } }],
    ['NR', '^3', '', { valueRange: { high: { value: 3 } } }],
    ['NR', '1^-^5', '', { valueString: '1^-^5' }],
    ['DT', '20240101^20240201', '', { valueString: '20240101^20240201' }],
    ['NR', '3^1', '', { valueString: '3^1' }],
    ['VR', '1^3', '', { valueString: '1-3' }],
    ['CQ', '3^mL&millilitre&UCUM', '', { valueQuantity: { value: 3, unit: 'millilitre', ...UCUM, code: 'mL' } }],
    ['CQ', '3', 'L', { valueQuantity: { value: 3, unit: 'L' } }],
    ['MO', '12.50^SEK', '', { valueString: '12.50 SEK' }],
    ['CX', '123^^^LAB^MR', '', { valueString: '123 LAB MR' }],
    ['XPN', 'Berg^Alva', '', { valueString: 'Berg Alva' }],
    ['XAD', 'Storgatan 1^^Umeå', '', { valueString: 'Storgatan 1 Umeå' }],
    ['XCN', '7^Ek^Bo', '', { valueString: '7 Ek Bo' }],
    ['XTN', '^PRN^PH^^^^5551234', '', { valueString: 'PRN PH 5551234' }],
    ['XON', 'Laboratory^L', '', { valueString: 'Laboratory L' }],
    ['EI', '9^NORD', '', { valueString: '9 NORD' }],
    ['HD', 'NORD^1.2.3^ISO', '', { valueString: 'NORD 1.2.3 ISO' }],
    ['ZZ', 'a^b', '', { valueString: 'a^b' }],
    ['ST', '""', '', {}],
    [
      'NM',
      '1~2',
      'g',
      {
        component: [
          { code: { coding: [{ code: 'X', display: 'Analyte' }] }, valueQuantity: { value: 1, unit: 'g' } },
          { code: { coding: [{ code: 'X', display: 'Analyte' }] }, valueQuantity: { value: 2, unit: 'g' } },
        ],
      },
    ],
    ['ED', 'LAB^application^pdf^Base64^JVBERi0=', '', {}],
    ['RP', 'https://lab.example/1.pdf^^application^pdf', '', {}],
    ['RP', 'shelf 12', '', { valueString: 'shelf 12' }],
    ['ED', 'LAB^application^pdf^Base64^not base64!', '', { valueString: 'LAB^application^pdf^Base64^not base64!' }],
  ])('%s |%s|%s| is %j', (type, value, unit, made) => {
    expect(madeOf(type, value, unit)).toEqual(made);
  });

  it('of an array is sampled data: one dimension where the field does not repeat', () => {
    const period = {
      extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/data-absent-reason', valueCode: 'unknown' }],
    };
    expect(madeOf('NA', '1^2.50^3', 'mV')).toEqual({
      valueSampledData: { origin: { value: 0, unit: 'mV' }, _period: period, dimensions: 1, data: '1 2.50 3' },
    });
    expect(madeOf('NA', '1^2~3^4').valueSampledData).toMatchObject({ dimensions: 2, data: '1 2 3 4' });
    expect(madeOf('NA', '1^x')).toEqual({ valueString: '1^x' });
    expect(madeOf('NA', '1^2~x')).toEqual({ valueString: '1^2~x' });
  });

  it.each([
    ['NM', '1,0', 'OBX[1]-5 not NM'],
    ['NM', '<7', 'OBX[1]-5 not NM'],
    ['SN', '5', 'OBX[1]-5 not SN'],
    ['SN', '"^1^:^3', 'OBX[1]-5 comparator of SN'],
    ['ZZ', 'a', 'OBX[1]-5 type ZZ'],
    ['TM', '0815+0200', 'OBX[1]-5 not TM'],
    ['DTM', '2024050108', 'OBX[1]-5 hour without minutes'],
    ['RP', 'shelf 12', 'OBX[1]-5 not RP'],
    ['ED', '^^pdf^Base64^AAAAA', 'OBX[1]-5 document'],
  ])('%s |%s| that does not fit is told: %s', (type, value, warning) => {
    expect(observe(type, value).warnings).toContain(warning);
  });

  it.each([
    ['NM', '<7', 'g/L', '<7 g/L'],
    ['NM', '1,0', 'g/L^gram per litre^UCUM', '1,0 gram per litre'],
    ['', '28', 'mg', '28 mg'],
    ['ST', '<5', 'mg/L', '<5 mg/L'],
    ['TX', 'some', 'mg', 'some mg'],
    ['ZZ', '7', 'mg', '7 mg'],
  ])('%s |%s|%s| that is a text keeps its unit beside it', (type, value, unit, written) => {
    expect(observe(type, value, unit).observation).toMatchObject({
      valueString: value,
      _valueString: { extension: original(written) },
    });
  });

  it.each([
    ['CWE', 'a^A^L', 'OBX[1]-6 unit of CWE'],
    ['DT', '20240501', 'OBX[1]-6 unit of DT'],
    ['ED', 'LAB^application^pdf^Base64^JVBERi0=', 'OBX[1]-6 unit of ED'],
    ['CQ', '3^mL', 'OBX[1]-6 unit beside CQ'],
  ])('%s |%s| that has no unit tells of it: %s', (type, value, warning) => {
    expect(observe(type, value, 'mg').warnings).toContain(warning);
  });

  it('keeps its digits', () => {
    for (const digits of ['1.50', '850.00', '0.0', '100']) {
      const mapped = mapMessage(
        mapper,
        `MSH|^~\\&|LAB||||||ORU^R01|1|P|2.3\nPID|||1\nOBR|1||F1|T\nOBX|1|NM|X||${digits}`,
      );
      expect(new TextDecoder().decode(mapped.drafts[0]?.body)).toContain(`"value":${digits}}`);
    }
  });

  it('with a comparator is a quantity where an overlay reads numbers loosely', () => {
    const overlay = {
      path: 'loose.yaml',
      text: `mapping: loose
extends: oru-r01
resources:
  observation:
    set:
      'value[x]': { when: '!valued(OBX-5[2])', from: OBX-5, as: loosely by OBX-2, unit: OBX-6 }
`,
    };
    const mapped = mapMessage(
      mapperOf('loose', [overlay]),
      'MSH|^~\\&|LAB||||||ORU^R01|1|P|2.3\nPID|||1\nOBR|1||F1|T\nOBX|1|NM|X||<15|mL',
    );
    const [observation] = allOf(bundlesOf(mapped)[0], 'Observation');
    expect(observation?.valueQuantity).toEqual({ value: 15, comparator: '<', unit: 'mL' });
    expect(mapped.warnings.map(({ detail }) => detail)).toContain('not NM');
  });
});
