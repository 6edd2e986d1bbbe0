/** Text that is long comes in pieces that stand one behind the other: to join them would be to copy it. */
export type Pieces = readonly string[];

/** A text of so many characters, such as a document, is a piece of its own. */
export const LONG_CHARACTERS = 100_000;

/** Takes the place of a long text, as JSON; half a character, which no other text of a resource is. */
const PLACE = '\ud800';
const PLACE_JSON = JSON.stringify(PLACE);
const ESCAPED = /["\\\p{Cc}\p{Cs}]/u;

/**
 * A value as JSON, as `JSON.stringify` writes it. Long texts in it that need no escaping are pieces by themselves and not
 * copied: `JSON.stringify` takes twice their length, and slower than without them is only what has them.
 */
export function writeJsonPieces(value: unknown): Pieces {
  const long: string[] = [];
  const text = JSON.stringify(value, (_key, item: unknown) => {
    if (typeof item !== 'string' || item.length < LONG_CHARACTERS || ESCAPED.test(item)) return item;
    long.push(item);
    return PLACE;
  });
  const between = text.split(PLACE_JSON);
  if (between.length !== long.length + 1) return [JSON.stringify(value)];
  return between.flatMap((piece, index) => (index < long.length ? [`${piece}"`, long[index] as string, '"'] : [piece]));
}

/** Their bytes in UTF-8. */
export function encodePieces(pieces: Pieces): Buffer {
  const lengths = pieces.map((piece) => Buffer.byteLength(piece));
  const bytes = Buffer.allocUnsafeSlow(lengths.reduce((sum, length) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) at += bytes.write(piece, at);
  return bytes;
}
