import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');
/** Loaded only where a target of kind `mllp` connects: it is put aside, so nothing else may need it to start. */
const ASIDE = 'node-hl7-client';

interface Lock {
  readonly packages: Readonly<Record<string, { readonly dev?: true; readonly link?: true }>>;
}

/**
 * Makes in a new folder what `npm ci --omit=dev` and `npm run build` would: the packages of the lock file that are not for
 * development, copied from this checkout's `node_modules` so that no registry is needed, and the compiled program.
 * @throws Error where the program cannot be compiled
 */
export function makeProductionInstall(folder: string): void {
  const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as Lock;
  const paths = Object.entries(lock.packages).flatMap(([path, { dev }]) => (path === '' || dev ? [] : [path]));
  // Shorter ones first: a package brings the packages below it that are its own, those for development among them.
  for (const path of paths.toSorted((a, b) => a.length - b.length)) {
    const from = join(ROOT, path);
    // Those for other platforms are not there.
    if (!existsSync(from)) continue;
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    cpSync(from, join(folder, path), {
      recursive: true,
      filter: (source) => source === from || !isNested(source, from),
    });
  }
  mkdirSync(join(folder, 'aside'));
  renameSync(join(folder, 'node_modules', ASIDE), join(folder, 'aside', ASIDE));
  cpSync(join(ROOT, 'package.json'), join(folder, 'package.json'));
  cpSync(join(ROOT, 'mappings'), join(folder, 'mappings'), { recursive: true });
  const compiler = [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', join(ROOT, 'tsconfig.build.json')];
  execFileSync(process.execPath, [...compiler, '--outDir', join(folder, 'dist')], { stdio: ['ignore', 2, 2] });
}

/** What an installation takes on disk, as `du` counts it. */
export function productionMb(folder: string): { readonly modulesMb: number; readonly programMb: number } {
  const modules = sizeOf(join(folder, 'node_modules')) + sizeOf(join(folder, 'aside'));
  const program = sizeOf(join(folder, 'dist')) + sizeOf(join(folder, 'mappings'));
  return { modulesMb: modules / 2 ** 20, programMb: program / 2 ** 20 };
}

function isNested(source: string, from: string): boolean {
  return source === join(from, 'node_modules');
}

function sizeOf(path: string): number {
  const { blocks } = lstatSync(path);
  const own = blocks * 512;
  if (!lstatSync(path).isDirectory()) return own;
  return readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), own);
}
