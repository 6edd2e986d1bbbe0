import type { z } from 'zod';
import { closestName } from '../contracts/closest-name.ts';
import type { ConfigProblem } from './configuration.ts';
import { keysAt } from './keys-at.ts';
import type { YamlFile } from './yaml-file.ts';

type Issue = z.core.$ZodIssue;

interface Checked {
  readonly yaml: YamlFile;
  readonly schema: z.ZodType;
  /** Leads to where the schema begins. */
  readonly prefix: readonly PropertyKey[];
  /** Keys that stand beside the schema's own, and are checked elsewhere. */
  readonly alsoKnown: readonly string[];
}

interface Checking extends Checked {
  /** Names of keys that unknown ones were probably meant to be. */
  readonly meant: Set<string>;
}

/** What a schema has to say of a file, each at its line. */
export function issuesToProblems(error: z.ZodError, checked: Checked): ConfigProblem[] {
  const meant = new Set<string>();
  const problems = error.issues.flatMap((issue) => issueToProblems(issue, { ...checked, meant }));
  // A misspelt key is told once: that the right one is missing says nothing more.
  return problems.filter((problem) => ![...meant].some((name) => problem.text === missingText(name)));
}

function missingText(name: string): string {
  return `“${name}” is missing.`;
}

function issueToProblems(issue: Issue, checked: Checking): ConfigProblem[] {
  const { yaml, prefix } = checked;
  const path = [...prefix, ...issue.path];
  const name = path.join('.');
  if (issue.code === 'unrecognized_keys') return unknownKeys(issue.path, issue.keys, checked);
  if (issue.code === 'invalid_key') {
    const key = String(path.at(-1));
    const text = `“${name}”: a name ${issue.issues[0]?.message ?? issue.message}.`;
    return [yaml.problemAtKey(path.slice(0, -1), key, text)];
  }
  if (!yaml.has(path)) return [yaml.problemAt(path, missingText(name))];
  if (issue.code === 'invalid_union' && !hasOwnWords(issue)) return unionProblems(issue, checked, name);
  const subject = name === '' ? 'This' : `“${name}”`;
  return [yaml.problemAt(path, `${subject} ${saying(issue)}.`)];
}

/** Of a union's alternatives, the one that came nearest speaks. */
function unionProblems(issue: Issue & { code: 'invalid_union' }, checked: Checking, name: string): ConfigProblem[] {
  const nearest = [...issue.errors].sort((a, b) => weight(a) - weight(b))[0];
  if (nearest === undefined || nearest.length === 0) {
    return [checked.yaml.problemAt([...checked.prefix, ...issue.path], `“${name}” has none of its forms.`)];
  }
  return nearest.flatMap((inner) => {
    const path = [...issue.path, ...inner.path];
    return issueToProblems({ ...inner, path } as Issue, checked);
  });
}

function weight(issues: readonly Issue[]): number {
  return issues.reduce((sum, issue) => sum + (issue.code === 'invalid_type' && issue.path.length === 0 ? 10 : 1), 0);
}

function unknownKeys(at: readonly PropertyKey[], keys: readonly string[], checked: Checking): ConfigProblem[] {
  const { yaml, schema, prefix, alsoKnown } = checked;
  const known = [...keysAt(schema, at), ...(at.length === 0 ? alsoKnown : [])];
  return keys.map((key) => {
    const path = [...prefix, ...at];
    const meant = closestName(key, known);
    if (meant !== null) checked.meant.add([...path, meant].join('.'));
    const hint = meant === null ? ` Known here: ${known.join(', ')}.` : ` Did you mean “${meant}”?`;
    return yaml.problemAtKey(path, key, `Unknown key “${[...path, key].join('.')}”.${known.length > 0 ? hint : ''}`);
  });
}

/** True where the schema itself says what it wants. */
function hasOwnWords(issue: Issue): boolean {
  return !/^(Invalid |Too (small|big))/.test(issue.message);
}

/** The issue as the end of a sentence, without a full stop. */
function saying(issue: Issue): string {
  if (hasOwnWords(issue)) return issue.message.replace(/\.$/, '');
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${withArticle(issue.expected)}`;
    case 'invalid_value':
      return `must be ${issue.values.map((value) => JSON.stringify(value)).join(' or ')}`;
    case 'too_small':
      return `must ${measure(issue.origin)} at least ${issue.minimum}`;
    case 'too_big':
      return `must ${measure(issue.origin)} at most ${issue.maximum}`;
    default:
      return issue.message.replace(/\.$/, '');
  }
}

function withArticle(type: string): string {
  const words: Record<string, string> = {
    int: 'whole number',
    object: 'map',
    record: 'map',
    array: 'list',
    string: 'text',
  };
  const word = words[type] ?? type;
  return /^[aeiou]/.test(word) ? `an ${word}` : `a ${word}`;
}

function measure(origin: string): string {
  return origin === 'string' || origin === 'array' || origin === 'set' ? 'hold' : 'be';
}
