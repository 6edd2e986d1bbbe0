import { type Document, isScalar, parseDocument, type Scalar, visit } from 'yaml';

/** `${NAME}` and `${NAME:-default}`; `$${` stands for a plain `${`. */
const REFERENCE = /\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g;

export interface MissingVariable {
  readonly node: Scalar;
  readonly name: string;
}

/**
 * Puts the environment's values into the scalars of a document, in place. A plain scalar is read again afterwards, so
 * that `${PORT:-2575}` is a number; a quoted one stays text.
 */
export function interpolate(
  document: Document,
  env: Readonly<Record<string, string | undefined>>,
): readonly MissingVariable[] {
  const missing: MissingVariable[] = [];
  visit(document, {
    Scalar(key, node) {
      if (key === 'key' || typeof node.value !== 'string' || !node.value.includes('${')) return;
      const text = node.value.replace(
        REFERENCE,
        (whole, variable: string | undefined, byDefault: string | undefined) => {
          if (variable === undefined) return '${';
          const value = env[variable];
          if (value !== undefined && value !== '') return value;
          if (byDefault === undefined) missing.push({ node, name: variable });
          return byDefault ?? whole;
        },
      );
      node.value = node.type === 'PLAIN' ? readPlain(text) : text;
    },
  });
  return missing;
}

function readPlain(text: string): unknown {
  const document = parseDocument(text);
  const plain = document.errors.length === 0 && isScalar(document.contents) && document.contents.type === 'PLAIN';
  return plain ? document.toJS() : text;
}
