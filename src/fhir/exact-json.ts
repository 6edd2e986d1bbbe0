import { exactNumber } from './json.ts';

/**
 * Parses JSON so that every number keeps its digits: `JSON.stringify` of the result writes `1.50` as `1.50`. Numbers are
 * opaque objects, as `exactNumber` makes them.
 * @throws SyntaxError · RangeError where the text is nested too deeply
 */
export function parseExactJson(text: string): unknown {
  const parse = JSON.parse as (
    text: string,
    reviver: (key: string, value: unknown, context: { source?: string }) => unknown,
  ) => unknown;
  return parse(text, (_key, value, context) =>
    typeof value === 'number' && context.source !== undefined ? exactNumber(context.source) : value,
  );
}
