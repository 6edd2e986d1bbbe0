import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { compileTable } from '../mapping/table.ts';
import { parseYaml } from '../mapping/yaml-node.ts';
import { type DeviceList, readDeviceList } from './device-list.ts';
import type { ExitCode, Terminal } from './terminal.ts';
import { writeWhole } from './write-whole.ts';

const TABLE = 'eu-rat-devices';

interface ImportOptions {
  readonly out: string;
  readonly name: string;
}

/** `sluss devices import`: the EU common list of antigen tests as a table of the mapping. */
export function importDevices(from: string, { out, name }: ImportOptions, terminal: Terminal): ExitCode {
  const list = readDeviceList(readFileSync(from, 'utf8'));
  if (list.devices.length === 0) throw new Error('the list is empty');
  const text = writeTable(list, name);
  // What is written is read before it takes the old one's place.
  const { root, problems } = parseYaml({ path: out, text });
  if (root === null || problems.length > 0) throw new Error('the list cannot be written as a table');
  compileTable(root, problems);
  if (problems.length > 0) throw new Error(`the list cannot be written as a table: ${problems[0]?.message}`);
  writeWhole(out, text);
  const withdrawn = list.devices.filter(({ times }) => times.at(-1)?.until !== null).length;
  terminal.print(
    `${out}: ${list.devices.length} tests, ${withdrawn} of them withdrawn; list of ${list.date ?? 'an unknown day'}`,
  );
  return 0;
}

function writeTable({ date, devices }: DeviceList, name: string): string {
  const rows = devices.map(({ id, name: of, times }) => {
    const value = times.map(({ from, until }) => `${from ?? '..'}/${until ?? '..'}`).join(' ');
    const comment = of.replace(/[\s\p{Cc}]+/gu, ' ').trim();
    return `    '${id}': ${value}${comment === '' ? '' : ` # ${comment}`}\n`;
  });
  const because = date === null ? 'EU common list of antigen tests' : `EU common list of antigen tests of ${date}`;
  return [
    `table: ${name}\n`,
    'summary: Antigen tests of the EU common list, by number, and when they stood on it. Written by sluss devices import\n',
    `because: ${because}\n`,
    "rows:\n  '*':\n",
    ...rows,
  ].join('');
}

export function addDevices(program: Command, terminal: Terminal, finish: (code: ExitCode) => void): void {
  const devices = program.command('devices').description('antigen tests of the EU common list');
  devices
    .command('import')
    .description('make the table that says which antigen test was on the EU common list when')
    .argument('<file>', 'JSON of the Joint Research Centre, or of the value sets of the covid certificate')
    .option('-o, --out <file>', 'the table file to write', `mappings/tables/${TABLE}.yaml`)
    .option('--name <table>', 'the table’s name', TABLE)
    .addHelpText(
      'after',
      `
With the table, a result of a test that was not on the list on the day of its
sample is held. A test that was taken off it is accepted for some time more
(setting deviceGraceDays, 56 days). While the table is empty nothing is checked.

The engine takes the new table up by itself; sluss check says what it thinks.

Examples:
  sluss devices import hsc-common-recognition-rat.json
  sluss devices import eu-value-sets.json --out ours/tables/rat.yaml --name rat`,
    )
    .action((file: string, options: ImportOptions) => finish(importDevices(file, options, terminal)));
}
