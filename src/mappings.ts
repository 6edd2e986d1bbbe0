import { dirname, relative, resolve } from 'node:path';
import type { ConfigProblem, Configuration } from './config/configuration.ts';
import type { Log } from './contracts/log.ts';
import type { Parties } from './contracts/party.ts';
import type { Engine } from './engine/engine.ts';
import type { TargetPlace } from './engine/settings.ts';
import { type CompileSetup, compileMappings } from './mapping/compile.ts';
import type { Finding } from './mapping/finding.ts';
import { lintMappings } from './mapping/lint.ts';
import { readMappingFiles } from './mapping/load.ts';
import type { ExplainingMapper } from './mapping/mapper.ts';
import type { Problem } from './mapping/problem.ts';
import { runAllCases } from './mapping/run-all-cases.ts';
import { type SourceFile, YamlNode } from './mapping/yaml-node.ts';

export interface LoadedMappings {
  /** null where there are problems. */
  readonly mapper: ExplainingMapper | null;
  readonly problems: readonly ConfigProblem[];
  /** Cases of the files that end otherwise than they say; they stop nothing. */
  failedCases(): readonly FailedCase[];
  /** What lint found beside the problems; stops nothing more. */
  findings(): readonly MappingFinding[];
}

/** Where a case of a mapping file ends otherwise than it says. */
export interface FailedCase extends ConfigProblem {
  /** Which case it is; several problems may be one's. */
  readonly ofCase: string;
  /** Absolute `file:line:col` of the rule that made what differs; null = no rule did. */
  readonly rule: string | null;
}

export interface MappingFinding extends ConfigProblem {
  readonly severity: Finding['severity'];
}

/** Reads the mapping files of a configuration from the disk. Never throws. */
export type LoadMappings = () => LoadedMappings;

export function createMappingLoader(
  configuration: Configuration<unknown>,
  targets: readonly TargetPlace[],
  parties: Parties,
): LoadMappings {
  // Paths in problems, and in the version, start at the configuration's folder, wherever the process was started.
  const from = dirname(configuration.file);
  const nodeOf = (place: Configuration<unknown>['channels'][number]['with']) =>
    place === null ? null : new YamlNode(place.node, relative(from, place.file), place.lineCounter);
  const setup: CompileSetup = {
    channels: configuration.channels.map(
      ({ name, mappings, parties: permitted, charset, zone, with: rules, targets: named, mappingsPlace }) => ({
        name,
        mappings,
        parties: permitted,
        charset,
        zone,
        overrides: nodeOf(rules),
        targets: nodeOf(named),
        node: nodeOf(mappingsPlace),
      }),
    ),
    operations: Object.fromEntries(targets.map(({ name, target }) => [name, Object.keys(target.operations)])),
    parties: parties.list().map(({ party }) => party),
    secret: configuration.secret,
  };
  const locate = (problem: Problem) => locateProblem(problem, from);
  return () => {
    try {
      const files = readMappingFiles(configuration.mappings, from);
      const { mapper, problems } = compileMappings(files, setup);
      // What compiles can still be wrong: an element FHIR does not have would hold every message it is made for.
      const findings = mapper === null ? [] : lintMappings(files, setup.channels);
      const errors = findings.filter(({ severity }) => severity === 'error');
      return {
        mapper: errors.length === 0 ? mapper : null,
        problems: [...problems, ...errors].map(locate),
        failedCases: () => failCases(files, setup, from),
        findings: () =>
          (mapper === null ? lintMappings(files, setup.channels) : findings.filter((one) => !errors.includes(one))).map(
            (finding) => locateFinding(finding, from),
          ),
      };
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      const problem = { file: configuration.file, line: null, column: null, text };
      return { mapper: null, problems: [problem], failedCases: () => [], findings: () => [] };
    }
  };
}

export interface CheckedFolders extends Pick<LoadedMappings, 'failedCases'> {
  readonly findings: readonly MappingFinding[];
}

/**
 * Looks through folders of mapping files without a configuration: what keeps them from being compiled, and what lint
 * finds. @throws Error (of node:fs) if a folder cannot be read
 */
export function checkMappingFolders(folders: readonly string[], from: string): CheckedFolders {
  const files = readMappingFiles(folders, from);
  const setup = { channels: [], operations: {}, parties: [], secret: new Uint8Array(32) };
  const { problems } = compileMappings(files, setup);
  const errors = problems.map((problem): Finding => ({ ...problem, severity: 'error' }));
  return {
    findings: [...errors, ...lintMappings(files)].map((finding) => locateFinding(finding, from)),
    failedCases: () => failCases(files, setup, from),
  };
}

function locateProblem(problem: Problem, from: string): ConfigProblem {
  const { file, line, column, message, hint } = problem;
  return { file: resolve(from, file), line, column, text: hint === null ? message : `${message} (${hint})` };
}

function locateFinding(finding: Finding, from: string): MappingFinding {
  return { ...locateProblem(finding, from), severity: finding.severity };
}

/** Runs the cases of mapping files; see `runAllCases`. @param from folder that paths in them are relative to */
export function failCases(files: readonly SourceFile[], setup: CompileSetup, from: string): FailedCase[] {
  return runAllCases(files, setup).map(({ ofCase, rule, ...problem }) => ({
    ...locateProblem(problem, from),
    ofCase,
    rule: rule === null ? null : resolve(from, rule),
  }));
}

/** Puts new mappings in force, and leaves the old ones where the new have mistakes. */
export function reloadMappings(parts: {
  readonly load: LoadMappings;
  readonly engine: Pick<Engine, 'useMapper' | 'noteMappingProblem' | 'mappingVersion' | 'mappingProblem'>;
  readonly log: Log;
}): void {
  const { load, engine, log } = parts;
  const { mapper, problems } = load();
  if (mapper !== null) {
    if (mapper.version !== engine.mappingVersion() || engine.mappingProblem() !== null) engine.useMapper(mapper);
    return;
  }
  const [first] = problems;
  const text = first === undefined ? 'unknown' : first.text;
  const where = first?.line == null ? {} : { where: `${first.file}:${first.line}:${first.column ?? 1}` };
  log.error('mappings-refused', { count: problems.length, detail: text, ...where });
  engine.noteMappingProblem(
    problems.map((problem) => `${problem.file}:${problem.line ?? 1} ${problem.text}`).join('\n'),
  );
}
