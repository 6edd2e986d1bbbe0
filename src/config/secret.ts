import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

export type SecretReference = { readonly env: string } | { readonly file: string; readonly create?: true | undefined };

/** Where secrets come from, handed in. */
export interface SecretSources {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly resolvePath: (path: string) => string;
  /** Makes a new secret for a file that does not exist yet; null = none may be made. */
  readonly makeSecret: (() => string) | null;
}

/**
 * The secret's text; null where its file is still to be made by somebody who may. A file that may be made is, with its
 * folder, for its owner alone.
 * @throws Error in words for people, without the secret
 */
export function readSecret(reference: SecretReference, sources: SecretSources): string | null {
  if ('env' in reference) {
    const value = sources.env[reference.env];
    if (value === undefined || value === '') throw new Error(`the environment variable ${reference.env} is not set`);
    return value;
  }
  const file = sources.resolvePath(reference.file);
  try {
    return readFileSync(file, 'utf8').trimEnd();
  } catch (error) {
    const code = codeOf(error);
    if (code !== 'ENOENT' || reference.create !== true) throw new Error(`${file} cannot be read (${code})`);
  }
  // Whoever only looks must not leave a file behind.
  if (sources.makeSecret === null) return null;
  const made = sources.makeSecret();
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(file, `${made}\n`, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    throw new Error(`${file} cannot be made (${codeOf(error)})`);
  }
  return made;
}

export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'error';
}
