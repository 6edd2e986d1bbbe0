import { z } from 'zod';

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const FORM = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;

/** `200ms`, `30s`, `15m`, `72h`, `2d` in a file; ms in the engine. */
export function duration(describe: string, byDefault: string) {
  return z
    .string()
    .regex(FORM, 'must be a duration such as 200ms, 30s, 15m, 72h or 2d')
    .describe(`${describe} A duration such as 200ms, 30s, 15m, 72h or 2d.`)
    .default(byDefault)
    .transform(durationToMs);
}

export function durationToMs(text: string): number {
  const [, count = '', unit = ''] = FORM.exec(text) ?? [];
  return Math.round(Number(count) * (UNITS[unit] ?? Number.NaN));
}
