import { createHash } from 'node:crypto';
import type { CharsetPolicy } from '../hl7/charset.ts';
import { createMapper, type ExplainingMapper, type MappedChannel } from './mapper.ts';
import { compileMapping, type MessageMapping } from './mapping.ts';
import { keepProblem, type Problem, suggest } from './problem.ts';
import type { PartyFacts } from './scope.ts';
import type { MappingSetup } from './setup.ts';
import { compileTable, emptyTable, type Table } from './table.ts';
import { type NamedNode, parseYaml, type SourceFile, type YamlNode } from './yaml-node.ts';

/** A channel as its mappings see it. */
export interface ChannelSetup {
  readonly name: string;
  /** Names of message mappings. */
  readonly mappings: readonly string[];
  /** Ids of the parties it may speak for. */
  readonly parties: readonly string[];
  readonly charset: CharsetPolicy;
  /** Goes before the mapping's own zone; null = the mapping's. */
  readonly zone: string | null;
  /** The channel's `with:`; null = none. */
  readonly overrides: YamlNode | null;
  /** The channel's `targets:`, which target is meant where a mapping names one; null = that of the name. */
  readonly targets: YamlNode | null;
  /** Where the channel names its mappings, for problems; null = nowhere a person could look. */
  readonly node: YamlNode | null;
}

export interface CompileSetup {
  readonly channels: readonly ChannelSetup[];
  readonly operations: Readonly<Record<string, readonly string[]>>;
  readonly parties: readonly PartyFacts[];
  /** The installation's secret; identifiers and keys are derived with it. */
  readonly secret: Uint8Array;
}

export interface Compiled {
  /** null where there are problems. */
  readonly mapper: ExplainingMapper | null;
  readonly problems: readonly Problem[];
  /** The mappings of each channel, for their `tests`. */
  readonly channels: ReadonlyMap<string, MappedChannel>;
}

/** Compiles all mapping files for all channels. Pure: equal files and setup give a mapper of equal version. */
export function compileMappings(files: readonly SourceFile[], setup: CompileSetup): Compiled {
  const problems: Problem[] = [];
  const parts = sortFiles(files, problems);
  const channels = new Map<string, MappedChannel>();
  // What cannot be read is missing everywhere: to say so would hide the one mistake behind its consequences.
  for (const channel of parts.isWhole ? setup.channels : []) {
    const mappings = channel.mappings.flatMap((name) => compileFor(channel, name, parts, setup, problems));
    checkNamed(channel, mappings, 'setting', problems);
    checkNamed(channel, mappings, 'target', problems);
    channels.set(channel.name, { name: channel.name, mappings, charset: channel.charset });
  }
  if (parts.isWhole) compileUnused(parts, setup, problems);
  const unique = [...new Map(problems.map((problem) => [JSON.stringify(problem), problem])).values()];
  unique.sort((a, b) => inCodeUnits(a.file, b.file) || a.line - b.line || a.column - b.column);
  const mapper = unique.length === 0 ? createMapper(versionOf(files, setup), channels) : null;
  return { mapper, problems: unique, channels };
}

/** All mapping files by kind and name. */
export interface Parts {
  readonly messages: Map<string, YamlNode>;
  readonly resources: Map<string, YamlNode>;
  readonly tables: Map<string, Table>;
  readonly tableNodes: Map<string, YamlNode>;
  readonly datatypes: Map<string, YamlNode>;
  /** HL7 messages that deliveries are made of. */
  readonly outgoing: Map<string, YamlNode>;
  /** False where some file could not be read, or does not say what it is. */
  readonly isWhole: boolean;
}

/** What a file is, its first key says: mapping, resource, datatype, message or table. */
export function sortFiles(files: readonly SourceFile[], problems: Problem[]): Parts {
  const tableNodes = new Map<string, YamlNode>();
  const [messages, resources, datatypes, outgoing] = [new Map(), new Map(), new Map(), new Map()];
  const named: NamedParts = { messages, resources, datatypes, outgoing, tableNodes };
  const tables = new Map<string, Table>();
  const unread: Problem[] = [];
  for (const file of files) {
    const { root, problems: found } = parseYaml(file);
    // The parser stumbles on from its first mistake, and finds others that nobody made.
    unread.push(...found.slice(0, 1));
    if (root !== null) keepProblem(unread, () => place(root, named), undefined);
  }
  problems.push(...unread);
  for (const [name, node] of tableNodes) {
    // A table with a problem is there all the same, so that nobody is told that it is not.
    tables.set(
      name,
      keepProblem(problems, () => compileTable(node, problems), emptyTable(name)),
    );
  }
  return { ...named, tables, isWhole: unread.length === 0 };
}

type NamedParts = Pick<Parts, 'messages' | 'resources' | 'datatypes' | 'outgoing' | 'tableNodes'>;

function place(root: YamlNode, parts: NamedParts): void {
  const entries = root.entries();
  for (const [kind, of] of [
    ['mapping', parts.messages],
    ['resource', parts.resources],
    ['table', parts.tableNodes],
    ['datatype', parts.datatypes],
    ['message', parts.outgoing],
  ] as const) {
    const entry = entries.get(kind);
    if (entry === undefined) continue;
    const name = entry.value.text(`the ${kind}’s name`);
    const other = of.get(name);
    if (other !== undefined) entry.value.fail(`There is a ${kind} "${name}" already, in ${other.where}`);
    of.set(name, root);
    return;
  }
  const [first = ''] = entries.keys();
  root.fail(
    'A mapping file begins with mapping:, resource:, datatype:, message: or table: and its name',
    suggest(first, ['mapping', 'resource', 'datatype', 'message', 'table']),
  );
}

function compileFor(
  channel: ChannelSetup,
  name: string,
  parts: Parts,
  setup: CompileSetup,
  problems: Problem[],
): MessageMapping[] {
  const root = parts.messages.get(name);
  if (root === undefined) {
    const message = `Channel ${channel.name}: there is no mapping "${name}"`;
    const hint = suggest(name, parts.messages.keys());
    problems.push(channel.node?.problem(message, hint) ?? { file: name, line: 1, column: 1, message, hint });
    return [];
  }
  const mapping = keepProblem(
    problems,
    () => compileMapping(root, mappingSetup(parts, setup, channel, problems)),
    null,
  );
  return mapping === null ? [] : [mapping];
}

/** `with:` may name a setting of any mapping of its channel, `targets:` a target that any of them delivers to. */
function checkNamed(
  channel: ChannelSetup,
  mappings: readonly MessageMapping[],
  kind: 'setting' | 'target',
  problems: Problem[],
): void {
  const given = kind === 'setting' ? channel.overrides : channel.targets;
  // A mapping that could not be made may have had it.
  if (given === null || mappings.length < channel.mappings.length) return;
  const known = [...new Set(mappings.flatMap(({ settings, targets }) => (kind === 'setting' ? settings : targets)))];
  const what = mappings.length === 1 ? `The mapping ${mappings[0]?.name} has` : 'The mappings of this channel have';
  for (const [key, { keyNode }] of keepProblem(problems, () => given.entries(), new Map<string, NamedNode>())) {
    if (!known.includes(key)) problems.push(keyNode.problem(`${what} no ${kind} "${key}"`, suggest(key, known)));
  }
}

/** Mappings no channel uses are compiled too, so that a mistake in them shows before they are needed. */
function compileUnused(parts: Parts, setup: CompileSetup, problems: Problem[]): void {
  const used = new Set(setup.channels.flatMap(({ mappings }) => mappings));
  for (const [name, root] of parts.messages) {
    if (!used.has(name))
      keepProblem(problems, () => compileMapping(root, mappingSetup(parts, setup, null, problems)), null);
  }
}

function mappingSetup(
  parts: Parts,
  setup: CompileSetup,
  channel: ChannelSetup | null,
  problems: Problem[],
): MappingSetup {
  return {
    ...parts,
    problems,
    operations: channel === null ? null : setup.operations,
    parties: setup.parties,
    permitted: channel?.parties ?? [],
    overrides: channel?.overrides ?? null,
    targets: channel?.targets?.entries() ?? new Map(),
    zone: channel?.zone ?? null,
    secret: setup.secret,
  };
}

/** The same order on every machine, whatever its language. */
const inCodeUnits = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

function versionOf(files: readonly SourceFile[], setup: CompileSetup): string {
  const hash = createHash('sha256');
  for (const file of [...files].sort((a, b) => inCodeUnits(a.path, b.path)))
    hash.update(`${file.path}\0${file.text}\0`);
  const channels = setup.channels.map(({ overrides, targets, node: _, ...rest }) => ({
    ...rest,
    with: overrides?.literal() ?? null,
    ...(targets === null ? {} : { targets: targets.literal() }),
  }));
  hash.update(JSON.stringify([channels, setup.operations, setup.parties]));
  return hash.digest('hex').slice(0, 16);
}
