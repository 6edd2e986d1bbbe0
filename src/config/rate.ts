import { z } from 'zod';

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const FORM = /^([1-9]\d{0,5})\/(s|m|h|d)$/;
const MOST = 100_000;

/** A key of a configuration that holds a number of times in a span: `20/s`, `600/m`; absent = no such limit. */
export function rate(describe: string) {
  return z
    .string()
    .regex(FORM, 'must be a rate such as 20/s, 600/m, 5000/h or 20000/d')
    .meta({ title: 'rate', examples: ['20/s', '600/m', '5000/h'], description: describe })
    .transform((text, context) => {
      const [, count = '', unit = ''] = FORM.exec(text) ?? [];
      if (Number(count) > MOST) context.addIssue(`must be at most ${MOST} in its span`);
      return { count: Number(count), perMs: UNITS[unit] ?? Number.NaN };
    })
    .optional();
}
