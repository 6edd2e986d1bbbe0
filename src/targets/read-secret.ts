import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { Fault } from '../contracts/fault.ts';

export const secretReference = z.union([
  z.strictObject({ env: z.string().min(1).describe('Name of the environment variable that holds the secret.') }),
  z.strictObject({ file: z.string().min(1).describe('File that holds the secret and nothing else.') }),
]);

export type SecretReference = z.output<typeof secretReference>;

/**
 * Reads a secret anew, so that a changed one needs no restart.
 * @throws Fault `party-stopped` — there is none
 */
export function readSecret(reference: SecretReference, resolvePath: (path: string) => string): string {
  if ('env' in reference) {
    const value = process.env[reference.env] ?? '';
    if (value !== '') return value;
    throw new Fault('party-stopped', { detail: `the environment variable ${reference.env} is not set` });
  }
  const text = readKeyFile(reference.file, resolvePath).trimEnd();
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
