import { describe, expect, it } from 'vitest';
import { CONTEXT, compile, faultsOf, HEADER, mapperOf, mappingFile, message, PROJECT_FILES } from '../kit.ts';

const TABLES = PROJECT_FILES.filter(({ text }) => /^table: se-identifier-authorities$/m.test(text));

const mapper = mapperOf(
  compile([
    ...TABLES,
    mappingFile({
      let: "{ person: { call: swedish-identity, of: 'PID-3[*]', table: se-identifier-authorities } }",
      lane: 'MSH-10',
      deliver: `[{ to: t/op, body: { set: { kind: { from: $person.kind }, number: { from: $person.number }, key: { from: $person.key } } } }]`,
    }),
  ]),
);

const PNR_OID = '^^^&1.2.752.129.2.1.3.1&ISO';

function read(pid3: string): { kind?: string; number?: string; key?: string } | string[] {
  const mapped = mapper.map(message([HEADER, `PID|1||${pid3}`, 'OBR|1||F', 'OBX|1|ST|X||y']), CONTEXT);
  const [draft] = mapped.drafts;
  return draft === undefined ? faultsOf(mapped) : JSON.parse(Buffer.from(draft.body).toString());
}

const national = (kind: 'personnummer' | 'samordningsnummer', number: string) => ({
  kind,
  number,
  key: `${kind}:${number}`,
});

describe('a national number', () => {
  it.each([
    ['by OID', `199708062386${PNR_OID}^NNSWE`],
    ['by OID alone', `199708062386${PNR_OID}`],
    ['by namespace', '199708062386^^^SKV^NNSWE'],
    ['by namespace alone', '199708062386^^^PNR'],
    ['by type code alone', '199708062386^^^^NNSWE'],
    ['by another type code', '199708062386^^^^NI'],
    ['by a social security type code', '199708062386^^^^SS'],
    ['by type code beside an unknown authority', '199708062386^^^LIS&1.2.3&ISO^NNSWE'],
    ['by its shape', '199708062386'],
    ['by its shape, beside an unknown OID only', '199708062386^^^&2.16.17.710.807.1000.990.1'],
    ['with a hyphen', `19970806-2386${PNR_OID}`],
    ['with a blank', `19970806 2386${PNR_OID}`],
    ['in small letters of the authority', '199708062386^^^skv^nnswe'],
    ['twice', `199708062386${PNR_OID}^NNSWE~19970806-2386^^^SKV^NNSWE`],
    ['beside local ones', `4711^^^LIS^PI~199708062386${PNR_OID}^NNSWE~4712^^^LIS^MR`],
    ['beside a reserve number', `991981000010^^^&1.2.752.97.3.1.3&ISO~199708062386${PNR_OID}`],
  ])('is found %s', (_, pid3) => {
    expect(read(pid3)).toEqual(national('personnummer', '199708062386'));
  });

  it.each([
    ['201212121212', 'personnummer'],
    ['191212121212', 'personnummer'],
    ['189001019802', 'personnummer'],
    ['197010632391', 'samordningsnummer'],
    ['197010632383', 'samordningsnummer'],
  ] as const)('%s is a %s, whatever the sender calls it', (number, kind) => {
    for (const authority of ['PNR', 'SNR', 'SKV'])
      expect(read(`${number}^^^${authority}`)).toEqual(national(kind, number));
  });

  it.each([
    ['a wrong check digit', '199708062387', 'check-digit PID-3.1 personnummer'],
    ['a wrong check digit of a samordningsnummer', '197010632392', 'check-digit PID-3.1 samordningsnummer'],
    ['a day that does not exist', '199702302385', 'field-type PID-3.1 personnummer or samordningsnummer'],
    ['a day beyond a samordningsnummer’s', '197010922391', 'field-type PID-3.1 personnummer or samordningsnummer'],
    ['a month that does not exist', '199713012385', 'field-type PID-3.1 personnummer or samordningsnummer'],
    ['a century that is none', '179708062386', 'field-type PID-3.1 personnummer or samordningsnummer'],
    ['ten digits', '9708062386', 'field-type PID-3.1 personnummer with its century, 12 digits'],
    ['ten digits with a hyphen', '970806-2386', 'field-type PID-3.1 personnummer with its century, 12 digits'],
    ['ten digits with a plus', '970806+2386', 'field-type PID-3.1 personnummer with its century, 12 digits'],
    ['eleven digits', '19970806238', 'field-type PID-3.1 personnummer or samordningsnummer'],
    ['letters', '19970806TF12', 'field-type PID-3.1 personnummer or samordningsnummer'],
    ['arabic-indic digits', '١٩٩٧٠٨٠٦٢٣٨٦', 'field-type PID-3.1 personnummer or samordningsnummer'],
  ])('is refused for %s', (_, number, fault) => {
    expect(read(`${number}${PNR_OID}^NNSWE`)).toEqual([fault]);
    expect(read(`1^^^^MR~${number}^^^SKV`)).toEqual([fault.replace('PID-3.1', 'PID-3[2].1')]);
  });

  it('is held where two disagree, and the second is named', () => {
    expect(read(`199708062386${PNR_OID}~191212121212^^^SKV`)).toEqual(['identities-disagree PID-3[2].1']);
    expect(read(`199708062386${PNR_OID}~4711^^^^MR~197010632391^^^SNR`)).toEqual(['identities-disagree PID-3[3].1']);
  });

  it('is not made out of a local number of the same shape', () => {
    expect(read('199708062386^^^LIS^MR')).toEqual({ kind: 'none', key: 'local:LIS:199708062386' });
    expect(read('199708062386^^^LIS^PI')).toEqual({ kind: 'none', key: 'local:LIS:199708062386' });
  });

  it('is not made out of another country’s', () => {
    expect(read('199708062386^^^^NNFIN')).toEqual({ kind: 'none', key: 'local:NNFIN:199708062386' });
    expect(read('0806972386^^^^NNDNK')).toEqual({ kind: 'none', key: 'local:NNDNK:0806972386' });
    expect(read('X1234567^^^^PPN')).toEqual({ kind: 'none', key: 'local:PPN:X1234567' });
  });

  it('is refused where nobody says what it is, it looks like one, and the check digit is wrong', () => {
    expect(read('199708062387')).toEqual(['check-digit PID-3.1 personnummer']);
    expect(read('199708062387^^^LABX')).toEqual({ kind: 'none', key: 'local:LABX:199708062387' });
  });

  it('is not guessed where the century is missing and nobody says what it is', () => {
    expect(read('9708062386')).toEqual({ kind: 'none', key: 'local::9708062386' });
  });
});

const NRID = '1.2.752.74.9.1';
const STOCKHOLM = '1.2.752.97.3.1.3';
const GOTALAND = '1.2.752.113.11.0.2.1.1.1';
const INERA = '1.2.752.129.2.1.3.2';

describe('a reserve number', () => {
  it.each([
    ...['22790814AA01', '22950606FH12', '25780404KHD5', '00342145BZ31', '00749852BZK0', '22950606FH20'].map(
      (number) => [number, NRID],
    ),
    ...['991981000010', '991945000023', '991993000032'].map((number) => [number, STOCKHOLM]),
    ...['19810829M071', '19450829K088', '19930829X802'].map((number) => [number, GOTALAND]),
    ['198108320014', INERA],
    ['19810829SF1A', '1.2.752.74.9.2'],
    ['12345678T123', '1.2.752.74.9.3'],
    ['19810829A12B', '1.2.752.74.9.3'],
  ])('%s of %s is one, and no number the service takes', (number, oid) => {
    expect(read(`${number}^^^&${oid}&ISO`)).toEqual({ kind: 'reserve', key: `reserve:${oid}:${number}` });
  });

  it.each([
    ['22790814AA02', NRID],
    ['25780404KHD6', NRID],
    ['991981000011', STOCKHOLM],
    ['19810829M072', GOTALAND],
    ['198108320015', INERA],
  ])('%s of %s has a wrong check digit', (number, oid) => {
    expect(read(`${number}^^^&${oid}&ISO`)).toEqual(['check-digit PID-3.1 reservnummer']);
  });

  it('is not just anything', () => {
    expect(read(`.^^^&${NRID}&ISO`)).toEqual(['field-type PID-3.1 reservnummer']);
  });

  it.each(['22790814AA01', '991981000010', '19810829M071', '198108320014'])(
    '%s is one also where the sender says national, as care systems do',
    (number) => {
      expect(read(`${number}^^^SKV^NNSWE`)).toEqual({ kind: 'reserve', key: `reserve:SKV:${number}` });
    },
  );

  it('names the person before a local one does', () => {
    expect(read(`4711^^^LIS^MR~991981000010^^^SLL`)).toEqual({ kind: 'reserve', key: 'reserve:SLL:991981000010' });
  });
});

describe('nobody', () => {
  it.each([
    ['nothing', ''],
    ['HL7 null', '""'],
    ['an authority without a number', '^^^SKV^NNSWE'],
    ['null with an authority', '""^^^SKV^NNSWE'],
  ])('is who %s names', (_, pid3) => {
    expect(read(pid3)).toEqual({ kind: 'none' });
  });
});

describe('a table with a word of its own', () => {
  it('is a fault of the mapping with the row’s line', () => {
    const wrong = { path: 'w.yaml', text: 'table: w\nrows: { "*": { SKV: nationel } }\n' };
    const file = mappingFile({
      let: "{ person: { call: swedish-identity, of: 'PID-3[*]', table: w } }",
      lane: '$person.key',
    });
    const mapped = mapperOf(compile([wrong, file])).map(
      message([HEADER, 'PID|1||199708062386^^^SKV', 'OBR|1||F', 'OBX|1|ST|X||y']),
      CONTEXT,
    );
    expect(mapped.faults).toEqual([
      { code: 'mapping-incomplete', at: null, where: 'w.yaml:2:16', detail: 'a kind of identifier' },
    ]);
  });
});
