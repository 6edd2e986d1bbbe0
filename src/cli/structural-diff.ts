import { isExactNumber } from '../fhir/json.ts';

/** One difference between two JSON values. */
export interface Change {
  readonly kind: 'added' | 'removed' | 'changed';
  /** `code.coding[0].code`; of what was removed the place it had, of all else the place it has. */
  readonly path: string;
  /** undefined where it was added. */
  readonly before: unknown;
  /** undefined where it was removed. */
  readonly after: unknown;
}

/** Lists longer than this are compared place by place: the table for a better match grows with the square. */
const MAX_ALIGNED = 2_000;

/**
 * What differs between two JSON values, leaf by leaf. Items of lists are matched with their likes, so that one more at
 * the head is one addition; entries of bundles by their fullUrl, then by their resource type. Numbers are compared
 * with their digits where they were parsed so.
 */
export function diffValues(before: unknown, after: unknown): Change[] {
  const changes: Change[] = [];
  compare(before, after, '', '', changes);
  return changes;
}

/** The value at a path of `diffValues` or of a trail; undefined where there is none. */
export function valueAt(root: unknown, path: string): unknown {
  // Fields of an HL7 message are named by their locations, which are no paths.
  if (!isLeaf(root) && Object.hasOwn(root as object, path)) return (root as Record<string, unknown>)[path];
  let value: unknown = root;
  for (const step of path.match(/[^.[\]]+/g) ?? []) {
    if (isLeaf(value) || !Object.hasOwn(value as object, step)) return undefined;
    value = (value as Record<string, unknown>)[step];
  }
  return value;
}

/** True of what has no parts: a text, a number, true, false, null. */
export function isLeaf(value: unknown): boolean {
  return typeof value !== 'object' || value === null || isExactNumber(value);
}

function compare(before: unknown, after: unknown, was: string, is: string, changes: Change[]): void {
  if (isLeaf(before) || isLeaf(after) || Array.isArray(before) !== Array.isArray(after)) {
    if (JSON.stringify(before) !== JSON.stringify(after)) changes.push({ kind: 'changed', path: is, before, after });
    return;
  }
  if (Array.isArray(before) && Array.isArray(after)) {
    compareLists(before, after, was, is, changes);
    return;
  }
  const [old, now] = [before as Record<string, unknown>, after as Record<string, unknown>];
  const step = (path: string, key: string) => (path === '' ? key : `${path}.${key}`);
  for (const key of Object.keys(old)) {
    if (Object.hasOwn(now, key)) compare(old[key], now[key], step(was, key), step(is, key), changes);
    else changes.push({ kind: 'removed', path: step(was, key), before: old[key], after: undefined });
  }
  for (const key of Object.keys(now)) {
    if (!Object.hasOwn(old, key)) {
      changes.push({ kind: 'added', path: step(is, key), before: undefined, after: now[key] });
    }
  }
}

function compareLists(before: readonly unknown[], after: readonly unknown[], was: string, is: string, to: Change[]) {
  const partner = matchItems(before, after);
  const matched = new Set(partner.values());
  for (const [index, item] of before.entries()) {
    const other = partner.get(index);
    if (other === undefined) to.push({ kind: 'removed', path: `${was}[${index}]`, before: item, after: undefined });
    else compare(item, after[other], `${was}[${index}]`, `${is}[${other}]`, to);
  }
  for (const [index, item] of after.entries()) {
    if (!matched.has(index)) to.push({ kind: 'added', path: `${is}[${index}]`, before: undefined, after: item });
  }
}

/** Index in the first list → index in the second. */
function matchItems(before: readonly unknown[], after: readonly unknown[]): Map<number, number> {
  const partner = new Map<number, number>();
  const taken = new Set<number>();
  const pair = (keyOf: (item: unknown) => string | null) => {
    const waiting = new Map<string, number[]>();
    for (const [index, item] of after.entries()) {
      const key = taken.has(index) ? null : keyOf(item);
      if (key !== null) waiting.set(key, [...(waiting.get(key) ?? []), index]);
    }
    for (const [index, item] of before.entries()) {
      if (partner.has(index)) continue;
      const key = keyOf(item);
      const other = key === null ? undefined : waiting.get(key)?.shift();
      if (other === undefined) continue;
      partner.set(index, other);
      taken.add(other);
    }
  };
  if (Math.max(before.length, after.length) <= MAX_ALIGNED) {
    pair((item) => identityOf(item));
    pair((item) => JSON.stringify(item));
  }
  pair((item) => kindOf(item));
  return partner;
}

/** What an entry of a bundle, or a contained resource, is told by. */
function identityOf(item: unknown): string | null {
  if (isLeaf(item)) return null;
  const { fullUrl, resourceType, id } = item as Record<string, unknown>;
  if (typeof fullUrl === 'string') return fullUrl;
  return typeof resourceType === 'string' && typeof id === 'string' ? `${resourceType}/${id}` : null;
}

function kindOf(item: unknown): string {
  if (isLeaf(item)) return 'value';
  const { resourceType, resource } = item as { resourceType?: unknown; resource?: { resourceType?: unknown } };
  return String(resourceType ?? resource?.resourceType ?? 'object');
}
