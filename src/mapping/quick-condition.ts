import type { ConditionPath, ConditionReader } from './condition.ts';

/** Answers a condition, or `undefined`: then the whole of it has to be asked of CEL. Never throws. */
export type QuickCondition = (reader: ConditionReader) => boolean | undefined;

/** What it was made of, as the library parses it. */
interface Node {
  readonly op: string;
  readonly args: unknown;
}

type ReadText = (reader: ConditionReader) => string;

/**
 * Makes functions of the conditions that nearly all are: presence of paths, a path or a variable compared with a text, a
 * path with a path, a word in a list, a list's length, numbers in order, and what `!`, `&&` and `||` make of these. Null where there is anything else in it. An answer is the
 * one CEL would give; where types, faults or missing members decide, there is none. See DECISIONS.md, 17.
 */
export function compileQuickCondition(ast: unknown, paths: readonly ConditionPath[]): QuickCondition | null {
  if (!isNode(ast)) return null;
  const [left, right] = Array.isArray(ast.args) ? (ast.args as unknown[]) : [];
  switch (ast.op) {
    case 'id':
      return quickPresence(ast, paths);
    case '!_': {
      const inner = compileQuickCondition(ast.args, paths);
      if (inner === null) return null;
      return (reader) => {
        const value = inner(reader);
        return value === undefined ? undefined : !value;
      };
    }
    case '&&':
    case '||': {
      const [first, second] = [compileQuickCondition(left, paths), compileQuickCondition(right, paths)];
      if (first === null || second === null) return null;
      const decisive = ast.op === '||';
      return (reader) => {
        const value = first(reader);
        return value === undefined || value === decisive ? value : second(reader);
      };
    }
    case '==':
    case '!=':
      return quickEquality(left, right, ast.op === '==', paths);
    case 'in':
      return quickMembership(left, right, paths);
    case '>':
      return quickSize(left, right, paths) ?? quickOrder(left, right, (a, b) => a > b, paths);
    case '<':
      return quickOrder(left, right, (a, b) => a < b, paths);
    default:
      return null;
  }
}

/** `size(values) > 1`. */
function quickSize(left: unknown, right: unknown, paths: readonly ConditionPath[]): QuickCondition | null {
  if (!isNode(left) || left.op !== 'call' || !isNode(right) || typeof right.args !== 'bigint') return null;
  const [name, [of] = []] = left.args as [string, unknown[]?];
  const list = name === 'size' ? quickVariable(of, paths) : null;
  if (list === null) return null;
  const least = Number(right.args);
  return (reader) => {
    const values = list(reader);
    return Array.isArray(values) ? values.length > least : undefined;
  };
}

/** A number variable beside another, or beside a number. */
function quickOrder(
  left: unknown,
  right: unknown,
  holds: (a: number, b: number) => boolean,
  paths: readonly ConditionPath[],
): QuickCondition | null {
  const [one, other] = [quickNumber(left, paths), quickNumber(right, paths)];
  if (one === null || other === null) return null;
  return (reader) => {
    const [a, b] = [one(reader), other(reader)];
    return typeof a === 'number' && typeof b === 'number' ? holds(a, b) : undefined;
  };
}

function quickNumber(node: unknown, paths: readonly ConditionPath[]): ((reader: ConditionReader) => unknown) | null {
  if (!isNode(node)) return null;
  if (node.op === '-_') {
    const inner = quickNumber(node.args, paths);
    if (inner === null) return null;
    return (reader) => {
      const value = inner(reader);
      return typeof value === 'number' ? -value : undefined;
    };
  }
  if (node.op !== 'value') return quickVariable(node, paths);
  const { args } = node;
  if (typeof args !== 'number' && typeof args !== 'bigint') return null;
  const number = Number(args);
  return Number.isSafeInteger(number) || typeof args === 'number' ? () => number : null;
}

function quickPresence(node: Node, paths: readonly ConditionPath[]): QuickCondition | null {
  const found = paths.find(({ name }) => name === node.args);
  if (found === undefined || found.presence === null) return null;
  const { path, presence } = found;
  return (reader) => presence.includes(reader.readPresence(path));
}

function quickEquality(
  left: unknown,
  right: unknown,
  isEqual: boolean,
  paths: readonly ConditionPath[],
): QuickCondition | null {
  const [text, other] = [quickText(left, paths), quickText(right, paths)];
  if (text !== null && other !== null) return (reader) => (text(reader) === other(reader)) === isEqual;
  if (!isNode(right) || right.op !== 'value') return null;
  const wanted = right.args;
  if (text !== null) return typeof wanted === 'string' ? (reader) => (text(reader) === wanted) === isEqual : null;
  const read = quickVariable(left, paths);
  if (read === null || !isPlain(wanted)) return null;
  return (reader) => {
    const value = read(reader);
    // A number is not null, whatever kind of number CEL takes it for.
    const isComparable = isPlain(value) || (wanted === null && typeof value === 'number');
    return isComparable ? (value === wanted) === isEqual : undefined;
  };
}

/** What `===` compares as CEL does. */
function isPlain(value: unknown): boolean {
  return value === null || typeof value === 'string' || typeof value === 'boolean';
}

function quickMembership(left: unknown, right: unknown, paths: readonly ConditionPath[]): QuickCondition | null {
  const text = quickText(left, paths);
  if (text !== null && isNode(right) && right.op === 'list') {
    const words = textsOf(right.args);
    return words === null ? null : (reader) => words.includes(text(reader));
  }
  const list = quickVariable(right, paths);
  const word = text ?? quickLiteral(left);
  if (list === null || word === null) return null;
  return (reader) => {
    const values = list(reader);
    const areTexts = Array.isArray(values) && values.every((value) => typeof value === 'string');
    return areTexts ? values.includes(word(reader)) : undefined;
  };
}

/** The text of a path. */
function quickText(node: unknown, paths: readonly ConditionPath[]): ReadText | null {
  if (!isNode(node) || node.op !== 'id') return null;
  const found = paths.find(({ name }) => name === node.args);
  return found === undefined || found.presence !== null ? null : (reader) => reader.readText(found.path);
}

/** A text in quotes. */
function quickLiteral(node: unknown): ReadText | null {
  if (!isNode(node) || node.op !== 'value' || typeof node.args !== 'string') return null;
  const text = node.args;
  return () => text;
}

/** The value of a variable, or of a member of it; `undefined` where it cannot be read. */
function quickVariable(node: unknown, paths: readonly ConditionPath[]): ((reader: ConditionReader) => unknown) | null {
  if (!isNode(node)) return null;
  if (node.op === '.' && Array.isArray(node.args)) {
    const [of, member] = node.args as unknown[];
    const whole = quickVariable(of, paths);
    if (whole === null || typeof member !== 'string') return null;
    return (reader) => {
      const value = whole(reader);
      return isRecord(value) && Object.hasOwn(value, member) ? value[member] : undefined;
    };
  }
  if (node.op !== 'id' || paths.some(({ name }) => name === node.args)) return null;
  const variable = String(node.args);
  return (reader) => {
    try {
      return reader.readVariable(variable);
    } catch {
      // Whether a fault counts depends on what stands beside it; CEL knows.
      return undefined;
    }
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

function textsOf(items: unknown): readonly string[] | null {
  if (!Array.isArray(items)) return null;
  const texts = items.map((item) => (isNode(item) && item.op === 'value' ? item.args : null));
  return texts.every((text) => typeof text === 'string') ? texts : null;
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'op' in value && 'args' in value;
}
