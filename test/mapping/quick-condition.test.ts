import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Fault } from '../../src/contracts/fault.ts';
import { exactNumber } from '../../src/fhir/json.ts';
import { type ConditionReader, compileCondition, type Presence, readCondition } from '../../src/mapping/condition.ts';
import { compileQuickCondition, type QuickCondition } from '../../src/mapping/quick-condition.ts';

const NAMES = ['kind', 'flag', 'wanted', 'thing', 'broken'];
const PATHS = ['PID-3.1', 'OBX-11', 'OBX-5[2]', 'ORDER_OBSERVATION.NTE[*]-3', 'PID-3[5="X"].1'];
const WORDS = ['F', 'naat', '', 'both', 'é'];

const anyValue = fc.oneof(
  fc.constantFrom<unknown>(...WORDS, true, false, null, 3, 4.5, {}, [], exactNumber('1.50')),
  fc.array(fc.constantFrom<unknown>(...WORDS, 1, null), { maxLength: 3 }),
  fc.dictionary(fc.constantFrom('number', 'kind', 'none'), fc.constantFrom<unknown>(...WORDS, true, null, 7), {
    maxKeys: 2,
  }),
  fc.constant(new Date(0)),
);

interface World {
  readonly texts: readonly string[];
  readonly presences: readonly Presence[];
  readonly values: readonly unknown[];
}

const world: fc.Arbitrary<World> = fc.record({
  texts: fc.array(fc.constantFrom(...WORDS), { minLength: PATHS.length, maxLength: PATHS.length }),
  presences: fc.array(fc.constantFrom<Presence>('absent', 'empty', 'null', 'valued'), {
    minLength: PATHS.length,
    maxLength: PATHS.length,
  }),
  values: fc.array(anyValue, { minLength: 4, maxLength: 4 }),
});

function readerOf({ texts, presences, values }: World): ConditionReader {
  return {
    readText: (path) => texts[PATHS.indexOf(path.text)] ?? '',
    readPresence: (path) => presences[PATHS.indexOf(path.text)] ?? 'absent',
    readVariable: (name) => {
      if (name === 'broken') throw new Fault('field-required');
      return values[NAMES.indexOf(name)];
    },
  };
}

const word = fc.constantFrom(...WORDS).map((text) => JSON.stringify(text));
const path = fc.constantFrom(...PATHS);
const variable = fc.constantFrom('kind', 'flag', 'thing', 'thing.number', 'thing.kind', 'wanted', 'broken');
const comparison = fc.constantFrom('==', '!=');
const constant = fc.oneof(word, fc.constantFrom('true', 'false', 'null'));

const { expression } = fc.letrec<{ expression: string; leaf: string }>((tie) => ({
  leaf: fc.oneof(
    fc.tuple(fc.constantFrom('valued', 'isNull', 'isEmpty', 'isAbsent'), path).map(([test, at]) => `${test}(${at})`),
    fc.tuple(path, comparison, word).map((parts) => parts.join(' ')),
    fc.tuple(variable, comparison, constant).map((parts) => parts.join(' ')),
    fc
      .tuple(path, fc.array(word, { minLength: 1, maxLength: 3 }))
      .map(([at, words]) => `${at} in [${words.join(', ')}]`),
    fc.tuple(path, comparison, path).map((parts) => parts.join(' ')),
    fc.tuple(fc.oneof(word, path), variable).map(([text, list]) => `${text} in ${list}`),
    fc.tuple(variable, fc.constantFrom(0, 1, 2)).map(([list, least]) => `size(${list}) > ${least}`),
  ),
  expression: fc.oneof(
    { maxDepth: 3 },
    { weight: 3, arbitrary: tie('leaf') },
    { weight: 2, arbitrary: fc.tuple(tie('expression'), tie('expression')).map(([a, b]) => `(${a} && ${b})`) },
    { weight: 2, arbitrary: fc.tuple(tie('expression'), tie('expression')).map(([a, b]) => `(${a} || ${b})`) },
    { weight: 1, arbitrary: tie('expression').map((inner) => `!(${inner})`) },
  ),
}));

/** The answer, or that there is none. */
function tryTo(ask: () => boolean): boolean | 'broken' {
  try {
    return ask();
  } catch {
    return 'broken';
  }
}

function quickOf(text: string): QuickCondition | null {
  const { parsed, paths } = readCondition(text, NAMES);
  return compileQuickCondition(parsed.ast, paths);
}

describe('a quick condition', () => {
  it('says what CEL says, or nothing, whatever stands at the paths and in the variables', () => {
    let answered = 0;
    fc.assert(
      fc.property(expression, world, (text, around) => {
        const reader = readerOf(around);
        const quick = quickOf(text);
        expect(quick, text).not.toBeNull();
        // A call is nothing for the quick way, so this is CEL alone.
        const whole = tryTo(() => compileCondition(`(${text}) && size("a") == 1`, NAMES)(reader));
        const answer = quick?.(reader);
        if (answer !== undefined) {
          answered += 1;
          expect(answer, text).toBe(whole);
        }
        expect(
          tryTo(() => compileCondition(text, NAMES)(reader)),
          text,
        ).toBe(whole);
      }),
      { numRuns: 2000 },
    );
    expect(answered).toBeGreaterThan(500);
  });

  it('leaves to CEL what it does not know', () => {
    for (const text of [
      'size(OBX-11) > 1',
      'size(wanted) >= 1',
      'flag',
      'OBX-11.startsWith("F")',
      'valued(OBX-11) ? true : false',
    ])
      expect(quickOf(text), text).toBeNull();
  });

  it('does not guess where a variable cannot be read', () => {
    const reader = readerOf({ texts: [], presences: [], values: [] });
    expect(quickOf('broken == "x"')?.(reader)).toBeUndefined();
    expect(quickOf('!(broken == "x") || valued(OBX-11)')?.(reader)).toBeUndefined();
  });
});
