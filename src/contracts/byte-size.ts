import { z } from 'zod';

const UNITS: Readonly<Record<string, number>> = { kB: 1_000, MB: 1_000_000, GB: 1_000_000_000 };
const FORM = /^(\d+(?:\.\d+)?) ?(kB|MB|GB)$/;
const ERROR = 'must be a size such as 500 kB, 16 MB or 1 GB, or a number of bytes';

/**
 * A key of a configuration that holds a size: `16 MB`, or a plain number of bytes; bytes in the code.
 * @param range the least and the most that is taken, in the same form
 */
export function byteSize(
  describe: string,
  byDefault: string,
  range: { readonly least: string; readonly most?: string },
) {
  return z
    .union([z.int().min(0), z.string().regex(FORM, ERROR)], { error: ERROR })
    .meta({ title: 'size', examples: ['500 kB', '16 MB', '1 GB'], description: describe })
    .default(byDefault)
    .transform((value, context) => {
      const bytes = typeof value === 'number' ? value : sizeToBytes(value);
      const { least, most } = range;
      if (bytes < sizeToBytes(least)) context.addIssue(`must be at least ${least}`);
      if (most !== undefined && bytes > sizeToBytes(most)) context.addIssue(`must be at most ${most}`);
      return bytes;
    });
}

function sizeToBytes(text: string): number {
  const [, count = '', unit = ''] = FORM.exec(text) ?? [];
  return Math.round(Number(count) * (UNITS[unit] ?? Number.NaN));
}
