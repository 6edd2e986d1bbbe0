import { afterEach, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engine/engine.ts';
import { CONTEXT, compile, mapperOf, PROJECT_FILES } from '../mapping/kit.ts';
import { type Bench, setUpBench } from './bench.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const PERSON = '199708062386^^^&1.2.752.129.2.1.3.1&ISO^NNSWE';
const MAPPINGS = ['se-covid-certificates', 'se-covid-requests'];

/** The project's own mappings of certificates, for the targets of the bench. */
const real = mapperOf(compile(PROJECT_FILES, { mappings: MAPPINGS }));

interface Parts {
  readonly requested?: string;
  readonly status?: string;
  readonly value?: string;
  readonly sent?: string;
  readonly pid?: string;
}

/** A NAAT of 1 June 2021, 08:15 in Sweden, of the order P1; nobody asks for a certificate unless said otherwise. */
function result(controlId: string, parts: Parts = {}): Buffer {
  const { requested = '', status = 'F', value = '260415000', sent = '20210601090000', pid = PERSON } = parts;
  return Buffer.from(
    [
      `MSH|^~\\&|LIS|2321000016|SLUSS|EHM|${sent}||ORU^R01|${controlId}|P|2.5.1`,
      `PID|1||${pid}`,
      `OBR|1|P1|F1|94500-6^^LN|||20210601081500${'|'.repeat(24)}${requested}`,
      `OBX|1|CWE|94500-6^^LN||${value}^^SCT||||||${status}`,
    ].join('\r'),
  );
}

function request(controlId: string, requested = 'COVIDBEVIS', order = 'P1', pid = PERSON): Buffer {
  return Buffer.from(
    [
      `MSH|^~\\&|LIS|2321000016|SLUSS|EHM|20210601090000||ORM^O01|${controlId}|P|2.5.1`,
      `PID|1||${pid}`,
      `ORC|NW|${order}`,
      `OBR|1|${order}||94500-6^^LN${'|'.repeat(27)}${requested}`,
    ].join('\r'),
  );
}

let bench: Bench;
let engines: Engine[] = [];
let give: (bytes: Buffer) => Promise<number>;

async function setUp() {
  bench = await setUpBench();
  bench.mapper.onMap = (bytes) => {
    const mapped = real.map(bytes, CONTEXT);
    const operationOf = (name: string) => (name === 'test-certificate' ? 'test' : 'recovery');
    const drafts = mapped.drafts.map((one) => ({ ...one, target: 'covid', operation: operationOf(one.operation) }));
    return { ...mapped, drafts };
  };
  await begin(bench.engine, bench.source);
}
afterEach(async () => {
  for (const engine of engines) await engine.stop();
  engines = [];
  await bench.tearDown();
});

async function begin(engine: Engine, source: Bench['source']) {
  engines.push(engine);
  await engine.start();
  give = async (bytes) => {
    const ack = await source.give(bytes);
    expect(ack?.code).toBe('AA');
    return ack?.messageId ?? 0;
  };
}

/** Stops the engine, and starts another on the same journal. */
async function restart() {
  await engines.at(-1)?.stop();
  await bench.journal.close();
  const next = await bench.build();
  bench = { ...bench, journal: next.journal };
  await begin(next.engine, next.source);
}

const stateOf = async (messageId: number) => (await bench.journal.readMessage(messageId))?.state;
const deliveriesOf = async (messageId: number) => await bench.journal.readDeliveries(messageId);
const statesOf = async (messageId: number) => (await deliveriesOf(messageId)).map(({ state }) => state);
/** Until everything that may be sent has been: what is sent after it would come later. */
async function settled(count: number) {
  if (count > 0) await bench.log.seen('delivery-delivered', count);
  await bench.clock.advance(HOUR_MS);
  expect(bench.target.sent).toHaveLength(count);
}

describe('nobody gets a certificate unasked', () => {
  it('a request that comes later, in an order of its own, acts on the stored result', async () => {
    await setUp();
    const stored = await give(result('R1'));
    await settled(0);
    expect([await stateOf(stored), await statesOf(stored)]).toEqual(['skipped', ['cancelled']]);
    const asked = await give(request('Q1'));
    await settled(1);
    expect([await stateOf(stored), await statesOf(stored), await stateOf(asked)]).toEqual([
      'mapped',
      ['delivered'],
      'mapped',
    ]);
    const [delivery] = await deliveriesOf(stored);
    expect(delivery?.needs).toMatchObject({ reason: 'not-requested', providedBy: asked });
    expect(JSON.parse(Buffer.from(bench.target.sent[0]?.body ?? []).toString())).toMatchObject({
      resourceType: 'Observation',
      effectiveDateTime: '2021-06-01T08:15:00+02:00',
    });
  });

  it('… after a restart, too', async () => {
    await setUp();
    const stored = await give(result('R1'));
    await restart();
    await settled(0);
    await give(request('Q1'));
    await settled(1);
    expect(await statesOf(stored)).toEqual(['delivered']);
  });

  it('a request that came before the result is remembered, over a restart', async () => {
    await setUp();
    const asked = await give(request('Q1'));
    await restart();
    const stored = await give(result('R1'));
    await settled(1);
    expect(await stateOf(stored)).toBe('mapped');
    expect((await deliveriesOf(stored))[0]?.needs?.providedBy).toBe(asked);
  });

  it('a request of another order, person or kind of certificate does nothing', async () => {
    await setUp();
    const stored = await give(result('R1'));
    await give(request('Q1', 'COVIDBEVIS', 'P2'));
    await give(request('Q2', 'TILLFRISKNANDEBEVIS'));
    await give(request('Q3', 'COVIDBEVIS', 'P1', '197010632391^^^SKV'));
    await give(request('Q4', 'HUVUD'));
    await settled(0);
    expect(await stateOf(stored)).toBe('skipped');
  });

  it('two requests make one certificate, and a request that is sent again changes nothing', async () => {
    await setUp();
    await give(result('R1'));
    const asked = await give(request('Q1'));
    await settled(1);
    expect(await give(request('Q1'))).toBe(asked);
    await give(request('Q2'));
    await give(result('R2', { requested: 'TESTBEVIS' }));
    await give(result('R1'));
    await settled(1);
    expect((await deliveriesOf(1))[0]?.needs?.providedBy).toBe(asked);
  });

  it('the result again, with the request, lets the stored one go', async () => {
    await setUp();
    const stored = await give(result('R1'));
    const again = await give(result('R2', { requested: 'TESTBEVIS', sent: '20210601093000' }));
    await settled(1);
    expect([await statesOf(stored), await statesOf(again)]).toEqual([['delivered'], []]);
  });

  it('a correction between result and request is what is sent', async () => {
    await setUp();
    const stored = await give(result('R1'));
    const corrected = await give(result('R2', { status: 'C', sent: '20210601093000' }));
    await give(request('Q1'));
    await settled(1);
    expect([await statesOf(stored), await statesOf(corrected)]).toEqual([['cancelled'], ['delivered']]);
    // Into something else, and asked for already: it is not sent as what it was.
    const positive = await give(result('R3', { status: 'C', sent: '20210601100000', value: '260373001' }));
    expect(await statesOf(positive)).toEqual(['held']);
    await settled(1);
  });

  it('a result that was withdrawn never goes, whatever is asked', async () => {
    await setUp();
    const stored = await give(result('R1'));
    await give(result('R2', { status: 'X', sent: '20210601093000' }));
    await give(request('Q1'));
    await give(result('R3'));
    await settled(0);
    expect([await stateOf(stored), await statesOf(stored)]).toEqual(['skipped', ['cancelled']]);
  });

  it('a request that comes too late for a test certificate has no effect but in the history', async () => {
    await setUp();
    const stored = await give(result('R1'));
    await bench.clock.advance(3 * DAY_MS);
    const asked = await give(request('Q1'));
    await settled(0);
    expect([await stateOf(stored), await statesOf(stored)]).toEqual(['skipped', ['cancelled']]);
    const history = await bench.journal.readHistory(stored);
    expect(history.at(-1)).toMatchObject({ event: 'expired', why: `message ${asked}` });
    expect((await bench.journal.readHistory(asked)).at(-1)?.event).toBe('provides');
  });

  it('a recovery certificate that is asked for before day 11 goes on day 11, after day 180 never', async () => {
    await setUp();
    const stored = await give(result('R1', { value: '260373001' }));
    await bench.clock.advance(5 * DAY_MS);
    await give(request('Q1'));
    await settled(0);
    expect(await statesOf(stored)).toEqual(['waiting']);
    await bench.clock.advance(6 * DAY_MS);
    await settled(1);
    const other = await give(result('R2', { value: '260373001', pid: '197010632391^^^SKV' }));
    await bench.clock.advance(170 * DAY_MS);
    await give(request('Q2', 'COVIDBEVIS', 'P1', '197010632391^^^SKV'));
    await settled(1);
    expect(await statesOf(other)).toEqual(['cancelled']);
  }, 60_000);

  it('what is wrong with a result troubles nobody until somebody asks; then a person decides', async () => {
    await setUp();
    const nameless = '4711^^^LIS^MR||Ek^Asa';
    const stored = await give(result('R1', { pid: nameless }));
    await settled(0);
    expect([await stateOf(stored), bench.engine.alarms()]).toEqual(['skipped', []]);
    await give(request('Q1', 'TESTBEVIS', 'P1', nameless));
    expect(await deliveriesOf(stored)).toMatchObject([{ state: 'held', fault: { code: 'field-required' } }]);
    const [released] = await bench.engine.operations.release([{ message: stored }], { by: 'alva', note: null });
    expect(released).toMatchObject({ result: 'replay' });
    const [mended] = await bench.engine.operations.replay([stored], { by: 'alva', note: null }, false);
    expect(mended).toMatchObject({ result: 'replayed', deliveries: [{ state: 'held' }] });
    await settled(0);
  });
});
