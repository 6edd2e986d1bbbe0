import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { bundlesOf, mapMessage, mapperOf } from './kit.ts';

const FOLDER = resolve(import.meta.dirname, '../../fixtures/oru-r01');

/** One message of our own, and what the general mapping is expected to make of it. */
export interface Golden {
  readonly name: string;
  /** Where the expectation stands. */
  readonly path: string;
  readonly made: string;
}

/** Maps every message of `fixtures/oru-r01`. Without `where`: a line added to a mapping file changes none. */
export function makeGoldens(): Golden[] {
  const mapper = mapperOf('oru-r01');
  return globSync('*.hl7', { cwd: FOLDER })
    .sort()
    .map((file) => {
      const mapped = mapMessage(mapper, readFileSync(join(FOLDER, file)));
      const told = (records: typeof mapped.faults) => records.map(({ code, at, detail }) => ({ code, at, detail }));
      const [bundle = null] = bundlesOf(mapped);
      const name = file.replace(/\.hl7$/, '');
      const content = { faults: told(mapped.faults), warnings: told([...mapped.warnings]), bundle };
      return { name, path: join(FOLDER, `${name}.json`), made: `${JSON.stringify(content, null, 2)}\n` };
    });
}
