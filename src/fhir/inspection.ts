import { RESOURCE_RULES, type ResourceIssue, type ResourceRule } from './resource-issue.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

/** One check under way: what was found, and where in the resource it stands. */
export interface Inspection {
  readonly issues: ResourceIssue[];
  /** Names and places in lists from the root to where the check stands. */
  readonly steps: (string | number)[];
  /** How many references were followed: what holds one is not right or wrong by itself. */
  references: number;
  /** The bundle around the resource; null = none. */
  bundle: BundleScope | null;
  /** The resource that local references (`#id`) are about: the nearest that is not contained. */
  scope: ResourceScope;
}

export interface BundleScope {
  readonly type: unknown;
  /** Resource types by fullUrl. */
  readonly typesByFullUrl: ReadonlyMap<string, string>;
}

export interface ResourceScope {
  readonly type: string;
  readonly contained: ReadonlyMap<string, ContainedResource>;
  /** The contained resource the check stands in; null = in none. */
  current: ContainedResource | null;
}

export interface ContainedResource {
  readonly type: string;
  /** Something refers to it, or it refers to its container. */
  isLinked: boolean;
}

/** Where a resource is hopeless, more than this helps nobody. */
export const MAX_ISSUES = 100;

/** Notes an issue at the element that `steps` below the current one lead to. */
export function report(
  inspection: Inspection,
  rule: ResourceRule,
  detail: string | null = null,
  ...steps: (string | number)[]
): void {
  if (inspection.issues.length >= MAX_ISSUES) return;
  let path = '';
  for (const step of [...inspection.steps, ...steps]) {
    path += typeof step === 'number' ? `[${step}]` : path === '' ? step : `.${step}`;
  }
  const text = RESOURCE_RULES[rule];
  inspection.issues.push({ path, rule, message: detail === null ? text : `${text} (${detail})` });
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The objects of a list, each with its place; nothing where there is no list. */
export function objectsOf(value: unknown): (readonly [index: number, item: JsonObject])[] {
  if (!Array.isArray(value)) return [];
  const found: (readonly [number, JsonObject])[] = [];
  for (let index = 0; index < value.length; index++) {
    if (isObject(value[index])) found.push([index, value[index]]);
  }
  return found;
}

/** Is there a value of any type for a choice: `value` finds `valueQuantity` and `_valueString`. */
export function hasChoice(value: JsonObject, name: string): boolean {
  return Object.keys(value).some((key) => {
    const start = key.startsWith('_') ? 1 : 0;
    const next = key.charCodeAt(start + name.length);
    return key.startsWith(name, start) && next >= 0x41 && next <= 0x5a && value[key] !== undefined;
  });
}

/** Is the element there, as a value or, for a primitive, by its extensions alone. */
export function has(value: JsonObject, name: string): boolean {
  return value[name] !== undefined || value[`_${name}`] !== undefined;
}
