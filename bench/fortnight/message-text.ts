import { type Person, misspelt } from './people.ts';
import { hl7Time } from './swedish-time.ts';
import type { Said, Sending } from './traffic.ts';

const PERSONNUMMER = '1.2.752.129.2.1.3.1';
const SAMORDNINGSNUMMER = '1.2.752.129.2.1.3.3';

/** A segment by its fields, numbered as in the standard. */
function segment(name: string, fields: Readonly<Record<number, string>>): string {
  const last = Math.max(...Object.keys(fields).map(Number));
  return [name, ...Array.from({ length: last }, (_, index) => fields[index + 1] ?? '')].join('|');
}

/** The bytes of a message as its laboratory writes them: `kust` v2.5.1 in ISO 8859-1, `skog` v2.5 in UTF-8. */
export function writeMessage({ lab, controlId, writtenAt, says, holds }: Sending): Buffer {
  const [first] = says as readonly [Said, ...Said[]];
  const isKust = lab === 'kust';
  const { number } = first.test.provider;
  const isRequest = holds === 'request';
  const type = first.spoilt === 'not-oru' ? 'ADT^A01^ADT_A01' : isRequest ? 'ORM^O01^ORM_O01' : 'ORU^R01^ORU_R01';
  const [sender, facility] = isKust ? ['KUSTLAB', `LAB^${number}^L`] : ['SKOGLAB', number];
  const head = ['MSH', '^~\\&', sender, facility, 'SLUSS', 'EHM', hl7Time(writtenAt), '', type, controlId, 'P'];
  const msh = [...head, isKust ? '2.5.1' : '2.5', '', '', '', '', '', isKust ? '8859/1' : 'UNICODE UTF-8'].join('|');
  const write = isRequest ? writeRequest : writeResult;
  const lines = [msh, ...writePerson(first), ...says.flatMap((said, index) => write(said, index, isKust))];
  const text = `${lines.join('\r')}\r`;
  if (isKust) return Buffer.from(text, 'latin1');
  const bytes = Buffer.from(text, 'utf8');
  // A letter of another character set in the midst of it.
  return first.spoilt === 'wrong-bytes' ? Buffer.from(bytes.toString('latin1').replace('@@', 'Å'), 'latin1') : bytes;
}

function writePerson({ test: { person }, spoilt }: Said): string[] {
  const { given, born, guardian } = person;
  const family = spoilt === 'wrong-bytes' ? '@@berg' : person.family;
  const [first = '', ...others] = given.split(' ');
  const pid = segment('PID', {
    1: '1',
    3: writeIdentifiers(person, spoilt),
    5: [family, first, others.join(' ')].join('^').replace(/\^+$/, ''),
    7: spoilt === 'other-birth-date' ? `${Number(born.slice(0, 4)) - 3}${born.slice(4)}` : born,
    8: 'U',
  });
  const marked = spoilt === 'protected' ? [segment('PD1', { 12: 'Y' })] : [];
  if (guardian === null) return [pid, ...marked];
  const nk1 = { 1: '1', 2: `${family}^Vera`, 3: 'MTH^Mother^HL70063', 33: writeNumber(guardian) };
  return [pid, ...marked, segment('NK1', nk1)];
}

const writeNumber = (number: string, oid = PERSONNUMMER) => `${number}^^^&${oid}&ISO^NNSWE`;

function writeIdentifiers(person: Person, spoilt: Said['spoilt']): string {
  const { identity, number, otherNumber } = person;
  switch (identity) {
    case 'personnummer': {
      if (number === null) throw new Error('somebody without a number');
      if (spoilt === 'check-digit') return writeNumber(misspelt(number));
      // The second is the one of a guardian: a number that exists.
      if (spoilt === 'two-numbers') return `${writeNumber(number)}~${writeNumber(person.guardian ?? '')}`;
      return writeNumber(number);
    }
    case 'samordningsnummer':
      return writeNumber(number ?? '', SAMORDNINGSNUMMER);
    case 'reservnummer':
      return `${otherNumber}^^^&1.2.752.97.3.1.3&ISO^LRID`;
    case 'abroad':
      return `${otherNumber}^^^DNK^PPN`;
  }
}

const OUTCOMES = {
  negative: ['260415000^Not detected^SCT', 'Ej påvisad'],
  positive: ['260373001^Detected^SCT', 'Påvisad'],
  inconclusive: ['419984006^Inconclusive^SCT', 'Ej bedömbar'],
} as const;
const CODES = {
  naat: ['94500-6^SARS-CoV-2 RNA^LN', 'COVPCR^Covid-19 PCR, övre luftväg^L'],
  rat: ['94558-4^SARS-CoV-2 Ag^LN', 'COVAG^Covid-19 antigen^L'],
  antibodies: ['94563-4^SARS-CoV-2 IgG^LN', '94563-4^SARS-CoV-2 IgG^LN'],
  'unheard-of': ['X-99^Something new^L', 'X-99^Något nytt^L'],
} as const;
const ASKED = { test: 'TESTBEVIS', recovery: 'TILLFRISKNANDEBEVIS' } as const;

function wishesOf({ asked }: Said, isKust: boolean): string {
  return asked.length === 2 && isKust ? 'COVIDBEVIS' : asked.map((one) => ASKED[one]).join('~');
}

/** An order as it is placed: the laboratory has no number of its own for it yet. */
function writeRequest(said: Said, index: number, isKust: boolean): string[] {
  const placer = `P${said.test.filler}`;
  const wishes = wishesOf(said, isKust);
  const set = String(index + 1);
  const obr = { 1: set, 2: placer, 4: CODES[said.test.kind][isKust ? 0 : 1], ...(isKust ? { 31: wishes } : {}) };
  const zcb = isKust ? [] : [segment('ZCB', { 1: set, 2: wishes })];
  return [segment('ORC', { 1: 'NW', 2: placer }), segment('OBR', obr), ...zcb];
}

function writeResult(said: Said, index: number, isKust: boolean): string[] {
  const { test, outcome, status, mark, spoilt } = said;
  const set = String(index + 1);
  const code = CODES[test.kind][isKust ? 0 : 1];
  const day = hl7Time(test.sampledAt, 8);
  const sampled =
    spoilt === 'no-sample-time' ? day : spoilt === 'hour-that-is-not' ? `${day}0230` : hl7Time(test.sampledAt, 12);
  const wishes = wishesOf(said, isKust);
  const device = test.device ?? '';
  // The service does not take the number of a NAAT, only its name.
  const named = test.kind === 'naat' && test.filler.endsWith('7') ? '^TaqPath COVID-19' : '';
  const orc = segment('ORC', { 1: 'RE', 2: `P${test.filler}`, 3: test.filler });
  const obr = segment('OBR', {
    1: set,
    ...{ 2: `P${test.filler}`, 3: test.filler, 4: code, 25: status === 'D' ? 'X' : status },
    ...(isKust ? { 7: sampled, 31: wishes } : {}),
  });
  const obx = segment('OBX', {
    1: '1',
    2: isKust ? 'CWE' : 'ST',
    3: code,
    5: OUTCOMES[outcome][isKust ? 0 : 1],
    11: status,
    ...(isKust ? { 17: named, 18: device } : { 17: test.kind === 'rat' ? `${device}^Rapid test` : named }),
  });
  const spm = isKust ? [] : [segment('SPM', { 1: set, 4: 'NPH^Nasofarynx^L', 17: sampled })];
  const yes = (which: Said['mark']) => (mark === which ? 'Y' : '');
  const zcb = segment('ZCB', {
    1: set,
    2: isKust ? '' : wishes,
    ...{ 5: yes('self-sampled'), 6: yes('done-abroad'), 7: yes('done-by-another-provider') },
  });
  return [orc, obr, obx, ...spm, ...(isKust && mark === null ? [] : [zcb])];
}
