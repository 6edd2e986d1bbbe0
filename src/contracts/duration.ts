import { z } from 'zod';

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const FORM = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;
const EXAMPLES = ['200ms', '30s', '15m', '72h', '2d'];
const HINT = 'a duration such as 200ms, 30s, 15m, 72h or 2d';

/**
 * A key of a configuration that holds a length of time: `200ms`, `30s`, `15m`, `72h`, `2d` in the file, ms in the code.
 * @param most the longest that is taken, in the same form
 */
export function duration(describe: string, byDefault: string, most: string | null = null) {
  return durationText(`must be ${HINT}`)
    .meta({ title: 'duration', examples: EXAMPLES, description: describe })
    .default(byDefault)
    .transform((text, context) => {
      const lengthMs = durationToMs(text);
      if (lengthMs === 0) context.addIssue('must be longer than nothing');
      if (most !== null && lengthMs > durationToMs(most)) context.addIssue(`must be at most ${most}`);
      return lengthMs;
    });
}

/** A length of time that may also be a plain `0`; `describe` says what that does. */
export function durationOrZero(describe: string, byDefault: string | 0) {
  const error = `must be 0 or ${HINT}`;
  return z
    .union([z.literal(0), durationText(error)], { error })
    .meta({ title: 'duration or 0', examples: [0, ...EXAMPLES], description: describe })
    .default(byDefault)
    .transform((value) => (value === 0 ? 0 : durationToMs(value)));
}

/** A length of time, or one of these words; `describe` says what they do. */
export function durationOr<Word extends string>(
  words: readonly [Word, ...Word[]],
  describe: string,
  byDefault: string,
) {
  const error = `must be ${words.join(', or ')}, or ${HINT}`;
  return z
    .union([z.enum(words), durationText(error)], { error })
    .meta({ title: `duration or ${words.join(' or ')}`, examples: [...words, ...EXAMPLES], description: describe })
    .default(byDefault as never)
    .transform((value, context): number | Word => {
      const word = words.find((one) => one === value);
      if (word !== undefined) return word;
      const lengthMs = durationToMs(value);
      if (lengthMs === 0) context.addIssue('must be longer than nothing');
      return lengthMs;
    });
}

function durationText(error: string) {
  return z.string({ error }).regex(FORM, error);
}

function durationToMs(text: string): number {
  const [, count = '', unit = ''] = FORM.exec(text) ?? [];
  return Math.round(Number(count) * (UNITS[unit] ?? Number.NaN));
}
