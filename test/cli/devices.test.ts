import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readDeviceList } from '../../src/cli/device-list.ts';
import { runCommand } from './kit.ts';

const VALUE_SET = {
  valueSetId: 'covid-19-lab-test-manufacturer-and-name',
  valueSetDate: '2023-04-11',
  valueSetValues: {
    '1232': { display: 'Maker B, Test\n"B": #2', active: true, version: '2021-07-13 05:43:08 CEST', validUntil: null },
    '308': { display: 'Maker A, Test A', active: false, version: '2022-07-09 00:00:00 CEST', validUntil: null },
  },
};

const CENTRE = {
  extracted_on: '2022-12-01 10:00:00',
  deviceList: [
    {
      id_device: '345',
      commercial_name: 'Test B',
      manufacturer: { name: 'Maker B' },
      hsc_list_history: [
        { list_date: 'September 1, 2022 CET', in_common_list: true },
        { list_date: '2022-07-09 00:00:00', in_common_list: false },
        { list_date: 'February 17, 2021 CET', in_common_list: 'true' },
      ],
    },
    {
      id_device: '7',
      commercial_name: 'Never listed',
      hsc_list_history: [{ list_date: '2021-02-17', in_common_list: false }],
    },
  ],
};

function listedAs(inCommonList: unknown): string {
  const history = [{ list_date: '2021-02-17', in_common_list: inCommonList }];
  return JSON.stringify({ deviceList: [{ id_device: '8', hsc_list_history: history }] });
}

describe('the EU common list', () => {
  it('is read with a byte order mark, and ends when an entry says so that is in use still', () => {
    const valueSetValues = { '1': { display: 'A', active: true, validUntil: '2023-01-01T00:00:00Z' } };
    const { devices } = readDeviceList(`\uFEFF${JSON.stringify({ ...VALUE_SET, valueSetValues })}`);
    expect(devices).toEqual([{ id: '1', name: 'A', times: [{ from: null, until: '2023-01-01' }] }]);
  });

  it('is read from the value set of the certificate, alone or among others', () => {
    const list = {
      date: '2023-04-11',
      devices: [
        { id: '308', name: 'Maker A, Test A', times: [{ from: null, until: '2022-07-09' }] },
        { id: '1232', name: 'Maker B, Test\n"B": #2', times: [{ from: null, until: null }] },
      ],
    };
    expect(readDeviceList(JSON.stringify(VALUE_SET))).toEqual(list);
    expect(readDeviceList(JSON.stringify([{ valueSetId: 'country-2-codes' }, VALUE_SET]))).toEqual(list);
  });

  it('is read from the Joint Research Centre’s list, with all times of a test on it', () => {
    expect(readDeviceList(JSON.stringify(CENTRE))).toEqual({
      date: '2022-12-01',
      devices: [
        {
          id: '345',
          name: 'Maker B, Test B',
          times: [
            { from: '2021-02-17', until: '2022-07-09' },
            { from: '2022-09-01', until: null },
          ],
        },
      ],
    });
  });

  it.each([
    ['{', 'the file is no JSON'],
    ['{}', 'the file has neither deviceList nor the value set'],
    ['[]', 'the file has neither'],
    [JSON.stringify({ ...VALUE_SET, valueSetValues: { '1': { active: false } } }), 'the device 1 cannot be read'],
    [JSON.stringify({ ...VALUE_SET, valueSetValues: { x: { active: true } } }), 'the device x cannot be read'],
    [JSON.stringify({ deviceList: [{ id_device: '5', hsc_list_history: [{ list_date: 'soon' }] }] }), 'the device 5'],
    [JSON.stringify({ deviceList: [{ id_device: '6' }] }), 'the device 6 cannot be read'],
    [listedAs('maybe'), 'the device 8 cannot be read'],
    [listedAs(null), 'the device 8 cannot be read'],
    [JSON.stringify({ deviceList: [...CENTRE.deviceList, ...CENTRE.deviceList] }), 'the device 345 stands there twice'],
    [
      JSON.stringify({ ...VALUE_SET, valueSetValues: { '1': { active: true, validUntil: 'soon' } } }),
      'the device 1 cannot be read',
    ],
  ])('is not guessed: %s', (json, text) => {
    expect(() => readDeviceList(json)).toThrow(text);
  });
});

describe('sluss devices import', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sluss-devices-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  it('writes the table, and nothing where the list is none', async () => {
    const [list, out] = [join(folder, 'list.json'), join(folder, 'table.yaml')];
    writeFileSync(list, JSON.stringify(VALUE_SET));
    expect(await runCommand(['devices', 'import', list, '--out', out]).done).toEqual({
      code: 0,
      out: `${out}: 2 tests, 1 of them withdrawn; list of 2023-04-11`,
      err: '',
    });
    const table = readFileSync(out, 'utf8');
    expect(table).toContain(
      "    '308': ../2022-07-09 # Maker A, Test A\n    '1232': ../.. # Maker B, Test \"B\": #2\n",
    );
    const nowhere = await runCommand(['devices', 'import', list, '--out', join(folder, 'none/table.yaml')]).done;
    expect(nowhere).toMatchObject({ code: 1, err: expect.stringContaining(`there is no folder ${folder}/none`) });
    writeFileSync(list, '{}');
    expect(await runCommand(['devices', 'import', list, '--out', out]).done).toMatchObject({ code: 1 });
    expect(readFileSync(out, 'utf8')).toBe(table);
    expect(readdirSync(folder).sort()).toEqual(['list.json', 'table.yaml']);
  });

  it('takes a whole list of nearly 300 tests', async () => {
    const real = resolve(import.meta.dirname, '../../../shared/reference/spec/rat-devices-2023-04-11.tsv');
    if (!existsSync(real)) {
      console.warn('the list of 2023-04-11 is not here: not imported');
      return;
    }
    const rows = readFileSync(real, 'utf8').trim().split('\n').slice(1);
    const valueSetValues = Object.fromEntries(
      rows.map((row) => {
        const [id = '', active, version, display] = row.split('\t');
        return [id, { active: active === 'true', version, display }];
      }),
    );
    const [list, out] = [join(folder, 'list.json'), join(folder, 'table.yaml')];
    writeFileSync(list, JSON.stringify([{ ...VALUE_SET, valueSetValues }]));
    const { out: said } = await runCommand(['devices', 'import', list, '--out', out]).done;
    expect(said).toBe(`${out}: 299 tests, 17 of them withdrawn; list of 2023-04-11`);
  });
});
