import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { assemble } from '../../src/assembly.ts';
import { mapMessage } from '../../src/engine/intake.ts';
import { openSqliteJournal } from '../../src/journal/sqlite.ts';
import { createManualClock, createRecordedLog } from '../engine/kit.ts';
import { runCommand } from './kit.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const CONVERSATIONS = join(ROOT, 'fixtures/conversations');
const AT = Date.UTC(2022, 10, 15, 12);

let folder = '';
let config = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluss-journal-tools-'));
  config = join(folder, 'sluss.yaml');
  cpSync(join(ROOT, 'mappings'), join(folder, 'mappings'), { recursive: true });
  mkdirSync(join(folder, 'out'));
  writeFileSync(join(folder, 'secret'), 'a secret of more than thirty-two bytes, for tests');
  writeFileSync(config, CONFIG);
});
afterEach(() => rmSync(folder, { recursive: true }));

const CONFIG = `journal: journal.sqlite
secret: { file: secret }
mappings: [mappings]
parties:
  region-nord: { name: Nord, organisationsnummer: 232100-0016, certificate: { cert: c.crt, key: c.key } }
targets:
  covidbevis: { kind: covidbevis, url: 'https://localhost:1' }
  fhir: { kind: folder, path: out }
channels:
  lab: { source: { kind: mllp, port: 0 }, mappings: [se-covid-certificates], parties: [region-nord], with: { testHours: 876000, recoveryToDay: 36500 } }
`;

const journalFile = () => join(folder, 'journal.sqlite');
const sluss = (...args: string[]) => runCommand([...args, '-c', config]).done;

/** Puts the messages of conversations into the journal, as the engine would have. */
/** @param changes conversations by name, or what to make of the one that is held for its code */
async function store(...changes: (string | ((text: string) => string))[]): Promise<void> {
  const around = { env: {}, colours: false, logTo: { write: () => {} }, clock: createManualClock(AT) };
  const assembly = await assemble(config, around, false);
  const { mapper } = assembly.loadMappings();
  if (mapper === null) throw new Error('no mapper');
  const journal = await openSqliteJournal({ path: journalFile(), now: AT });
  for (const [index, change] of changes.entries()) {
    const name = typeof change === 'string' ? change : HELD;
    const text = readFileSync(join(CONVERSATIONS, name, 'in.hl7'), 'latin1');
    const bytes = Buffer.from(typeof change === 'string' ? text : change(text), 'latin1');
    const outcome = mapMessage(
      bytes,
      null,
      { name: 'lab', parties: ['region-nord'], acknowledge: 'taken' },
      {
        mapper: () => mapper,
        findOperation: (target, operation) =>
          assembly.targets.find((one) => one.name === target)?.target.operations[operation] ?? null,
        log: createRecordedLog(),
      },
    );
    await journal.admit({
      channel: 'lab',
      bytes,
      contentHash: createHash('sha256').update(bytes).digest('hex'),
      controlId: name,
      origin: 'test',
      sender: null,
      receivedAt: AT + index * 3_600_000,
      owesAck: false,
      outcome,
    });
  }
  await journal.close();
  await assembly.dispose();
}

function edit(file: string, change: (text: string) => string): void {
  const path = join(folder, 'mappings', file);
  const text = readFileSync(path, 'utf8');
  expect(change(text)).not.toBe(text);
  writeFileSync(path, change(text));
}

const HELD = 'unknown-test-code';

describe('sluss diff', () => {
  it('says that nothing would change, and changes nothing', async () => {
    await store('naat-negative-personnummer', 'two-results', 'rat-positive', HELD);
    const before = readFileSync(journalFile());
    const { code, out, err } = await sluss('diff');
    expect({ code, out, err }).toEqual({ code: 0, out: '4 messages replayed, 4 come to the same', err: '' });
    expect(readFileSync(journalFile()).equals(before)).toBe(true);
    // SQLite makes its log anew for whoever reads; nothing stands in it.
    expect(statSync(`${journalFile()}-wal`, { throwIfNoEntry: false })?.size ?? 0).toBe(0);
  });

  it('groups what would change by its kind, with the rule, and shows no value', async () => {
    await store('naat-negative-personnummer', 'two-results', 'rat-positive', HELD);
    edit('resources/se-covid-observation.yaml', (text) => text.replace('840539006', '840533007'));
    const { code, out } = await sluss('diff');
    expect(code).toBe(1);
    expect(out).toMatch(
      /^4 messages replayed, 2 come to the same\n\n {5}3× {2}~ Observation\.code\.coding\.code\n {9}in 2 messages, first 2\n {9}\S*se-covid-observation\.yaml:\d+:\d+$/,
    );
    expect(out).not.toContain('840533007');
  });

  it('tells what would come to another state, and which deliveries come or go', async () => {
    await store('naat-negative-personnummer', HELD);
    edit('messages/se-covid-certificates.yaml', (text) =>
      text.replace('skip:\n', 'skip:\n  - { when: \'outcome == "negative"\', reason: not-now }\n'),
    );
    const report = JSON.parse((await sluss('diff', '--json')).out);
    expect(report).toMatchObject({ replayed: 2, unchanged: 1, ofNoChannel: 0 });
    expect(report.kinds).toEqual([
      expect.objectContaining({ kind: 'state', what: 'mapped → skipped (not-now)', count: 1, example: 1 }),
      expect.objectContaining({ kind: 'delivery-removed', what: 'covidbevis/test-certificate', count: 1 }),
    ]);
  });

  it('takes only the last messages, and compares two folders of mappings where it is told to', async () => {
    await store('naat-negative-personnummer', 'two-results');
    cpSync(join(folder, 'mappings'), join(folder, 'live'), { recursive: true });
    edit('resources/se-covid-observation.yaml', (text) => text.replace('840539006', '840533007'));
    const last = JSON.parse((await sluss('diff', '--last', '1', '--json')).out);
    expect([last.replayed, last.kinds[0].count]).toEqual([1, 2]);
    const two = JSON.parse((await sluss('diff', '--before', join(folder, 'live'), '--json')).out);
    expect(two.kinds).toMatchObject([{ kind: 'changed', what: 'Observation.code.coding.code', count: 3, messages: 2 }]);
  });

  it('says so where there is no journal, or none it can read', async () => {
    expect((await sluss('diff')).err).toContain('there is no journal');
    writeFileSync(journalFile(), 'no database at all, and long enough to be looked at as one '.repeat(40));
    const { code, err } = await sluss('diff');
    expect(code).toBe(1);
    expect(err).toMatch(/journal\.sqlite cannot be read \(SQLITE_NOTADB\)/);
  });
});

describe('sluss codes', () => {
  it('lists what holds messages, as the sender writes it', async () => {
    await store(HELD, 'naat-negative-personnummer');
    const { code, out } = await sluss('codes');
    expect(code).toBe(0);
    expect(out).toContain('1 message held, 1 code without a row');
    const { codes } = JSON.parse((await sluss('codes', '--json')).out);
    expect(codes).toMatchObject([
      { table: 'se-covid-tests', messages: 1, firstSeen: '2022-11-15T12:00:00.000Z', at: 'OBX[1]-3' },
    ]);
    expect(out).toContain(codes[0].code);
    expect(out).toContain(`from ${codes[0].sender}`);
  });

  it('adds a row, and lets go what the row was missing for', async () => {
    await store(HELD, 'naat-negative-personnummer');
    const [{ code, system }] = JSON.parse((await sluss('codes', '--json')).out).codes;
    const mapped = await sluss('codes', 'map', 'se-covid-tests', system || '*', code, 'naat');
    expect(mapped).toMatchObject({ code: 0, err: '' });
    expect(mapped.out).toContain('sluss codes release');
    const table = readFileSync(join(folder, 'mappings/tables/se-covid-tests.yaml'), 'utf8');
    expect(table).toContain(code);
    expect(table).toContain('# Questions asked at order stand among the results.');
    expect((await sluss('codes')).out).toContain('1 message would no longer be held: sluss codes release');

    expect((await sluss('codes', 'release')).out).toBe('1 mapped\nThey are sent as soon as the engine runs.');
    const journal = await openSqliteJournal({ path: journalFile(), now: AT });
    expect(await journal.readMessage(1)).toMatchObject({ state: 'mapped', faults: [] });
    expect(await journal.readDeliveries(1)).toMatchObject([{ state: 'waiting', target: 'covidbevis' }]);
    await journal.close();
    expect((await sluss('codes', 'release')).out).toBe('nothing was held');
  });

  it('keeps what another mapping does not mend', async () => {
    await store(HELD, 'unknown-result-value');
    const { out } = await sluss('codes', 'release');
    expect(out).toMatch(/^2 still held\n {5}2× {2}code-unmapped\n {9}add the row: sluss codes map/);
  });

  it('says why the others stay held, and whose turn it is', async () => {
    const messages = ['unknown-test-code', 'unknown-party', 'unknown-test-code'];
    await store(...messages.slice(0, 2));
    const { out } = await sluss('codes');
    expect(out).toMatch(
      /2 messages held, 1 code without a row\n {5}1× {2}code-unmapped\n {9}add the row.*\n {5}1× {2}party-/,
    );
    edit('tables/se-covid-tests.yaml', (text) => text.replace('rows:', "rows:\n  '*': { X9: naat }"));
    const { remaining } = JSON.parse((await sluss('codes', '--json')).out);
    expect(remaining.map(({ code }: { code: string }) => code)).toContain('party-unknown');
  });

  it('shows every coding of the field, not the first alone', async () => {
    const other = (text: string) =>
      text.replace(/(\rOBX\|1\|[^|]*\|)[^|]*/, '$1K1^Kalium^99L^LK^Kalium i blod^L^2.0^^Kalium^X3^tredje^99X');
    await store(other, HELD);
    const { codes } = JSON.parse((await sluss('codes', '--json')).out);
    expect(codes.find(({ code }: { code: string }) => code === 'K1').alternates).toEqual([
      { code: 'LK', text: 'Kalium i blod', system: 'L' },
      { code: 'X3', text: 'tredje', system: '99X' },
    ]);
    expect((await sluss('codes')).out).toMatch(
      /^K1 \(99L\) {2}Kalium\n {2}also LK \(L\) {2}Kalium i blod\n {2}also X3/m,
    );
    await sluss('codes', 'map', 'se-covid-tests', '99X', 'X3', 'naat');
    expect((await sluss('codes')).out).toContain('1 message would no longer be held');
  });

  it('does not let anything go while the engine has the journal', async () => {
    await store(HELD);
    const journal = await openSqliteJournal({ path: journalFile(), now: AT });
    const { code, err } = await sluss('codes', 'release');
    await journal.close();
    expect(code).toBe(1);
    expect(err).toMatch(/the journal is in use by process \d+/);
  });

  it('takes back a row that cannot be, and says what is wrong', async () => {
    const path = join(folder, 'mappings/tables/se-covid-tests.yaml');
    const text = readFileSync(path, 'utf8');
    for (const [args, message] of [
      [['se-covid-tests', 'LOINC', '94500-6', 'naat'], '94500-6 has a row already'],
      [['se-covid-test', 'L', 'a', 'b'], 'there is no table se-covid-test in'],
    ] as const) {
      const { code, err } = await sluss('codes', 'map', ...args);
      expect(code).toBe(1);
      expect(err).toContain(message);
    }
    expect(readFileSync(path, 'utf8')).toBe(text);
  });
});
