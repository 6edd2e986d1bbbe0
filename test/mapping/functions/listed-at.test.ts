import { describe, expect, it } from 'vitest';
import { CONTEXT, compile, faultsOf, HEADER, mapperOf, mappingFile, message, PROJECT_FILES } from '../kit.ts';

const standing = (sampled: string, device: string, rows: string, grace = '56') => {
  const mapped = mapperOf(
    compile([
      { path: 'list.yaml', text: `table: list\nrows: { '*': ${rows} }\n` },
      mappingFile({
        let: `{ sampled: { from: OBX-14, as: looseDateTime }, grace: ${grace} }`,
        deliver: `[{ to: t/op, body: { set: { a: { call: listed-at, of: [OBX-18, $sampled, $grace], table: list }, b: { from: OBX-5 } } } }]`,
      }),
    ]),
  ).map(message([HEADER, 'PID|1', 'OBR|1||F', `OBX|1|ST|X||y|||||||||${sampled}||||${device}`]), CONTEXT);
  const [draft] = mapped.drafts;
  if (draft === undefined) return faultsOf(mapped);
  return (JSON.parse(Buffer.from(draft.body).toString()) as { a?: string }).a ?? null;
};

const ROWS = "{ '1': 2021-02-17/2022-07-09, '2': ../.., '3': 2021-02-17/2021-06-01 2022-01-01/.., '4': ../2022-07-09 }";

describe('how a device stands on the list', () => {
  it.each([
    ['202102162359', '1', 'not-yet'],
    ['202102170000', '1', 'listed'],
    ['202207082359', '1', 'listed'],
    ['202207090000', '1', 'grace'],
    // The day is Sweden's: 23:30 UTC is the next one, the last of 56.
    ['202209022359', '1', 'grace'],
    ['202209022230+0000', '1', 'withdrawn'],
    ['202209030000', '1', 'withdrawn'],
    ['202209030000', '2', 'listed'],
    ['202107270000', '3', 'withdrawn'],
    ['202201010000', '3', 'listed'],
    ['200001010000', '4', 'listed'],
    ['202203010000', '5', 'unknown'],
    ['202203010000', '', null],
    ['', '1', null],
  ])('at %s for %s: %s', (sampled, device, expected) => {
    expect(standing(sampled, device, ROWS)).toBe(expected);
  });

  it('is not looked at while the list is empty, and has no grace where none is given', () => {
    expect(standing('202203010000', '1', '{}')).toBe('unchecked');
    expect(standing('202207090000', '1', ROWS, '0')).toBe('withdrawn');
  });

  it('is held where a row, or the grace, is written otherwise', () => {
    for (const row of ['2021-02-17', '2021-02-30/..', '../2021-02-30', '2021-02-17/../..'])
      expect(standing('202203010000', '1', `{ '1': ${row} }`), row).toEqual([
        'mapping-incomplete - an interval such as 2021-02-17/..',
      ]);
    expect(standing('202203010000', '1', ROWS, 'x')).toEqual(['mapping-incomplete - days of grace']);
  });
});

describe('an antigen test that is not on the list', () => {
  const FILES = PROJECT_FILES.map((file) =>
    file.path.endsWith('eu-rat-devices.yaml')
      ? { ...file, text: `table: eu-rat-devices\nrows: { '*': { '344': ../.., '308': ../2022-07-09 } }\n` }
      : file,
  );
  const mapper = mapperOf(compile(FILES, { mappings: ['se-covid-certificates'] }));
  const faults = (test: string, device: string, sampled: string) =>
    faultsOf(
      mapper.map(
        message([
          `MSH|^~\\&|LIS|2321000016|SLUSS|EHM|20221101101500||ORU^R01|1|P|2.5.1`,
          'PID|1||199708062386^^^SKV',
          `OBR|1||F1|${test}|||${sampled}${'|'.repeat(24)}COVIDBEVIS`,
          `OBX|1|CWE|${test}||260415000^^SCT||||||F|||||||${device}`,
        ]),
        CONTEXT,
      ),
    );

  it('is held, with what is the matter and where', () => {
    const RAT = '97097-0^^LN';
    expect(faults(RAT, '344', '202207090815')).toEqual([]);
    expect(faults(RAT, '999', '202207090815')).toEqual(['rule-holds OBX[1]-18.1 device-not-on-the-list']);
    expect(faults(RAT, '308', '202209020815')).toEqual([]);
    expect(faults(RAT, '308', '202209030815')).toEqual(['rule-holds OBX[1]-18.1 device-withdrawn']);
    expect(faults('94500-6^^LN', '999', '202207090815')).toEqual([]);
  });
});
