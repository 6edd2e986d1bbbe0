import { type CaseProblem, runCases } from './case.ts';
import { type ChannelSetup, type CompileSetup, compileMappings } from './compile.ts';
import { namedOperations } from './named-operations.ts';
import { parseYaml, type SourceFile, type YamlNode } from './yaml-node.ts';

/** The care provider of cases that speak of none. */
const NOBODY = 'none';
const ANY_PARTY = parseYaml({ path: 'built in', text: `party: { value: ${NOBODY} }` }).root;
/** So that identifiers in what a case expects are the same on every machine. */
const SECRET = new Uint8Array(32);

/**
 * Runs the cases of all mapping files. They speak of a mapping as it stands in its file: what channels put over it, and
 * the installation's targets and secret, make no difference. A case that speaks of parties is run with those of the
 * first channel that uses its mapping; where none does, the party is not compared.
 */
export function runAllCases(files: readonly SourceFile[], setup: CompileSetup): CaseProblem[] {
  const names = mappingsWithCases(files);
  const user = (name: string) => setup.channels.find(({ mappings }) => mappings.includes(name));
  const anybody = { id: NOBODY, name: NOBODY, organisationNumber: '' };
  const { channels } = compileMappings(files, {
    operations: namedOperations(files),
    secret: SECRET,
    parties: [...setup.parties, anybody],
    channels: names.flatMap((name) => {
      const channel = user(name);
      const own = channel?.overrides?.isMap ? channel.overrides.only('party') : null;
      return [
        plainChannel(`${name} of anybody`, name, [NOBODY], ANY_PARTY),
        ...(channel === undefined ? [] : [plainChannel(`${name} of parties`, name, channel.parties, own)]),
      ];
    }),
  });
  return names.flatMap((name) => {
    const run = (of: string, speaksOfParties: boolean | null, knowsParties: boolean) =>
      (channels.get(`${name} of ${of}`)?.mappings ?? []).flatMap((mapping) =>
        runCases(mapping, { speaksOfParties, knowsParties }),
      );
    if (user(name) === undefined) return run('anybody', null, false);
    return [...run('anybody', false, false), ...run('parties', true, true)];
  });
}

function plainChannel(
  name: string,
  mapping: string,
  parties: readonly string[],
  overrides: YamlNode | null,
): ChannelSetup {
  const charset = { default: null, force: null };
  return { name, mappings: [mapping], parties, charset, zone: null, overrides, targets: null, node: null };
}

function mappingsWithCases(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => {
    const { root } = parseYaml(file);
    const entries = root?.isMap ? root.entries() : null;
    const name = entries?.get('mapping')?.value;
    return name?.isScalar && !name.isNull && entries?.has('tests') ? [name.text()] : [];
  });
}
