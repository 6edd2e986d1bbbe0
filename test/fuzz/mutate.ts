/** A source of randomness: [0, 1). */
export type Random = () => number;

/** Planted where a person's data stand; must never be found in anything but messages and bodies. */
export const MARKER = 'Hemligsdotter';
export const NUMBER_MARKER = '191212121212';

const below = (random: Random, limit: number) => Math.floor(random() * limit);
const pick = <Item>(random: Random, items: readonly Item[]): Item => items[below(random, items.length)] as Item;

/** What senders and accidents put into fields. One character a byte. */
const SPOILED = [
  '',
  '""',
  ' ',
  '  a  ',
  '^^^',
  '&&&',
  '~~~',
  '^~&\\',
  'a^b^c^d^e^f^g^h^i^j^k^l^m^n',
  'a&b&c^d&e&f~g&h^i',
  '\\',
  '\\F',
  '\\F\\\\S\\\\T\\\\R\\\\E\\',
  '\\X\\',
  '\\XZZ\\',
  '\\X0D0A1C0B\\',
  '\\XC3\\',
  '\\H\\x\\N\\',
  '\\.br\\',
  '\\.sp+99999999\\',
  '\\C2842\\\\M2442\\',
  '\\Zxx\\',
  '0',
  '-0',
  '00',
  '+1.50',
  '1e400',
  '1e-400',
  '.5',
  '5.',
  '-',
  '>',
  '<=5',
  '1:128',
  '5-10',
  '^-^',
  '>^100^-^200',
  '9'.repeat(400),
  'NaN',
  '1,5',
  '20221114',
  '2022111',
  '20221332',
  '20220230',
  '202211140830+9999',
  '202211140830-0000',
  '20221114083060',
  '20221114083000.123456',
  '20221030023000',
  '20220327023000',
  '00000000',
  '99991231235959.9999+1400',
  '0000',
  'DE',
  'NM',
  'SN',
  'ED',
  'RP',
  'CE',
  'CWE',
  'TS',
  'DTM',
  'XX',
  'F',
  'C',
  'X',
  'D',
  'P',
  'W',
  'N',
  'A~B~C',
  '__proto__',
  'constructor',
  'hasOwnProperty',
  'toString',
  '<script>',
  '{{7*7}}',
  "'; drop table messages; --",
  '../../etc/passwd',
  '1.2.752.129.2.1.3.1&ISO',
  'urn:oid:1.2',
  '\x00',
  '\x01\x02\x1b',
  '\x7f',
  '\x85\xa0',
  '\xc3\xa5\xc3\xa4\xc3\xb6',
  '\xe5\xe4\xf6',
  '\xff\xfe',
  '\xc0\x80',
  '\xed\xa0\x80',
  '\xf0\x9f\x98\x80',
  '\xef\xbb\xbf',
  '\xe2\x80\xa8',
  'x'.repeat(70_000),
  '\x0b',
  '\x1c',
  '\x1c\x0d',
  '\x0bMSH|',
  'MSH',
  'FHS|^~\\&|',
];
const CHARSETS = [
  '',
  'ASCII',
  '8859/1',
  'UNICODE UTF-8',
  'UNICODE UTF-16',
  'UTF-8',
  '8859/15',
  'ISO IR14',
  'KLINGON',
  '~',
];
const TYPES = [
  'ORU^R01^ORU_R01',
  'ORU^R01',
  'ORU',
  'ACK',
  'ACK^R01^ACK',
  'ADT^A01',
  'ORU^R40',
  '',
  '^',
  'ORU^R01^ORU_R01~',
];
const VERSIONS = ['2.1', '2.3', '2.3.1', '2.4', '2.5', '2.5.1', '2.7', '2.8.2', '3', '', '2.5.1^SWE', '2.99'];
const WISHES = ['', 'AL', 'NE', 'ER', 'SU', '""', 'XX'];
const SEPARATORS = ['^~\\&', '^~\\&#', '^~\\', '^~', '^', '', '^^\\&', '@*!%', '^~\\&###', 'ab'];
const SEGMENTS = [
  'PID',
  'OBR',
  'OBX',
  'ORC',
  'SPM',
  'NTE',
  'PV1',
  'NK1',
  'TQ1',
  'CTD',
  'ZXX',
  'SFT',
  'DSC',
  'XXXX',
  'Z',
  '',
];

interface Draft {
  lines: string[];
  field: string;
}

type Mutation = (draft: Draft, random: Random, donor: () => string) => void;

const anyLine = (draft: Draft, random: Random) => below(random, draft.lines.length);

function editField(draft: Draft, line: number, number: number, change: (old: string) => string): void {
  const fields = (draft.lines[line] ?? '').split(draft.field);
  while (fields.length <= number) fields.push('');
  fields[number] = change(fields[number] ?? '');
  draft.lines[line] = fields.join(draft.field);
}

/** A field behind the segment's name; of the first segment not the one that holds the delimiters. */
function editAny(draft: Draft, random: Random, change: (old: string) => string): void {
  const line = anyLine(draft, random);
  const count = (draft.lines[line] ?? '').split(draft.field).length;
  const number = Math.max(line === 0 ? 2 : 1, below(random, count + 2));
  editField(draft, line, number, change);
}

const setHeader =
  (number: number, values: readonly string[]): Mutation =>
  (draft, random) =>
    editField(draft, 0, number - 1, () => pick(random, values));

const spoil: Mutation = (draft, random) => editAny(draft, random, () => pick(random, SPOILED));

/** With how many tickets each is drawn. */
const MUTATIONS: readonly (readonly [tickets: number, Mutation])[] = [
  [20, spoil],
  [
    4,
    (draft, random) =>
      editAny(draft, random, (old) => `${old}${pick(random, ['^', '&', '~'])}${pick(random, SPOILED)}`),
  ],
  [
    3,
    (draft, random) =>
      editAny(draft, random, (old) =>
        Array(1 + below(random, 40))
          .fill(old)
          .join('~'),
      ),
  ],
  [3, (draft, random) => editAny(draft, random, (old) => old.slice(below(random, old.length + 1)))],
  [3, (draft, random) => editAny(draft, random, (old) => old.split('^').reverse().join('^'))],
  [
    4,
    (draft, random) => {
      const from = (draft.lines[anyLine(draft, random)] ?? '').split(draft.field);
      editAny(draft, random, () => pick(random, from));
    },
  ],
  [4, (draft, random) => void draft.lines.splice(anyLine(draft, random), 1)],
  [3, (draft, random) => void draft.lines.splice(anyLine(draft, random), 0, draft.lines[anyLine(draft, random)] ?? '')],
  [
    3,
    (draft, random) => {
      const [one, other] = [anyLine(draft, random), anyLine(draft, random)];
      [draft.lines[one], draft.lines[other]] = [draft.lines[other] ?? '', draft.lines[one] ?? ''];
    },
  ],
  [
    3,
    (draft, random, donor) => {
      const lines = linesOf(donor());
      draft.lines.splice(1 + anyLine(draft, random), 0, ...lines.slice(1, 2 + below(random, 4)));
    },
  ],
  [2, (draft, random) => void draft.lines.splice(anyLine(draft, random) + 1, 0, pick(random, SEGMENTS))],
  [
    2,
    (draft, random) => {
      const line = anyLine(draft, random);
      draft.lines[line] = pick(random, SEGMENTS) + (draft.lines[line] ?? '').slice(3);
    },
  ],
  [2, (draft, random) => void draft.lines.splice(1 + anyLine(draft, random))],
  [
    1,
    (draft, random) => {
      const line = 1 + below(random, draft.lines.length);
      draft.lines.splice(line, 0, ...Array<string>(below(random, 300)).fill(draft.lines[line] ?? 'NTE|1||x'));
    },
  ],
  [2, setHeader(9, TYPES)],
  [2, setHeader(10, ['', '""', '&^~', 'x'.repeat(300), '\xe5\xe4', '\\F\\', ' ', '1^2'])],
  [1, setHeader(11, ['P', 'T', 'D', '', 'P^T', 'X'])],
  [2, setHeader(12, VERSIONS)],
  [1, setHeader(15, WISHES)],
  [1, setHeader(16, WISHES)],
  [3, setHeader(18, CHARSETS)],
  [2, setHeader(2, SEPARATORS)],
  [1, setHeader(1, ['MSH', 'msh', 'FHS', 'BHS', ' MSH', '\xef\xbb\xbfMSH', 'MS'])],
];
const DRAWN = MUTATIONS.flatMap(([tickets, mutation]) => Array<Mutation>(tickets).fill(mutation));

const linesOf = (text: string) => text.split(/\r\n|\r|\n/).filter((line) => line !== '');

/** Spoils a message as senders, networks and enemies do: its structure first, sometimes its bytes. */
export function mutateMessage(original: Buffer, random: Random, donor: () => Buffer): Buffer {
  const text = original.toString('latin1');
  const draft: Draft = { lines: linesOf(text), field: text[text.indexOf('MSH') + 3] ?? '|' };
  if (random() < 0.5) plantMarkers(draft, random);
  const count = random() < 0.15 ? 0 : 1 + below(random, 5);
  for (let done = 0; done < count; done += 1) pick(random, DRAWN)(draft, random, () => donor().toString('latin1'));
  const end = random() < 0.8 ? '\r' : pick(random, ['\n', '\r\n', '\r\r', '\n\r', '\r \r']);
  let made = draft.lines.join(end) + (random() < 0.9 ? end : '');
  if (random() < 0.03) made = `${pick(random, ['\xef\xbb\xbf', '\r\n', ' ', '\x00'])}${made}`;
  if (random() < 0.04) made = wrapInBatch(made, random, donor);
  // Limits have tests of their own; beyond them a connection is closed, and its other frames are not answered.
  const bytes = Buffer.from(made.slice(0, 150_000), 'latin1');
  if (random() < 0.02) return Buffer.from(made.slice(0, 75_000), 'utf16le');
  return random() < 0.12 ? mutateBytes(bytes, random) : bytes;
}

function plantMarkers(draft: Draft, random: Random): void {
  for (const [index, line] of draft.lines.entries()) {
    const name = line.slice(0, 3);
    if (name === 'PID') {
      editField(draft, index, 5, (old) => old.replace(/^[^^~&]*/, MARKER));
      if (random() < 0.5) editField(draft, index, 3, (old) => old.replace(/^[^^~&]*/, NUMBER_MARKER));
    }
    if (name === 'NTE') editField(draft, index, 3, () => `${MARKER} said so`);
    if (name === 'OBX' && random() < 0.2) editField(draft, index, 5, () => MARKER);
    if (index > 0 && random() < 0.1) editField(draft, index, 1 + below(random, 20), () => MARKER);
  }
}

function wrapInBatch(text: string, random: Random, donor: () => Buffer): string {
  const second = random() < 0.7 ? donor().toString('latin1') : '';
  const [head, tail] = pick(random, [
    ['', ''],
    ['BHS|^~\\&|A\r', 'BTS|2\r'],
    ['FHS|^~\\&|A\rBHS|^~\\&|A\r', 'BTS|99\rFTS|1\r'],
    ['FHS|^~\\&|A\r', ''],
    ['BHS|\r', 'BTS\r'],
  ] as const);
  return `${head}${text}\r${second}\r${tail}`;
}

/** Flips, drops, doubles and inserts bytes. */
export function mutateBytes(bytes: Buffer, random: Random): Buffer {
  let made = bytes;
  for (let done = 1 + below(random, 4); done > 0; done -= 1) {
    const at = below(random, made.length + 1);
    const length = 1 + below(random, random() < 0.5 ? 2 : 60);
    const [before, behind] = [made.subarray(0, at), made.subarray(at)];
    const dice = random();
    if (dice < 0.3) made = Buffer.concat([before, behind.subarray(length)]);
    else if (dice < 0.5) made = Buffer.concat([before, behind.subarray(0, length), behind]);
    else if (dice < 0.7) made = Buffer.concat([before, Buffer.from(pick(random, SPOILED), 'latin1'), behind]);
    else if (dice < 0.95) {
      made = Buffer.from(made);
      if (at < made.length) made[at] = below(random, 256);
    } else made = before;
  }
  return made;
}
