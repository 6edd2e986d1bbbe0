import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  type YAMLError,
} from 'yaml';
import type { ConfigProblem, YamlPlace } from './configuration.ts';
import { interpolate } from './interpolate.ts';

type Path = readonly PropertyKey[];

/** A YAML file that has been read, and knows where each of its values stands. */
export interface YamlFile {
  /** Its plain value, interpolated; undefined where it could not be read or is empty. */
  readonly value: unknown;
  /** What is wrong with the text itself. */
  readonly problems: readonly ConfigProblem[];
  has(path: Path): boolean;
  /** A problem at the value of this path, or as near to it as the file goes. */
  problemAt(path: Path, text: string): ConfigProblem;
  /** A problem at a key of the map at this path. */
  problemAtKey(path: Path, key: string, text: string): ConfigProblem;
  /** The node at a path, with what its positions need; null = there is none. */
  place(path: Path): YamlPlace | null;
}

/** Reads one document of YAML 1.2. Never throws. */
export function readYaml(file: string, text: string, env: Readonly<Record<string, string | undefined>>): YamlFile {
  const lineCounter = new LineCounter();
  const document: Document = parseDocument(text, { lineCounter, prettyErrors: false });
  const problemAtOffset = (offset: number, problem: string): ConfigProblem => {
    const { line, col } = lineCounter.linePos(offset);
    return { file, line: Math.max(line, 1), column: Math.max(col, 1), text: problem };
  };
  const problems = worthTelling([...document.errors, ...document.warnings]).map((error) =>
    problemAtOffset(error.pos[0], isReference(text, error.pos[0]) ? REFERENCE_IN_FLOW : error.message),
  );
  for (const { node, name } of interpolate(document, env)) {
    problems.push(problemAtOffset(node.range?.[0] ?? 0, `The environment variable ${name} is not set.`));
  }
  let value: unknown;
  try {
    if (problems.length === 0) value = document.toJS({ maxAliasCount: 100 }) ?? undefined;
  } catch (error) {
    problems.push(problemAtOffset(0, error instanceof Error ? error.message : String(error)));
  }
  return {
    value,
    problems,
    has: (path) => findNode(document, path).exact,
    problemAt: (path, problem) => problemAtOffset(findNode(document, path).offset, problem),
    problemAtKey(path, key, problem) {
      const { node, offset } = findNode(document, path);
      return problemAtOffset(findPair(node, key)?.keyOffset ?? offset, problem);
    },
    place(path) {
      const { node, exact } = findNode(document, path);
      return exact && node !== null ? { file, node, document, lineCounter } : null;
    },
  };
}

const REFERENCE_IN_FLOW =
  'Between { and } or [ and ] a reference to the environment cannot stand: use indented lines there.';

/** True where YAML stumbled over the brace of a reference. */
function isReference(text: string, offset: number): boolean {
  return text.slice(offset - 1, offset + 1) === ['$', '{'].join('');
}

/** One mistake of syntax makes all that follows look wrong; a key given twice does not. */
function worthTelling(errors: readonly YAMLError[]): YAMLError[] {
  const syntax = errors.findIndex((error) => error.code !== 'DUPLICATE_KEY');
  return syntax === -1 ? [...errors] : errors.slice(0, syntax + 1);
}

interface Found {
  /** The node, or the last one on the way to it. */
  readonly node: Node | null;
  readonly offset: number;
  /** False where the file ends before the path does. */
  readonly exact: boolean;
}

function findNode(document: Document, path: Path): Found {
  let node: Node | null = document.contents;
  let offset = node?.range?.[0] ?? 0;
  for (const step of path) {
    if (isAlias(node)) node = node.resolve(document) ?? null;
    const next = isSeq(node) ? findItem(node.items[Number(step)]) : findPair(node, String(step));
    if (next === null) return { node, offset, exact: false };
    node = next.node;
    offset = next.offset ?? offset;
  }
  return { node, offset, exact: true };
}

function findItem(item: unknown): { node: Node; offset: number | undefined } | null {
  const node = (item ?? null) as Node | null;
  return node === null ? null : { node, offset: node.range?.[0] };
}

function findPair(map: Node | null, key: string) {
  if (!isMap(map)) return null;
  const pair = map.items.find((item) => isScalar(item.key) && String(item.key.value) === key);
  if (pair === undefined) return null;
  const node = pair.value as Node | null;
  const keyOffset = (pair.key as Node).range?.[0];
  return { node, offset: node?.range?.[0] ?? keyOffset, keyOffset };
}
