import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from './engine-process.ts';

/** Another version of Sluss, made on the spot: this one's code under another number, with further steps of the schemas. */
export interface OtherVersion extends Disposable {
  readonly root: string;
}

export interface MoreSteps {
  /** Of the PostgreSQL journal, and of the scratch paper that it decides on; SQL. */
  readonly postgres: readonly string[];
  readonly scratch: readonly string[];
}

export function makeVersion(version: string, steps: MoreSteps): OtherVersion {
  const root = mkdtempSync(join(tmpdir(), 'sluss-version-'));
  cpSync(join(ROOT, 'src'), join(root, 'src'), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'));
  const about = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as object;
  writeFileSync(join(root, 'package.json'), JSON.stringify({ ...about, version }));
  append(join(root, 'src/journal/postgres/migrations.ts'), steps.postgres);
  append(join(root, 'src/journal/migrations.ts'), steps.scratch);
  return { root, [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }) };
}

/** The steps are the last thing in their file. */
function append(file: string, steps: readonly string[]): void {
  const text = readFileSync(file, 'utf8').trimEnd();
  if (!text.endsWith('];')) throw new Error(`${file} does not end with its steps`);
  writeFileSync(file, `${text.slice(0, -2)}${steps.map((step) => `${JSON.stringify(step)},\n`).join('')}];\n`);
}
