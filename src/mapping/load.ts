import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { SourceFile } from './yaml-node.ts';

/**
 * Reads every `.yaml` and `.yml` file at or below the folders, in a fixed order. The only file of this room that
 * touches the disk.
 * @param from folder that the paths in problems are relative to
 * @throws Error (of node:fs) if a folder or file cannot be read
 */
export function readMappingFiles(folders: readonly string[], from: string): SourceFile[] {
  return folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /\.ya?ml$/.test(entry.name))
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
      .map((path) => ({ path: relative(from, path), text: readFileSync(path, 'utf8') })),
  );
}
