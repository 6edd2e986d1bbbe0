import { configurationJsonSchema } from '../src/config/json-schema.ts';
import { BUILT_IN_PLUGINS } from '../src/plugins.ts';
import { partyConfig } from '../src/targets/parties.ts';
import { CONFIGURATION_EXAMPLES } from './configuration-examples.ts';

/** As much of a JSON schema as zod makes of ours. */
interface Schema {
  readonly type?: string | readonly string[];
  readonly title?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly format?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
}

const INTRODUCTION = `What \`sluss.yaml\` may hold. \`sluss check\` says of every mistake in which line it stands, and an unknown key is one.
With \`# yaml-language-server: $schema=…/docs/sluss.schema.json\` in the first line editors know all of this while you type.
\`fixtures/sluss.yaml\` is a whole file.

- **duration**: \`200ms\`, \`30s\`, \`15m\`, \`72h\`, \`2d\`. Never a plain number, save \`0\` where that is said to mean something.
- **size**: \`500 kB\`, \`16 MB\`, \`1 GB\` (a kB is 1000 bytes), or a plain number of bytes.
- **paths** start at the folder of the file, where they are relative.
- **secrets** never stand here, only where they are kept: \`{ env: NAME }\` or \`{ file: path }\`.
- **environment**: \`\${NAME}\` and \`\${NAME:-default}\` stand for variables, in values on lines of their own (not between
  braces or brackets); \`$\${\` is a plain \`\${\`.
- *required* means: where the map it belongs to is there.`;

/** The reference of the configuration, for people. @throws Error where a key has no description or a kind no example */
export function configurationPage(): string {
  const whole = configurationJsonSchema(partyConfig, BUILT_IN_PLUGINS) as Schema;
  const of = (key: string): Schema => whole.properties?.[key] ?? fail(`there is no ${key}`);
  const one = (key: string): Schema => of(key).additionalProperties as Schema;
  const top = rowsOf(whole, '').filter(({ path }) => !path.includes('.'));
  const channel = one('channels');
  const source = channel.properties?.source ?? fail('a channel has no source');
  const shared = sharedRows(one('targets'));
  const channelRows = rowsOf(channel, '').filter(({ path }) => !path.startsWith('source.'));

  const sections = [
    section(2, 'The file', null, table(top)),
    ...['journal', 'secret', 'console', 'log', 'engine', 'alarms', 'retention'].map((key) =>
      section(2, key, of(key), table(rowsOf(of(key), '')), key),
    ),
    section(2, 'parties', of('parties'), `\`parties.<id>\`:\n\n${table(rowsOf(one('parties'), ''))}`, 'parties'),
    section(2, 'targets', of('targets'), `\`targets.<name>\`, whatever its kind:\n\n${table(shared)}`),
    ...kindSections(
      'target',
      one('targets'),
      shared.map(({ path }) => path),
    ),
    section(2, 'channels', of('channels'), `\`channels.<name>\`:\n\n${table(channelRows)}`, 'channels'),
    ...kindSections('source', source, ['kind']),
    section(2, 'plugins', of('plugins'), '', 'plugins'),
  ];
  const head = '<!-- Made by `npm run generate`; do not edit. -->\n\n# Configuration';
  return `${[head, INTRODUCTION, ...sections].join('\n\n')}\n`;
}

/** A section for each kind of target or source, without the keys that were told of already. */
function kindSections(kind: 'target' | 'source', schema: Schema, told: readonly string[]): string[] {
  return (schema.anyOf ?? []).map((alternative) => {
    const name = String(alternative.properties?.kind?.const);
    const own = rowsOf(alternative, '').filter(({ path }) => !told.includes(path));
    return section(3, `${kind} of kind ${name}`, alternative, table(own), `${kind} ${name}`);
  });
}

/** The keys that every kind has; `kind` itself differs in its one value. */
function sharedRows(schema: Schema): Row[] {
  const [first, ...others] = (schema.anyOf ?? []).map((alternative) => rowsOf(alternative, ''));
  const rows = (first ?? []).filter(({ path }) => others.every((rows) => rows.some((row) => row.path === path)));
  const kinds = (schema.anyOf ?? []).map(({ properties }) => code(properties?.kind?.const)).join(' · ');
  return rows.map((row) => (row.path === 'kind' ? { ...row, type: kinds, text: 'Which kind it is.' } : row));
}

interface Row {
  readonly path: string;
  readonly type: string;
  readonly byDefault: string;
  readonly text: string;
}

/** The keys of a map, those of maps within it behind each. */
function rowsOf(schema: Schema, prefix: string): Row[] {
  const forms = schema.anyOf ?? [schema];
  const rows = new Map<string, Row>();
  for (const { properties = {}, required = [] } of forms) {
    for (const [key, value] of Object.entries(properties)) {
      const path = prefix + key;
      const text = value.description ?? fail(`${path} has no description`);
      const row = { path, type: typeOf(value), byDefault: defaultOf(value, required.includes(key)), text };
      for (const one of [row, ...rowsOf(value, `${path}.`)]) if (!rows.has(one.path)) rows.set(one.path, one);
      // What means the same as beside it is not told twice.
      const known = [...rows.values()];
      const isKnown = (inner: Row) => known.some((outer) => outer.path === inner.path && outer.text === inner.text);
      for (const inner of entryRows(value).filter((one) => !isKnown({ ...one, path: prefix + one.path }))) {
        rows.set(`${path}.<name>.${inner.path}`, { ...inner, path: `${path}.<name>.${inner.path}` });
      }
    }
  }
  return [...rows.values()];
}

/** Those of each entry, where a map's keys are names of the operator's own. */
function entryRows({ additionalProperties: entry }: Schema): Row[] {
  return typeof entry === 'object' ? rowsOf(entry, '') : [];
}

function typeOf(schema: Schema): string {
  const { title, anyOf, minimum, maximum, additionalProperties: entry } = schema;
  const [type] = [schema.type ?? []].flat().filter((one) => one !== 'null');
  if (title !== undefined) return title;
  if (schema.const !== undefined) return code(schema.const);
  if (schema.enum !== undefined) return schema.enum.map(code).join(' · ');
  if (anyOf !== undefined) {
    return [...new Set(anyOf.filter((one) => one.type !== 'null').map(typeOf))].join(' or ');
  }
  if (type === 'integer') return `whole number${rangeText(minimum, maximum)}`;
  if (type === 'boolean') return '`true` · `false`';
  if (type === 'array') return `list of ${typeOf(schema.items ?? {})}`;
  if (type === 'object' && typeof entry === 'object') return `map of ${typeOf(entry)}`;
  if (type === 'object') return `\`{ ${shorten(Object.keys(schema.properties ?? {})).join(', ')} }\``;
  if (type === 'string') return schema.format === 'uri' ? 'URL' : 'text';
  return 'anything';
}

/** Of many keys the first one; the others follow in rows of their own. */
function shorten(keys: readonly string[]): readonly string[] {
  return keys.length > 7 ? [...keys.slice(0, 1), '…'] : keys;
}

function rangeText(minimum: number | undefined, maximum: number | undefined): string {
  const hasMost = maximum !== undefined && maximum !== Number.MAX_SAFE_INTEGER;
  return hasMost ? `, ${minimum}–${maximum}` : `, ${minimum} or more`;
}

function defaultOf(schema: Schema, isRequired: boolean): string {
  if (isRequired) return '*required*';
  if (schema.default === undefined || schema.default === null) return '';
  const isMap = typeof schema.default === 'object' && Object.keys(schema.default).length === 0;
  return isMap ? '' : code(schema.default);
}

function code(value: unknown): string {
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}

function table(rows: readonly Row[]): string {
  const lines = rows.map(({ path, type, byDefault, text }) => {
    const cells = [code(path), type, byDefault, text].map((cell) => cell.replaceAll('|', '\\|'));
    return `| ${cells.join(' | ')} |`;
  });
  return `| key | type | default | what it says |\n| --- | --- | --- | --- |\n${lines.join('\n')}`;
}

/** `example` names an entry of the examples. */
function section(level: 2 | 3, title: string, schema: Schema | null, body: string, example?: string): string {
  const yaml = example === undefined ? null : (CONFIGURATION_EXAMPLES[example] ?? fail(`${example} has no example`));
  const parts = [
    `${'#'.repeat(level)} ${title}`,
    schema?.description ?? '',
    body,
    yaml === null ? '' : `\`\`\`yaml\n${yaml.trim()}\n\`\`\``,
  ];
  return parts.filter((part) => part !== '').join('\n\n');
}

function fail(why: string): never {
  throw new Error(why);
}
