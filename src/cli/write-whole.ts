import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** Writes a file so that whoever reads it meanwhile sees the old one or the new one. @throws Error (of node:fs) */
export function writeWhole(path: string, text: string): void {
  if (!existsSync(dirname(path))) throw new Error(`${path} cannot be written: there is no folder ${dirname(path)}`);
  const draft = `${path}.${process.pid}.part`;
  try {
    writeFileSync(draft, text);
    renameSync(draft, path);
  } finally {
    rmSync(draft, { force: true });
  }
}
