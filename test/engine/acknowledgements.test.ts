import { afterEach, describe, expect, it } from 'vitest';
import { Fault } from '../../src/contracts/fault.ts';
import type { Journal } from '../../src/contracts/journal.ts';
import type { Ack, Inbound } from '../../src/contracts/source.ts';
import type { Verdict } from '../../src/contracts/target.ts';
import {
  type Bench,
  type BenchOptions,
  controlIdOf,
  draft,
  failure,
  mapped,
  message,
  SUCCESS,
  setUpBench,
} from './bench.ts';
import { deferred } from './kit.ts';

/*
 * The rows of docs/acknowledgements.md: each test names the ones it shows. What the connection does with the answers is
 * in test/sources/mllp.test.ts, what a process that is killed leaves owed in test/whole/acknowledgements.test.ts.
 */

let bench: Bench;
afterEach(() => bench.tearDown());

async function start(options?: BenchOptions) {
  bench = await setUpBench(options);
  await bench.engine.start();
}

/** A message that chooses enhanced mode by MSH-15 and MSH-16. */
function wanting(accept: string, application: string, controlId = 'M1'): Uint8Array {
  const text = Buffer.from(message(controlId)).toString('latin1');
  return Buffer.from(text.replace('|P|2.5.1\r', `|P|2.5.1|||${accept}|${application}\r`));
}

const textOf = (ack: Pick<Ack, 'bytes'> | null) => Buffer.from(ack?.bytes ?? []).toString('latin1');
/** `AA M1`, from the bytes; '' where nothing is to be written. */
const saidBy = (ack: Pick<Ack, 'bytes'> | null) => (/MSA\|(\w+)\|([^|\r]*)/.exec(textOf(ack)) ?? []).slice(1).join(' ');

/** A sender's connection as the engine sees it. */
class Connection {
  readonly written: Ack[] = [];
  isOpen = true;
  #waiters: (() => void)[] = [];

  readonly reply: NonNullable<Inbound['reply']> = async (ack) => {
    if (!this.isOpen) return false;
    this.written.push(ack);
    for (const wake of this.#waiters.splice(0)) wake();
    return true;
  };

  get said(): string[] {
    return this.written.map(saidBy);
  }

  async heard(count: number): Promise<string[]> {
    while (this.written.length < count) await new Promise<void>((resolve) => this.#waiters.push(resolve));
    return this.said;
  }

  send(bytes: Uint8Array, more: Partial<Inbound> = {}): Promise<Ack | null> {
    return bench.source.give(bytes, { reply: this.reply, ...more });
  }
}

const wrong = (code: 'field-required' | 'version-unsupported') =>
  mapped({ faults: [{ code, at: 'PID-3', where: null, detail: null }] });
const historyOf = async (id: number) =>
  (await bench.journal.readHistory(id)).map(({ event, why }) => (why === null ? event : `${event} ${why}`));
const stateOf = async (id: number) => (await bench.journal.readMessage(id))?.state;
const owed = async () => (await bench.journal.listOwedAcks(0, 100)).map(({ messageId }) => messageId);
/** Resolves once nothing is owed any more. */
async function nothingOwed() {
  while ((await owed()).length > 0) await bench.clock.advance(0);
}

/** Attempts end when and how the test says. */
function byHand() {
  const ends: ((verdict: Verdict) => void)[] = [];
  bench.target.answer = () => {
    const { promise, resolve } = deferred<Verdict>();
    ends.push(resolve);
    return promise;
  };
  return {
    async end(verdict: Verdict = SUCCESS, index = 0) {
      while (ends.length <= index) await bench.clock.advance(0);
      ends[index]?.(verdict);
    },
  };
}

/** True once so much has happened that it would have been answered if it were to be. */
async function isStillSilent(answer: Promise<unknown>): Promise<boolean> {
  let isDone = false;
  void answer.then(() => {
    isDone = true;
  });
  for (let turn = 0; turn < 5; turn++) {
    await bench.clock.advance(10);
    // Behind what the engine has asked of the journal by now.
    await bench.journal.readOverview(0);
  }
  await bench.clock.advance(0);
  return !isDone;
}

const SETTLED = { acknowledge: 'settled', answerWithinMs: 10_000 } as const;

describe('in original mode', () => {
  it('O1: what is not stored gets AR, and is to be sent again', async () => {
    await start({
      wrap: (journal): Journal => ({ ...journal, admit: () => Promise.reject(new Fault('journal-busy')) }),
    });
    const ack = await bench.source.give(message('M1'));
    expect([saidBy(ack), ack?.isFinal, ack?.messageId]).toEqual(['AR M1', false, null]);
  });

  it.each(['stored', 'taken', 'settled'] as const)('O2: with %s, what is not whole gets AR', async (acknowledge) => {
    await start({ channel: { acknowledge } });
    for (const code of ['frame-too-large', 'frame-incomplete'] as const) {
      const ack = await bench.source.give(message(code), { fault: new Fault(code) });
      expect([saidBy(ack), ack?.isFinal]).toEqual([`AR ${code}`, true]);
      expect(await stateOf(ack!.messageId!)).toBe('refused');
    }
    const junk = await bench.source.give(Buffer.from('Dear laboratory'));
    expect([saidBy(junk), junk?.isFinal]).toEqual(['AR ', true]);
  });

  it('O3: an acknowledgement is never answered, whatever MSH-15 and MSH-16 ask for, stored or not', async () => {
    let failing = false;
    await start({
      wrap: (journal): Journal => ({
        ...journal,
        admit: (admission) => (failing ? Promise.reject(new Fault('journal-busy')) : journal.admit(admission)),
      }),
    });
    const connection = new Connection();
    const text = Buffer.from(wanting('AL', 'AL')).toString('latin1').replace('ORU^R01^ORU_R01', 'ACK^R01^ACK');
    expect(await connection.send(Buffer.from(text))).toBeNull();
    expect(await owed()).toEqual([]);
    failing = true;
    expect(await connection.send(Buffer.from(text))).toMatchObject({ isFinal: false, messageId: null });
    expect(connection.said).toEqual([]);
    expect(bench.engine.counters().answers.size).toBe(0);
  });

  it('O4, O5: with stored, what is on disk gets AA; wrong content is held instead of refused', async () => {
    await start({ channel: { acknowledge: 'stored' } });
    const good = await bench.source.give(message('M1'));
    expect([saidBy(good), await stateOf(good!.messageId!)]).toEqual(['AA M1', 'mapped']);
    for (const code of ['field-required', 'version-unsupported'] as const) {
      bench.mapper.onMap = () => wrong(code);
      const bad = await bench.source.give(message(code));
      expect([saidBy(bad), await stateOf(bad!.messageId!)]).toEqual([`AA ${code}`, 'held']);
      expect(await bench.journal.readMessage(bad!.messageId!)).toMatchObject({ faults: [{ code }] });
    }
  });

  it.each([
    ['O6: with stored, gets AA', 'stored', 'AA M1', true],
    ['O10: with taken, gets AR and is to be sent again', 'taken', 'AR M1', false],
  ] as const)('what is on disk but could not be mapped yet: %s', async (_, acknowledge, said, isFinal) => {
    let failing = true;
    await start({
      channel: { acknowledge },
      settings: { storeFirstBytes: 1 },
      wrap: (journal): Journal => ({
        ...journal,
        settle: (...args) => (failing ? Promise.reject(new Fault('journal-busy')) : journal.settle(...args)),
      }),
    });
    bench.mapper.onMap = () => wrong('field-required');
    const ack = await bench.source.give(message('M1'));
    expect([saidBy(ack), ack?.isFinal]).toEqual([said, isFinal]);
    failing = false;
    await bench.clock.advance(10_000);
    await bench.log.seen('message-settled');
    expect(await stateOf(1)).toBe(acknowledge === 'stored' ? 'held' : 'refused');
  });

  it('O7, O8, O9: with taken, AA as soon as the mapping accepts it, else AE, or AR for what is not for us', async () => {
    await start();
    const ends = byHand();
    expect(saidBy(await bench.source.give(message('M1')))).toBe('AA M1');
    bench.mapper.onMap = () => mapped({ skipped: [{ reason: 'not-final', at: null }] });
    expect(saidBy(await bench.source.give(message('M2')))).toBe('AA M2');
    bench.mapper.onMap = () => mapped({ faults: [{ code: 'code-unmapped', at: null, where: null, detail: null }] });
    expect(saidBy(await bench.source.give(message('M3')))).toBe('AA M3');
    bench.mapper.onMap = () => wrong('field-required');
    const ae = await bench.source.give(message('M4'));
    expect([saidBy(ae), ae?.isFinal]).toEqual(['AE M4', true]);
    bench.mapper.onMap = () => wrong('version-unsupported');
    const ar = await bench.source.give(message('M5'));
    expect([saidBy(ar), ar?.isFinal]).toEqual(['AR M5', true]);
    await ends.end();
  });

  it('O11, O12: with settled, what is refused and what makes nothing is answered at once', async () => {
    await start({ channel: SETTLED });
    bench.mapper.onMap = () => wrong('field-required');
    expect(saidBy(await bench.source.give(message('M1')))).toBe('AE M1');
    bench.mapper.onMap = () => mapped({ skipped: [{ reason: 'not-final', at: null }] });
    expect(saidBy(await bench.source.give(message('M2')))).toBe('AA M2');
  });

  it('O13: with settled, AA once every delivery and all that follows from it has ended', async () => {
    await start({ channel: SETTLED });
    const ends = byHand();
    bench.mapper.onMap = () => mapped({ drafts: [draft('a'), draft('b')] });
    bench.mapper.onResponse = () => [draft('a', { target: 'files', laneKey: 'files' })];
    const file = deferred<Verdict>();
    bench.files.answer = () => file.promise;
    const answer = bench.source.give(message('M1'));
    const response = { status: 200, contentType: null, body: Buffer.from('{}'), fault: null };
    await ends.end({ ok: true, response }, 0);
    expect(await isStillSilent(answer)).toBe(true);
    await ends.end(SUCCESS, 1);
    expect(await isStillSilent(answer)).toBe(true);
    file.resolve(SUCCESS);
    expect(saidBy(await answer)).toBe('AA M1');
  });

  it('O13: with settled, also once a newer version took its place', async () => {
    await start({ channel: SETTLED, limits: { retry: { minMs: 5_000, maxMs: 5_000 } } });
    bench.target.answer = () => failure('target-busy');
    const stating = (rank: string) => {
      const statements = [{ resultKey: 'k', rank, digest: rank }];
      return mapped({ statements, drafts: rank === '1' ? [draft('k')] : [] });
    };
    bench.mapper.onMap = (bytes) => stating(controlIdOf(bytes).slice(1));
    const first = bench.source.give(message('M1'));
    await bench.log.seen('delivery-retry');
    expect(await isStillSilent(first)).toBe(true);
    expect(saidBy(await bench.source.give(message('M2')))).toBe('AA M2');
    await bench.clock.advance(500);
    expect(saidBy(await first)).toBe('AA M1');
  });

  it('O14: with settled, a delivery that is held counts as taken', async () => {
    await start({ channel: SETTLED });
    bench.target.answer = () => failure('target-refused');
    expect(saidBy(await bench.source.give(message('M1')))).toBe('AA M1');
  });

  it('O15: with settled, what is not to leave within answerWithin counts as taken', async () => {
    await start({ channel: SETTLED });
    const notBefore = bench.clock.now() + 10_001;
    bench.mapper.onMap = (bytes) => mapped({ drafts: [draft(controlIdOf(bytes), { notBefore })] });
    expect(saidBy(await bench.source.give(message('M1')))).toBe('AA M1');
    bench.mapper.onMap = (bytes) => mapped({ drafts: [draft(controlIdOf(bytes), { notBefore: notBefore - 9_000 })] });
    const sooner = bench.source.give(message('M2'));
    expect(await isStillSilent(sooner)).toBe(true);
    await bench.clock.advance(2_000);
    expect(saidBy(await sooner)).toBe('AA M2');
  });

  it('O16: with settled, waits for the delivery of another message that says the same', async () => {
    await start({ channel: SETTLED });
    const ends = byHand();
    const statements = [{ resultKey: 'k', rank: '1', digest: 'd' }];
    bench.mapper.onMap = () => mapped({ statements, drafts: [draft('k')] });
    const first = bench.source.give(message('M1'));
    const second = bench.source.give(message('M2'));
    await bench.log.seen('message-mapped', 2);
    expect(await isStillSilent(second)).toBe(true);
    await ends.end();
    expect([saidBy(await first), saidBy(await second)]).toEqual(['AA M1', 'AA M2']);
    expect(bench.target.sent).toHaveLength(1);
  });

  it('O17, R4: with settled, AR at answerWithin; who sends it again gets what it has earned by then', async () => {
    await start({ channel: SETTLED });
    const ends = byHand();
    const answer = bench.source.give(message('M1'));
    while (bench.target.sent.length < 1) await bench.clock.advance(0);
    expect(await isStillSilent(answer)).toBe(true);
    await bench.clock.advance(10_000);
    const late = await answer;
    expect([saidBy(late), late?.isFinal]).toEqual(['AR M1', false]);
    expect(textOf(late)).toContain('|unsettled^^L|');
    const again = bench.source.give(message('M1'));
    expect(await isStillSilent(again)).toBe(true);
    await ends.end();
    expect(saidBy(await again)).toBe('AA M1');
    expect(saidBy(await bench.source.give(message('M1')))).toBe('AA M1');
    expect(bench.target.sent).toHaveLength(1);
  });

  it('O18: with settled, AR when the engine stops first', async () => {
    await start({ channel: SETTLED });
    const ends = byHand();
    const answer = bench.source.give(message('M1'));
    while (bench.target.sent.length < 1) await bench.clock.advance(0);
    expect(await isStillSilent(answer)).toBe(true);
    const stopping = bench.engine.stop();
    const ack = await answer;
    expect([saidBy(ack), ack?.isFinal]).toEqual(['AR M1', false]);
    await ends.end();
    await stopping;
    expect(bench.clock.pending).toBe(0);
  });

  it('O19: with settled, messages behind one that waits are admitted and sent meanwhile', async () => {
    await start({ channel: SETTLED });
    const ends = byHand();
    const answers = ['M1', 'M2', 'M3'].map((id) => bench.source.give(message(id)));
    await ends.end(SUCCESS, 2);
    expect(saidBy(await answers[2]!)).toBe('AA M3');
    await ends.end(SUCCESS, 0);
    await ends.end(SUCCESS, 1);
    expect((await Promise.all(answers)).map(saidBy)).toEqual(['AA M1', 'AA M2', 'AA M3']);
  });

  it('O20: is what a source with one answer only gets, whatever MSH-15 and MSH-16 ask for', async () => {
    await start();
    expect(saidBy(await bench.source.give(wanting('NE', 'NE')))).toBe('AA M1');
    expect(await owed()).toEqual([]);
  });
});

/** What is written at once, and what behind it, for MSH-15 and MSH-16. */
type Row = readonly [accept: string, application: string, now: string, later: string];

function rows(accept: Record<string, string>, application: Record<string, string>): Row[] {
  return Object.entries(accept).flatMap(([first, now]) =>
    Object.entries(application).map(([second, later]): Row => [first, second, now, later]),
  );
}

/** Sends one message and gives what was written: at once, and later. */
async function exchange(accept: string, application: string, more: Partial<Inbound> = {}) {
  const connection = new Connection();
  const ack = await connection.send(wanting(accept, application), more);
  await nothingOwed();
  return { now: saidBy(ack), later: connection.said.join(', '), ack, connection };
}

describe('in enhanced mode', () => {
  it.each(rows({ AL: 'CA M1', NE: '', ER: '', SU: 'CA M1', '': '' }, { AL: 'AA M1', NE: '', ER: '', SU: 'AA M1' }))(
    'E2, P1: a good message with MSH-15 %s and MSH-16 %s gets "%s", and then "%s"',
    async (accept, application, now, later) => {
      await start();
      expect(await exchange(accept, application)).toMatchObject({ now, later });
      const events = (await historyOf(1)).filter((event) => event.startsWith('ack'));
      expect(events).toEqual(later === '' ? [] : ['ack-owed', 'ack-written AA']);
    },
  );

  it.each([
    ...rows({ AL: 'CA M1', NE: '', ER: '', SU: 'CA M1' }, { AL: 'AE M1', ER: 'AE M1' }),
    ...rows({ AL: 'CE M1', ER: 'CE M1' }, { NE: '', SU: '' }),
  ])(
    'E5, E6, P2: wrong content with MSH-15 %s and MSH-16 %s gets "%s", and then "%s"',
    async (accept, application, now, later) => {
      await start();
      bench.mapper.onMap = () => wrong('field-required');
      const made = await exchange(accept, application);
      expect(made).toMatchObject({ now, later });
      expect(await stateOf(1)).toBe('refused');
      const told = later === '' ? textOf(made.ack) : textOf(made.connection.written[0]!);
      expect(told).toContain('ERR||PID^1^3|101');
    },
  );

  it.each(rows({ NE: '', SU: 'CA M1' }, { NE: '', SU: 'AA M1' }))(
    'E7: wrong content with MSH-15 %s and MSH-16 %s, of which nobody would be told, is held: "%s", "%s"',
    async (accept, application, now, later) => {
      await start();
      bench.mapper.onMap = () => wrong('field-required');
      expect(await exchange(accept, application)).toMatchObject({ now, later });
      expect(await stateOf(1)).toBe('held');
    },
  );

  it.each([
    ...rows({ AL: 'CR M1', ER: 'CR M1' }, { AL: '', NE: '', ER: '', SU: '' }),
    ...rows({ NE: '', SU: '' }, { AL: 'AR M1', ER: 'AR M1' }),
  ])(
    'E3, P3: what is not for us with MSH-15 %s and MSH-16 %s gets "%s", and then "%s"',
    async (accept, application, now, later) => {
      await start();
      bench.mapper.onMap = () => wrong('version-unsupported');
      expect(await exchange(accept, application)).toMatchObject({ now, later });
      expect(await stateOf(1)).toBe('refused');
    },
  );

  it.each([
    ...rows({ AL: 'CE M1', ER: 'CE M1' }, { AL: '', NE: '' }),
    ...rows({ NE: '' }, { AL: 'AR M1', ER: 'AR M1' }),
  ])(
    'E4: what is too large with MSH-15 %s and MSH-16 %s gets "%s", and then "%s"',
    async (accept, application, now, later) => {
      await start();
      const made = await exchange(accept, application, { fault: new Fault('frame-too-large') });
      expect(made).toMatchObject({ now, later });
    },
  );

  it.each([
    ...rows({ AL: 'CE M1', ER: 'CE M1' }, { AL: '', NE: '', ER: '', SU: '' }),
    ...rows({ NE: 'AR M1', SU: 'AR M1' }, { AL: '', ER: '' }),
    ...rows({ NE: '', SU: '' }, { NE: '', SU: '' }),
  ])('E1: what is not stored with MSH-15 %s and MSH-16 %s gets "%s"', async (accept, application, now, later) => {
    await start({
      wrap: (journal): Journal => ({ ...journal, admit: () => Promise.reject(new Fault('journal-failed')) }),
    });
    const made = await exchange(accept, application);
    expect(made).toMatchObject({ now, later });
    expect(made.ack).toMatchObject({ isFinal: false, messageId: null });
  });

  it('E8: an unknown word counts as AL, an empty field beside another as NE, and HL7 null as empty', async () => {
    await start();
    expect(await exchange('XX', '')).toMatchObject({ now: 'CA M1', later: '' });
    expect(await exchange('', 'always')).toMatchObject({ now: '', later: 'AA M1' });
    expect(await exchange('""', '""')).toMatchObject({ now: 'AA M1', later: '' });
    expect(await exchange('al', 'Su')).toMatchObject({ now: 'CA M1', later: 'AA M1' });
  });

  it('P4: each answer has a control id of its own, answers the sender’s, and asks for none itself', async () => {
    await start();
    const { ack, connection } = await exchange('AL', 'AL');
    const msh = [ack, connection.written[0]!].map((one) => textOf(one).split('\r')[0]!.split('|'));
    expect(msh.map((fields) => fields.slice(14, 16))).toEqual([
      ['NE', 'NE'],
      ['NE', 'NE'],
    ]);
    const ids = msh.map((fields) => fields[9]);
    expect(new Set([...ids, 'M1']).size).toBe(3);
  });

  it('P5: with stored, AA behind CA, whatever the mapping found', async () => {
    await start({ channel: { acknowledge: 'stored' } });
    bench.mapper.onMap = () => wrong('field-required');
    expect(await exchange('AL', 'AL')).toMatchObject({ now: 'CA M1', later: 'AA M1' });
    expect(await stateOf(1)).toBe('held');
  });

  it('P6: what is on disk but could not be mapped yet gets CA, and its answer once it is mapped', async () => {
    let failing = true;
    await start({
      settings: { storeFirstBytes: 1 },
      wrap: (journal): Journal => ({
        ...journal,
        settle: (...args) => (failing ? Promise.reject(new Fault('journal-busy')) : journal.settle(...args)),
      }),
    });
    bench.mapper.onMap = () => wrong('field-required');
    const connection = new Connection();
    expect(saidBy(await connection.send(wanting('AL', 'AL')))).toBe('CA M1');
    expect(connection.said).toEqual([]);
    failing = false;
    await bench.clock.advance(10_000);
    expect(await connection.heard(1)).toEqual(['AE M1']);
  });

  it('P7: with settled, the application acknowledgement waits, and nothing waits for it', async () => {
    await start({ channel: SETTLED });
    const ends = byHand();
    const connection = new Connection();
    const accepted = [];
    for (const id of ['M1', 'M2', 'M3']) accepted.push(saidBy(await connection.send(wanting('AL', 'AL', id))));
    expect(accepted).toEqual(['CA M1', 'CA M2', 'CA M3']);
    expect(await owed()).toEqual([1, 2, 3]);
    await ends.end(SUCCESS, 1);
    expect(await connection.heard(1)).toEqual(['AA M2']);
    await ends.end(SUCCESS, 0);
    await ends.end(failure('target-refused'), 2);
    await connection.heard(3);
    expect([...connection.said].sort()).toEqual(['AA M1', 'AA M2', 'AA M3']);
    await nothingOwed();
  });

  it.each([
    ['AL', ['AR M1']],
    ['ER', ['AR M1']],
    ['SU', []],
  ])('P8: with settled and MSH-16 %s, answerWithin says %j', async (application, said) => {
    await start({ channel: SETTLED });
    const ends = byHand();
    const connection = new Connection();
    await connection.send(wanting('AL', application));
    await bench.clock.advance(10_000);
    for (let turn = 0; turn < 20; turn++) await bench.clock.advance(1);
    expect(connection.said).toEqual(said);
    await ends.end();
    if (application === 'SU') expect(await connection.heard(1)).toEqual(['AA M1']);
    await nothingOwed();
    expect(connection.said).toHaveLength(1);
  });

  it('P9: with settled and MSH-16 ER, nothing where all goes well', async () => {
    await start({ channel: SETTLED });
    expect(await exchange('AL', 'ER')).toMatchObject({ now: 'CA M1', later: '' });
    expect(await historyOf(1)).toContain('ack-waived AA');
  });
});

describe('a connection that is gone before the application acknowledgement', () => {
  const returning = { ...SETTLED, returnTo: 'files' };
  const takesAcks = () => {
    const operation = { summary: '', inDoubt: 'repeat', onCorrection: 'update' } as const;
    (bench.files.operations as Record<string, unknown>).acknowledgement = operation;
  };

  it('C1: makes it a delivery to the channel’s return target', async () => {
    bench = await setUpBench({ channel: returning });
    takesAcks();
    await bench.engine.start();
    const ends = byHand();
    const connection = new Connection();
    await connection.send(wanting('AL', 'AL'));
    connection.isOpen = false;
    await ends.end();
    await bench.log.seen('ack-returned');
    await bench.log.seen('delivery-delivered', 2);
    expect(bench.files.sent).toMatchObject([{ operation: 'acknowledgement', party: 'nord', channel: 'lab' }]);
    expect(saidBy({ bytes: bench.files.sent[0]!.body })).toBe('AA M1');
    expect(await owed()).toEqual([]);
    expect(await historyOf(1)).toContain('ack-returned AA');
  });

  it('C2, R5: without one it stays owed, is counted and shown, until the sender sends the message again', async () => {
    await start({ channel: SETTLED });
    const ends = byHand();
    const connection = new Connection();
    await connection.send(wanting('AL', 'AL'));
    connection.isOpen = false;
    await ends.end();
    await bench.log.seen('ack-unreachable');
    expect((await bench.engine.overview()).owedAcks).toEqual([
      { channel: 'lab', count: 1, oldestAt: bench.clock.now() },
    ]);
    expect(await historyOf(1)).toContain('ack-owed');
    const next = new Connection();
    expect(saidBy(await next.send(wanting('AL', 'AL')))).toBe('CA M1');
    expect(await next.heard(1)).toEqual(['AA M1']);
    await nothingOwed();
    expect((await bench.engine.overview()).owedAcks).toEqual([]);
    expect(bench.target.sent).toHaveLength(1);
  });

  it('C3: leaves it owed over a stop, and the next start returns it', async () => {
    bench = await setUpBench({ channel: returning });
    takesAcks();
    await bench.engine.start();
    const ends = byHand();
    const connection = new Connection();
    await connection.send(wanting('AL', 'AL'));
    while (bench.target.sent.length < 1) await bench.clock.advance(0);
    const stopping = bench.engine.stop();
    await ends.end();
    await stopping;
    expect(await owed()).toEqual([1]);
    expect(connection.said).toEqual([]);
    await bench.journal.close();
    const next = await bench.build();
    await next.engine.start();
    await bench.log.seen('ack-returned');
    await bench.log.seen('delivery-delivered', 2);
    expect(saidBy({ bytes: bench.files.sent[0]!.body })).toBe('AA M1');
    await next.engine.stop();
  });

  it('C4: is not returned where the sender has sent the message again over another one', async () => {
    bench = await setUpBench({ channel: returning });
    takesAcks();
    await bench.engine.start();
    const ends = byHand();
    const [first, second] = [new Connection(), new Connection()];
    await first.send(wanting('AL', 'AL'));
    first.isOpen = false;
    await second.send(wanting('AL', 'AL'));
    await ends.end();
    expect(await second.heard(1)).toEqual(['AA M1']);
    await nothingOwed();
    expect((await historyOf(1)).filter((event) => event.startsWith('ack'))).toEqual(['ack-owed', 'ack-written AA']);
  });

  it('C5: an acknowledgement on its way back keeps nobody who asks again from being answered', async () => {
    bench = await setUpBench({ channel: returning });
    takesAcks();
    bench.files.answer = () => failure('target-unreachable');
    await bench.engine.start();
    const connection = new Connection();
    connection.isOpen = false;
    await connection.send(wanting('AL', 'AL'));
    await bench.log.seen('delivery-retry');
    const next = new Connection();
    await next.send(wanting('AL', 'AL'));
    expect(await next.heard(1)).toEqual(['AA M1']);
  });

  it('C6: an answer that was written but could not be recorded is recorded as soon as the journal can', async () => {
    let failing = true;
    await start({
      wrap: (journal): Journal => ({
        ...journal,
        payAck: (payment) => (failing ? Promise.reject(new Fault('journal-failed')) : journal.payAck(payment)),
      }),
    });
    const connection = new Connection();
    await connection.send(wanting('AL', 'AL'));
    await bench.log.seen('ack-not-recorded');
    expect(await owed()).toEqual([1]);
    failing = false;
    await bench.clock.advance(1_000);
    await nothingOwed();
    expect(connection.said).toEqual(['AA M1']);
  });
});

describe('a message that is sent again', () => {
  it('R1: gets the same answers again, and nothing is sent twice', async () => {
    await start();
    for (const _ of [1, 2]) expect(await exchange('AL', 'AL')).toMatchObject({ now: 'CA M1', later: 'AA M1' });
    await bench.log.seen('delivery-delivered');
    const [first, second] = [await exchange('AL', 'AL'), await exchange('AL', 'AL')];
    expect(textOf(second.connection.written[0]!)).toBe(textOf(first.connection.written[0]!));
    expect(bench.target.sent).toHaveLength(1);
  });

  it('R2: after it was refused gets AE again, and AA once the mapping takes it', async () => {
    await start();
    bench.mapper.onMap = () => wrong('field-required');
    for (const _ of [1, 2]) expect(await exchange('AL', 'AL')).toMatchObject({ now: 'CA M1', later: 'AE M1' });
    bench.mapper.onMap = (bytes) => mapped({ drafts: [draft(controlIdOf(bytes))] });
    bench.mapper.version = 'v2';
    expect(await exchange('AL', 'AL')).toMatchObject({ now: 'CA M1', later: 'AA M1' });
  });

  it('R3: while its first answer is still waited for, waits as well', async () => {
    await start({ channel: SETTLED });
    const ends = byHand();
    const [first, second] = [new Connection(), new Connection()];
    await first.send(wanting('AL', 'AL'));
    expect(saidBy(await second.send(wanting('AL', 'AL')))).toBe('CA M1');
    await ends.end();
    expect(await second.heard(1)).toEqual(['AA M1']);
    expect(await first.heard(1)).toEqual(['AA M1']);
    await nothingOwed();
    expect(bench.target.sent).toHaveLength(1);
  });

  it.each([
    ['held', mapped({ faults: [{ code: 'code-unmapped', at: null, where: null, detail: null }] })],
    ['skipped', mapped({ skipped: [{ reason: 'not-final', at: null }] })],
  ])('R6: after it was %s gets AA again', async (state, outcome) => {
    await start();
    bench.mapper.onMap = () => outcome;
    for (const _ of [1, 2]) expect(await exchange('AL', 'AL')).toMatchObject({ now: 'CA M1', later: 'AA M1' });
    expect(await stateOf(1)).toBe(state);
  });
});

describe('a dialect', () => {
  it('D1: writes other codes, in either mode, and changes nothing of what becomes of the message', async () => {
    await start({ channel: { dialect: { codes: { AE: 'AR', CA: 'AA' }, err: 'auto', msa3: true } } });
    bench.mapper.onMap = () => wrong('field-required');
    const original = await bench.source.give(message('M2'));
    expect([saidBy(original), original?.code, original?.isFinal]).toEqual(['AR M2', 'AE', true]);
    expect(await exchange('AL', 'AL')).toMatchObject({ now: 'AA M1', later: 'AR M1' });
    expect(bench.engine.counters().answers.get('lab AE')).toBe(2);
  });

  it('D2: leaves out ERR and MSA-3 where the senders do not understand them', async () => {
    await start({ channel: { dialect: { codes: {}, err: 'none', msa3: false } } });
    bench.mapper.onMap = () => wrong('field-required');
    const ack = await bench.source.give(message('M1'));
    expect(textOf(ack).split('\r').slice(1)).toEqual(['MSA|AE|M1', '']);
  });
});
