import type { Clock } from '../../contracts/clock.ts';
import { isObject, type Json } from './outcome.ts';

/** One version of a resource. */
export interface Version {
  /** As stored, with id and meta; null = deleted. */
  readonly resource: Json | null;
  /** From 1. */
  readonly versionId: number;
  /** ms since the epoch. */
  readonly lastModified: number;
  readonly interaction: 'create' | 'update' | 'delete';
}

/** Resources and their versions, in memory. */
export interface Store {
  /** The newest version, which may be a deletion; null = there never was one. */
  current(type: string, id: string): Version | null;
  /** Oldest first. */
  versions(type: string, id: string): readonly Version[];
  /** Resources of a type that are not deleted, in order of creation. */
  living(type: string): Json[];
  /** Living resources of a type that bear an identifier; a null system = any. */
  bearing(type: string, system: string | null, value: string): Json[];
  types(): string[];
  /** An id no resource has. */
  makeId(): string;
  write(type: string, id: string, resource: Json): Version;
  remove(type: string, id: string): Version;
  /** Puts other content into the newest version, for references that can be resolved only once everything is written. */
  amend(type: string, id: string, resource: Json): void;
  /** Runs the work; where it throws, everything it wrote is undone. Not to be nested; nothing is written outside of it. */
  atomically<Made>(work: () => Made): Made;
}

export function createStore(clock: Clock): Store {
  const types = new Map<string, Map<string, Version[]>>();
  const byValue = new Map<string, Set<string>>();
  let undo: (() => void)[] = [];
  let lastId = 0;

  const of = (type: string): Map<string, Version[]> => {
    const known = types.get(type) ?? new Map<string, Version[]>();
    types.set(type, known);
    return known;
  };
  const current = (type: string, id: string): Version | null => types.get(type)?.get(id)?.at(-1) ?? null;
  const index = (type: string, id: string, before: Json | null, after: Json | null) => {
    for (const { value } of identifiersOf(before)) byValue.get(`${type} ${value}`)?.delete(id);
    for (const { value } of identifiersOf(after)) {
      const key = `${type} ${value}`;
      byValue.set(key, (byValue.get(key) ?? new Set()).add(id));
    }
  };
  /** @param next null = take the newest version away. */
  const change = (type: string, id: string, next: Version | null, replace: boolean) => {
    const list = of(type).get(id) ?? [];
    of(type).set(id, list);
    const before = list.at(-1)?.resource ?? null;
    if (replace || next === null) list.pop();
    if (next !== null) list.push(next);
    if (list.length === 0) of(type).delete(id);
    index(type, id, before, list.at(-1)?.resource ?? null);
  };
  const push = (type: string, id: string, version: Version): Version => {
    change(type, id, version, false);
    undo.push(() => change(type, id, null, false));
    return version;
  };

  return {
    current,
    versions: (type, id) => types.get(type)?.get(id) ?? [],
    living: (type) => [...of(type).values()].flatMap((list): readonly Json[] => asList(list.at(-1)?.resource)),
    bearing: (type, system, value) =>
      [...(byValue.get(`${type} ${value}`) ?? [])]
        .flatMap((id) => asList(current(type, id)?.resource))
        .filter((one) =>
          identifiersOf(one).some(
            (identifier) => identifier.value === value && (system === null || identifier.system === system),
          ),
        ),
    types: () => [...types.keys()],
    makeId() {
      for (;;) {
        lastId += 1;
        const id = String(lastId);
        if (![...types.values()].some((one) => one.has(id))) return id;
      }
    },
    write(type, id, resource) {
      const before = current(type, id);
      const versionId = (before?.versionId ?? 0) + 1;
      const lastModified = clock.now();
      const { resourceType: _type, id: _id, meta, ...rest } = resource;
      const stored: Json = {
        resourceType: type,
        id,
        meta: {
          ...(isObject(meta) ? meta : {}),
          versionId: String(versionId),
          lastUpdated: new Date(lastModified).toISOString(),
        },
        ...rest,
      };
      const interaction = before === null || before.resource === null ? 'create' : 'update';
      return push(type, id, { resource: stored, versionId, lastModified, interaction });
    },
    remove(type, id) {
      const versionId = (current(type, id)?.versionId ?? 0) + 1;
      return push(type, id, { resource: null, versionId, lastModified: clock.now(), interaction: 'delete' });
    },
    amend(type, id, resource) {
      const before = current(type, id);
      if (before === null) return;
      change(type, id, { ...before, resource }, true);
      undo.push(() => change(type, id, before, true));
    },
    atomically(work) {
      undo = [];
      try {
        return work();
      } catch (error) {
        for (const one of undo.reverse()) one();
        throw error;
      } finally {
        undo = [];
      }
    },
  };
}

const asList = (one: Json | null | undefined): readonly Json[] => (one ? [one] : []);

/** System and value of a resource's identifiers. */
export function identifiersOf(resource: Json | null): { readonly system: string | null; readonly value: string }[] {
  const list = resource?.identifier;
  const all: unknown[] = Array.isArray(list) ? list : [list];
  return all.flatMap((one) => {
    if (!isObject(one) || typeof one.value !== 'string') return [];
    return [{ system: typeof one.system === 'string' ? one.system : null, value: one.value }];
  });
}
