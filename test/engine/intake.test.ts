import { afterEach, describe, expect, it } from 'vitest';
import { Fault } from '../../src/contracts/fault.ts';
import type { Journal } from '../../src/contracts/journal.ts';
import { type Bench, type BenchOptions, controlIdOf, draft, mapped, message, SUCCESS, setUpBench } from './bench.ts';
import { deferred } from './kit.ts';

let bench: Bench;
afterEach(() => bench.tearDown());

async function start(options?: BenchOptions) {
  bench = await setUpBench(options);
  await bench.engine.start();
}

const textOf = (ack: { bytes: Uint8Array } | null) => Buffer.from(ack?.bytes ?? []).toString('latin1');
const fault = (code: 'field-required' | 'code-unmapped' | 'version-unsupported') =>
  mapped({ faults: [{ code, at: 'PID-3', where: null, detail: null }] });

describe('the intake', () => {
  it('answers AA once the message and its deliveries are on disk', async () => {
    await start();
    const ack = await bench.source.give(message('M1'), { sender: 'lis.example' });
    expect(ack?.code).toBe('AA');
    expect(textOf(ack)).toContain('MSA|AA|M1');
    const stored = await bench.journal.readMessage(ack!.messageId!);
    expect(stored).toMatchObject({
      channel: 'lab',
      controlId: 'M1',
      origin: 'test #1',
      sender: 'lis.example',
      state: 'mapped',
      mappingVersion: 'v1',
    });
    expect(Buffer.from(stored!.bytes)).toEqual(message('M1'));
    expect(await bench.journal.readDeliveries(ack!.messageId!)).toHaveLength(1);
  });

  it('answers AE for a fault of the message, with its location, and nothing leaves', async () => {
    await start();
    bench.mapper.onMap = (bytes) => ({ ...fault('field-required'), drafts: [draft(controlIdOf(bytes))] });
    const ack = await bench.source.give(message('M1'));
    expect(textOf(ack)).toContain('MSA|AE|M1');
    expect(textOf(ack)).toContain('ERR||PID^1^3|101');
    expect(await bench.journal.readMessage(ack!.messageId!)).toMatchObject({ state: 'refused' });
    expect(await bench.journal.readDeliveries(ack!.messageId!)).toEqual([]);
  });

  it('answers AR for a message that is not for us', async () => {
    await start();
    bench.mapper.onMap = () => fault('version-unsupported');
    expect(textOf(await bench.source.give(message('M1')))).toContain('MSA|AR|M1');
  });

  it('answers AA for a message that is held, and sends the good part of it', async () => {
    await start();
    bench.mapper.onMap = (bytes) => ({ ...fault('code-unmapped'), drafts: [draft(controlIdOf(bytes))] });
    const ack = await bench.source.give(message('M1'));
    expect(ack?.code).toBe('AA');
    await bench.log.seen('delivery-delivered');
    expect(await bench.journal.readMessage(ack!.messageId!)).toMatchObject({ state: 'held' });
  });

  it('keeps and counts what did not fit and held nothing back, once a message', async () => {
    await start();
    const warning = { code: 'field-type', at: 'PID-7', where: 'm.yaml:3:4', detail: 'date-time' } as const;
    bench.mapper.onMap = (bytes) => mapped({ drafts: [draft(controlIdOf(bytes))], warnings: [warning] });
    const ack = await bench.source.give(message('M1'));
    await bench.source.give(message('M1'));
    expect(ack?.code).toBe('AA');
    expect(await bench.journal.readMessage(ack!.messageId!)).toMatchObject({ state: 'mapped', warnings: [warning] });
    expect(bench.engine.counters().warnings).toEqual(new Map([['field-type', 1]]));
  });

  it('holds a message on which the mapper breaks, and answers AA', async () => {
    await start();
    bench.mapper.onMap = () => {
      throw new TypeError('Anna Andersson is not a function');
    };
    const ack = await bench.source.give(message('M1'));
    expect(ack?.code).toBe('AA');
    expect(await bench.journal.readMessage(ack!.messageId!)).toMatchObject({
      state: 'held',
      faults: [{ code: 'internal', detail: 'TypeError' }],
    });
    expect(JSON.stringify(bench.log.lines)).not.toContain('Anna');
  });

  it('refuses what is not HL7 with AR, and keeps no more than 4 kB of it', async () => {
    await start();
    const ack = await bench.source.give(Buffer.alloc(100_000, 'x'));
    expect(ack?.code).toBe('AR');
    const stored = await bench.journal.readMessage(ack!.messageId!);
    expect(stored).toMatchObject({ state: 'refused', faults: [{ code: 'not-hl7' }], controlId: null });
    expect(stored!.bytes).toHaveLength(4_096);
  });

  it('refuses what the source found wrong, without mapping it', async () => {
    await start();
    bench.mapper.onMap = () => {
      throw new Error('must not be called');
    };
    const ack = await bench.source.give(message('M1'), { fault: new Fault('frame-too-large') });
    expect(textOf(ack)).toContain('MSA|AR|M1');
    expect(await bench.journal.readMessage(ack!.messageId!)).toMatchObject({ faults: [{ code: 'frame-too-large' }] });
  });

  it('refuses a message of more parts than its channel takes, whole and unmapped, and takes it once more are allowed', async () => {
    const limits = { segments: 4, fields: 30, repetitions: 2 };
    await start({ channel: { limits } });
    bench.mapper.onMap = () => {
      throw new Error('must not be reached');
    };
    const rest = `M1${'\rOBX|1'.repeat(3)}`;
    const ack = await bench.source.give(message('M1', rest));
    expect(textOf(ack)).toContain('MSA|AR|M1');
    expect(textOf(ack)).toContain('limit 4 segments');
    expect(ack?.isFinal).toBe(true);
    const stored = await bench.journal.readMessage(ack!.messageId!);
    expect(stored).toMatchObject({ state: 'refused', faults: [{ code: 'too-many', detail: 'limit 4 segments' }] });
    expect(Buffer.from(stored!.bytes)).toEqual(message('M1', rest));
    expect(textOf(await bench.source.give(message('M2', 'a~b~c')))).toContain('limit 2 repetitions a field');
    expect(textOf(await bench.source.give(message('M3', '|'.repeat(40))))).toContain('limit 30 fields a segment');

    limits.segments = 5;
    bench.mapper.onMap = (bytes) => mapped({ drafts: [draft(controlIdOf(bytes))] });
    expect(textOf(await bench.source.give(message('M1', rest)))).toContain('MSA|AA|M1');
    await bench.log.seen('delivery-delivered');
  });

  it('never answers an acknowledgement, and keeps it as skipped', async () => {
    await start();
    expect(await bench.source.give(message('M1', '', 'ACK^R01^ACK'))).toBeNull();
    expect(bench.log.lines).toContainEqual(expect.objectContaining({ event: 'message-skipped', channel: 'lab' }));
  });

  it('gives a repeated message the answer it has earned, and sends nothing twice', async () => {
    await start();
    const first = await bench.source.give(message('M1'));
    await bench.log.seen('delivery-delivered');
    const again = await bench.source.give(message('M1'));
    expect(again).toMatchObject({ code: 'AA', messageId: first?.messageId });
    expect(textOf(again)).toBe(textOf(first));
    await bench.clock.advance(1_000);
    expect(bench.target.sent).toHaveLength(1);
    expect(bench.engine.counters().messages).toEqual(new Map([['lab mapped', 1]]));
  });

  it('maps a refused message again when it comes again under other mappings', async () => {
    await start();
    bench.mapper.onMap = () => fault('field-required');
    expect((await bench.source.give(message('M1')))?.code).toBe('AE');
    bench.mapper.onMap = (bytes) => mapped({ drafts: [draft(controlIdOf(bytes))] });
    expect((await bench.source.give(message('M1')))?.code).toBe('AE');
    bench.mapper.version = 'v2';
    expect((await bench.source.give(message('M1')))?.code).toBe('AA');
    await bench.log.seen('delivery-delivered');
  });

  it('flags a control id that comes with other content', async () => {
    await start();
    await bench.source.give(message('M1', 'a'));
    expect((await bench.source.give(message('M1', 'b')))?.code).toBe('AA');
    await bench.log.seen('control-id-reused');
  });

  it('admits in the order of the calls, also past one that is stored first', async () => {
    await start({ settings: { storeFirstBytes: 200 } });
    const names = ['A', 'B', 'C', 'D', 'E'];
    const acks = await Promise.all(
      names.map((name) => bench.source.give(message(name, name === 'B' || name === 'D' ? 'x'.repeat(300) : ''))),
    );
    const ids = acks.map((ack) => ack!.messageId!);
    expect(acks.map((ack) => ack?.code)).toEqual(['AA', 'AA', 'AA', 'AA', 'AA']);
    expect(ids).toEqual([...ids].sort((a, b) => a - b));
    const history = await bench.journal.readHistory(ids[1]!);
    expect(history.filter((one) => one.deliveryId === null).map((one) => one.event)).toEqual(['received', 'mapped']);
    const deliveries = await Promise.all(ids.map((id) => bench.journal.readDeliveries(id)));
    const order = deliveries.map(([delivery]) => delivery!.id);
    expect(order).toEqual([...order].sort((a, b) => a - b));
  });

  it('answers AR while the journal cannot take it, and says so in its status until it can', async () => {
    let failing: Fault | null = new Fault('journal-failed');
    await start({
      wrap: (journal): Journal => ({
        ...journal,
        admit: (admission) => (failing === null ? journal.admit(admission) : Promise.reject(failing)),
      }),
    });
    const ack = await bench.source.give(message('M1'));
    expect(textOf(ack)).toContain('MSA|AR|M1');
    expect(ack?.messageId).toBeNull();
    expect(bench.engine.problem()).toContain('the journal cannot be written');
    failing = null;
    expect((await bench.source.give(message('M1')))?.code).toBe('AA');
    expect(bench.engine.problem()).toBeNull();
  });

  it('gives a message its outcome later where it could be stored but not settled', async () => {
    let failing = true;
    await start({
      settings: { storeFirstBytes: 1 },
      wrap: (journal): Journal => ({
        ...journal,
        settle: (...args) => (failing ? Promise.reject(new Fault('journal-busy')) : journal.settle(...args)),
      }),
    });
    const ack = await bench.source.give(message('M1'));
    expect(ack?.code).toBe('AR');
    failing = false;
    await bench.clock.advance(10_000);
    await bench.log.seen('message-settled');
    await bench.log.seen('delivery-delivered');
    expect((await bench.source.give(message('M1')))?.code).toBe('AA');
  });

  it('answers AR while the disk is nearly full, goes on delivering, and takes messages again by itself', async () => {
    let free = 5_000;
    await start({ free: () => free });
    const owed = deferred<void>();
    bench.target.answer = async () => {
      await owed.promise;
      return SUCCESS;
    };
    expect(textOf(await bench.source.give(message('M1')))).toContain('MSA|AA|M1');
    free = 900;
    await bench.clock.advance(2_000);
    expect(await bench.log.seen('disk-low')).toMatchObject({ level: 'error', bytes: 900 });
    const ack = await bench.source.give(message('M2'));
    expect(textOf(ack)).toContain('MSA|AR|M2');
    expect(textOf(ack)).toContain('nearly full');
    expect(ack).toMatchObject({ isFinal: false, messageId: null });
    const reply = async () => true;
    const enhanced = Buffer.from(Buffer.from(message('M2')).toString().replace('|P|2.5.1', '|P|2.5.1|||AL|AL'));
    expect(textOf(await bench.source.give(enhanced, { reply }))).toContain('MSA|CE|M2');
    expect(bench.engine.isReady()).toBe(false);
    expect(bench.engine.problem()).toBe(null);
    owed.resolve();
    await bench.log.seen('delivery-delivered');

    // Not as soon as the reserve is there, or it would go to and fro.
    free = 1_050;
    await bench.clock.advance(2_000);
    expect((await bench.source.give(message('M2')))?.code).toBe('AR');
    free = 1_100;
    await bench.clock.advance(2_000);
    await bench.log.seen('disk-has-room');
    expect((await bench.source.give(message('M2')))?.code).toBe('AA');
    expect(bench.engine.isReady()).toBe(true);
    expect(bench.log.events().filter((event) => event === 'disk-low')).toHaveLength(1);
    expect(bench.engine.counters().faults.get('disk-low')).toBe(3);
  });

  it('looks at the disk sooner where much is stored', async () => {
    let looks = 0;
    await start({
      free: () => {
        looks += 1;
        return 5_000;
      },
    });
    const before = looks;
    await bench.source.give(message('M1', 'x'.repeat(200)));
    await bench.clock.advance(0);
    expect(looks).toBe(before + 1);
  });

  it('answers AR once the engine has stopped', async () => {
    await start();
    await bench.engine.stop();
    const ack = await bench.source.give(message('M1'));
    expect(textOf(ack)).toContain('MSA|AR|M1');
    expect(ack?.messageId).toBeNull();
  });

  it('answers AR where it breaks itself, but never an acknowledgement', async () => {
    await start({
      wrap: (journal): Journal => ({
        ...journal,
        admit: async (admission) => ({ ...(await journal.admit(admission)), state: 'unheard-of' as never }),
      }),
    });
    const ack = await bench.source.give(message('M1'));
    expect(ack?.messageId).toBeNull();
    expect(textOf(ack)).toContain('MSA|AR|M1');
    expect(await bench.source.give(message('M2', '', 'ACK^R01^ACK'))).toBeNull();
    expect(bench.log.events()).toContain('intake-broken');
  });

  it('says in no log where a message came from: that may be the name of a file', async () => {
    await start();
    await bench.source.give(message('M1'));
    await bench.log.seen('delivery-delivered');
    expect(JSON.stringify(bench.log.lines)).not.toContain('test #1');
  });
});
