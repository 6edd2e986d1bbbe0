import { describe, expect, it } from 'vitest';
import {
  type ChannelWish,
  CONTEXT,
  compile,
  HEADER,
  mapperOf,
  mappingFile,
  mappingText,
  message,
  PROJECT_FILES,
  problemsOf,
} from './kit.ts';

const problemsIn = (sections: Record<string, string | null>, ...more: { path: string; text: string }[]) =>
  problemsOf(compile([mappingFile(sections), ...more]));

/** Lines: 1 mapping, 2 match, 3 zone, 4 each, 5 party, 6 lane, 7 result, 8 deliver, then what is added. */
describe('a mapping file with a mistake', () => {
  it('has none to begin with', () => {
    expect(problemsIn({})).toEqual([]);
    expect(problemsOf(compile(PROJECT_FILES, { mappings: ['se-covid-certificates'] }))).toEqual([]);
  });

  it.each<[string, Record<string, string | null>, string]>([
    [
      'an unknown key',
      { wholly: 'x' },
      'm.yaml:9:1 Unknown key "wholly" (known here: mapping, extends, summary, because, match, zone, settings, each, let, party, provides, ignore, skip, refuse, hold, lane, result, deliver, resources, entries, tables, tests)',
    ],
    ['a misspelt key', { skpi: '[]' }, 'm.yaml:9:1 Unknown key "skpi" (did you mean "skip"?)'],
    [
      'a misspelt key of a rule',
      { let: '{ a: { form: PID-3 } }' },
      'm.yaml:9:13 Unknown key "form" (did you mean "from"?)',
    ],
    [
      'a misspelt key of a delivery',
      { deliver: '[{ to: t/op, bdy: { value: 1 } }]' },
      'm.yaml:8:23 Unknown key "bdy" (did you mean "body"?)',
    ],
    [
      'a misspelt key of result',
      { result: '{ keys: [OBR-3], key: [OBR-3], rank: [MSH-7], digest: [OBX-5] }' },
      'm.yaml:7:11 Unknown key "keys" (did you mean "key"?)',
    ],
    ['a match without type', { match: '{}' }, 'm.yaml:2:8 match needs type: ORU^R01'],
    ['a type without event', { match: '{ type: ORU }' }, 'm.yaml:2:16 Expected code and event, such as ORU^R01'],
    [
      'an unknown group',
      { each: 'OBSERVATIONS' },
      'm.yaml:4:7 There is no group "OBSERVATIONS" (for example OBSERVATION)',
    ],
    [
      'an unknown zone',
      { zone: 'Europe/Sundsvall' },
      'm.yaml:3:7 There is no time zone "Europe/Sundsvall" (IANA names, such as Europe/Stockholm)',
    ],
    [
      'no zone',
      { zone: null },
      'm.yaml:1:1 A mapping needs zone: … (or its channel does) (for example Europe/Stockholm)',
    ],
    ['no match', { match: null }, 'm.yaml:1:1 A mapping needs match: …'],
    ['no each', { each: null }, 'm.yaml:1:1 A mapping needs each: …'],
    ['no lane', { lane: null }, 'm.yaml:1:1 A mapping needs lane: …'],
    ['no result', { result: null }, 'm.yaml:1:1 A mapping needs result: …'],
    ['no deliver', { deliver: null }, 'm.yaml:1:1 A mapping needs deliver: …'],
    [
      'needs without a key',
      { deliver: '[{ to: t/op, needs: { reason: x }, body: { value: 1 } }]' },
      'm.yaml:8:30 key: … is needed, what the request and the result have in common',
    ],
    [
      'needs without a reason',
      { deliver: '[{ to: t/op, needs: { key: PID-3 }, body: { value: 1 } }]' },
      'm.yaml:8:30 A reason is needed, such as not-final',
    ],
    [
      'provides without a key',
      { provides: '[{ when: "true" }]' },
      'm.yaml:9:12 key: … is needed, what the request and the result have in common',
    ],
    ['no digest', { result: '{ key: [OBR-3], rank: [MSH-7] }' }, 'm.yaml:7:9 result needs digest: …'],
    [
      'an unknown target',
      { deliver: '[{ to: tt/op, body: { value: 1 } }]' },
      'm.yaml:8:17 No target "tt" is configured (did you mean "t"?)',
    ],
    [
      'a target that is a word of JavaScript',
      { deliver: '[{ to: constructor/op, body: { value: 1 } }]' },
      'm.yaml:8:17 No target "constructor" is configured',
    ],
    [
      'an unknown operation',
      { deliver: '[{ to: t/opp, body: { value: 1 } }]' },
      'm.yaml:8:17 The target t has no operation "opp" (did you mean "op"?)',
    ],
    ['half an address', { deliver: '[{ to: t, body: { value: 1 } }]' }, 'm.yaml:8:17 Expected target/operation'],
    [
      'too much of an address',
      { deliver: '[{ to: t/op/x, body: { value: 1 } }]' },
      'm.yaml:8:17 Expected target/operation',
    ],
    ['no address', { deliver: '[{ body: { value: 1 } }]' }, 'm.yaml:8:11 to: target/operation is needed'],
    ['no body', { deliver: '[{ to: t/op }]' }, 'm.yaml:8:11 A delivery needs body: …, bundle: … or message: …'],
    [
      'something that follows what follows',
      { deliver: '[{ to: t/op, body: { value: 1 }, then: [{ to: t/other, body: { value: 1 }, then: [] }] }]' },
      'm.yaml:8:91 What follows an answer has nothing to follow it',
    ],
    [
      'a mistake in a delivery that is left out',
      { deliver: '[{ to: nowhere/op, optional: true, body: { from: $nothing } }]' },
      'm.yaml:8:59 Nothing is called $nothing',
    ],
    ['a list where a map is wanted', { match: '[]' }, 'm.yaml:2:8 Expected a map (key: value), found a list'],
    ['a text where a list is wanted', { deliver: 'x' }, 'm.yaml:8:10 Expected a list, found "x"'],
    [
      'a text where true or false is wanted',
      { let: '{ a: { from: PID-3, required: sure } }' },
      'm.yaml:9:36 Expected true or false, found "sure"',
    ],
    [
      'a rule of two sources',
      { let: '{ a: { from: PID-3, value: 1 } }' },
      'm.yaml:9:11 A rule needs exactly one of from, all, value, text, set, include, call, ref, refs, first, since',
    ],
    [
      'a rule of none',
      { let: '{ a: { as: date } }' },
      'm.yaml:9:11 A rule needs exactly one of from, all, value, text, set, include, call, ref, refs, first, since',
    ],
    ['a key that does nothing', { let: '{ a: { value: x, as: date } }' }, 'm.yaml:9:27 as: does nothing beside value:'],
    [
      'split beside from',
      { let: '{ a: { from: PID-5.2, split: " " } }' },
      'm.yaml:9:35 split: does nothing beside from:',
    ],
    [
      'onMiss without a table',
      { let: '{ a: { from: PID-8, onMiss: hold } }' },
      'm.yaml:9:34 onMiss: does nothing without table:',
    ],
    [
      'precision without as',
      { let: '{ a: { from: PID-7, precision: day } }' },
      'm.yaml:9:37 precision: does nothing without as:',
    ],
    [
      'a table without onMiss',
      { let: '{ a: { from: PID-8, table: sex } }' },
      'm.yaml:9:11 A table needs onMiss: keep, hold, refuse, default or nothing (a miss is never silent)',
    ],
    [
      'onMiss: default without default',
      { let: '{ a: { from: PID-8, table: sex, onMiss: default } }' },
      'm.yaml:9:11 onMiss: default and default: … belong together',
    ],
    [
      'an unknown onMiss',
      { let: '{ a: { from: PID-8, table: sex, onMiss: hodl } }' },
      'm.yaml:9:46 "hodl" is not one of keep, hold, refuse, default, nothing (did you mean "hold"?)',
    ],
    [
      'an unknown table',
      { let: '{ a: { from: PID-8, table: sexx, onMiss: hold } }' },
      'm.yaml:9:33 There is no table "sexx" (did you mean "sex"?)',
    ],
    [
      'an unknown conversion',
      { let: '{ a: { from: PID-7, as: dat } }' },
      'm.yaml:9:30 There is no conversion "dat" (did you mean "date"?)',
    ],
    [
      'an unknown function',
      { let: '{ a: { call: swedish-identityy, of: PID-3 } }' },
      'm.yaml:9:19 There is no function "swedish-identityy" (did you mean "swedish-identity"?)',
    ],
    [
      'a function that is a word of JavaScript',
      { let: '{ a: { call: constructor, of: PID-3 } }' },
      'm.yaml:9:19 There is no function "constructor"',
    ],
    [
      'a call of nothing',
      { let: '{ a: { call: swedish-identity } }' },
      'm.yaml:9:19 A call needs of: the paths it is called with',
    ],
    [
      'an unknown resource',
      { deliver: '[{ to: t/op, body: { include: ress } }]' },
      'm.yaml:8:40 There is no resource "ress" (did you mean "res"?)',
    ],
    ['a wrong path', { lane: 'PID-x' }, 'm.yaml:6:11 Expected a field number: PID-x'],
    [
      'a wrong alternative of a path',
      { lane: 'PID-3.1 | PID-3..1' },
      'm.yaml:6:23 Expected a component number: PID-3..1',
    ],
    ['a wrong path in quotes', { lane: `'PID-3[5="X"].y'` }, 'm.yaml:6:21 Expected a component number: PID-3[5="X"].y'],
    ['a path without a field', { lane: 'PID' }, 'm.yaml:6:7 A field is needed here, such as PID-3'],
    ['an alternative of nothing', { lane: 'PID-3 |' }, 'm.yaml:6:14 Expected a segment name, such as OBX: '],
    [
      'a misspelt variable',
      { let: '{ person: PID-3, a: { from: PID-2 | $persn.x } }' },
      'm.yaml:9:42 Nothing is called $persn (did you mean "person"?)',
    ],
    ['no variable at all', { lane: '$a-b' }, 'm.yaml:6:7 Not a variable: $a-b'],
    [
      'a misspelt variable in a text',
      { let: "{ person: PID-3, a: { text: 'x{persn}' } }" },
      'm.yaml:9:37 Nothing is called persn (did you mean "person"?)',
    ],
    [
      'a path in a text',
      { let: "{ a: { text: 'Sample {SPM-2}' } }" },
      'm.yaml:9:27 Only a name can stand in braces: {SPM-2} (make a let of it)',
    ],
    [
      'a misspelt variable in a condition',
      { let: '{ person: PID-3 }', skip: `[{ when: 'true && persn == "x"', reason: x }]` },
      'm.yaml:10:25 Unknown variable: persn (did you mean "person"?)',
    ],
    [
      'a dollar in a condition',
      { skip: `[{ when: '$party == "x"', reason: x }]` },
      'm.yaml:9:16 Unexpected character: $ (in a condition a name stands without $)',
    ],
    [
      'one equals sign in a condition',
      { skip: `[{ when: 'PID-8 = "F"', reason: x }]` },
      'm.yaml:9:23 Unexpected character: = (equal is written ==)',
    ],
    [
      'a condition that is none',
      { skip: `[{ when: '1 + 1', reason: x }]` },
      'm.yaml:9:16 A condition must be true or false, this is int',
    ],
    ['half a condition', { skip: `[{ when: 'PID-8 ==', reason: x }]` }, 'm.yaml:9:25 Unexpected token: EOF'],
    [
      'a wrong path in a condition',
      { skip: `[{ when: 'true && PID-3[x] == "1"', reason: x }]` },
      'm.yaml:9:31 Expected a number, * or a test such as 5="NNSWE": PID-3[x]',
    ],
    [
      'a segment in a condition',
      { skip: `[{ when: 'valued(PID)', reason: x }]` },
      'm.yaml:9:24 Unknown variable: PID (an HL7 path has a field number: PID-3)',
    ],
    [
      'presence of a name',
      { skip: `[{ when: 'valued(party)', reason: x }]` },
      `m.yaml:9:16 found no matching overload for 'valued(dyn)' (valued() takes one HL7 path, such as PID-3.1)`,
    ],
    [
      'presence of a comparison',
      { skip: `[{ when: 'valued(PID-3 == "x")', reason: x }]` },
      'm.yaml:9:16 valued() takes one HL7 path and nothing else',
    ],
    [
      'matches',
      { skip: `[{ when: 'PID-8.matches("a+")', reason: x }]` },
      'm.yaml:9:16 matches() is not allowed here: regular expressions can run for ever',
    ],
    [
      'a condition that is a number',
      { skip: '[{ when: 5, reason: x }]' },
      'm.yaml:9:16 A condition must be true or false, this is int',
    ],
    [
      'a reason of several words',
      { skip: `[{ when: 'true', reason: Not final }]` },
      'm.yaml:9:32 A reason is written like not-final',
    ],
    ['a reason for nothing', { skip: '[{ reason: x }]' }, 'm.yaml:9:8 when: … is needed'],
    [
      'a name that cannot be one',
      { let: '{ Test-1: PID-3 }' },
      'm.yaml:9:8 "Test-1" cannot be a variable’s name (letters and digits, a small letter first)',
    ],
    [
      'a name that is a word of conditions',
      { let: '{ list: PID-3 }' },
      'm.yaml:9:8 "list" means something else in conditions',
    ],
    ['a name that is given', { let: '{ party: PID-3 }' }, 'm.yaml:9:8 $party is given; it cannot be set'],
    [
      'a name set twice',
      { settings: '{ a: x }', let: '{ a: y }' },
      'm.yaml:10:8 "a" is set twice, in settings and let',
    ],
    [
      'a value that is missing',
      { let: '{ a: }' },
      'm.yaml:9:11 A value is missing here (leave the element out, or give it a rule)',
    ],
    [
      'an element that is none',
      { deliver: '[{ to: t/op, body: { set: { Code: x } } }]' },
      'm.yaml:8:38 "Code" is not an element’s name',
    ],
    [
      'a schedule of nothing',
      { deliver: '[{ to: t/op, notBefore: { days: 1 }, body: { value: 1 } }]' },
      'm.yaml:8:34 A schedule needs after: …',
    ],
    [
      'a schedule of both',
      { deliver: '[{ to: t/op, notBefore: { after: MSH-7, days: 1, hours: 2 }, body: { value: 1 } }]' },
      'm.yaml:8:34 A schedule needs either days or hours',
    ],
    [
      'a number that is none',
      { deliver: '[{ to: t/op, notBefore: { after: MSH-7, days: ten }, body: { value: 1 } }]' },
      'm.yaml:8:56 Expected a number, found "ten"',
    ],
    ['tests that are no list', { tests: 'x' }, 'm.yaml:9:8 Expected a list, found "x"'],
    [
      'an anchor',
      { let: '{ a: &x { value: 1 } }' },
      'm.yaml:9:14 Anchors (&name) are not used in these files (write the value out)',
    ],
    [
      'a key of an object’s inside',
      { let: '{ a: { value: { __proto__: 1 } } }' },
      'm.yaml:9:22 "__proto__" cannot be a key',
    ],
    [
      'an element of an object’s inside',
      { deliver: '[{ to: t/op, body: { set: { __proto__: x } } }]' },
      'm.yaml:8:38 "__proto__" cannot be a key',
    ],
    ['a let that needs itself', { let: '{ a: { from: $a } }' }, 'm.yaml:9:8 $a needs itself: a → a'],
  ])('names %s at its place', (_, sections, problem) => {
    const files = [
      { path: 'sex.yaml', text: 'table: sex\nrows: { "*": { F: female } }\n' },
      { path: 'res.yaml', text: 'resource: res\nset: { a: 1 }\n' },
    ];
    expect(problemsIn(sections, ...files)).toEqual([problem]);
  });

  it('names every let of a circle, through conditions and texts too', () => {
    const found = problemsIn({
      let: `{ a: { text: '{b}' }, b: { value: 1, when: c == "x" }, c: { from: PID-2 | $a }, d: { from: $a } }`,
    });
    expect(found).toEqual([
      'm.yaml:9:8 $a needs itself: a → b → c → a',
      'm.yaml:9:28 $b needs itself: b → c → a → b',
      'm.yaml:9:61 $c needs itself: c → a → b → c',
    ]);
  });

  it('names an include that includes itself', () => {
    const found = problemsIn(
      { deliver: '[{ to: t/op, body: { include: one } }]' },
      { path: 'one.yaml', text: 'resource: one\nset:\n  a: { include: two }\n' },
      { path: 'two.yaml', text: 'resource: two\nset:\n  b: { include: one }\n' },
    );
    expect(found).toEqual(['two.yaml:3:17 "one" includes itself: one → two → one']);
  });

  it('names all of them in one run, in the order they stand', () => {
    const found = problemsIn({
      zone: 'Mars/Olympus',
      each: 'OBX',
      lane: null,
      skpi: 'x',
      let: '{ a: { form: PID-3 }, b: { from: PID-0 }, c: { from: PID-8, table: none, onMiss: hold } }',
      skip: `[{ when: 'nix', reason: x }, { when: 'PID-8 ==', reason: y }]`,
      deliver: '[{ to: x/op, body: { value: 1 } }, { to: t/op, body: { set: { A: 1, b: { from: $q } } } }]',
    });
    expect(found.map((problem) => problem.split(' ')[0])).toEqual([
      'm.yaml:1:1',
      'm.yaml:3:7',
      'm.yaml:4:7',
      'm.yaml:7:17',
      'm.yaml:7:72',
      'm.yaml:7:89',
      'm.yaml:8:1',
      'm.yaml:9:13',
      'm.yaml:9:43',
      'm.yaml:9:73',
      'm.yaml:10:16',
      'm.yaml:10:53',
    ]);
  });

  it('is named once, however many channels and results use it', () => {
    expect(problemsIn({ lane: 'PID-x', result: '{ key: [OBR-3], rank: [MSH-7], digest: [OBX-y] }' })).toHaveLength(2);
  });

  it('is found in a mapping that no channel uses', () => {
    const found = problemsOf(
      compile([mappingFile(), { path: 'n.yaml', text: mappingText({ mapping: 'n', lane: 'x' }) }]),
    );
    expect(found).toEqual(['n.yaml:6:7 Expected a segment name, such as OBX: x']);
  });
});

describe('files that are not YAML as it is used here', () => {
  const problemsOfText = (text: string) => problemsOf(compile([{ path: 'f.yaml', text }], { mappings: [] }));

  it.each([
    ['a tab', 'mapping: m\n\tx: 1\n', 'f.yaml:2:1'],
    ['a key twice', 'table: a\nrows: { "*": { A: 1 } }\nrows: {}\n', 'f.yaml:3:1'],
    ['a brace left open', 'table: a\nrows: { "*": { A: 1\n', 'f.yaml:3:1'],
    ['two documents', 'table: a\nrows: {}\n---\ntable: b\n', 'f.yaml:3:1'],
    ['a tag of somebody’s own', 'table: !js a\nrows: {}\n', 'f.yaml:1:8'],
    ['an alias to nothing', 'table: *x\n', 'f.yaml:1:8'],
  ])('%s', (_, text, place) => {
    const [first] = problemsOfText(text);
    expect(first?.split(' ')[0]).toBe(place);
  });

  it.each([
    [
      'an alias',
      'table: a\nsummary: &s x\nbecause: *s\nrows: {}\n',
      'f.yaml:2:13 Anchors (&name) are not used in these files (write the value out)',
    ],
    [
      'an alias bomb',
      `a: &a [x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n`,
      'f.yaml:1:7 Anchors (&name) are not used in these files (write the value out)',
    ],
    ['nothing at all', '', 'f.yaml:1:1 Expected a map (key: value), found nothing'],
    ['a text only', 'hello', 'f.yaml:1:1 Expected a map (key: value), found "hello"'],
    [
      'no kind',
      'maping: m\n',
      'f.yaml:1:1 A mapping file begins with mapping:, resource:, datatype:, message: or table: and its name (did you mean "mapping"?)',
    ],
    [
      'the same name to YAML and to us',
      `table: a\nrows: { '*': { 1: x, '1': y } }\n`,
      'f.yaml:2:22 The key "1" stands here twice',
    ],
    ['a prototype', 'table: a\nrows: { __proto__: { A: 1 } }\n', 'f.yaml:2:9 "__proto__" cannot be a key'],
    ['a line of 1 MB', `table: ${'a'.repeat(1_000_001)}\n`, 'f.yaml:1:1 The file is larger than 1 MB'],
    [
      'bytes that are not UTF-8',
      'table: a\nsummary: p\ufffdvisad\nrows: {}\n',
      'f.yaml:2:11 The file is not UTF-8 (save it as UTF-8)',
    ],
    ['a number nobody can send', `table: a\nrows: { '*': { A: .inf } }\n`, 'f.yaml:2:19 Not a number that can be sent'],
  ])('%s', (_, text, problem) => {
    expect(problemsOfText(text)).toContain(problem);
  });

  it('nested without end are a problem, not an exception', () => {
    for (const depth of [45, 1000, 100_000]) {
      const text = `mapping: ${'['.repeat(depth)}${']'.repeat(depth)}\nmatch: x\n`;
      expect(problemsOfText(text).length).toBeGreaterThan(0);
    }
    const deep = `[{ to: t/op, body: { value: ${'['.repeat(60)}1${']'.repeat(60)} } }]`;
    expect(problemsOf(compile([mappingFile({ deliver: deep })]))[0]).toMatch(/^m\.yaml:8:\d+ Nested too deeply$/);
  });

  it('that bear one name are told apart', () => {
    const text = 'table: a\nrows: {}\n';
    expect(
      problemsOf(
        compile(
          [
            { path: 'f.yaml', text },
            { path: 'g.yaml', text },
          ],
          { mappings: [] },
        ),
      ),
    ).toEqual(['g.yaml:1:8 There is a table "a" already, in f.yaml:1:1']);
  });
});

describe('a channel', () => {
  const problemsWith = (
    wish: ChannelWish,
    sections: Record<string, string | null> = { settings: '{ site: x, kind: { from: OBX-4 } }' },
  ) => problemsOf(compile([mappingFile(sections)], wish));

  it.each<[string, ChannelWish, string]>([
    [
      'an unknown setting',
      { with: 'sit: { value: y }' },
      'sluss.yaml:1:1 The mapping m has no setting "sit" (did you mean "site"?)',
    ],
    [
      'a setting with a mistake',
      { with: 'site: { value: y }\nkind: { from: OBX-x }' },
      'sluss.yaml:2:19 Expected a field number: OBX-x',
    ],
    ['settings that are none', { with: '[]' }, 'sluss.yaml:1:1 Expected a map (key: value), found a list'],
    [
      'a target its mapping never names',
      { targets: 'tt: t' },
      'sluss.yaml:1:1 The mapping m has no target "tt" (did you mean "t"?)',
    ],
    [
      'a target that is not configured',
      { targets: 't: covidbeviss' },
      'sluss.yaml:1:4 No target "covidbeviss" is configured (did you mean "covidbevis"?)',
    ],
    [
      'a target of another kind',
      { targets: 't: certificates' },
      'sluss.yaml:1:4 The target certificates has no operation "op" (write)',
    ],
    [
      'no target where its mapping needs one',
      { targets: 't: null' },
      'sluss.yaml:1:4 The mapping cannot do without the target "t"',
    ],
    ['an unknown mapping', { mappings: ['mm'] }, 'mm:1:1 Channel lab: there is no mapping "mm" (did you mean "m"?)'],
    [
      'an unknown zone',
      { zone: 'Mars/Olympus' },
      'm.yaml:3:7 There is no time zone "Mars/Olympus" (IANA names, such as Europe/Stockholm)',
    ],
  ])('with %s', (_, wish, problem) => {
    expect(problemsWith(wish)).toEqual([problem]);
  });

  it('may set the settings of all its mappings, and the party', () => {
    const other = { path: 'n.yaml', text: mappingText({ mapping: 'n', settings: '{ other: x }' }) };
    const files = [mappingFile({ settings: '{ site: x }' }), other];
    const mappings = ['m', 'n'];
    expect(problemsOf(compile(files, { mappings, with: 'site: a\nother: b\nparty: MSH-6' }))).toEqual([]);
    expect(problemsOf(compile(files, { mappings, with: 'sits: a' }))).toEqual([
      'sluss.yaml:1:1 The mappings of this channel have no setting "sits" (did you mean "site"?)',
    ]);
  });
});

describe('a target that a channel calls otherwise', () => {
  const then = '[{ to: back/op, optional: true, body: { value: 1 } }]';
  const files = [mappingFile({ deliver: `[{ to: t/op, body: { from: OBX-5 }, then: ${then} }]` })];
  const operations = { t: ['op'], north: ['op'], south: ['op'] };
  const bytes = message([HEADER, 'PID|1||1', 'OBR|1||F', 'OBX|1|ST|X||y']);
  const made = (targets?: string) => {
    const wish = targets === undefined ? {} : { targets };
    const mapper = mapperOf(compile(files, wish, { operations }));
    const mapped = mapper.map(bytes, CONTEXT);
    const [draft] = mapped.drafts;
    const resultKey = draft?.resultKey ?? '';
    const response = { status: 200, contentType: null, body: Buffer.from('{}'), fault: null };
    const answered = { resultKey, target: draft?.target ?? '', operation: 'op', party: 'nord', at: 0, response };
    const back = mapper.mapResponse(bytes, answered, CONTEXT).map(({ target }) => target);
    return { target: draft?.target, digest: mapped.statements[0]?.digest, back };
  };

  it('is that one for this channel alone, in what follows an answer, too', () => {
    expect(made('back: north')).toMatchObject({ target: 't', back: ['north'] });
    expect(made('{ t: south, back: north }')).toMatchObject({ target: 'south', back: ['north'] });
  });

  it('is left out where the channel has none, and where there is none of the name', () => {
    expect(made('back: null').back).toEqual([]);
    expect(made().back).toEqual([]);
    expect(problemsOf(compile(files, { targets: 'back: nroth' }, { operations }))).toEqual([
      'sluss.yaml:1:7 No target "nroth" is configured (did you mean "north"?)',
    ]);
  });

  it('makes no new version of a result', () => {
    expect(made('t: south').digest).toBe(made().digest);
  });
});

describe('the version', () => {
  const version = (sections: Record<string, string> = {}, wish: ChannelWish = {}) =>
    mapperOf(compile([mappingFile(sections), { path: 'a.yaml', text: 'table: a\nrows: {}\n' }], wish)).version;

  it('is 16 hexadecimal digits, the same whatever the order of the files', () => {
    const files = [mappingFile(), { path: 'a.yaml', text: 'table: a\nrows: {}\n' }];
    expect(version()).toMatch(/^[0-9a-f]{16}$/);
    expect(mapperOf(compile(files.toReversed())).version).toBe(version());
  });

  it('changes with a file, with the channel’s settings and with its parties', () => {
    const all = [
      version(),
      version({ summary: 'x' }),
      version({}, { with: 'party: MSH-6' }),
      version({}, { parties: ['syd'] }),
      version({}, { zone: 'UTC' }),
      version({}, { targets: 't: t' }),
    ];
    expect(new Set(all).size).toBe(all.length);
  });
});
