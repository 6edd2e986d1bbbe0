import { resolve } from 'node:path';
import type { Mapped } from '../../src/contracts/mapper.ts';
import { type ChannelSetup, compileMappings } from '../../src/mapping/compile.ts';
import { readMappingFiles } from '../../src/mapping/load.ts';
import type { ExplainingMapper } from '../../src/mapping/mapper.ts';
import { formatProblem } from '../../src/mapping/problem.ts';
import type { SourceFile } from '../../src/mapping/yaml-node.ts';

const ROOT = resolve(import.meta.dirname, '../..');

/** Compiles the project's mappings, and more files beside them, for one channel, `any`. */
export function mapperOf(mapping: string, more: readonly SourceFile[] = [], setup: Partial<ChannelSetup> = {}) {
  const compiled = compileMappings([...readMappingFiles([resolve(ROOT, 'mappings')], ROOT), ...more], {
    channels: [
      {
        name: 'any',
        mappings: [mapping],
        parties: ['any'],
        charset: { default: 'UNICODE UTF-8', force: null },
        zone: null,
        overrides: null,
        targets: null,
        node: null,
        ...setup,
      },
    ],
    operations: { fhir: ['transaction'] },
    parties: [{ id: 'any', name: 'any', organisationNumber: '' }],
    secret: new TextEncoder().encode('the secret of the tests'),
  });
  if (compiled.mapper === null) throw new Error(compiled.problems.map(formatProblem).join('\n'));
  return compiled.mapper;
}

export function mapMessage(mapper: ExplainingMapper, message: Uint8Array | string): Mapped {
  const bytes = typeof message === 'string' ? new TextEncoder().encode(message.trim().replaceAll('\n', '\r')) : message;
  return mapper.map(bytes, { channel: 'any', sender: null });
}

export type Json = { readonly [name: string]: unknown };

export interface Bundle extends Json {
  readonly entry: readonly {
    readonly fullUrl: string;
    readonly resource: Json & { readonly resourceType: string };
    readonly request: { readonly method: string; readonly url: string; readonly ifNoneExist?: string };
  }[];
}

export function bundlesOf(mapped: Mapped): Bundle[] {
  return mapped.drafts.map(({ body }) => JSON.parse(new TextDecoder().decode(body)) as Bundle);
}

/** The only resource of a type; of several, the first. */
export function only(bundle: Bundle | undefined, type: string): Json {
  const found = bundle?.entry.find(({ resource }) => resource.resourceType === type);
  if (found === undefined) throw new Error(`no ${type}`);
  return found.resource;
}

export function allOf(bundle: Bundle | undefined, type: string): Json[] {
  return (bundle?.entry ?? []).filter(({ resource }) => resource.resourceType === type).map(({ resource }) => resource);
}
