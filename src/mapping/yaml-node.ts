import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  Scalar,
  type YAMLError,
  YAMLMap,
  type YAMLWarning,
} from 'yaml';
import { exactNumber } from '../fhir/json.ts';
import { type Problem, ProblemError, suggest } from './problem.ts';

/** A file as the loader read it. */
export interface SourceFile {
  /** As people know it: relative to where they stand. */
  readonly path: string;
  readonly text: string;
}

/** An entry of a map: its key, for complaints about the name, and what stands behind it. */
export interface NamedNode {
  readonly keyNode: YamlNode;
  readonly value: YamlNode;
}

const MAX_FILE_CHARACTERS = 1_000_000;
const MAX_DEPTH = 40;
/** Of what was found in place of something else, so much is told. */
const MAX_TOLD = 30;
const TOO_DEEP = 'Nested too deeply';

/** A place in a YAML file, read strictly: every complaint says file, line and column. */
export class YamlNode {
  readonly #node: Node | null;
  readonly #path: string;
  readonly #lines: LineCounter;
  readonly #offset: number;
  readonly #depth: number;

  constructor(node: Node | null, path: string, lines: LineCounter, offset = 0, depth = 0) {
    this.#node = node;
    this.#path = path;
    this.#lines = lines;
    this.#offset = node?.range?.[0] ?? offset;
    this.#depth = depth;
  }

  /** `file:line:col` */
  get where(): string {
    const { line, col } = this.#lines.linePos(this.#offset);
    return `${this.#path}:${line}:${col}`;
  }

  get isMap(): boolean {
    return isMap(this.#node);
  }

  get isList(): boolean {
    return isSeq(this.#node);
  }

  get isScalar(): boolean {
    return this.#node === null || isScalar(this.#node);
  }

  get isNull(): boolean {
    return this.#node === null || (isScalar(this.#node) && this.#node.value === null);
  }

  /** @param characterOffset within a plain scalar, for complaints about a part of its text */
  problem(message: string, hint: string | null = null, characterOffset = 0): Problem {
    const quote = isScalar(this.#node) && (this.#node.type === 'QUOTE_DOUBLE' || this.#node.type === 'QUOTE_SINGLE');
    const position = this.#lines.linePos(this.#offset + characterOffset + (quote && characterOffset > 0 ? 1 : 0));
    return { file: this.#path, line: position.line, column: position.col, message, hint };
  }

  fail(message: string, hint: string | null = null, characterOffset = 0): never {
    throw new ProblemError(this.problem(message, hint, characterOffset));
  }

  /**
   * The entries of a map whose keys are all among `known`.
   * @param problems where unknown keys are noted, every one, while the rest is read; without it the first is thrown
   * @throws ProblemError
   */
  keys<Key extends string>(known: readonly Key[], problems: Problem[] | null = null): Map<Key, YamlNode> {
    const found = new Map<Key, YamlNode>();
    for (const [key, { keyNode, value }] of this.entries()) {
      const name = known.find((one) => one === key);
      if (name !== undefined) {
        found.set(name, value);
        continue;
      }
      const hint = suggest(key, known) ?? `known here: ${known.join(', ')}`;
      const problem = keyNode.problem(`Unknown key "${key}"`, hint);
      if (problems === null) throw new ProblemError(problem);
      problems.push(problem);
    }
    return found;
  }

  /** The entries of a map with any keys. @throws ProblemError */
  entries(): Map<string, NamedNode> {
    const node = this.#node;
    if (!isMap(node)) this.#failExpecting('a map (key: value)');
    const entries = new Map<string, NamedNode>();
    for (const pair of node.items) {
      const keyNode = this.#child(pair.key as Node | null);
      const key = keyNode.text('a key');
      if (key === '__proto__') keyNode.fail('"__proto__" cannot be a key');
      // `1` and `'1'` are two keys to YAML, but one name to whoever looks it up.
      if (entries.has(key)) keyNode.fail(`The key "${key}" stands here twice`);
      entries.set(key, { keyNode, value: this.#child(pair.value as Node | null, keyNode.#offset) });
    }
    return entries;
  }

  /** @throws ProblemError */
  items(): YamlNode[] {
    const node = this.#node;
    if (!isSeq(node)) this.#failExpecting('a list');
    return node.items.map((item) => this.#child(item as Node | null));
  }

  /** A scalar's text from a character on, as a place of its own. */
  sliced(characterOffset: number): YamlNode {
    const node = new Scalar(this.text().slice(characterOffset));
    return new YamlNode(node, this.#path, this.#lines, this.#offset + characterOffset);
  }

  /** A map with one of this map's keys only. */
  only(key: string): YamlNode {
    const node = this.#node;
    if (!isMap(node)) this.#failExpecting('a map (key: value)');
    const map = new YAMLMap();
    map.items = node.items.filter((pair) => isScalar(pair.key) && pair.key.value === key);
    return new YamlNode(map, this.#path, this.#lines, this.#offset);
  }

  /** A map with all of this map's keys but one. */
  without(key: string): YamlNode {
    const node = this.#node;
    if (!isMap(node)) this.#failExpecting('a map (key: value)');
    const map = new YAMLMap();
    map.items = node.items.filter((pair) => !isScalar(pair.key) || pair.key.value !== key);
    return new YamlNode(map, this.#path, this.#lines, this.#offset);
  }

  /** A text; numbers and booleans are taken as they were written. @throws ProblemError */
  text(what = 'a text'): string {
    const node = this.#node;
    if (!isScalar(node) || node.value === null) this.#failExpecting(what);
    return typeof node.value === 'string' ? node.value : (node.source ?? String(node.value));
  }

  /** @throws ProblemError */
  flag(): boolean {
    const node = this.#node;
    if (!isScalar(node) || typeof node.value !== 'boolean') this.#failExpecting('true or false');
    return node.value;
  }

  /** @throws ProblemError */
  number(): number {
    const node = this.#node;
    if (!isScalar(node) || typeof node.value !== 'number') this.#failExpecting('a number');
    return node.value;
  }

  /** One of some words. @throws ProblemError */
  word<Word extends string>(words: readonly Word[]): Word {
    const text = this.text(`one of ${words.join(', ')}`);
    const found = words.find((word) => word === text);
    return found ?? this.fail(`"${text}" is not one of ${words.join(', ')}`, suggest(text, words));
  }

  /** The plain value: text, number (with the digits it was written with), boolean, null, list or map of such. @throws ProblemError */
  literal(): unknown {
    if (this.isMap) return Object.fromEntries([...this.entries()].map(([key, { value }]) => [key, value.literal()]));
    if (this.isList) return this.items().map((item) => item.literal());
    if (!isScalar(this.#node)) return null;
    const { value, source = '' } = this.#node;
    if (typeof value !== 'number' || String(value) === source) return value;
    if (!Number.isFinite(value)) this.fail('Not a number that can be sent');
    return /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?$/.test(source) ? exactNumber(source) : value;
  }

  #failExpecting(what: string): never {
    return this.fail(`Expected ${what}, found ${this.#tellKind()}`);
  }

  #tellKind(): string {
    if (this.isMap) return 'a map (key: value)';
    if (this.isList) return 'a list';
    if (this.isNull) return 'nothing';
    const text = JSON.stringify(this.literal());
    return text.length <= MAX_TOLD ? text : `${text.slice(0, MAX_TOLD - 1)}…`;
  }

  #child(node: Node | null, offset = this.#offset): YamlNode {
    const child = new YamlNode(node, this.#path, this.#lines, offset, this.#depth + 1);
    if (this.#depth > MAX_DEPTH) child.fail(TOO_DEEP);
    if (isAlias(node)) child.fail('Aliases (*name) are not used in these files', 'write the value out');
    if (node !== null && 'anchor' in node && node.anchor !== undefined) {
      child.fail('Anchors (&name) are not used in these files', 'write the value out');
    }
    return child;
  }
}

/** Reads a file. Complaints about the YAML itself come as problems, never as an exception. */
export function parseYaml(file: SourceFile): { readonly root: YamlNode | null; readonly problems: Problem[] } {
  const lines = new LineCounter();
  const refuse = (message: string, line = 1, column = 1, hint: string | null = null) => ({
    root: null,
    problems: [{ file: file.path, line, column, message, hint }],
  });
  if (file.text.length > MAX_FILE_CHARACTERS) return refuse('The file is larger than 1 MB');
  const wrong = file.text.search(/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffd]/);
  if (wrong >= 0) {
    const before = file.text.slice(0, wrong);
    const [line, column] = [before.split('\n').length, before.length - before.lastIndexOf('\n')];
    return file.text[wrong] === '\ufffd'
      ? refuse('The file is not UTF-8', line, column, 'save it as UTF-8')
      : refuse('A control character stands here', line, column, 'such as a NUL; take it out');
  }
  let document: Document.Parsed;
  try {
    // That a key stands twice is told where the map is read; the parser would compare each key with every other.
    document = parseDocument(file.text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false });
  } catch {
    // The parser descends as deep as the text says, until the stack ends.
    return refuse(TOO_DEEP);
  }
  // A warning is a tag that means nothing to YAML: nothing in these files is to be taken for something else.
  const problems = [...document.errors, ...document.warnings].map((error): Problem => {
    const { line, col } = lines.linePos(error.pos[0]);
    const message = tellError(error);
    return { file: file.path, line: Math.max(1, line), column: Math.max(1, col), message, hint: null };
  });
  const root = problems.length > 0 ? null : new YamlNode(document.contents as Node | null, file.path, lines);
  return { root, problems };
}

/** The parser's words, but where they speak of its insides. */
function tellError({ code, message }: YAMLError | YAMLWarning): string {
  if (code === 'MULTIPLE_DOCS') return 'A file holds one document: a second one begins here';
  return /call stack/i.test(message) ? TOO_DEEP : message;
}
