import { z } from 'zod';

/** Where a configuration keeps a secret: in the environment or in a file, never in the configuration itself. */
export const secretReference = z.union([
  z.strictObject({ env: z.string().min(1).describe('Name of the environment variable that holds it.') }),
  z.strictObject({ file: z.string().min(1).describe('File that holds it and nothing else.') }),
]);

export type SecretReference = z.output<typeof secretReference>;
