import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { type Assembly, assemble, certificatePath, readInstallation } from '../assembly.ts';
import { ConfigError, type ConfigProblem } from '../config/configuration.ts';
import { faultText } from '../contracts/fault.ts';
import { checkMappingFolders, type FailedCase, type MappingFinding } from '../mappings.ts';
import { findRestartOnly } from '../restart-only.ts';
import { type ExitCode, nearPath, paint, showProblem, type Terminal } from './terminal.ts';

const DAY_MS = 86_400_000;
/** Certificates that end sooner are worth a word. */
const SOON_DAYS = 30;

interface CheckOptions {
  readonly config: string;
  readonly against?: string;
  readonly json?: true;
  readonly format?: 'text' | 'json' | 'github';
}

interface Report {
  readonly problems: readonly Reported[];
  /** One line each on what was found in order. */
  readonly found: readonly string[];
}

/** A problem with a place in a file, or with something that has none. */
type Reported = Pick<MappingFinding, 'severity' | 'text'> & Partial<Pick<ConfigProblem, 'file' | 'line' | 'column'>>;

/** `sluss check`: says all that is wrong with a configuration, or with folders of mapping files; starts nothing. */
export async function check(folders: readonly string[], options: CheckOptions, terminal: Terminal): Promise<ExitCode> {
  const report = folders.length > 0 ? examineFolders(folders) : await examine(options, terminal);
  const show = { json: showJson, github: showGithub, text: showText }[
    options.json ? 'json' : (options.format ?? 'text')
  ];
  show(report, terminal);
  return report.problems.some(isError) ? 2 : 0;
}

const isError = ({ severity }: Reported) => severity === 'error';
const asError = (problem: ConfigProblem): Reported => ({ ...problem, severity: 'error' });
/** A failed case, with the rule that made what differs. */
const asFailed = ({ rule, text, ...place }: FailedCase): Reported => ({
  ...place,
  severity: 'error',
  text: rule === null ? text : `${text}, made by ${nearPath(rule)}`,
});
const asWarning = (problem: ConfigProblem): Reported => ({ ...problem, severity: 'warning' });

function examineFolders(folders: readonly string[]): Report {
  const { findings, failedCases } = checkMappingFolders(
    folders.map((folder) => resolve(folder)),
    process.cwd(),
  );
  const problems = [...findings, ...(findings.some(isError) ? [] : failedCases().map(asFailed))];
  return { problems, found: [`mappings        ${folders.join(', ')}`] };
}

async function examine({ config: file, against }: CheckOptions, terminal: Terminal): Promise<Report> {
  // What the parts log while they are made comes back below, in the report's own words.
  const around = { env: terminal.env, colours: false, logTo: { write: () => {} } };
  let assembly: Assembly;
  try {
    assembly = await assemble(file, around, false);
  } catch (error) {
    if (error instanceof ConfigError) return { problems: error.problems.map(asError), found: [] };
    throw error;
  }
  try {
    const { problems, found } = examineAssembly(assembly);
    if (against === undefined) return { problems, found };
    const inForce = (await readInstallation(against, around, false)).configuration;
    return { problems: [...problems, ...findRestartOnly(inForce, assembly.configuration).map(asError)], found };
  } finally {
    await assembly.dispose();
  }
}

function examineAssembly(assembly: Assembly): Report {
  const { configuration, parties, clock, loadMappings } = assembly;
  const problems: Reported[] = configuration.warnings.map(asWarning);
  const found = [
    `configuration   ${counted(configuration.channels.length, 'channel')}, ${counted(configuration.targets.length, 'target')}`,
  ];
  for (const { party, fault, validTo } of parties.list()) {
    if (fault !== null) {
      const text = `party ${party.id}: ${faultText(fault.record)}`;
      const path = certificatePath(configuration, party.id, fault.where);
      problems.push(asError(configuration.problemAt(path, text)));
      continue;
    }
    const daysLeft = Math.floor(((validTo ?? 0) - clock.now()) / DAY_MS);
    const text = `party ${party.id}: its certificate ends in ${counted(daysLeft, 'day')}`;
    if (daysLeft < SOON_DAYS) {
      problems.push(asWarning(configuration.problemAt(certificatePath(configuration, party.id, null), text)));
    }
    found.push(`certificate     ${party.id}, ${counted(daysLeft, 'day')} left`);
  }
  const loaded = loadMappings();
  const ofMappings = [...loaded.problems.map(asError), ...loaded.findings()];
  problems.push(...ofMappings);
  // Of mappings with mistakes, cases fail by the dozen and say nothing more.
  if (!ofMappings.some(isError)) problems.push(...loaded.failedCases().map(asFailed));
  if (loaded.mapper !== null) found.push(`mappings        version ${loaded.mapper.version}`);
  return { problems, found };
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

function showLine({ file, line = null, column = null, text }: Reported): string {
  return file === undefined ? text : showProblem({ file, line, column, text });
}

function showText({ problems, found }: Report, terminal: Terminal): void {
  const [errors, warnings] = [problems.filter(isError), problems.filter((one) => !isError(one))];
  for (const one of errors) terminal.complain(`${paint(terminal, 'red', 'error')}    ${showLine(one)}`);
  for (const one of warnings) terminal.complain(`${paint(terminal, 'yellow', 'warning')}  ${showLine(one)}`);
  if (errors.length > 0) {
    terminal.complain(`${counted(errors.length, 'error')}.`);
    return;
  }
  for (const line of found) terminal.print(`${paint(terminal, 'green', 'ok')}  ${line}`);
}

function showJson({ problems, found }: Report, terminal: Terminal): void {
  const report = {
    ok: !problems.some(isError),
    errors: problems.filter(isError).map(showLine),
    warnings: problems.filter((one) => !isError(one)).map(showLine),
    problems: problems.map(({ severity, file, line, column, text }) => ({
      severity,
      file: file === undefined ? null : nearPath(file),
      line: line ?? null,
      column: column ?? null,
      text,
    })),
    found,
  };
  terminal.print(JSON.stringify(report, null, 2));
}

/** Lines that GitHub's runners show beside the file's own lines. @see workflow commands of GitHub Actions */
function showGithub({ problems }: Report, terminal: Terminal): void {
  const encode = (text: string) => text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
  const property = (text: string) => encode(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
  for (const { severity, file, line, column, text } of problems) {
    const place = [
      ...(file === undefined ? [] : [`file=${property(nearPath(file))}`]),
      ...(line === undefined || line === null ? [] : [`line=${line}`, `col=${column ?? 1}`]),
    ].join(',');
    terminal.print(`::${severity}${place === '' ? '' : ` ${place}`}::${encode(text)}`);
  }
}

export function addCheck(program: Command, terminal: Terminal, finish: (code: ExitCode) => void): void {
  program
    .command('check')
    .description('check configuration, certificates and mappings, or mapping files alone; start nothing')
    .argument('[folders...]', 'folders of mapping files, to be checked without a configuration')
    .option('-c, --config <file>', 'configuration file', 'sluss.yaml')
    .option('--against <file>', 'what an engine runs with: tell what needs a restart')
    .option('--json', 'print the report as JSON')
    .addOption(new Option('--format <format>', 'how to print the report').choices(['text', 'json', 'github']))
    .addHelpText(
      'after',
      `
Prints every mistake as file:line:column. Of mappings it tells what keeps them
from running, and what is probably wrong all the same: fields HL7 does not have,
elements FHIR does not have or of another type, required elements nobody sets,
rules that are never reached, names nobody uses; and, of mappings without
errors, cases that end otherwise than they say. With a configuration it also
looks at certificates.
With --against, a copy of the file that an engine runs with, kept beside it, it
tells what that engine would refuse to take over while it runs.
The exit code is 2 if there is an error, and 0 if not; warnings do not count.

Examples:
  sluss check
  sluss check -c /etc/sluss/sluss.yaml
  sluss check mappings/ our-mappings/
  sluss check mappings/ --format github
  sluss check --against sluss.yaml.before
  sluss check --json | jq .errors`,
    )
    .action(async (folders: string[], options: CheckOptions) => finish(await check(folders, options, terminal)));
}
