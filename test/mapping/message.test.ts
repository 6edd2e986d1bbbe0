import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Draft } from '../../src/contracts/mapper.ts';
import { STANDARD_DELIMITERS } from '../../src/hl7/delimiters.ts';
import { escapeText } from '../../src/hl7/escape.ts';
import { parseMessage } from '../../src/hl7/message.ts';
import { bodyText } from '../../src/mapping/body-text.ts';
import type { SourceFile } from '../../src/mapping/yaml-node.ts';
import { CONTEXT, compile, faultsOf, HEADER, mapperOf, mappingFile, message, problemsOf } from './kit.ts';

const RESULT = [
  'PID|1||4711^^^LAB&1.2.3&ISO^MR~199708062386^^^&1.2.752.129.2.1.3.1&ISO^NNSWE||Ek\\T\\Co^Åsa',
  'OBR|1||F1^LAB|K^Potassium^L',
  'OBX|3|NM|K^Potassium^L||4.10|mmol/L|||||F',
  'NTE|1||haemolytic',
  'NTE|2||a\\.br\\b',
];

const PLAIN = ['OBR|1||F1|K', 'OBX|1|ST|K||y||||||F'];

/** A delivery of this message: keys of `message:` beside its type, as YAML flow. */
function deliver(keys: string, files: readonly SourceFile[] = []) {
  const deliver = `[{ to: t/op, message: { type: ORU^R01^ORU_R01, ${keys} } }]`;
  return compile([mappingFile({ deliver }), ...files]);
}

/** The lines of the message that is made, decoded as UTF-8. */
function make(keys: string, segments: readonly string[] = RESULT, header = HEADER): string[] {
  const mapped = mapperOf(deliver(keys)).map(message([header, ...segments]), CONTEXT);
  expect(faultsOf(mapped)).toEqual([]);
  return lines(mapped.drafts[0] as Draft);
}

const lines = ({ body }: Draft, encoding: 'utf8' | 'latin1' = 'utf8') =>
  Buffer.from(body).toString(encoding).split('\r').slice(0, -1);

const faultsIn = (keys: string, segments: readonly string[] = RESULT, header = HEADER) =>
  faultsOf(mapperOf(deliver(keys)).map(message([header, ...segments]), CONTEXT));

/** The segments behind MSH that `fields` of one OBX make. */
const makeObx = (fields: string, segments?: readonly string[], header?: string) =>
  make(`segments: [{ segment: OBX, fields: { ${fields} } }]`, segments, header).slice(1);

describe('MSH of a message that is made', () => {
  const ONE = 'segments: [{ segment: OBX, fields: { OBX-2: ST, OBX-5: { from: OBX-5 } } }]';

  it('turns sender and receiver round, keeps version, processing id and character set, and bears the time of the original', () => {
    const [msh = ''] = make(ONE);
    expect(msh.split('|').with(9, 'ID').join('|')).toBe(
      'MSH|^~\\&|SLUSS|EHM|LAB|nord|20220301101500||ORU^R01^ORU_R01|ID|P|2.5.1||||||UNICODE UTF-8',
    );
  });

  it('is otherwise where rules say so', () => {
    const [msh = ''] = make(
      `header: { MSH-3: sluss, MSH-6: null, MSH-15: NE, MSH-16: AL, MSH-7: { value: '20220302' } }, version: 2.3, charset: 8859/1, ${ONE}`,
    );
    expect(msh.split('|').with(9, 'ID').join('|')).toBe(
      'MSH|^~\\&|sluss|EHM|LAB||20220302||ORU^R01|ID|P|2.3|||NE|AL||8859/1',
    );
  });

  it('has a control id of 20 characters that the same content has again, and other content has not', () => {
    const idOf = (text: string, sentAt = '20220301101500', controlId = 'C1') => {
      const header = HEADER.replace('20220301101500', sentAt).replace('C1', controlId);
      return make(ONE, [...RESULT.slice(0, 2), `OBX|1|ST|X||${text}||||||F`], header)[0]?.split('|')[9];
    };
    expect(idOf('a')).toMatch(/^[0-9A-Z]{20}$/);
    expect(idOf('a', '20220304', 'C2')).toBe(idOf('a'));
    expect(idOf('b')).not.toBe(idOf('a'));
  });

  it('leaves its time out of what a result states', () => {
    const mapper = mapperOf(deliver(ONE));
    const digest = (header: string) => mapper.map(message([header, ...RESULT]), CONTEXT).statements[0]?.digest;
    expect(digest(HEADER.replace('20220301101500', '20220305'))).toBe(digest(HEADER));
  });
});

describe('what is copied', () => {
  it('is copied as it stands: components, repetitions, escapes', () => {
    expect(make('segments: [{ copy: PID }]').slice(1)).toEqual([RESULT[0]]);
  });

  it('are as many segments as the path names, numbered anew', () => {
    const made = make('segments: [{ copy: OBX }, { copy: "NTE[*]" }]').slice(1);
    expect(made).toEqual(['OBX|1|NM|K^Potassium^L||4.10|mmol/L|||||F', 'NTE|1||haemolytic', 'NTE|2||a\\.br\\b']);
  });

  it('is nothing where the message has no such segment', () => {
    expect(make('segments: [{ copy: ORC }, { copy: OBR }]').slice(1)).toEqual(['OBR|1||F1^LAB|K^Potassium^L']);
  });

  it('is changed field by field, and part by part; null leaves a field empty', () => {
    const fields = '{ OBX-3.2: Kalium, OBX-3.5: x, OBX-6: null, OBX-11: { value: C } }';
    expect(make(`segments: [{ copy: OBX, fields: ${fields} }]`)[1]).toBe('OBX|1|NM|K^Kalium^L^^x||4.10||||||C');
  });

  it('is written in standard delimiters where the sender declares too few', () => {
    const made = make(
      'segments: [{ copy: PID }]',
      ['PID|1||1:2|a^b|', ...PLAIN],
      'MSH|:~|LAB|nord|SLUSS|EHM|2022||ORU:R01|C1|P|2.5.1',
    );
    expect(made[0]).toContain('MSH|^~\\&|SLUSS');
    expect(made[1]).toBe('PID|1||1^2|a\\S\\b');
  });

  it('keeps the sender’s own delimiters', () => {
    const header = HEADER.replace('|^~\\&|', '|$%!@|').replace('ORU^R01', 'ORU$R01');
    const made = make(
      'segments: [{ copy: PID }, { segment: OBX, fields: { OBX-5: { value: "1$ | 2^" } } }]',
      ['PID|1||1$$$A@B%2', ...PLAIN],
      header,
    );
    expect(made[0]).toContain('MSH|$%!@|');
    expect(made.slice(1)).toEqual(['PID|1||1$$$A@B%2', 'OBX|1||||1!S! !F! 2^']);
  });

  it('has its hexadecimal bytes in the other character set', () => {
    const header = HEADER.replace('UNICODE UTF-8', '8859/1');
    const made = mapperOf(deliver('charset: UNICODE UTF-8, segments: [{ copy: PID }]')).map(
      message([header, 'PID|1||1||Sk\\XE5\\ne\\H\\~\\.br\\\\Zx\\', ...RESULT.slice(1)], 'latin1'),
      CONTEXT,
    );
    expect(lines(made.drafts[0] as Draft)[1]).toBe('PID|1||1||Skåne\\H\\~\\.br\\\\Zx\\');
  });
});

describe('a field', () => {
  it.each([
    ['OBX-3: { from: OBX-3 }', 'OBX|1||K^Potassium^L'],
    ['OBX-3: { from: OBX-3.2 }', 'OBX|1||Potassium'],
    ['OBX-5: { all: "PID-3[*]" }', 'OBX|1||||4711^^^LAB&1.2.3&ISO^MR~199708062386^^^&1.2.752.129.2.1.3.1&ISO^NNSWE'],
    // A component becomes the components of a field, a field the sub-components of a component.
    ['OBX-15: { from: PID-3.4 }', 'OBX|1||||||||||||||LAB^1.2.3^ISO'],
    ['OBX-3.1: { from: OBX-3 }', 'OBX|1||K&Potassium&L'],
    ['OBX-16.9.2: { from: OBX-3.1 }', 'OBX|1|||||||||||||||^^^^^^^^&K'],
    ['OBX-5: { from: PID-5.1 }', 'OBX|1||||Ek\\T\\Co'],
    ['OBX-5: { from: PID-5.1, as: upper }', 'OBX|1||||EK\\T\\CO'],
    ['OBX-5: "a|b^c~d\\\\e&f"', 'OBX|1||||a\\F\\b\\S\\c\\R\\d\\E\\e\\T\\f'],
    ['OBX-5: "a\\nb\\r\\nc"', 'OBX|1||||a\\.br\\b\\.br\\c'],
    ['OBX-5: [one, two]', 'OBX|1||||one~two'],
    ['OBX-5: { all: "OBSERVATION.NTE[*]-3", as: upper }', 'OBX|1||||HAEMOLYTIC~A\\.br\\B'],
    ['OBX-5: 4.10', 'OBX|1||||4.10'],
    ['OBX-5: { first: [{ from: OBX-20 }, { from: OBX-4 }, { from: OBX-6 }] }', 'OBX|1||||mmol/L'],
    ['OBX-5: { text: "for {party.name}" }', 'OBX|1||||for Provtagning Nord'],
    ['OBX-5: { when: OBX-11 == "X", from: OBX-5 }, OBX-6: { from: OBX-6 }', 'OBX|1|||||mmol/L'],
    ['OBX-1: 7, OBX-5: x', 'OBX|7||||x'],
    ['OBX-5.2: application, OBX-5.3: pdf, OBX-5.5: QQ==', 'OBX|1||||^application^pdf^^QQ=='],
  ])('%s makes %s', (fields, obx) => {
    expect(makeObx(fields)).toEqual([obx]);
  });

  it('makes no segment where none of the rules finds anything, whatever literals stand beside them', () => {
    const keys =
      'segments: [{ copy: PID }, { segment: OBX, fields: { OBX-2: ST, OBX-5: { from: OBX-20 } } }, { segment: NTE, fields: { NTE-3: Always } }]';
    expect(make(keys).slice(2)).toEqual(['NTE|1||Always']);
  });

  it('is made once for each repetition where the segment says each', () => {
    const keys =
      'segments: [{ segment: NTE, each: "PID-3[*]", when: \'OBX-11 == "F"\', fields: { NTE-3: { from: .1 } } }]';
    expect(make(keys).slice(1)).toEqual(['NTE|1||4711', 'NTE|2||199708062386']);
  });

  it('of a number within a group begins again with the group', () => {
    const obx = '{ segment: OBX, fields: { OBX-5: x } }';
    const note = '{ segment: NTE, fields: { NTE-3: n } }';
    const made = make(`segments: [{ copy: OBR }, ${obx}, ${note}, ${note}, ${obx}, ${note}, { copy: OBR }, ${obx}]`);
    expect(made.slice(1).map((line) => line.slice(0, 5))).toEqual([
      'OBR|1',
      'OBX|1',
      'NTE|1',
      'NTE|2',
      'OBX|2',
      'NTE|1',
      'OBR|2',
      'OBX|1',
    ]);
  });

  it.each([
    ['OBX-5: { from: OBX-20, required: true }', ['field-required OBX[1]-20']],
    ['OBX-14: { from: OBX-5 , as: string }', ['mapping-incomplete OBX[1]-5 OBX-14: no DTM']],
    ['OBX-2: NM, OBX-5: { from: OBR-3 , as: string }', ['mapping-incomplete OBR[1]-3 OBX-5: no NM']],
    ['OBX-3.1: { all: "PID-3[*].1" }', ['mapping-incomplete PID-3.1 OBX-3.1: several values for one component']],
    ['OBX-3.1: { from: PID-3 }', ['mapping-incomplete PID-3 OBX-3.1: a component has no components']],
    ['OBX-16.9.1: { from: PID-3.4 }', ['mapping-incomplete PID-3.4 OBX-16.9.1: a sub-component has no parts']],
    ['OBX-5: { from: OBX-3, as: Coding }', ['mapping-incomplete OBX[1]-3 OBX-5: an object is no text']],
  ])('%s is held: %j', (fields, faults) => {
    expect(faultsIn(`segments: [{ segment: OBX, fields: { ${fields} } }]`)).toEqual(faults);
  });

  it('is held where the character set lacks one of its characters, and never becomes a question mark', () => {
    const keys = 'charset: 8859/1, segments: [{ copy: PID }, { segment: OBX, fields: { OBX-5: Dvořák } }]';
    expect(faultsIn(keys)).toEqual(['value-unmapped - a character that 8859/1 lacks']);
    const named = RESULT.with(0, 'PID|1||1||Dvořák');
    expect(faultsIn(keys.replace('Dvořák', 'x'), named)).toEqual([
      'value-unmapped PID-5 a character that 8859/1 lacks',
    ]);
    const made = mapperOf(deliver(keys.replace('Dvořák', 'Åsa'))).map(message([HEADER, ...RESULT]), CONTEXT);
    expect(lines(made.drafts[0] as Draft, 'latin1')[2]).toBe('OBX|1||||Åsa');
  });
});

describe('whatever a message holds', () => {
  const mapper = mapperOf(
    deliver(
      'segments: [{ copy: PID }, { segment: OBX, fields: { OBX-2: TX, OBX-3: { from: OBX-3 }, OBX-5: { from: OBX-3, as: string } } }]',
    ),
  );

  it('what is made of it has the segments that were made, and says what was said', () => {
    fc.assert(
      fc.property(fc.string(), fc.string({ unit: 'binary' }), (name, value) => {
        const bytes = message([
          HEADER,
          `PID|1||1||${name}`,
          'OBR|1||F1|K',
          `OBX|1|TX|${escapeText(value, STANDARD_DELIMITERS)}||y||||||F`,
        ]);
        const [draft] = mapper.map(bytes, CONTEXT).drafts;
        if (draft === undefined) return;
        const read = parseMessage(Buffer.from(draft.body).toString());
        expect(read.segments.map((segment) => segment.name).filter((one) => one !== 'OBX')).toEqual(['MSH', 'PID']);
        expect(read.continuations).toBe(0);
        expect(Buffer.from(draft.body).toString()).not.toMatch(/[\x00-\x0c\x0e-\x1f]/);
      }),
      { numRuns: 300 },
    );
  });

  it('lines of a broken text become breaks, and never segments', () => {
    const [, pid] = make('segments: [{ copy: PID }]', ['PID|1||1||Ek\nand more', ...PLAIN]);
    expect(pid).toBe('PID|1||1||Ek\\.br\\and more');
  });
});

describe('a message with a mistake', () => {
  const at = (text: string) => problemsOf(deliver(text)).map((problem) => problem.replace(/^m\.yaml:\d+:\d+ /, ''));

  it.each([
    ['segments: [{ segment: OBY, fields: { OBY-1: x } }]', 'HL7 has no segment OBY (did you mean "OBR"?)'],
    ['segments: [{ segment: OBX, fields: { OBX-50: x } }]', 'OBX has no field 50 (OBX has fields 1 to 33)'],
    ['segments: [{ segment: OBX, fields: { OBX-3.99: x } }]', 'CWE has no component 99 (it has 1 to 22)'],
    ['segments: [{ segment: OBX, fields: { OBX-1.2: x } }]', 'SI has no component 2 (SI is one value)'],
    ['segments: [{ segment: OBX, fields: { PID-3: x } }]', 'PID-3 is no field of OBX (OBX-3)'],
    [
      'segments: [{ segment: OBX, fields: { "OBX-5[2]": x } }]',
      'A field of this segment is needed, such as OBX-3 or OBX-3.1',
    ],
    ['segments: [{ segment: OBX, fields: { OBX: x } }]', 'A field of this segment is needed, such as OBX-3 or OBX-3.1'],
    [
      'segments: [{ segment: OBX, fields: { OBX-5: null } }]',
      'A value is missing here (leave the field out, or give it a rule)',
    ],
    [
      'segments: [{ segment: OBX, fields: { OBX-5: { set: { a: 1 } } } }]',
      'set: makes no text (name the parts: OBX-3.1, OBX-3.2)',
    ],
    ['segments: [{ segment: OBX, fields: { OBX-5: { form: OBX-5 } } }]', /^Unknown key "form"/],
    ['segments: [{ segment: OBX }]', 'The segment needs fields: { OBX-1: … }'],
    [
      'segments: [{ segment: OBX, copy: OBX }]',
      'An entry needs either segment: and its name, or copy: and a segment of the message',
    ],
    ['segments: [{ copy: PID-3 }]', 'copy takes whole segments, such as PID or NTE[*] (a field: fields: …)'],
    [
      'segments: [{ segment: MSH, fields: { MSH-3: x } }]',
      'MSH is written by the engine (header: { MSH-5: … } says what is otherwise in it)',
    ],
    ['segments: []', 'A message needs at least one segment'],
    [
      'header: { MSH-10: x }, segments: [{ copy: PID }]',
      'MSH-10 is not set here: the control id is derived, so that a repeated message bears the same',
    ],
    [
      'charset: KLINGON, segments: [{ copy: PID }]',
      'The character set KLINGON is not supported (8859/1, UNICODE UTF-8)',
    ],
    ['version: three, segments: [{ copy: PID }]', 'There is no HL7 version three (such as 2.5.1)'],
    ['segmnets: []', /^Unknown key "segmnets" \(did you mean "segments"\?\)/],
  ])('%s is told', (keys, problem) => {
    const [first] = at(keys);
    if (typeof problem === 'string') expect(first).toBe(problem);
    else expect(first).toMatch(problem);
  });

  it('is told at its line and column', () => {
    expect(problemsOf(deliver('segments: [{ segment: OBX, fields: { OBX-99: x } }]'))).toEqual([
      'm.yaml:8:94 OBX has no field 99 (OBX has fields 1 to 33)',
    ]);
  });

  it('is told of a file that is not there', () => {
    const file = mappingFile({ deliver: '[{ to: t/op, message: answr }]' });
    const answer = { path: 'a.yaml', text: 'message: answer\ntype: ORU^R01\nsegments: [{ copy: PID }]\n' };
    expect(problemsOf(compile([file, answer]))).toEqual([
      'm.yaml:8:32 There is no message "answr" (did you mean "answer"?)',
    ]);
  });
});

describe('a message that is explained', () => {
  it('is shown by its fields, each with the rule and the field it was made of', () => {
    const compiled = deliver(
      'segments: [{ copy: PID }, { segment: OBX, fields: { OBX-5: { from: OBX-5 }, OBX-6: x } }]',
    );
    const [result] = mapperOf(compiled).explain(message([HEADER, ...RESULT]), CONTEXT).results;
    const made = result?.made[0];
    const body = JSON.parse(made?.body ?? '');
    expect(body).toMatchObject({ 'MSH-5': 'LAB', 'PID-1': '1', 'OBX[1]-5': '4.10', 'OBX[1]-6': 'x' });
    expect(made?.trail.filter(({ isMaker, element }) => isMaker && element.startsWith('OBX'))).toEqual([
      expect.objectContaining({ element: 'OBX[1]-5', sources: ['OBX[1]-5'] }),
      expect.objectContaining({ element: 'OBX[1]-6', sources: [] }),
    ]);
    expect(
      mapperOf(compiled)
        .explain(message([HEADER, ...RESULT]), CONTEXT)
        .used.has('PID-3[2]'),
    ).toBe(true);
  });
});

describe('bodyText', () => {
  it('leaves JSON as it is, and reads messages in the character set they name', () => {
    expect(bodyText(Buffer.from('{"a":1.50}'))).toBe('{"a":1.50}');
    const latin1 = Buffer.from('MSH|^~\\&|A||||||ORU|1|P|2.5||||||8859/1\rPID|1||Å\r', 'latin1');
    expect(JSON.parse(bodyText(latin1))).toMatchObject({ 'MSH-3': 'A', 'PID-3': 'Å' });
    const unnamed = Buffer.from('MSH|^~\\&|A||||||ORU|1|P|2.5\rPID|1||Å\r', 'latin1');
    expect(JSON.parse(bodyText(unnamed))).toMatchObject({ 'PID-3': 'Å' });
  });
});
