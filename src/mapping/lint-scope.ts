import type { Override } from './addition.ts';
import type { Parts } from './compile.ts';
import type { EntryChanges } from './entry.ts';
import type { Finding, Findings } from './finding.ts';
import type { Table } from './table.ts';
import type { YamlNode } from './yaml-node.ts';

/** What is known of what a rule makes, without a message. */
export interface Made {
  /** FHIR type; `choice` = a value that brings its type along; null = nobody can say. */
  readonly type: string | null;
  readonly isList: boolean;
  /** It makes something whatever the message holds. */
  readonly isAlways: boolean;
  /** All that it can be, each with its place; null = anything. */
  readonly values: readonly PlacedValue[] | null;
  /** It is what stands in the message, not looked up anywhere. */
  readonly isRaw: boolean;
}

export interface PlacedValue {
  readonly value: unknown;
  /** `file:line:col` */
  readonly where: string;
}

export const ANYTHING: Made = { type: null, isList: false, isAlways: false, values: null, isRaw: false };

/** A `let` or a setting. */
export interface LintVariable {
  readonly keyNode: YamlNode;
  readonly isSetting: boolean;
  readonly made: () => Made;
}

/** An entry of a bundle. */
export interface LintEntry {
  readonly node: YamlNode;
  readonly resourceType: string | null;
  /** Made only where a rule refers to it. */
  readonly isForReference: boolean;
}

/** How a table is asked. */
interface TableUse {
  readonly table: string;
  readonly node: YamlNode;
  /** With a coding system beside the code. */
  readonly hasSystem: boolean;
}

/** What of all the files somebody uses; shared by all mappings. */
export interface Used {
  readonly tables: Set<string>;
  readonly resources: Set<string>;
  readonly datatypes: Set<string>;
  readonly outgoing: Set<string>;
  readonly lookups: TableUse[];
  /**
   * Components of whatever cell is at hand (`.4.1`), by place: a rule that is used for several types need only fit one.
   * null = it fits one; else what is wrong with it.
   */
  readonly relatives: Map<string, Finding | null>;
}

/** What surrounds a rule that is looked at. */
export interface LintScope {
  readonly findings: Findings;
  readonly parts: Parts;
  readonly tables: ReadonlyMap<string, Table>;
  readonly overrides: ReadonlyMap<string, ReadonlyMap<string, Override>>;
  readonly entryChanges: EntryChanges;
  readonly variables: ReadonlyMap<string, LintVariable>;
  readonly entries: ReadonlyMap<string, LintEntry>;
  /** Names of this mapping that were used. */
  readonly asked: { readonly variables: Set<string>; readonly entries: Set<string>; readonly resources: Set<string> };
  /** Called for each cell that a resource is made for. */
  readonly refer: (entry: string, cell: string | null) => void;
  readonly used: Used;
  /** HL7 type of the cell at hand; null = none, or not known. */
  readonly cell: string | null;
  readonly including: readonly string[];
}
