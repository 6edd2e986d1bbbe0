import { type Authorize, readUrl } from './interaction.ts';
import { type Json, refuse } from './outcome.ts';
import { parseCriteria, search } from './search.ts';
import type { Store, Version } from './store.ts';

export interface Answered {
  readonly status: number;
  readonly resource: Json;
  /** Set where one version of one resource is answered. */
  readonly version: Version | null;
}

export interface ReadDesk {
  readonly store: Store;
  readonly baseUrl: string;
  readonly authorize: Authorize;
}

const DEFAULT_COUNT = 50;
const MAX_COUNT = 1000;

/**
 * Answers a GET below the base: read, vread, history of a resource, search.
 * @throws Refused 400, 404, 410
 */
export function read(url: string, desk: ReadDesk): Answered {
  const { type, steps, query } = readUrl(url);
  desk.authorize(type, 'read');
  const [id, word, version] = steps;
  if (id === undefined) return searchPage(type, query ?? '', desk);
  const versions = desk.store.versions(type, id);
  if (versions.length === 0) throw refuse(404, 'not-found', `Resource ${type}/${id} is not known`);
  if (word === undefined) return one(versions.at(-1), `${type}/${id}`);
  if (word !== '_history' || steps.length > 3) throw refuse(404, 'not-supported', 'No such page');
  if (version === undefined) return history(type, id, versions, desk);
  return one(
    versions.find(({ versionId }) => String(versionId) === version),
    `${type}/${id}/_history/${version}`,
  );
}

function one(version: Version | undefined, name: string): Answered {
  if (version === undefined) throw refuse(404, 'not-found', `Resource ${name} is not known`);
  if (version.resource === null) throw refuse(410, 'deleted', `Resource ${name} was deleted`);
  return { status: 200, resource: version.resource, version };
}

function history(type: string, id: string, versions: readonly Version[], { baseUrl }: ReadDesk): Answered {
  const methods = { create: 'POST', update: 'PUT', delete: 'DELETE' } as const;
  const entry = versions.toReversed().map((version) => ({
    fullUrl: `${baseUrl}/${type}/${id}`,
    ...(version.resource === null ? {} : { resource: version.resource }),
    request: { method: methods[version.interaction], url: `${type}/${id}` },
    response: {
      status: version.interaction === 'create' ? '201' : '200',
      etag: `W/"${version.versionId}"`,
      lastModified: new Date(version.lastModified).toISOString(),
    },
  }));
  const resource = { resourceType: 'Bundle', type: 'history', total: entry.length, entry };
  return { status: 200, resource, version: null };
}

function searchPage(type: string, query: string, { store, baseUrl }: ReadDesk): Answered {
  const all = parseCriteria(query);
  const count = readCount(all.find(([name]) => name === '_count')?.[1], DEFAULT_COUNT);
  const offset = readCount(all.find(([name]) => name === '_offset')?.[1], 0);
  const criteria = all.filter(([name]) => !['_count', '_offset', '_format', '_pretty', '_total'].includes(name));
  const found = search(store, type, criteria);
  const page = found.slice(offset, offset + Math.min(count, MAX_COUNT));
  const urlOf = (from: number) => {
    const paging = new URLSearchParams(criteria.map(([name, value]): [string, string] => [name, value]));
    paging.set('_count', String(count));
    if (from > 0) paging.set('_offset', String(from));
    return `${baseUrl}/${type}?${paging}`;
  };
  const next = offset + page.length;
  const resource = {
    resourceType: 'Bundle',
    type: 'searchset',
    total: found.length,
    link: [
      { relation: 'self', url: urlOf(offset) },
      ...(page.length > 0 && next < found.length ? [{ relation: 'next', url: urlOf(next) }] : []),
    ],
    ...(page.length === 0
      ? {}
      : {
          entry: page.map((one) => ({
            fullUrl: `${baseUrl}/${type}/${String(one.id)}`,
            resource: one,
            search: { mode: 'match' },
          })),
        }),
  };
  return { status: 200, resource, version: null };
}

function readCount(text: string | undefined, byDefault: number): number {
  if (text === undefined) return byDefault;
  if (!/^\d{1,6}$/.test(text)) throw refuse(400, 'invalid', `"${text}" is not a count`);
  return Number(text);
}
