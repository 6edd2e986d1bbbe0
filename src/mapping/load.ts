import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import type { SourceFile } from './yaml-node.ts';

/**
 * Reads every `.yaml` and `.yml` file at or below the folders, in a fixed order. Links to files are followed, and what
 * is hidden (a name that begins with a point) is passed over: mounted configuration consists of both. The only file of
 * this room that touches the disk.
 * @param from folder that the paths in problems are relative to
 * @throws Error (of node:fs) if a folder or file cannot be read
 */
export function readMappingFiles(folders: readonly string[], from: string): SourceFile[] {
  return folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => /\.ya?ml$/.test(entry.name))
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((path) => !relative(folder, path).split(sep).some(isHidden) && statSync(path).isFile())
      .sort()
      .map((path) => ({ path: relative(from, path), text: readFileSync(path, 'utf8') })),
  );
}

const isHidden = (name: string) => name.startsWith('.');
