import { isMap, isScalar, type Pair, parseDocument, type Scalar, stringify, YAMLMap } from 'yaml';

/** Why a row could not be added, in words. */
export class RowError extends Error {}

/**
 * The text of a table's file with one row more; comments, order and form of the rest stay as they are. The row joins the
 * group of its system (`*` = any), or of the system that bears it as another name; a new group comes last.
 * @param to null = the code is known, and becomes nothing
 * @throws RowError if the text is no table, or the code has a row already
 */
export function addRow(text: string, system: string, code: string, to: string | null): string {
  const document = parseDocument(text);
  const rows = document.errors.length === 0 ? document.get('rows', true) : null;
  if (!isMap(rows)) throw new RowError('it is no table with rows');
  const group = findGroup(rows, document.get('systems', true), system);
  if (group === null) return addGroup(text, rows, system, code, to);
  const codes = group.value;
  if (!isMap(codes)) throw new RowError(`the rows of ${system} are no map`);
  if (codes.items.some((pair) => keyOf(pair) === code)) throw new RowError(`${code} has a row already`);
  const row = `${write(code)}: ${to === null ? '{ gives: nothing }' : write(to)}`;
  if (codes.flow) return addToFlow(text, codes, row);
  const last = codes.items.at(-1);
  if (last === undefined) throw new RowError(`the rows of ${system} are no map`);
  return insertLine(text, lineEnd(text, endOf(last)), indentAt(text, startOf(last)) + row);
}

function findGroup(rows: YAMLMap, systems: unknown, system: string): Pair | null {
  const named = (name: string) => rows.items.find((pair) => keyOf(pair) === name) ?? null;
  const own = named(system);
  if (own !== null || !isMap(systems)) return own;
  const other = systems.items.find(({ value }) => {
    const names = (value as { toJSON?(): unknown } | null)?.toJSON?.();
    return Array.isArray(names) && names.includes(system);
  });
  return other === undefined ? null : named(keyOf(other));
}

function addGroup(text: string, rows: YAMLMap, system: string, code: string, to: string | null): string {
  const row = `${write(code)}: ${to === null ? '{ gives: nothing }' : write(to)}`;
  if (rows.flow) return addToFlow(text, rows, `${write(system)}: { ${row} }`);
  const last = rows.items.at(-1);
  if (last === undefined) throw new RowError('it is no table with rows');
  const indent = indentAt(text, startOf(last));
  return insertLine(text, lineEnd(text, endOf(last)), `${indent}${write(system)}:\n${indent}${indent}${row}`);
}

function addToFlow(text: string, map: YAMLMap, row: string): string {
  const last = map.items.at(-1);
  const end = last === undefined ? (map.range?.[0] ?? 0) + 1 : endOf(last);
  return `${text.slice(0, end)}${last === undefined ? ' ' : ', '}${row}${text.slice(end)}`;
}

function insertLine(text: string, at: number, line: string): string {
  const head = text.slice(0, at);
  return `${head}${head.endsWith('\n') ? '' : '\n'}${line}\n${text.slice(at)}`;
}

/** Behind the line break that ends the line. */
function lineEnd(text: string, at: number): number {
  // The end of a map in block form is the beginning of the next line already.
  if (text[at - 1] === '\n') return at;
  const next = text.indexOf('\n', at);
  return next < 0 ? text.length : next + 1;
}

function indentAt(text: string, at: number): string {
  const line = text.slice(text.lastIndexOf('\n', at - 1) + 1, at);
  return ' '.repeat(line.length);
}

function startOf(pair: Pair): number {
  return (pair.key as Scalar).range?.[0] ?? 0;
}

/** Behind the last character of the value; comments and blank lines that follow are not part of it. */
function endOf(pair: Pair): number {
  const value = pair.value as Scalar | YAMLMap | null;
  if (value instanceof YAMLMap && !value.flow) {
    const last = value.items.at(-1) as Pair | undefined;
    if (last !== undefined) return endOf(last);
  }
  return value?.range?.[1] ?? (pair.key as Scalar).range?.[1] ?? 0;
}

function keyOf(pair: Pair): string {
  return isScalar(pair.key) ? String(pair.key.source ?? pair.key.value) : '';
}

/** A scalar as YAML writes it: quoted where it would read as something else. */
function write(text: string): string {
  return stringify(text, { singleQuote: true, lineWidth: 0 }).trimEnd();
}
