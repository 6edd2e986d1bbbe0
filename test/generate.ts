import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { configurationJsonSchema } from '../src/config/json-schema.ts';
import { takeReferences } from '../src/config/reference-schema.ts';
import { METRICS } from '../src/console/metrics.ts';
import { FAULTS } from '../src/contracts/fault.ts';
import { mappingJsonSchema } from '../src/mapping/json-schema.ts';
import { BUILT_IN_PLUGINS } from '../src/plugins.ts';
import { partyConfig } from '../src/targets/parties.ts';
import { configurationPage } from './generate-configuration.ts';
import { generateResourceSchema } from './generate-resource-schema.ts';
import { generateSegmentFields } from './generate-segment-fields.ts';

const ROOT = join(import.meta.dirname, '..');

/** Every file that is made, by its path below the repository. */
const FILES: Readonly<Record<string, () => string>> = {
  'src/fhir/r4-elements.generated.ts': () => generateResourceSchema().text,
  'src/hl7/segment-fields.generated.ts': generateSegmentFields,
  'docs/sluss.schema.json': () =>
    `${JSON.stringify(takeReferences(configurationJsonSchema(partyConfig, BUILT_IN_PLUGINS)), null, 2)}\n`,
  'docs/configuration.md': configurationPage,
  'mappings/mapping.schema.json': () => `${JSON.stringify(mappingJsonSchema(), null, 2)}\n`,
  'docs/faults.md': faultsPage,
  'docs/metrics.md': metricsPage,
};

/**
 * Makes every generated file anew.
 * @param check true = nothing is written
 * @returns the paths of files that were stale
 */
export function generateAll(check: boolean): string[] {
  return Object.entries(FILES).flatMap(([path, make]) => {
    const text = make();
    const file = join(ROOT, path);
    if (read(file) === text) return [];
    if (!check) writeFileSync(file, text);
    return [path];
  });
}

function read(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}

function faultsPage(): string {
  const blames = {
    message: 'The message is wrong: the sender mends it. It refuses the whole message before anything leaves.',
    mapping: 'A mapping or the configuration does not cover it: the integrator acts. What it concerns is held.',
    world: 'Something outside: the delivery waits and is tried again.',
    engine: 'The engine itself, or its surroundings: whoever runs it acts.',
  } as const;
  const parts = Object.entries(blames).map(([blame, meaning]) => {
    const rows = Object.entries(FAULTS)
      .filter(([, fault]) => fault.blame === blame)
      .map(
        ([code, { hl7, answer, pauses, text }]) => `| \`${code}\` | ${answer} | ${hl7} | ${pauses ?? ''} | ${text} |`,
      );
    return `## ${blame}\n\n${meaning}\n\n${table(['code', 'answer', 'ERR-3', 'pauses', 'text'], rows)}`;
  });
  return page(
    'Faults',
    `Everything that can be said to go wrong, as senders read it in ERR and operators in the log. *Answer* is what the
sender of a message gets where the fault refuses it: AE = mend the content, AR = no custody or not for us. *ERR-3* is the
code of HL7 table 0357. *Pauses* says what an attempt's fault stops besides its own lane.`,
    parts.join('\n'),
  );
}

function metricsPage(): string {
  const rows = Object.entries(METRICS).map(([name, { type, labels, help }]) => {
    return `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help} |`;
  });
  return page(
    'Metrics',
    `\`GET /metrics\` of the console, in the Prometheus text format. Labels hold names of the configuration and of our own
tables, never anything of a message. Beside these there are the usual \`process_…\` and \`nodejs_…\` metrics of the process.

\`sluss_alarm\` has what Sluss itself finds worth an alarm ([alarms](alarms.md)). To watch it from outside: \`sluss_ready == 0\`, \`sluss_journal_up == 0\`, \`sluss_party_stopped == 1\`,
\`sluss_certificate_days_left < 30\`, \`sluss_mapping_reload_failed == 1\`, \`sluss_configuration_reload_failed == 1\`,
\`sluss_disk_low == 1\`, \`sluss_oldest_waiting_seconds\` or
\`sluss_oldest_held_seconds\` beyond what you have agreed on.`,
    table(['name', 'type', 'labels', 'what it says'], rows),
  );
}

function page(title: string, introduction: string, body: string): string {
  return `<!-- Made by \`npm run generate\`; do not edit. -->\n\n# ${title}\n\n${introduction}\n\n${body}`;
}

function table(head: readonly string[], rows: readonly string[]): string {
  return `| ${head.join(' | ')} |\n|${head.map(() => ' --- |').join('')}\n${rows.join('\n')}\n`;
}

if (import.meta.main) {
  for (const path of generateAll(false)) process.stdout.write(`${path} written\n`);
}
