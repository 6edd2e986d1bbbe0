import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Mapped } from '../../src/contracts/mapper.ts';
import {
  type ChannelWish,
  CONTEXT,
  compile,
  faultsOf,
  HEADER,
  mapperOf,
  mappingFile,
  message,
  PROJECT_FILES,
} from './kit.ts';

const CHANNEL: ChannelWish = { mappings: ['se-covid-certificates'], parties: ['nord', 'syd'] };
const covid = (wish: ChannelWish = {}, secret?: string) =>
  mapperOf(
    compile(
      PROJECT_FILES,
      { ...CHANNEL, ...wish },
      secret === undefined ? {} : { secret: new TextEncoder().encode(secret) },
    ),
  );
const mapper = covid();

const SEGMENTS: readonly string[] = [
  'MSH|^~\\&|LIS|2321000016|SLUSS|EHM|20220301101500||ORU^R01^ORU_R01|C1|P|2.5.1||||||UNICODE UTF-8',
  'PID|1||199708062386^^^SKV^NNSWE||Ek^Åsa||19970806',
  `OBR|1|P1|F1|94500-6^^LN|||20220301081500${'|'.repeat(15)}20220301090000${'|'.repeat(9)}COVIDBEVIS`,
  'OBX|1|CWE|94500-6^^LN|1|260415000^^SCT||||||F',
];

/** The message with texts replaced. */
const change = (...pairs: readonly (readonly [from: string, to: string])[]) =>
  message(
    pairs.reduce<string[]>(
      (segments, [from, to]) => {
        expect(segments.join('\r')).toContain(from);
        return segments.map((segment) => segment.replaceAll(from, to));
      },
      [...SEGMENTS],
    ),
  );

const map = (bytes: Uint8Array, by = mapper): Mapped => by.map(bytes, CONTEXT);
const statementOf = (bytes: Uint8Array, by = mapper) => {
  const mapped = map(bytes, by);
  const [statement] = mapped.statements;
  if (statement === undefined) throw new Error(`no statement: ${faultsOf(mapped).join(', ')}`);
  return statement;
};
const identifierOf = (bytes: Uint8Array, by = mapper): string => {
  const [draft] = map(bytes, by).drafts;
  return JSON.parse(Buffer.from(draft?.body ?? []).toString()).identifier[0].value;
};
const first = change();

describe('a result’s key', () => {
  it('is the same for the same result, whatever the message and whatever is said', () => {
    for (const same of [
      change(['|C1|', '|C2|']),
      change(['20220301101500', '20220302101500']),
      change(['260415000', '260373001']),
      change(['||||||F', '||||||P']),
      change(['20220301081500', '20220228081500']),
      change(['Ek^Åsa', 'Alm^Åsa']),
      change(['199708062386^^^SKV^NNSWE', '19970806-2386^^^&1.2.752.129.2.1.3.1&ISO']),
    ]) {
      expect(statementOf(same).resultKey).toBe(statementOf(first).resultKey);
    }
  });

  it('differs by patient, party, filler number, code and sub-id, and by the installation', () => {
    const keys = [
      first,
      change(['199708062386', '191212121212'], ['||19970806', '||19121212']),
      change(['2321000016', '5599999991']),
      change(['|F1|', '|F2|']),
      change(['94500-6', '94309-2']),
      change(['|1|260415000', '|2|260415000']),
    ].map((bytes) => statementOf(bytes).resultKey);
    keys.push(statementOf(first, covid({}, 'another secret')).resultKey);
    expect(new Set(keys).size).toBe(keys.length);
    for (const key of keys) expect(key).toMatch(/^[0-9a-f]{64}$/);
  });

  it('differs by party also where one sender speaks for several', () => {
    const [one, other] = ['X^2321000016', 'X^5599999991'].map((site) => statementOf(change(['2321000016', site])));
    expect(one?.resultKey).not.toBe(other?.resultKey);
  });

  it('falls back on the numbers there are, and needs one', () => {
    const without = (...pairs: [string, string][]) => change(['|P1|F1|', '|||'], ...pairs);
    expect(faultsOf(map(without()))).toEqual(['field-required OBR[1]-2.1']);
    expect(faultsOf(map(without(['COVIDBEVIS', ''])))).toEqual(['field-required OBR[1]-3.1']);
    const keys = [change(['|P1|F1|', '|P1||']), without(['COVIDBEVIS', 'COVIDBEVIS\rORC|RE|P9|F9'])].map(
      (bytes) => statementOf(bytes).resultKey,
    );
    expect(new Set(keys).size).toBe(2);
  });
});

describe('a result’s digest', () => {
  const digest = (bytes: Uint8Array) => statementOf(bytes).digest;

  it('does not change with what the message is called and when it was sent', () => {
    expect(digest(change(['|C1|', '|C2|'], ['20220301101500', '20220309101500']))).toBe(digest(first));
    expect(digest(change(['20220301090000', '20220305090000']))).toBe(digest(first));
  });

  it('changes with value, status, sample time and person, and not with the request', () => {
    const digests = [
      first,
      change(['260415000', '260373001']),
      change(['||||||F', '||||||C']),
      change(['||||||F', '||||||P']),
      change(['20220301081500', '20220301081600']),
      change(['Ek^Åsa', 'Alm^Åsa']),
      change(['||||||F', '||||||F||||||^PCR']),
    ].map(digest);
    expect(new Set(digests).size).toBe(digests.length);
    expect(digest(change(['COVIDBEVIS', '']))).toBe(digest(first));
  });
});

describe('a result’s rank', () => {
  const rank = (...pairs: [string, string][]) => statementOf(change(...pairs)).rank;

  it('is higher for what was reported later, whatever was sent later', () => {
    expect(rank(['20220301090000', '20220301090001']) > rank()).toBe(true);
    expect(rank(['20220301101500', '20220309101500'])).toBe(rank());
  });

  it('counts the time sent where nothing says when it was reported', () => {
    const unreported: [string, string] = ['20220301090000', ''];
    expect(rank(unreported, ['20220301101500', '20220301101501']) > rank(unreported)).toBe(true);
  });

  it('compares moments, not digits', () => {
    expect(rank(['20220301090000', '20220301100000+0300']) < rank()).toBe(true);
    expect(rank(['20220301090000', '20220301083000+0000']) > rank()).toBe(true);
  });

  it('puts a correction behind what it corrects, and a withdrawal last', () => {
    const [preliminary, final, corrected, withdrawn] = ['P', 'F', 'C', 'X'].map((status) =>
      rank(['||||||F', `||||||${status}`]),
    );
    expect([withdrawn, corrected, preliminary, final].sort()).toEqual([preliminary, final, corrected, withdrawn]);
  });
});

describe('an identifier', () => {
  it('is of capitals and digits, at most 30 characters, and always the same', () => {
    expect(identifierOf(first)).toMatch(/^[0-9A-Z]{20,30}$/);
    expect(identifierOf(change(['|C1|', '|C2|'], ['Ek^Åsa', 'Alm^Åsa']))).toBe(identifierOf(first));
    expect(identifierOf(first, covid())).toBe(identifierOf(first));
  });

  it('differs by secret, result and operation', () => {
    const all = [
      identifierOf(first),
      identifierOf(first, covid({}, 'another secret')),
      identifierOf(change(['|F1|', '|F2|'])),
      identifierOf(change(['260415000', '260373001'])),
    ];
    expect(new Set(all).size).toBe(all.length);
  });

  it('says nothing of the person', () => {
    for (const part of ['199708062386', '9708062386', 'EK']) expect(identifierOf(first)).not.toContain(part);
  });
});

describe('a lane', () => {
  const lane = (bytes: Uint8Array) => map(bytes).drafts[0]?.laneKey;

  it('is the patient’s', () => {
    expect(lane(change(['|F1|', '|F2|']))).toBe(lane(first));
    expect(lane(change(['199708062386', '191212121212'], ['||19970806', '||19121212']))).not.toBe(lane(first));
    expect(lane(first)).toMatch(/^[0-9a-f]{32}$/);
  });
});

describe('a message', () => {
  it.each<[string, Uint8Array, string]>([
    ['that is none', Buffer.from('hello'), 'not-hl7 -'],
    ['of nothing', Buffer.alloc(0), 'not-hl7 -'],
    ['of another type', change(['ORU^R01^ORU_R01', 'ADT^A01']), 'type-unsupported MSH-9.1'],
    ['of another event', change(['ORU^R01^ORU_R01', 'ORU^R30']), 'event-unsupported MSH-9.2'],
    ['of another version', change(['|2.5.1|', '|3.0|']), 'version-unsupported MSH-12'],
    ['of no version', change(['|2.5.1|', '||']), 'version-unsupported MSH-12'],
    ['of an unknown character set', change(['UNICODE UTF-8', 'KLINGON']), 'charset-unknown MSH-18'],
    ['in ASCII that is none', change(['UNICODE UTF-8', '']), 'charset-undecodable MSH-18 ASCII, byte 119'],
  ])('%s is refused', (_, bytes, fault) => {
    expect(map(bytes)).toMatchObject({ statements: [], drafts: [], skipped: [] });
    expect(faultsOf(map(bytes))).toEqual([fault]);
  });

  it('without a result makes nothing', () => {
    const mapped = map(message(SEGMENTS.slice(0, 3)));
    expect(mapped).toMatchObject({ statements: [], drafts: [], skipped: [], faults: [] });
  });

  it('says the same in 8859/1 and in UTF-8', () => {
    const pairs = [
      ['199708062386^^^SKV^NNSWE', ''],
      ['Ek^Åsa', 'Öberg Ärlig^Åsa'],
    ] as const;
    const segments = pairs.reduce((text, [from, to]) => text.replace(from, to), SEGMENTS.join('\r')).split('\r');
    const utf8 = map(message(segments));
    const latin1 = map(
      message(
        segments.map((one) => one.replace('UNICODE UTF-8', '8859/1')),
        'latin1',
      ),
    );
    const forced = map(message(segments, 'latin1'), covid({ charset: { default: null, force: '8859/1' } }));
    const byDefault = map(
      message(
        segments.map((one) => one.replace('UNICODE UTF-8', '')),
        'latin1',
      ),
      covid({ charset: { default: '8859/1', force: null } }),
    );
    expect(utf8.faults).toEqual([]);
    expect(Buffer.from(utf8.drafts[0]?.body ?? []).toString()).toContain('"family":"Öberg Ärlig","given":["Åsa"]');
    for (const same of [latin1, forced, byDefault]) expect(same).toEqual(utf8);
  });

  it('with bytes that are none of its character set is refused, never mended', () => {
    expect(faultsOf(map(message(SEGMENTS, 'latin1')))[0]).toMatch(
      /^charset-undecodable MSH-18 UNICODE UTF-8, byte \d+$/,
    );
  });

  it('that holds another is refused, as its results could be taken for the first one’s', () => {
    const two = Buffer.concat([message([...SEGMENTS]), message([...SEGMENTS])]);
    expect(faultsOf(mapper.map(two, CONTEXT))).toEqual(['segment-sequence MSH[2]']);
  });

  it('of a channel nobody configured is a fault of the engine', () => {
    expect(mapper.map(first, { channel: 'nowhere', sender: null }).faults).toMatchObject([{ code: 'internal' }]);
  });
});

describe('a party', () => {
  const read = (msh4: string, wish: ChannelWish = {}) => {
    const mapped = mapperOf(compile([mappingFile({ party: 'MSH-4.2 | MSH-4.1' })], wish)).map(
      message([HEADER.replace('|nord|', `|${msh4}|`), 'PID|1', 'OBR|1||F', 'OBX|1|ST|X||y']),
      CONTEXT,
    );
    return mapped.drafts[0]?.party ?? faultsOf(mapped);
  };

  it('is found by its name and by its organisationsnummer', () => {
    expect(read('nord')).toBe('nord');
    expect(read('2321000016')).toBe('nord');
    expect(read('Norr^nord')).toBe('nord');
  });

  it('is held where nobody knows it, or where the channel may not speak for it', () => {
    expect(read('Nord')).toEqual(['party-unknown MSH-4.1']);
    expect(read('')).toEqual(['party-unknown -']);
    expect(read('syd')).toEqual(['party-not-permitted MSH-4.1 syd']);
    expect(read('syd', { parties: ['nord', 'syd'] })).toBe('syd');
  });

  it('may be the channel’s own rule', () => {
    expect(read('x', { with: 'party: { value: nord }' })).toBe('nord');
  });

  it('may be asked for by reasons to skip', () => {
    const file = mappingFile({ skip: `[{ when: 'party.id == "nord"', reason: closed }]` });
    const mapped = mapperOf(compile([file])).map(message([HEADER, 'PID|1', 'OBR|1||F', 'OBX|1|ST|X||y']), CONTEXT);
    expect(mapped.skipped).toEqual([{ reason: 'closed', at: 'OBX[1]' }]);
  });
});

describe('the trail', () => {
  it('says which line made which element out of what', () => {
    const sections = {
      let: '{ name: { from: PID-5.2 } }',
      deliver: `[{ to: t/op, body: { set: { a: { from: $name }, b: [{ from: PID-30 }, { set: { c: { from: OBX-5 }, d: x } }] } } }]`,
    };
    const explaining = mapperOf(compile([mappingFile(sections)]));
    const bytes = message([HEADER, 'PID|1||1||Ek^Åsa', 'OBR|1||F', 'OBX|1|ST|X||y']);
    const { results, mapped } = explaining.explain(bytes, CONTEXT);
    expect(mapped).toEqual(explaining.map(bytes, CONTEXT));
    expect(results.map(({ at, mapping }) => [at, mapping])).toEqual([['OBX[1]', 'm']]);
    const trail = JSON.stringify(results);
    for (const place of ['PID-5.2', 'OBX[1]-5', 'm.yaml:']) expect(trail).toContain(place);
  });

  it('names the source of a let for every element that is made of it', () => {
    const sections = {
      let: '{ name: { from: PID-5.2 } }',
      deliver: '[{ to: t/op, body: { set: { a: { from: $name }, b: { from: $name } } } }]',
    };
    const bytes = message([HEADER, 'PID|1||1||Ek^Åsa', 'OBR|1||F', 'OBX|1|ST|X||y']);
    const [result] = mapperOf(compile([mappingFile(sections)])).explain(bytes, CONTEXT).results;
    const trail = result?.made[0]?.trail
      .filter(({ isMaker }) => isMaker)
      .map(({ element, where, sources }) => [element, where, sources]);
    expect(trail).toEqual([
      ['a', 'm.yaml:8:41', ['PID-5.2']],
      ['b', 'm.yaml:8:61', ['PID-5.2']],
    ]);
  });

  it('changes nothing of what is made', () => {
    expect(mapper.explain(first, CONTEXT).mapped).toEqual(mapper.map(first, CONTEXT));
  });
});

describe('an answer', () => {
  const answer = (body: string, resultKey = statementOf(first).resultKey, operation = 'test-certificate') =>
    mapper.mapResponse(
      first,
      {
        resultKey,
        target: 'covidbevis',
        operation,
        party: 'nord',
        at: 0,
        response: { status: 200, contentType: 'application/json', body: new TextEncoder().encode(body), fault: null },
      },
      CONTEXT,
    );
  const CERTIFICATE = JSON.stringify({
    testProof: { metadata: { uvci: 'URN:UVCI:01:SE:EHM/T1' }, qrCode: { image: 'iVBORw==' } },
    proofTypes: [{ mimetype: 'application/pdf', content: 'JVBERg==' }],
  });

  it('makes files that bear the identifier of what it answers', () => {
    const drafts = answer(CERTIFICATE);
    const bodies = drafts.map(({ body }) => JSON.parse(Buffer.from(body).toString()));
    expect(drafts.map(({ target, operation, party }) => [target, operation, party])).toEqual([
      ['certificates', 'write', 'nord'],
      ['certificates', 'write', 'nord'],
      ['certificates', 'write', 'nord'],
    ]);
    expect(bodies).toEqual([
      { name: `${identifierOf(first)}.pdf`, encoding: 'base64', content: 'JVBERg==' },
      { name: `${identifierOf(first)}.png`, encoding: 'base64', content: 'iVBORw==' },
      { name: `${identifierOf(first)}.json`, encoding: 'utf8', content: '{"uvci":"URN:UVCI:01:SE:EHM/T1"}' },
    ]);
  });

  it('makes a message back to the LIS where a target of that name is configured, with the time of the answer', () => {
    const operations = { covidbevis: ['test-certificate', 'recovery-certificate'], lis: ['message'] };
    const withLis = mapperOf(compile(PROJECT_FILES, CHANNEL, { operations }));
    const follow = (at: number) =>
      withLis.mapResponse(
        first,
        {
          resultKey: statementOf(first).resultKey,
          target: 'covidbevis',
          operation: 'test-certificate',
          party: 'nord',
          at,
          response: { status: 200, contentType: 'application/json', body: Buffer.from(ISSUED), fault: null },
        },
        CONTEXT,
      );
    const ISSUED = JSON.stringify({
      testProof: {
        metadata: { uvci: 'U', issuanceDate: '2022-03-01', validThrough: '2022-03-04T07:15:00Z' },
        qrCode: { image: 'iVBORw==' },
      },
      proofTypes: [{ mimetype: 'application/pdf', content: 'JVBERg==' }],
    });
    const [draft, ...more] = follow(Date.UTC(2022, 2, 1, 10, 0, 0, 999));
    expect(more).toEqual([]);
    expect(draft).toMatchObject({ target: 'lis', operation: 'message', party: 'nord' });
    const fields = Buffer.from(draft?.body ?? [])
      .toString()
      .split('|');
    expect(fields[6]).toBe('20220301110000+0100');
    expect(fields[9]).toMatch(/^[0-9A-Z]{20}$/);
    const again = Buffer.from(follow(Date.UTC(2022, 2, 2))[0]?.body ?? [])
      .toString()
      .split('|');
    expect(again[6]).not.toBe(fields[6]);
    expect(again[9]).toBe(fields[9]);
  });

  it('of another result makes nothing', () => {
    expect(answer(CERTIFICATE, 'another')).toEqual([]);
    expect(answer(CERTIFICATE, statementOf(first).resultKey, 'recovery-certificate')).toEqual([]);
  });

  it('that is no JSON cannot be read', () => {
    expect(() => answer('<html>')).toThrow(expect.objectContaining({ code: 'answer-unreadable' }));
  });

  it('that lacks what is wanted makes nothing, and says so of everything', () => {
    const drafts = answer('{"proofTypes":[]}');
    expect(drafts.map(({ flaw, body }) => [flaw?.code, Buffer.from(body).toString()])).toEqual(
      Array(3).fill(['answer-unreadable', 'null']),
    );
  });

  describe('of which one thing cannot be made', () => {
    const operations = {
      covidbevis: ['test-certificate', 'recovery-certificate'],
      lis: ['message'],
      certificates: ['write'],
    };
    const withLis = mapperOf(compile(PROJECT_FILES, CHANNEL, { operations }));
    const follow = (paper: object) => {
      const issued = {
        testProof: {
          metadata: { uvci: 'U', issuanceDate: '2022-03-01', validThrough: '2022-03-04T07:15:00Z' },
          qrCode: { image: 'iVBORw==' },
        },
        proofTypes: [{ mimetype: 'application/pdf', content: 'JVBERg==', ...paper }],
      };
      const body = Buffer.from(JSON.stringify(issued));
      const response = { status: 200, contentType: 'application/json', body, fault: null };
      const { resultKey } = statementOf(first);
      const answered = {
        resultKey,
        target: 'covidbevis',
        operation: 'test-certificate',
        party: 'nord',
        at: 0,
        response,
      };
      return withLis.mapResponse(first, answered, CONTEXT).map(({ target, operation, flaw, body: made }) => ({
        to: `${target}/${operation}`,
        flaw: flaw === null ? null : `${flaw.code} ${flaw.detail}`,
        body: Buffer.from(made).toString(),
      }));
    };

    it.each([
      ['a word for the mailbox', { delivery: { delivered: 'perhaps' } }, 'table se-certificate-handover'],
      ['a kind of document', { mimetype: 'image/tiff' }, 'table se-document-types'],
    ])('for %s that nobody mapped, the rest is made', (_, paper, detail) => {
      const made = follow(paper);
      expect(made.map(({ to, flaw }) => [to, flaw])).toEqual([
        ['certificates/write', null],
        ['certificates/write', null],
        ['certificates/write', null],
        ['lis/message', `code-unmapped ${detail}`],
      ]);
      expect(made[0]?.body).toContain('JVBERg==');
      expect(made[3]?.body).toBe('null');
    });

    it('for want of the document, its metadata are made', () => {
      expect(follow({ content: undefined }).map(({ flaw }) => flaw)).toEqual([
        'answer-unreadable null',
        null,
        null,
        'answer-unreadable null',
      ]);
    });

    it.each([
      [{ delivered: true }, 'MAILBOX'],
      [{ delivered: false }, 'BY-PROVIDER'],
      [{ serviceSupplier: 'Kivra' }, 'BY-PROVIDER'],
      [undefined, 'BY-PROVIDER'],
    ])('is not the case where the answer says %j: the message back says %s', (delivery, word) => {
      const made = follow({ delivery });
      expect(made.filter(({ flaw }) => flaw !== null)).toEqual([]);
      expect(made[3]?.body).toMatch(new RegExp(`\\|HANDOVER\\^[^|]*\\|\\|${word}\\^`));
    });
  });

  it('is waited for where something follows it', () => {
    expect(mapper.hasFollowUps('lab', 'covidbevis', 'test-certificate')).toBe(true);
    expect(mapper.hasFollowUps('lab', 'covidbevis', 'ping')).toBe(false);
    expect(mapper.hasFollowUps('nowhere', 'covidbevis', 'test-certificate')).toBe(false);
    const bare = mapperOf(
      compile(PROJECT_FILES, CHANNEL, { operations: { covidbevis: ['test-certificate', 'recovery-certificate'] } }),
    );
    expect(bare.hasFollowUps('lab', 'covidbevis', 'test-certificate')).toBe(false);
  });
});

describe('whatever comes', () => {
  const isWhole = (bytes: Uint8Array): void => {
    const mapped = map(bytes);
    expect(map(Uint8Array.from(bytes))).toEqual(mapped);
    for (const { code, at, where, detail } of mapped.faults) {
      expect(code).not.toBe('internal');
      for (const said of [at, where, detail]) expect(said ?? '').not.toMatch(/199708062386|Åsa/);
    }
    for (const draft of mapped.drafts) JSON.parse(Buffer.from(draft.body).toString());
  };

  it('is mapped without an exception, and the same each time: bytes changed', () => {
    const bytes = Uint8Array.from([...first, ...Buffer.from('SPM|1|S1||NAS|||||||||||||20220301081500\rNTE|1||x\r')]);
    const edit = fc.tuple(fc.nat(bytes.length - 1), fc.integer({ min: 0, max: 255 }));
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 8 }), (edits) => {
        const changed = Uint8Array.from(bytes);
        for (const [at, byte] of edits) changed[at] = byte;
        isWhole(changed);
      }),
      { numRuns: 500 },
    );
  });

  it('is mapped without an exception, and the same each time: segments dropped, doubled and in any order', () => {
    const all = [
      ...SEGMENTS.slice(1),
      'ORC|RE|P1|F1',
      'OBX|2|ST|94500-6^^LN||negativ||||||F',
      'SPM|1|S1',
      'NTE|1||x',
      'PV1|1',
      'ZZZ|1',
    ];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...all), { maxLength: 14 }), (segments) => {
        isWhole(message([SEGMENTS[0] ?? '', ...segments]));
      }),
      { numRuns: 300 },
    );
  });

  it('is mapped without an exception, and the same each time: any fields', () => {
    const field = fc.oneof(
      fc.constantFrom('', '""', '^', '~', '&', '\\', '^^^&&', '20220327023000', '199708062386', 'F', '94500-6^^LN'),
      fc.string(),
    );
    const segment = fc.tuple(fc.constantFrom('PID', 'OBR', 'OBX', 'SPM', 'NTE'), fc.array(field, { maxLength: 20 }));
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 6 }), (segments) => {
        isWhole(
          message([
            SEGMENTS[0] ?? '',
            ...segments.map(([name, fields]) => [name, ...fields].join('|').replace(/[\r\n]/g, '')),
          ]),
        );
      }),
      { numRuns: 300 },
    );
  });

  it('is mapped without an exception: any bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => isWhole(bytes)));
  });
});
