/** A JSON object as it came. */
export type Json = Record<string, unknown>;

/** Notes a broken rule where `ok` is false, and passes `ok` on. `at` is the element, such as `Observation.status`. */
export type Demand = (ok: boolean, at: string, rule: string) => boolean;

/** Finds the contained resource of a type that a Reference names; null (and a broken rule) where there is none. */
export type Follow = (reference: unknown, at: string, type: string) => Json | null;

/** Demands that an object has no other keys than these. */
export function demandKeys(demand: Demand, value: Json, at: string, allowed: readonly string[]): void {
  for (const key of Object.keys(value)) {
    // A name the caller made up may hold anything, so it is not repeated.
    demand(allowed.includes(key), at, `takes only ${allowed.join(', ')}`);
  }
}

export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
export const isList = (value: unknown): value is unknown[] => Array.isArray(value);
export const isText = (value: unknown): value is string => typeof value === 'string' && value.trim() !== '';
