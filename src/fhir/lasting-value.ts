/** By value: where in a resource it was found right, so that it need not be looked at there again. */
const rightPlaces = new WeakMap<object, Set<unknown>>();

/**
 * Freezes a value with all that is in it, for many resources to share: a check then looks at it once for each place it
 * may stand at, not in every resource. It must not be changed any more, and holds plain JSON values.
 */
export function keepLasting<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null) return value;
  for (const inner of Object.values(value)) freeze(inner);
  Object.freeze(value);
  rightPlaces.set(value, new Set());
  return value;
}

/** The places a lasting value was found right at; null = it is none. */
export function rightPlacesOf(value: object): Set<unknown> | null {
  return rightPlaces.get(value) ?? null;
}

function freeze(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  for (const inner of Object.values(value)) freeze(inner);
  Object.freeze(value);
}
