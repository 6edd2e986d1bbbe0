import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import Database from 'better-sqlite3';
import { afterEach, describe, expect, it } from 'vitest';
import { writeDateTime } from '../../src/hl7/datetime.ts';
import { systemClock } from '../../src/system-clock.ts';
import { type Lis, startLis } from './lis.ts';
import { personnummer } from './message.ts';
import { connectPeer } from './mllp-peer.ts';
import { makeSite, NORD, type Site, type SiteOptions, SYD } from './site.ts';

const HOUR_MS = 3_600_000;

let site: Site;
let lis: Lis;
async function make(options: SiteOptions = {}): Promise<void> {
  lis = await startLis();
  site = await makeSite({ lis: lis.port, certificates: true, ...options });
}
afterEach(async () => {
  await site[Symbol.asyncDispose]();
  await lis[Symbol.asyncDispose]();
});

/** A negative test of an hour ago, in 8859/1. */
function resultOf(controlId: string, person: number): Buffer {
  const at = (ms: number) => writeDateTime(systemClock.now() - ms, 'Europe/Stockholm').replace(/(\.\d+)?[+-]\d+$/, '');
  const segments = [
    `MSH|^~\\&|LABSYS|LAB^${NORD.number}^L|SLUSS|EHM|${at(0)}||ORU^R01^ORU_R01|${controlId}|P|2.5.1||||||8859/1`,
    `PID|1||${personnummer(person)}^^^&1.2.752.129.2.1.3.1&ISO^NNSWE||Åberg\\T\\Ek^Åsa`,
    `ORC|RE|P${controlId}|F${controlId}`,
    `OBR|1|P${controlId}|F${controlId}|94500-6^SARS-CoV-2 RNA^LN|||${at(HOUR_MS)}||||||||||||||||||F||||||TESTBEVIS`,
    'OBX|1|CWE|94500-6^SARS-CoV-2 RNA^LN||260415000^Not detected^SCT||||||F',
  ];
  return Buffer.from(`${segments.join('\r')}\r`, 'latin1');
}

async function send(...messages: readonly Buffer[]): Promise<void> {
  using peer = await connectPeer(await site.port('lab-nord'));
  for (const message of messages) expect(await peer.exchange(message)).toMatchObject({ code: 'AA' });
}

const controlIdsOf = (frames: readonly string[]) => frames.map((frame) => frame.split('|')[9]);
const segmentsOf = (frame: string, name: string) => frame.split('\r').filter((line) => line.startsWith(`${name}|`));

interface DeliveryRow {
  readonly target: string;
  readonly state: string;
  readonly fault: string | null;
}
function deliveries(): DeliveryRow[] {
  const db = new Database(site.journalFile, { readonly: true });
  try {
    return db.prepare<[], DeliveryRow>('select target, state, fault from deliveries order by id').all();
  } finally {
    db.close();
  }
}

interface Answer {
  readonly testProof: { readonly metadata: { readonly uvci: string } };
  readonly proofTypes: readonly { readonly delivery: { readonly delivered: boolean } }[];
}
/** What the service answered, in the journal of the stopped engine. */
function readAnswers(): Answer[] {
  const db = new Database(site.journalFile, { readonly: true });
  try {
    const rows = db
      .prepare<[], { encoding: string; body: Buffer }>(
        "select encoding, body from responses where content_type like '%json%'",
      )
      .all();
    return rows.map(({ encoding, body }) =>
      JSON.parse((encoding === 'plain' ? body : zstdDecompressSync(body)).toString()),
    );
  } finally {
    db.close();
  }
}

describe('a certificate on its way back to the LIS', { timeout: 120_000 }, () => {
  it('arrives as ORU^R01 with its PDF, to the byte, in the LIS’s own delimiters and character set', async () => {
    await make();
    const engine = await site.start();
    await send(resultOf('C1', 5));
    await engine.seen('delivery-delivered', undefined, 5);
    const [frame = ''] = await lis.received(1);
    const [msh = ''] = frame.split('\r');
    expect(msh.split('|').toSpliced(6, 1).toSpliced(8, 1)).toEqual(
      `MSH|^~\\&|SLUSS|EHM|LABSYS|LAB^${NORD.number}^L||ORU^R01^ORU_R01|P|2.5.1||||||8859/1`.split('|'),
    );
    expect(msh.split('|')[6]).toMatch(/^\d{14}[+-]\d{4}$/);
    expect(segmentsOf(frame, 'PID')).toEqual([
      `PID|1||${personnummer(5)}^^^&1.2.752.129.2.1.3.1&ISO^NNSWE||Åberg\\T\\Ek^Åsa`,
    ]);
    expect(segmentsOf(frame, 'ORC')).toEqual(['ORC|RE|PC1|FC1']);
    expect(segmentsOf(frame, 'OBR')[0]).toMatch(/^OBR\|1\|PC1\|FC1\|94500-6\^SARS-CoV-2 RNA\^LN\|\|\|\d{14}\|/);
    const results = segmentsOf(frame, 'OBX').map((line) => line.split('|'));
    expect(results.map(([, number, type, code]) => [number, type, code?.split('^')[0]])).toEqual([
      ['1', 'ST', 'UVCI'],
      ['2', 'DT', 'ISSUED'],
      ['3', 'TS', 'VALID-THROUGH'],
      ['4', 'CE', 'HANDOVER'],
      ['5', 'ED', 'CERTIFICATE'],
    ]);
    const value = (index: number) => results[index]?.[5] ?? '';
    expect(value(0)).toBe(site.standIn.ledger.entries()[0]?.uvci);
    expect(value(1)).toMatch(/^\d{8}$/);
    expect(value(2)).toMatch(/^\d{14}[+-]\d{4}$/);
    const document = value(4).split('^');
    expect(document.slice(0, 4)).toEqual(['', 'application', 'pdf', 'Base64']);
    const pdf = Buffer.from(document[4] ?? '', 'base64');
    const folder = join(site.folder, 'certificates');
    const file = readdirSync(folder).find((name) => name.endsWith('.pdf')) ?? '';
    expect(pdf.subarray(0, 5).toString()).toBe('%PDF-');
    expect(pdf.equals(readFileSync(join(folder, file)))).toBe(true);
    expect((await engine.stop()).code).toBe(0);
  });

  it('says whether the mailbox took it or the care provider hands it over', async () => {
    await make();
    const engine = await site.start();
    const persons = [1, 2, 3, 4, 5, 6, 7, 8];
    await send(...persons.map((person) => resultOf(`M${person}`, person)));
    const frames = await lis.received(persons.length);
    expect((await engine.stop()).code).toBe(0);
    const told = frames.map((frame) => {
      const [uvci = '', , , handover = ''] = segmentsOf(frame, 'OBX').map((line) => line.split('|')[5] ?? '');
      return [uvci, handover];
    });
    const answers = readAnswers().map(({ testProof, proofTypes: [paper] }) => [
      testProof.metadata.uvci,
      paper?.delivery.delivered === true
        ? "MAILBOX^Sent to the person's digital mailbox^L"
        : 'BY-PROVIDER^The care provider hands it over after secure identification^L',
    ]);
    expect(answers).toHaveLength(persons.length);
    expect(new Set(answers.map(([, handover]) => handover)).size).toBe(2);
    expect(Object.fromEntries(told)).toEqual(Object.fromEntries(answers));
  });

  it('is held when the LIS answers AE, and nothing is lost', async () => {
    await make();
    lis.answer = 'AE';
    const engine = await site.start();
    await send(resultOf('E1', 6));
    const held = await engine.seen('delivery-held', ({ target }) => target === 'lis');
    expect(held.fault).toBe('target-refused');
    expect((await engine.stop()).code).toBe(0);
    expect(deliveries().filter(({ target }) => target === 'lis')).toEqual([
      { target: 'lis', state: 'held', fault: expect.stringContaining('target-refused') },
    ]);
  });

  it('bears the same control id, and the same bytes, after a crash before the LIS’s answer', async () => {
    await make();
    lis.answer = null;
    const first = await site.start();
    await send(resultOf('K1', 7));
    await lis.received(1);
    await first.kill();
    lis.answer = 'AA';
    const second = await site.start();
    await second.seen('delivery-delivered', ({ target }) => target === 'lis');
    const frames = await lis.received(2);
    expect(frames[1]).toBe(frames[0]);
    expect(new Set(controlIdsOf(lis.frames)).size).toBe(1);
    expect(site.standIn.ledger.certificates()).toBe(1);
    expect((await second.stop()).code).toBe(0);
  });

  it('is one message for the LIS though the service’s answer was lost and asked for again', async () => {
    await make({ service: { faults: [{ fault: { kind: 'lose-answer' }, times: 1 }] } });
    const engine = await site.start();
    await send(resultOf('L1', 8), resultOf('L2', 8));
    await engine.seen('delivery-delivered', ({ target }) => target === 'lis', 2);
    expect(lis.frames.map((frame) => segmentsOf(frame, 'ORC')[0])).toEqual(['ORC|RE|PL1|FL1', 'ORC|RE|PL2|FL2']);
    expect(new Set(controlIdsOf(lis.frames)).size).toBe(2);
    expect((await engine.stop()).code).toBe(0);
  });

  it('is held, and not sent, where the QR code is not the one of this person', async () => {
    await make();
    site.configure((text) => text.replace('readQr: false', 'readQr: true'));
    const engine = await site.start();
    // The stand-in's canned QR code is right for whoever comes first.
    await send(resultOf('Q1', 9));
    await engine.seen('delivery-delivered', ({ target }) => target === 'lis');
    await send(resultOf('Q2', 10));
    await engine.seen('delivery-delivered', ({ fault }) => fault === 'answer-unreadable');
    expect((await engine.stop()).code).toBe(0);
    expect(lis.frames).toHaveLength(1);
    const back = deliveries().filter(({ target }) => target === 'lis');
    expect(back.map(({ state }) => state)).toEqual(['delivered', 'held']);
  });

  it('goes to the LIS that the channel means, by one mapping for all of them, or to none', async () => {
    await make();
    await using other = await startLis();
    const back = (text: string, channel: string, target: string | null) =>
      text.replace(`  ${channel}:\n`, `  ${channel}:\n    targets: { lis: ${target} }\n`);
    site.configure((text) => {
      const named = text.replace(
        /( {2}lis):((?:\n {4}.*)+)/,
        `$1-a:$2\n  lis-b: { kind: mllp, host: 127.0.0.1, port: ${other.port} }`,
      );
      return back(back(back(named, 'lab-nord', 'lis-a'), 'lab-syd', 'lis-b'), 'lab-both', null);
    });
    const engine = await site.start();
    const syd = Buffer.from(resultOf('S1', 14).toString('latin1').replace(NORD.number, SYD.number), 'latin1');
    for (const [channel, message] of [
      ['lab-both', resultOf('B1', 15)],
      ['lab-nord', resultOf('N1', 13)],
      ['lab-syd', syd],
    ] as const) {
      using peer = await connectPeer(await site.port(channel));
      expect(await peer.exchange(message)).toMatchObject({ code: 'AA' });
    }
    await engine.seen('delivery-delivered', ({ target }) => target === 'lis-a');
    await engine.seen('delivery-delivered', ({ target }) => target === 'lis-b');
    await engine.seen('delivery-delivered', ({ target }) => target === 'certificates', 9);
    expect((await engine.stop()).code).toBe(0);
    const orders = ({ frames }: Lis) => frames.map((frame) => segmentsOf(frame, 'ORC')[0]);
    expect([orders(lis), orders(other)]).toEqual([['ORC|RE|PN1|FN1'], ['ORC|RE|PS1|FS1']]);
  });

  it('is a document, or nothing, where the channel says so', async () => {
    await make();
    const form = (text: string, channel: string, word: string) =>
      text.replace(new RegExp(`(  ${channel}:\\n(?:    .*\\n)*?    with: \\{)`), `$1 returnAs: { value: ${word} },`);
    site.configure((text) => form(form(text, 'lab-nord', 'mdm'), 'lab-both', 'none'));
    const engine = await site.start();
    await send(resultOf('D1', 11));
    const [frame = ''] = await lis.received(1);
    const [msh, evn = '', ...rest] = frame.split('\r');
    expect(msh).toContain('|MDM^T02^MDM_T02|');
    expect(evn.split('|').slice(0, 3)).toEqual(['EVN', 'T02', msh?.split('|')[6]]);
    expect(rest.map((line) => line.slice(0, 3))).toEqual(['PID', 'PV1', 'TXA', 'OBX', 'OBX', 'OBX', '']);
    using peer = await connectPeer(await site.port('lab-both'));
    expect(await peer.exchange(resultOf('D2', 12))).toMatchObject({ code: 'AA' });
    await engine.seen('delivery-delivered', ({ target }) => target === 'covidbevis', 2);
    expect((await engine.stop()).code).toBe(0);
    expect(deliveries().filter(({ target }) => target === 'lis')).toHaveLength(1);
  });
});
