/**
 * A number that leaves with exactly these digits: JavaScript would write `1.50` as `1.5`, and FHIR's decimals tell
 * the two apart. `JSON.stringify` writes it as it is.
 * @param digits a JSON number
 * @throws SyntaxError if it is none
 */
export function exactNumber(digits: string): object {
  return (JSON as unknown as { rawJSON(text: string): object }).rawJSON(digits);
}

/** True for what `exactNumber` gave. */
export function isExactNumber(value: unknown): value is object {
  return (JSON as unknown as { isRawJSON(value: unknown): boolean }).isRawJSON(value);
}
