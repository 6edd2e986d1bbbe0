import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { frameMessage } from '../../src/hl7/mllp.ts';
import { settled } from './crash-run.ts';
import { type EngineProcess, spawnSluss } from './engine-process.ts';
import { personnummer, testMessage } from './message.ts';
import { connectPeer } from './mllp-peer.ts';
import { makeSite, type Site } from './site.ts';

const PERSON = 123_456;
const NUMBER = personnummer(PERSON);
const NAME = 'Hemligsdotter^Markerina^Åsadotter';
/** However it is written: with or without century, with a hyphen, in capitals, whatever became of its Å. */
const MARKERS = new RegExp(
  ['hemligsd', 'markerina', 'sadotter', 'markertest', 'markercode', NUMBER.slice(2, 8)].join('|'),
  'i',
);

let site: Site;
afterEach(async () => {
  await site[Symbol.asyncDispose]();
});

describe('patient data', () => {
  it('stands in nothing that the engine writes, whatever becomes of a message', async () => {
    site = await makeSite({ mllp: ', maxMessage: 8kB, partialFrameTimeout: 200ms', certificates: true });
    site.configure((text) => `log: { level: debug }\n${text}`);
    const pages: string[] = [];
    const answers: string[] = [];
    const look = async (engine: EngineProcess) => {
      for (const path of ['/metrics', '/health', '/ready', `/${NUMBER}`, `/%E0%A4%A?name=${NUMBER}`]) {
        const page = await fetch(`${await engine.consoleUrl()}${path}`);
        pages.push(await page.text(), JSON.stringify([...page.headers]));
      }
    };
    const swap = (bytes: Buffer, from: string, to: string) =>
      Buffer.from(bytes.toString('latin1').replace(from, to), 'latin1');
    const marked = (controlId: string, more: object = {}) => {
      const message = testMessage({ controlId, person: PERSON, name: NAME, results: [`R-${controlId}`], ...more });
      return swap(message, '|P|2.5.1', '|P|2.5.1||||||8859/1');
    };

    const first = await site.start();
    const { faults } = site.standIn;
    const echo = `Invalid person ${NUMBER} Markerina Hemligsdotter`;
    faults.add({ fault: { kind: 'status', status: 422, message: echo }, times: 1 });
    faults.add({ fault: { kind: 'status', status: 503, message: echo, headers: { 'x-person': NUMBER } }, times: 1 });
    faults.add({ fault: { kind: 'not-json' }, times: 1 });
    faults.add({ fault: { kind: 'lose-answer' }, times: 1 });
    faults.add({ fault: { kind: 'status', status: 302, headers: { location: `https://x/${NUMBER}` } }, times: 1 });
    const port = await site.port('lab-nord');
    using peer = await connectPeer(port);
    const hostile = [
      marked('OK1'),
      marked('OK2'),
      marked('OK1'),
      marked('OK3', { results: ['A', 'B'] }),
      swap(marked('DIGIT'), NUMBER, `${NUMBER.slice(0, 11)}${(Number(NUMBER.at(-1)) + 1) % 10}`),
      swap(marked('TEN'), NUMBER, NUMBER.slice(2)),
      marked('CODE', { test: 'MARKERCODE^Markertest^L' }),
      swap(marked('VALUE'), '260415000', 'Hemligsdotter'),
      swap(marked('STATUS'), '||||||F\r', `||||||${NUMBER}\r`),
      swap(marked('TIME'), '202211140830', 'Markerina'),
      swap(marked('WHEN'), '20221114153000', NUMBER),
      swap(marked('TYPE'), 'ORU^R01^ORU_R01', `${NAME}^X`),
      swap(marked('VERSION'), '2.5.1', NUMBER),
      swap(marked('CHARSET'), '8859/1', NUMBER),
      swap(marked('BYTES'), '8859/1', 'UNICODE UTF-8'),
      swap(marked('PARTY'), '2321000016', 'Markerina'),
      swap(marked('SEGMENT'), 'OBX|1', `ZZ${NUMBER.slice(2, 8)}|${NAME}\rOBX|1`),
      swap(marked('ID'), '|ID|', `|${NUMBER}|`),
      swap(marked('REUSED'), '|REUSED|', '|OK1|'),
      Buffer.from(`nothing of HL7 about ${NAME} ${NUMBER}`),
      Buffer.from(`MSH|${NAME}|${NUMBER}`),
      Buffer.concat([marked('B1'), marked('B2'), Buffer.from(NAME)]),
      Buffer.from(`BHS|^~\\&|${NAME}\r${marked('B3').toString('latin1')}BTS|${NUMBER}|${NAME}\r`, 'latin1'),
    ];
    for (const message of hostile) await peer.exchange(message);
    peer.socket.write(`\r\n${NAME} ${NUMBER} between frames\r\n`);
    peer.socket.write(frameMessage(marked('HALF')).subarray(0, 150));
    await peer.answered(hostile.length + 1);
    await peer.exchange(Buffer.concat([marked('LARGE'), Buffer.from(`NTE|1||${NAME}`.repeat(400))]));
    answers.push(...peer.answers.map((answer) => Buffer.from(answer).toString('latin1')));

    const drop = (name: string, content: Buffer) => {
      writeFileSync(join(site.folder, name), content);
      renameSync(join(site.folder, name), join(site.inbox, name));
    };
    drop(`${NUMBER}-Hemligsdotter.hl7`, marked('F1'));
    drop(`Markerina ${NUMBER}.hl7`, swap(marked('F2'), NUMBER, NUMBER.slice(2)));
    drop(`Hemligsdotter-${NUMBER}-Åsadotter.txt`, Buffer.from(`${NAME} ${NUMBER}`));
    drop(`${NUMBER}.dat`, Buffer.concat([marked('F3'), swap(marked('F4'), NUMBER, NUMBER.slice(2))]));
    await first.seen('file-done', undefined, 4);
    await first.seen('delivery-held');
    await look(first);

    // Killed with all that in flight, and started again.
    await first.kill();
    drop(`${NUMBER}-again.hl7`, marked('F5'));
    const second = await site.start();
    await second.seen('file-done');
    await settled(second, site);
    await look(second);
    expect((await second.stop()).code).toBe(0);

    const check = spawnSluss(['check', '-c', site.configFile]);
    await check.ended;
    const said = `${site.said()}\n${check.output()}${check.errors()}`;
    expect(findMarked(said), 'log').toEqual([]);
    expect(findMarked(pages.join('\n')), 'console').toEqual([]);
    // What the sender wrote in its own MSH comes back to it: that is how it knows its message.
    const own = answers.map((answer) =>
      answer
        .split('\r')
        .filter((line) => !/^(MSH|BHS|MSA)/.test(line))
        .join('\n'),
    );
    expect(findMarked(own.join('\n')), 'answers').toEqual([]);
    const reasons = readdirSync(join(site.inbox, 'failed')).filter((name) => name.endsWith('.reasons.txt'));
    expect(reasons.length).toBeGreaterThan(0);
    for (const name of reasons) expect(findMarked(readFileSync(join(site.inbox, 'failed', name), 'utf8'))).toEqual([]);
    // What is issued is called by its identifier.
    expect(readdirSync(join(site.folder, 'certificates')).filter((name) => MARKERS.test(name))).toEqual([]);
    // And yet all of that was there to be written.
    for (const event of ['message-refused', 'message-held', 'delivery-held', 'delivery-retry', 'frame-incomplete']) {
      expect(said).toContain(`"event":"${event}"`);
    }
  }, 120_000);
});

/** Lines that give something away. Times hold many digits that mean nothing. */
function findMarked(text: string): string[] {
  return text.split('\n').filter((line) => MARKERS.test(line.replace(/"time":"[^"]*"/, '')));
}
