/** A copy of a JSON value with the element at `path` (`a.b[0].c`) set, or taken away where `value` is undefined. */
export function change<Value>(original: Value, path: string, value: unknown): Value {
  const steps = stepsOf(path);
  const last = steps.pop() ?? '';
  const copy = cloneOf(original) as Record<string, unknown>;
  let parent = copy;
  for (const step of steps) {
    parent[step] ??= {};
    parent = parent[step] as Record<string, unknown>;
  }
  if (value !== undefined) parent[last] = value;
  else if (Array.isArray(parent)) parent.splice(Number(last), 1);
  else delete parent[last];
  return copy as Value;
}

/** What stands at `path`; undefined = nothing. */
export function at(value: unknown, path: string): unknown {
  return stepsOf(path).reduce((found, step) => (found as Record<string, unknown> | undefined)?.[step], value);
}

/** The paths of everything inside a value. */
export function pathsOf(value: unknown, path = ''): string[] {
  if (typeof value !== 'object' || value === null || 'rawJSON' in value) return [];
  return Object.entries(value).flatMap(([key, item]) => {
    const inner = Array.isArray(value) ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`;
    return [inner, ...pathsOf(item, inner)];
  });
}

function stepsOf(path: string): string[] {
  return path.split(/\.|\[|\]\.?/).filter((step) => step !== '');
}

/** Exact numbers are kept as they are: structuredClone does not know them. */
function cloneOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(cloneOf);
  if (typeof value !== 'object' || value === null || 'rawJSON' in value) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, cloneOf(item)]));
}
