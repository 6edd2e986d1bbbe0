import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const FIXTURES = join(import.meta.dirname, '../../fixtures');
const CORPUS = join(import.meta.dirname, '../../../shared/corpus');

/** Larger ones would make every case slow. */
const MAX_BYTES = 40_000;

/** The messages that are spoiled: those of the fixtures, and public ones where they are there. */
export function readOriginals(): { readonly own: readonly Buffer[]; readonly foreign: readonly Buffer[] } {
  const read = (folder: string, pattern: string) =>
    globSync(pattern, { cwd: folder })
      .sort()
      .map((file) => readFileSync(join(folder, file)))
      .filter((bytes) => bytes.length <= MAX_BYTES && bytes.includes('MSH'));
  const own = [...read(FIXTURES, 'conversations/*/in*.hl7'), ...read(FIXTURES, 'oru-r01/*.hl7')];
  const foreign = existsSync(CORPUS) ? read(CORPUS, '**/*.hl7') : [];
  if (foreign.length === 0) console.warn('fuzz: there is no ../shared/corpus; the fixtures alone are spoiled');
  return { own, foreign };
}
