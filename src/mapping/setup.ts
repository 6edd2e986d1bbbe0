import type { Problem } from './problem.ts';
import type { PartyFacts } from './scope.ts';
import type { Table } from './table.ts';
import type { NamedNode, YamlNode } from './yaml-node.ts';

/** What a message mapping is compiled with, beside its own file. */
export interface MappingSetup {
  readonly tables: ReadonlyMap<string, Table>;
  /** The files of `mappings/messages/` and of `mappings/tables/`, for mappings that extend them. */
  readonly messages: ReadonlyMap<string, YamlNode>;
  readonly tableNodes: ReadonlyMap<string, YamlNode>;
  readonly resources: ReadonlyMap<string, YamlNode>;
  readonly datatypes: ReadonlyMap<string, YamlNode>;
  /** Files that begin with `message:`. */
  readonly outgoing: ReadonlyMap<string, YamlNode>;
  readonly problems: Problem[];
  /** Names of targets with the names of their operations; null = any will do, because no channel uses the mapping. */
  readonly operations: Readonly<Record<string, readonly string[]>> | null;
  readonly parties: readonly PartyFacts[];
  /** Ids of those the channel may speak for. */
  readonly permitted: readonly string[];
  /** `with:` of the channel: rules that replace the mapping's settings. */
  readonly overrides: YamlNode | null;
  /** `targets:` of the channel: by what mappings call a target, its name here; an empty value = none. */
  readonly targets: ReadonlyMap<string, NamedNode>;
  readonly zone: string | null;
  readonly secret: Uint8Array;
}
