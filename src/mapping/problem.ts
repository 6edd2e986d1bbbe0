/**
 * mapping/ turns YAML files into a compiled mapper: tables, conditions, conversions, trail, checks. It must never know
 * the journal or the engine, and touches the disk in its loader only.
 */
import { closestName } from '../contracts/closest-name.ts';

/** Something wrong with a mapping file, for the person who edits it. Lines and columns count from 1. */
export interface Problem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
  /** "did you mean …", or what would be allowed; null = nothing to add. */
  readonly hint: string | null;
}

/** `mappings/x.yaml:12:5 Unknown key "form" (did you mean "from"?)` */
export function formatProblem(problem: Problem): string {
  const hint = problem.hint === null ? '' : ` (${problem.hint})`;
  return `${problem.file}:${problem.line}:${problem.column} ${problem.message}${hint}`;
}

/** Thrown while a part of a file is compiled; the compiler keeps it and goes on with the next part. */
export class ProblemError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(formatProblem(problem));
    this.name = 'ProblemError';
    this.problem = problem;
  }
}

/** `did you mean "x"?` for the closest of some names, or null where none is close. */
export function suggest(name: string, known: Iterable<string>): string | null {
  const meant = closestName(name, known);
  return meant === null ? null : `did you mean "${meant}"?`;
}

/** Runs a part of the compiler; its problem is noted and `without` stands in for what it would have made. */
export function keepProblem<Made>(problems: Problem[], compile: () => Made, without: Made): Made {
  try {
    return compile();
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    problems.push(error.problem);
    return without;
  }
}
