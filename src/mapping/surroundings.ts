import type { Override } from './addition.ts';
import type { EntryChanges } from './entry.ts';
import type { FieldNeeds } from './field-need.ts';
import type { Problem } from './problem.ts';
import type { Found, Scope } from './scope.ts';
import type { ReadVariable } from './source.ts';
import type { Table } from './table.ts';
import type { YamlNode } from './yaml-node.ts';

/** Gives what a rule makes of one result; null = nothing. @throws Fault */
export interface Evaluate {
  (scope: Scope): Found | null;
  /** The HL7 location to name when it gives nothing; where this is missing, or null, there is no such place. */
  readonly locateMissing?: (scope: Scope) => string | null;
  /** Where all of these are empty it gives nothing and notes nothing; where this is missing, or null, nobody can say. */
  readonly needs?: FieldNeeds;
}

/** What rules may refer to while a file is compiled. */
export interface Surroundings {
  readonly tables: ReadonlyMap<string, Table>;
  readonly resources: ReadonlyMap<string, YamlNode>;
  /** Files of `mappings/datatypes/`, by the name that stands behind `as:`. */
  readonly datatypes: ReadonlyMap<string, YamlNode>;
  /** Files of HL7 messages, by the name that stands behind `message:`. */
  readonly outgoing: ReadonlyMap<string, YamlNode>;
  readonly variables: ReadonlyMap<string, ReadVariable>;
  /** Names of the bundle's entries that `ref` may point to. */
  readonly entries: ReadonlySet<string>;
  /** Elements a mapping sets otherwise than the resource it extends, by resource and element. */
  readonly overrides: ReadonlyMap<string, ReadonlyMap<string, Override>>;
  /** What an overlay says otherwise of entries of the bundle. */
  readonly entryChanges: EntryChanges;
  readonly problems: Problem[];
  /** Names of the includes and datatypes being compiled, so that none includes itself. */
  readonly including: readonly string[];
}
