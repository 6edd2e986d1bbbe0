import { renameSync, rmSync, writeFileSync } from 'node:fs';

/** Writes a file so that whoever reads it meanwhile sees the old one or the new one. @throws Error (of node:fs) */
export function writeWhole(path: string, text: string): void {
  const draft = `${path}.${process.pid}.part`;
  try {
    writeFileSync(draft, text);
    renameSync(draft, path);
  } finally {
    rmSync(draft, { force: true });
  }
}
