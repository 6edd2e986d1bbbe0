import { InvalidArgumentError } from 'commander';

/** What a stand-in can be told to do wrong, and where: the words of `--fail`. */
export interface FaultTerms<Plain extends string, Where extends string> {
  /** Faults that take no value, beside `status` and `delay`, which every stand-in knows. */
  readonly plain: readonly Plain[];
  /** Qualifiers and, for each, what it may be called → what the stand-in calls it. */
  readonly where: Readonly<Record<Where, Readonly<Record<string, string>>>>;
}

/** One `--fail`, read. */
export interface FaultSpec<Plain extends string, Where extends string> {
  readonly fault:
    | { readonly kind: 'status'; readonly status: number; readonly headers: Readonly<Record<string, string>> }
    | { readonly kind: 'delay'; readonly delayMs: number }
    | { readonly kind: Plain };
  /** null = every time. */
  readonly times: number | null;
  /** Above 0, up to 1. */
  readonly probability: number;
  /** In the stand-in's own terms; a qualifier that is absent = everywhere. */
  readonly where: Readonly<Partial<Record<Where, string>>>;
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000 };
const LONGEST_MS = 3_600_000;

/**
 * Reads one order of faults: `status=503,times=3`, `delay=2s,party=region-nord`, `lose-answer,probability=0.05`. Order of
 * the parts does not matter.
 * @throws InvalidArgumentError that says which part is wrong and what is known instead
 */
export function readFaultSpec<Plain extends string, Where extends string>(
  text: string,
  terms: FaultTerms<Plain, Where>,
): FaultSpec<Plain, Where> {
  const kinds = ['status=<code>', 'delay=<time>', ...terms.plain];
  const qualifiers = ['times', 'probability', 'retry-after', ...Object.keys(terms.where)];
  const given = new Map<string, string | null>();
  for (const part of text.split(',').map((part) => part.trim())) {
    const sign = part.indexOf('=');
    const key = sign < 0 ? part : part.slice(0, sign);
    if (given.has(key)) throw wrong(`“${key}” stands there twice.`);
    given.set(key, sign < 0 ? null : part.slice(sign + 1));
  }
  const faults = [...given.keys()].filter((key) => ['status', 'delay', ...terms.plain].includes(key));
  for (const key of given.keys()) {
    if (faults.includes(key) || qualifiers.includes(key)) continue;
    throw wrong(`“${key}” is not known. Faults: ${kinds.join(', ')}. With: ${qualifiers.join(', ')}.`);
  }
  const [kind] = faults;
  if (kind === undefined) throw wrong(`It must say what goes wrong: ${kinds.join(', ')}.`);
  if (faults.length > 1) throw wrong(`It names ${faults.join(' and ')}; one --fail orders one fault.`);
  if (given.has('retry-after') && kind !== 'status') throw wrong('“retry-after” goes with status only.');

  const where: Partial<Record<Where, string>> = {};
  for (const [key, names] of Object.entries(terms.where) as [Where, Readonly<Record<string, string>>][]) {
    const name = given.get(key);
    if (name === undefined) continue;
    if (name === null || !Object.hasOwn(names, name)) {
      throw wrong(`${key}=${name ?? ''} is not known: ${Object.keys(names).join(', ')}.`);
    }
    where[key] = names[name] as string;
  }
  return { fault: readFault(kind, given), times: readTimes(given), probability: readProbability(given), where };

  function readFault(kind: string, given: ReadonlyMap<string, string | null>) {
    const value = given.get(kind) ?? null;
    if (kind === 'status') {
      if (!/^[345]\d\d$/.test(value ?? '')) throw wrong('status= takes a status of HTTP from 300 to 599.');
      const retryAfter = given.has('retry-after') ? readMs('retry-after', given) : null;
      const headers = retryAfter === null ? {} : { 'retry-after': String(Math.ceil(retryAfter / 1000)) };
      return { kind: 'status', status: Number(value), headers } as const;
    }
    if (kind === 'delay') return { kind: 'delay', delayMs: readMs('delay', given) } as const;
    if (value !== null) throw wrong(`“${kind}” takes no value.`);
    return { kind: kind as Plain };
  }
}

function readTimes(given: ReadonlyMap<string, string | null>): number | null {
  const text = given.get('times');
  if (text === undefined) return null;
  if (!/^[1-9]\d{0,8}$/.test(text ?? '')) throw wrong('times= takes a whole number from 1.');
  return Number(text);
}

function readProbability(given: ReadonlyMap<string, string | null>): number {
  const text = given.get('probability');
  if (text === undefined) return 1;
  const number = Number(text);
  if (!/^[\d.]+$/.test(text ?? '') || !(number > 0 && number <= 1)) {
    throw wrong('probability= takes a number above 0 and up to 1, such as 0.05.');
  }
  return number;
}

function readMs(key: string, given: ReadonlyMap<string, string | null>): number {
  const [, number, unit] = /^(\d{1,7})(ms|s|m)$/.exec(given.get(key) ?? '') ?? [];
  const ms = Number(number) * (UNIT_MS[unit ?? ''] ?? 0);
  if (!(ms > 0 && ms <= LONGEST_MS)) throw wrong(`${key}= takes a time up to 60m, such as 250ms, 2s, 1m.`);
  return ms;
}

const wrong = (text: string) => new InvalidArgumentError(text);
