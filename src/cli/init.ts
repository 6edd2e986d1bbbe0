import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import type { Command } from 'commander';
import { Fault } from '../contracts/fault.ts';
import { readMappingFiles } from '../mapping/load.ts';
import { compileTable, type Table } from '../mapping/table.ts';
import { parseYaml } from '../mapping/yaml-node.ts';
import { additionText, configurationText, FIRST_PORT, overlayText } from './init-text.ts';
import { readMessageFile } from './message-file.ts';
import { guessCharset, type Survey, surveySample } from './survey.ts';
import { type ExitCode, paint, type Terminal } from './terminal.ts';
import { openWorkbench, PACKAGED_MAPPINGS, type Workbench } from './workbench.ts';

interface InitOptions {
  readonly folder: string;
  readonly name?: string;
}

/** What the new configuration extends. */
const BASE = 'oru-r01';
const MAX_NAME = 40;
const NAME = /^[a-z0-9][a-z0-9_.-]{0,63}$/;

/** `sluss init`: begins a configuration and a mapping for the sender of a sample. */
export async function init(sample: string, options: InitOptions, terminal: Terminal): Promise<ExitCode> {
  const folder = resolve(options.folder);
  const messages = readMessageFile(sample);
  // Of the packaged mappings alone, whatever stands in this folder.
  const workbench = await openWorkbench({ mapping: BASE, packaged: true, charset: guessCharset(messages) }, terminal);
  let survey: Survey;
  try {
    survey = surveySample(messages, workbench.load(), systemsOf(workbench));
  } catch (error) {
    if (error instanceof Fault) throw new Error(`${sample}: ${error.message}`);
    throw error;
  } finally {
    await workbench.dispose();
  }
  const { messageCode, triggerEvent } = survey.header;
  if (messageCode !== 'ORU' || triggerEvent !== 'R01') {
    throw new Error(
      `${sample} is ${messageCode}^${triggerEvent}; a mapping for ORU^R01 is what there is to begin with`,
    );
  }
  const name = options.name ?? slug(survey.sender);
  if (!NAME.test(name)) throw new Error(`“${name}” cannot be a name: small letters, digits, "-", "_", "."`);
  const overlay = {
    path: join(folder, 'mappings', `${name}.yaml`),
    text: overlayText(survey, { name, sample, base: BASE, schema: schemaFrom(join(folder, 'mappings')) }),
  };
  const config = join(folder, 'sluss.yaml');
  if (existsSync(config) && !existsSync(overlay.path)) {
    // Another sender of the same installation: its configuration is somebody's work, and stays as it is.
    const port = nextPort(readFileSync(config, 'utf8'));
    const addition = additionText(survey, name, port);
    return write([overlay], { folder, sample, name, addition }, terminal);
  }
  const text = configurationText(survey, { name, sample, mappings: pathTo(folder) });
  return write([{ path: config, text }, overlay], { folder, sample, name, addition: null }, terminal);
}

/** The first port that the configuration does not name. */
function nextPort(config: string): number {
  const taken = new Set([...config.matchAll(/\bport: *(\d+)/g)].map(([, port]) => Number(port)));
  let port = FIRST_PORT;
  while (taken.has(port)) port += 1;
  return port;
}

function write(
  files: readonly { readonly path: string; readonly text: string }[],
  { folder, sample, name, addition }: { folder: string; sample: string; name: string; addition: string | null },
  terminal: Terminal,
): ExitCode {
  const near = (path: string) => relative('.', path) || '.';
  const taken = files.filter(({ path }) => existsSync(path));
  if (taken.length > 0) {
    throw new Error(
      `${taken.map(({ path }) => near(path)).join(' and ')} would be overwritten; --folder says where else`,
    );
  }
  for (const { path, text } of files) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    terminal.print(`${paint(terminal, 'green', 'wrote')} ${near(path)}`);
  }
  const texts = [...files.map(({ text }) => text), addition ?? ''];
  const questions = texts.reduce((sum, text) => sum + (text.match(/# \? |\. \? /g)?.length ?? 0), 0);
  const config = join(near(folder), 'sluss.yaml');
  if (addition !== null) {
    terminal.print(`${config} is there already, and was not changed. Add to it:`);
    terminal.print('');
    terminal.print(addition);
  }
  const flag = config === 'sluss.yaml' ? '' : ` -c ${config}`;
  for (const line of [
    `${questions} questions stand in them, marked "# ?".`,
    '',
    'Next:',
    `  sluss check${flag}`,
    `  sluss map ${sample}${flag}${addition === null ? '' : ` --channel ${name}`} --explain`,
    `  mkdir -p conversations/${name}-1 && cp ${sample} conversations/${name}-1/in.hl7`,
    ...(addition === null ? [] : [`  echo "channel: ${name}" > conversations/${name}-1/about.txt`]),
    `  sluss test conversations${flag} --update`,
  ])
    terminal.print(line);
  return 0;
}

/** Which names of coding systems the packaged table has. */
function systemsOf(workbench: Workbench): (name: string) => boolean {
  const table = readTable(workbench.folders, 'coding-systems');
  return (name) =>
    (table?.find([{ code: name, system: '' }]) ?? null) !== null ||
    /^(https?:\/\/|urn:)\S+$|^[0-2](\.\d+)+$|^(HL7)?\d{4}$/i.test(name);
}

function readTable(folders: readonly string[], name: string): Table | null {
  for (const file of readMappingFiles(folders, '/')) {
    const root = parseYaml(file).root;
    if (root?.isMap && root.entries().get('table')?.value.text() === name) return compileTable(root, []);
  }
  return null;
}

/** From where the configuration stands to the mappings that come with Sluss. */
function pathTo(folder: string): string {
  const near = relative(folder, PACKAGED_MAPPINGS);
  return near.split('..').length > 3 ? PACKAGED_MAPPINGS : near;
}

function schemaFrom(folder: string): string {
  const schema = join(PACKAGED_MAPPINGS, 'mapping.schema.json');
  const near = relative(folder, schema);
  return near.split('..').length > 3 ? schema : near;
}

/** A name such as `labnord` or `st-goran`. */
function slug(text: string): string {
  const plain = text
    .normalize('NFKD')
    .replace(/[\u0300-\u036f'’]/g, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '');
  // A word is never cut, unless it alone is too long.
  const short =
    plain.length <= MAX_NAME
      ? plain
      : plain
          .slice(0, MAX_NAME + 1)
          .replace(/-[^-]*$/, '')
          .slice(0, MAX_NAME);
  return short === '' ? 'sender' : short;
}

export function addInit(program: Command, terminal: Terminal, finish: (code: ExitCode) => void): void {
  program
    .command('init')
    .description('begin a configuration and a mapping for a new sender, from a sample message')
    .argument('<sample>', 'HL7 file with one or more ORU^R01 messages of the sender')
    .option('--folder <folder>', 'where to write', '.')
    .option('--name <name>', 'name of channel, party and mapping (default: from MSH-4)')
    .addHelpText(
      'after',
      `
Writes sluss.yaml and mappings/<name>.yaml, which extends the mapping that
comes with Sluss. What the sample says is filled in; what it leaves open is a
question in a comment: "# ?". Existing files are never overwritten: where there
is a sluss.yaml, only the mapping is written, and what a second sender adds to
the configuration is printed. Codes of the sample are quoted in the comments,
names of persons are not.

Examples:
  sluss init result.hl7
  sluss init result.hl7 --folder ./site --name lab-nord`,
    )
    .action(async (sample: string, options: InitOptions) => finish(await init(sample, options, terminal)));
}
