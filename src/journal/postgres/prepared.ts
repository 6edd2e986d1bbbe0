import type { Query } from './connection.ts';

const statementNames = new Map<string, string>();

/** Parsed and planned once a connection. */
export function prepared(text: string, values: readonly unknown[]): Query {
  let name = statementNames.get(text);
  if (name === undefined) {
    name = `sluss_${statementNames.size + 1}`;
    statementNames.set(text, name);
  }
  return { name, text, values: values as unknown[] };
}
