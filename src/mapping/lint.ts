import { type ChannelSetup, type Parts, sortFiles } from './compile.ts';
import { type Finding, Findings, listed } from './finding.ts';
import { lintMapping } from './lint-mapping.ts';
import type { Used } from './lint-scope.ts';
import { ProblemError } from './problem.ts';
import { ANY } from './table.ts';
import type { SourceFile, YamlNode } from './yaml-node.ts';

/**
 * Looks through mapping files for what compiles and is probably wrong all the same: fields HL7 does not have, elements
 * FHIR does not have or of another type, required elements nobody sets, rules that are never reached, names nobody uses.
 * What keeps a file from being compiled is `compileMappings`' to say; while one cannot be read at all, nothing is found.
 * Pure; in order of file and line.
 * @param channels whose `with:` is looked at too
 */
export function lintMappings(
  files: readonly SourceFile[],
  channels: readonly Pick<ChannelSetup, 'mappings' | 'overrides'>[] = [],
): Finding[] {
  const findings = new Findings();
  const parts = sortFiles(files, []);
  if (!parts.isWhole) return [];
  const used: Used = {
    tables: new Set(),
    resources: new Set(),
    datatypes: new Set(),
    outgoing: new Set(),
    lookups: [],
    relatives: new Map(),
  };
  for (const [name, root] of parts.messages) {
    const overrides = channels
      .filter(({ mappings }) => mappings.includes(name))
      .flatMap((channel) => channel.overrides ?? []);
    try {
      lintMapping(root, overrides, { findings, parts, used });
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
    }
  }
  for (const finding of used.relatives.values()) if (finding !== null) findings.add(finding);
  lintLookups(used, parts, findings);
  lintTables(parts, findings);
  lintUnused(parts, used, findings);
  return findings.list;
}

function lintTables(parts: Parts, findings: Findings): void {
  for (const table of parts.tables.values())
    for (const [system, codes] of table.rows)
      for (const [code, { where }] of codes) {
        if (code.trim() === '')
          findings.errorAt(where, 'This row is never found: nothing is looked up for an empty text');
        else if (code !== code.trim() || (system !== ANY && system !== system.trim()))
          findings.errorAt(where, 'This row is never found: texts are looked up without spaces around them');
      }
}

function lintUnused(parts: Parts, used: Used, findings: Findings): void {
  const warn = (kind: string, nodes: ReadonlyMap<string, YamlNode>, names: ReadonlySet<string>) => {
    for (const [name, node] of nodes) if (!names.has(name)) findings.warn(node, `Nothing uses the ${kind} "${name}"`);
  };
  warn('resource', parts.resources, used.resources);
  warn('table', parts.tableNodes, used.tables);
  warn('datatype', parts.datatypes, used.datatypes);
  warn('message', parts.outgoing, used.outgoing);
}

/** How tables are asked, seen over all files: rows under a coding system nobody asks with are never found. */
function lintLookups({ lookups }: Used, parts: Parts, findings: Findings): void {
  for (const name of new Set(lookups.map(({ table }) => table))) {
    const uses = lookups.filter(({ table }) => table === name);
    const systems = [...(parts.tables.get(name)?.rows.keys() ?? [])].filter((system) => system !== ANY);
    if (systems.length === 0 || uses.some(({ hasSystem }) => hasSystem)) continue;
    const text = `${name} has rows under ${listed(systems)}, and is asked without a coding system: they are never found`;
    for (const { node } of uses) findings.warn(node, text, 'ask with the whole field, such as OBX-3');
  }
}
