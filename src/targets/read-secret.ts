import { readFileSync } from 'node:fs';
import { Fault } from '../contracts/fault.ts';
import type { Host } from '../contracts/plugin.ts';
import type { SecretReference } from '../contracts/secret-reference.ts';

/**
 * Reads a secret anew, so that a changed one needs no restart.
 * @throws Fault `party-stopped` — there is none
 */
export function readSecret(reference: SecretReference, host: Pick<Host, 'readVariable' | 'resolvePath'>): string {
  if ('env' in reference) {
    const value = host.readVariable(reference.env) ?? '';
    if (value !== '') return value;
    throw new Fault('party-stopped', { detail: `the environment variable ${reference.env} is not set` });
  }
  const text = readKeyFile(reference.file, host.resolvePath).trimEnd();
  if (text !== '') return text;
  throw new Fault('party-stopped', { detail: 'the file is empty', where: reference.file });
}

/** Reads a file that holds a key or a secret. @throws Fault `party-stopped` */
export function readKeyFile(file: string, resolvePath: (path: string) => string): string {
  try {
    return readFileSync(resolvePath(file), 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new Fault('party-stopped', { detail: `the file cannot be read (${code})`, where: file });
  }
}
