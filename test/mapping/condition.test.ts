import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { exactNumber } from '../../src/fhir/json.ts';
import {
  type Condition,
  ConditionError,
  type ConditionReader,
  compileCondition,
  isFreeName,
  type Presence,
} from '../../src/mapping/condition.ts';

const TEXTS: Record<string, string> = {
  'PID-8': 'F',
  'OBX-11': 'F',
  'OBX-5': '12',
  'PID-3[5="a]b\'"].1': 'q',
  'OBR-4': '',
};
const PRESENCES: Record<string, Presence> = {
  'PID-8': 'valued',
  'OBR-4': 'empty',
  'PID-5': 'null',
  'PID-3[5="a]b\'"].1': 'valued',
};
const VARIABLES: Record<string, unknown> = {
  kind: 'naat',
  nothing: null,
  wanted: ['test', 'both'],
  person: { number: null, kind: 'none' },
  amount: exactNumber('1.50'),
  count: 3,
  flag: true,
};

function readerOf(): ConditionReader & { asked: string[] } {
  const asked: string[] = [];
  const note = <Value>(name: string, value: Value): Value => {
    asked.push(name);
    return value;
  };
  return {
    asked,
    readText: ({ text }) => note(text, TEXTS[text] ?? ''),
    readPresence: ({ text }) => note(text, PRESENCES[text] ?? 'absent'),
    readVariable: (name) => note(name, VARIABLES[name]),
  };
}

const compile = (expression: string): Condition => compileCondition(expression, Object.keys(VARIABLES));
const holds = (expression: string) => compile(expression)(readerOf());

describe('isFreeName', () => {
  it.each([
    ['person', true],
    ['valued', true],
    ['list', false],
    ['type', false],
    ['int', false],
    ['string', false],
    ['in', false],
    ['true', false],
    ['null', false],
    ['for', false],
  ])('of %s is %s', (name, expected) => {
    expect(isFreeName(name)).toBe(expected);
  });
});

describe('a condition', () => {
  it.each([
    ['PID-8 == "F"', true],
    ['PID-8 != "F"', false],
    ['"F" == PID-8', true],
    ['(PID-8) == "F"', true],
    ['PID-8=="F"&&OBX-11=="F"', true],
    ['OBX-11 in ["F", "C"]', true],
    ['OBX-11 in ["P", "C"]', false],
    ['"test" in wanted', true],
    ['!("x" in wanted)', true],
    ['size(wanted) == 2', true],
    ['size(PID-8) == 1', true],
    ['PID-8.startsWith("F")', true],
    ['PID-8.contains("F") && !PID-8.endsWith("x")', true],
    ['PID-3[5="a]b\'"].1 == "q"', true],
    ['valued(PID-3[5="a]b\'"].1)', true],
    ['kind == "naat"', true],
    ['nothing == null', true],
    ['nothing != null', false],
    ['person.number == null', true],
    ['person.kind == "none"', true],
    ['amount > 1', true],
    ['amount == 1.5', true],
    ['count == 3', true],
    ['count >= 3.5', false],
    ['flag', true],
    ['!flag', false],
    ['double(OBX-5) > 10.0', true],
    ['int(OBX-5) == 12', true],
    // && before ||, as everywhere
    ['true || false && false', true],
    ['(true || false) && false', false],
    ['!false && false', false],
    ['false ? false : true', true],
  ])('%s is %s', (expression, expected) => {
    expect(holds(expression)).toBe(expected);
  });

  it.each([
    ['valued(PID-8)', true],
    ['valued( PID-8 )', true],
    ['valued(OBR-4)', false],
    ['valued(PID-5)', false],
    ['isEmpty(OBR-4)', true],
    ['isEmpty(PID-8)', false],
    ['isEmpty(ZZZ-1)', false],
    ['isNull(PID-5)', true],
    ['isNull(OBR-4)', false],
    ['isAbsent(ZZZ-1)', true],
    ['isAbsent(OBR-4)', false],
    ['!valued(OBR-4) && (isNull(PID-5) || isAbsent(PID-5))', true],
  ])('tells presence: %s is %s', (expression, expected) => {
    expect(holds(expression)).toBe(expected);
  });

  it('leaves what stands in quotes alone', () => {
    expect(holds('"PID-8" == "PID-8"')).toBe(true);
    expect(holds(`'valued(PID-8)' == "valued(PID-8)"`)).toBe(true);
    expect(holds('PID-8 == "PID-8"')).toBe(false);
    expect(holds('"a \\" PID-8" == \'a " PID-8\'')).toBe(true);
  });

  it('asks for nothing behind what has been decided', () => {
    const asked = (expression: string) => {
      const reader = readerOf();
      compile(expression)(reader);
      return reader.asked;
    };
    expect(asked('PID-8 == "M" && kind == "naat"')).toEqual(['PID-8']);
    expect(asked('kind == "naat" || OBX-11 == "F"')).toEqual(['kind']);
    expect(asked('flag ? PID-8 == "F" : OBX-11 == "F"')).toEqual(['flag', 'PID-8']);
  });

  it('reads each message anew', () => {
    const condition = compile('PID-8 == "F" && kind == "naat"');
    const other: ConditionReader = { ...readerOf(), readText: () => 'M' };
    expect([condition(readerOf()), condition(other), condition(readerOf())]).toEqual([true, false, true]);
  });

  it('tells which names it uses', () => {
    const used: string[] = [];
    compileCondition('kind == "x" || "flag" in wanted', Object.keys(VARIABLES), (name) => used.push(name));
    expect(used).toEqual(['kind', 'wanted']);
  });

  it('that cannot be evaluated throws, and what a reader throws comes through', () => {
    expect(() => holds('"a" in nothing')).toThrow();
    expect(() => holds('nothing.x == 1')).toThrow();
    const own = new RangeError('mine');
    const reader: ConditionReader = {
      ...readerOf(),
      readText: () => {
        throw own;
      },
    };
    expect(() => compile('PID-8 == "F"')(reader)).toThrow(own);
  });

  it.each([
    ['PID-8.matches("x")', 0],
    ['[1].exists(i, "a".matches("(a+)+"))', 14],
  ])('is refused where it asks for matches: %s', (expression, offset) => {
    try {
      compile(expression);
    } catch (error) {
      expect((error as ConditionError).message).toContain('matches() is not allowed here');
      expect((error as ConditionError).offset).toBe(offset);
      return;
    }
    throw new Error('it was taken');
  });

  it('is refused where it is too large', () => {
    expect(() => compile(Array(500).fill('flag').join(' && '))).toThrow(ConditionError);
    expect(() => compile(`${'('.repeat(500)}flag${')'.repeat(500)}`)).toThrow(ConditionError);
  });

  it('either compiles or throws a ConditionError within its text', () => {
    const unit = fc.constantFrom(
      'PID-3',
      '[',
      ']',
      '"',
      "'",
      '(',
      ')',
      '==',
      '&&',
      'kind',
      'valued(',
      ' ',
      '5',
      '.',
      '!',
      '$',
      ',',
      '\\',
    );
    fc.assert(
      fc.property(fc.array(unit, { maxLength: 10 }), (units) => {
        const text = units.join('');
        try {
          compile(text);
        } catch (error) {
          expect(error).toBeInstanceOf(ConditionError);
          expect((error as ConditionError).offset).toBeGreaterThanOrEqual(0);
          expect((error as ConditionError).offset).toBeLessThanOrEqual(text.length + 1);
        }
      }),
      { numRuns: 500 },
    );
  });
});
