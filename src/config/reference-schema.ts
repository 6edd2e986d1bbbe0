type Schema = { readonly [key: string]: unknown };

/** A reference to the environment, as `interpolate` reads it. */
const REFERENCE: Schema = {
  type: 'string',
  pattern: '\\$\\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\\}',
  description: `From the environment: \${NAME}, or \${NAME:-default}.`,
};

/**
 * A JSON schema that takes `${NAME:-default}` wherever it takes a number, a truth value, one of some words, or a text of
 * a certain form: what stands there an editor cannot know. What tells alternatives apart (`const`) stays as it is.
 */
export function takeReferences(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(takeReferences);
  if (typeof schema !== 'object' || schema === null) return schema;
  const { description, default: byDefault, ...rest } = schema as Schema;
  const words = {
    ...(description === undefined ? {} : { description }),
    ...(byDefault === undefined ? {} : { default: byDefault }),
  };
  const isFormed = rest.type === 'string' && ('pattern' in rest || 'format' in rest);
  const isScalar = ['number', 'integer', 'boolean'].includes(rest.type as string) || 'enum' in rest || isFormed;
  if (isScalar && !('const' in rest)) return { anyOf: [rest, REFERENCE], ...words };
  return Object.fromEntries(
    Object.entries(schema).map(([key, value]) =>
      // A property may be called `enum`, and what a key must look like is no value.
      key === 'properties' || key === 'definitions'
        ? [key, Object.fromEntries(Object.entries(value as Schema).map(([name, one]) => [name, takeReferences(one)]))]
        : [key, ['propertyNames', 'default', 'required', 'examples'].includes(key) ? value : takeReferences(value)],
    ),
  );
}
