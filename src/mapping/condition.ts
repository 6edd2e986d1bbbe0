import { Environment } from '@marcbachmann/cel-js';
import { isExactNumber } from '../fhir/json.ts';
import { type Path, PathError, parsePath } from '../hl7/path.ts';
import { suggest } from './problem.ts';
import { compileQuickCondition } from './quick-condition.ts';

/** What a condition asks of its surroundings while it is evaluated. */
export interface ConditionReader {
  /** Unescaped text of the first valued cell; '' where nothing is valued, or HL7 null is. */
  readText(path: Path): string;
  /** What is said at the place: nothing, an empty field, HL7's explicit null, or a value. */
  readPresence(path: Path): Presence;
  readVariable(name: string): unknown;
}

export type Presence = 'absent' | 'empty' | 'null' | 'valued';

export interface Condition {
  /** Asks for nothing it does not need: behind a decided `&&`, `||` or `?:` neither paths nor variables are read. */
  (reader: ConditionReader): boolean;
  /** True = there is an answer whatever is read, and no variable is. */
  readonly neverFails: boolean;
}

/** Why an expression was refused, and at which character of it (from 0). */
export class ConditionError extends Error {
  readonly offset: number;
  readonly hint: string | null;

  constructor(message: string, offset: number, hint: string | null = null) {
    super(message);
    this.name = 'ConditionError';
    this.offset = offset;
    this.hint = hint;
  }
}

const LIMITS = { maxAstNodes: 400, maxDepth: 40, maxListElements: 200, maxMapEntries: 20, maxCallArguments: 8 };

/** An HL7 path within an expression; texts in quotes are passed over. `valued(PID-3)` and its kin ask for presence. */
const TOKEN =
  /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\b(?:(valued|isNull|isEmpty|isAbsent)\(\s*)?((?:[A-Z][A-Z0-9_]{3,}\.)?[A-Z][A-Z0-9]{2}(?:\[(?:[^\]"']|"[^"]*"|'[^']*')*\])?-\d+(?:\[(?:[^\]"']|"[^"]*"|'[^']*')*\])?(?:\.\d+){0,2})(\s*\))?/g;

const PRESENCE_OF: Readonly<Record<string, readonly Presence[]>> = {
  valued: ['valued'],
  isNull: ['null'],
  isEmpty: ['empty'],
  isAbsent: ['absent'],
};

/**
 * Compiles a condition: CEL with HL7 paths in it (`OBX-11 in ["F", "C"] && kind == "naat"`). Paths are replaced by
 * variables of the same length before CEL sees them, so that its positions hold. Names are checked now, not at run
 * time. `matches` is refused: its regular expressions can back-track for ever.
 * @param noteUse told of each variable the expression names
 * @throws ConditionError
 * @see https://github.com/google/cel-spec
 */
export function compileCondition(
  expression: string,
  variables: readonly string[],
  noteUse: (variable: string) => void = () => {},
): Condition {
  const { parsed, paths, used } = readCondition(expression, variables);
  const values: PropertyDescriptorMap = {};
  for (const { name, path, presence } of paths) {
    values[name] = readWith((reader) =>
      presence === null ? reader.readText(path) : presence.includes(reader.readPresence(path)),
    );
  }
  for (const variable of variables.filter((one) => used.has(one))) {
    noteUse(variable);
    values[variable] = readWith((reader) => asNumber(reader.readVariable(variable)));
  }
  const prototype = Object.create(null, values) as object;
  const askCel = (reader: ConditionReader) =>
    parsed(Object.create(prototype, { [READER]: { value: reader } })) === true;
  const quick = compileQuickCondition(parsed.ast, paths);
  const ask = quick === null ? askCel : (reader: ConditionReader) => quick(reader) ?? askCel(reader);
  const isOfPathsAlone = variables.every((one) => !used.has(one));
  return Object.assign(ask, { neverFails: quick !== null && isOfPathsAlone });
}

export interface ConditionPath {
  /** What stands for it in the expression. */
  readonly name: string;
  readonly path: Path;
  /** From 0, in the expression. */
  readonly offset: number;
  readonly presence: readonly Presence[] | null;
}

/** A condition that has been read and checked, not yet to be asked. @throws ConditionError */
export function readCondition(expression: string, variables: readonly string[]) {
  const paths: ConditionPath[] = [];
  const prepared = expression.replace(TOKEN, (whole, test?: string, text?: string, close?: string, offset?: number) => {
    if (text === undefined) return whole;
    const name = `p${paths.length}`.padEnd(whole.length, '_');
    const presence = test !== undefined && close !== undefined ? (PRESENCE_OF[test] ?? null) : null;
    if (test !== undefined && close === undefined) {
      throw new ConditionError(`${test}() takes one HL7 path and nothing else`, offset ?? 0);
    }
    paths.push({
      name: presence === null && close !== undefined ? name.slice(0, -close.length) : name,
      path: readPath(text, (offset ?? 0) + whole.indexOf(text)),
      offset: (offset ?? 0) + whole.indexOf(text),
      presence,
    });
    return presence === null && close !== undefined ? name.slice(0, -close.length) + close : name;
  });

  const environment = new Environment({ limits: LIMITS });
  for (const variable of variables) environment.registerVariable(variable, 'dyn');
  for (const { name, presence } of paths) environment.registerVariable(name, presence === null ? 'string' : 'bool');

  const parsed = parse(environment, prepared);
  const used = new Set<string>();
  walk(parsed.ast, used);
  const checked = parsed.check();
  if (!checked.valid) throw explain(checked.error, variables);
  if (checked.type !== 'bool' && checked.type !== 'dyn') {
    throw new ConditionError(`A condition must be true or false, this is ${String(checked.type)}`, 0);
  }
  return { parsed, paths, used };
}

/** True for what may be a variable's name as far as conditions go: not `list`, `type`, `in` and other words of CEL. */
export function isFreeName(name: string): boolean {
  try {
    const environment = new Environment().registerVariable(name, 'dyn');
    return (environment.parse(name).ast as { op?: unknown }).op === 'id';
  } catch {
    return false;
  }
}

const READER = Symbol('reader');

/** A value that is read when CEL comes to it. */
function readWith(read: (reader: ConditionReader) => unknown): PropertyDescriptor {
  return {
    get(this: { readonly [READER]: ConditionReader }) {
      return read(this[READER]);
    },
  };
}

/** Numbers that keep their digits are compared as numbers. */
function asNumber(value: unknown): unknown {
  return isExactNumber(value) ? Number(JSON.stringify(value)) : value;
}

function readPath(text: string, offset: number): Path {
  try {
    return parsePath(text);
  } catch (error) {
    if (error instanceof PathError) throw new ConditionError(error.message, offset + error.offset);
    throw error;
  }
}

function parse(environment: Environment, expression: string) {
  try {
    return environment.parse(expression);
  } catch (error) {
    throw explain(error, []);
  }
}

function explain(error: unknown, variables: readonly string[]): ConditionError {
  const text = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
  const range = (error as { range?: { start?: number } } | null)?.range;
  const unknown = /^Unknown variable: (\S+)/.exec(text)?.[1];
  const hint = unknown === undefined ? (HINTS.find(([start]) => text.startsWith(start))?.[1] ?? null) : null;
  return new ConditionError(text, range?.start ?? 0, hint ?? suggestName(unknown ?? '', variables));
}

const HINTS: readonly (readonly [start: string, hint: string])[] = [
  ['Unexpected character: $', 'in a condition a name stands without $'],
  ['Unexpected character: =', 'equal is written =='],
  ...Object.keys(PRESENCE_OF).map(
    (name) => [`found no matching overload for '${name}(`, `${name}() takes one HL7 path, such as PID-3.1`] as const,
  ),
];

function suggestName(unknown: string, variables: readonly string[]): string | null {
  if (/^[A-Z][A-Z0-9]{2}$/.test(unknown)) return `an HL7 path has a field number: ${unknown}-3`;
  return unknown === '' ? null : suggest(unknown, variables);
}

/** Notes the names an expression uses and refuses `matches`. */
function walk(node: unknown, used: Set<string>): void {
  if (Array.isArray(node)) {
    for (const part of node) walk(part, used);
    return;
  }
  if (node === null || typeof node !== 'object' || !('op' in node) || !('args' in node)) return;
  const { op, args } = node as { op: string; args: unknown };
  if (op === 'id' && typeof args === 'string') used.add(args);
  if ((op === 'call' || op === 'rcall') && Array.isArray(args) && args[0] === 'matches') {
    const start = (node as { start?: number }).start ?? 0;
    throw new ConditionError('matches() is not allowed here: regular expressions can run for ever', start);
  }
  if (op !== 'value') walk(args, used);
}
