import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { judgeListener } from './listener-case.ts';
import { judgeMapping } from './mapping-case.ts';
import { runCase } from './run-case.ts';
import { type MappingName, makeWorld, type World } from './world.ts';

const SEED = Number(process.env.SLUSS_SEED ?? 20_221_114);
const CASES = 100;

let world: World;
beforeAll(async () => {
  world = await makeWorld();
}, 60_000);
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

/** What `npm run fuzz` found, as little of it as failed. */
const FOUND: readonly (readonly [what: string, MappingName, message: Buffer])[] = [
  [
    'two bytes a letter that MSH-18 does not speak of',
    'oru-r01',
    Buffer.from('MSH|^~\\&|||||||ORU^R01|3||2.1\rOBX|1|ST|A||b||||||F\r', 'utf16le'),
  ],
  [
    'one byte a letter where MSH-18 says UTF-16',
    'se-covid-certificates',
    Buffer.from('MSH|^~\\&|||||||ORU^R01|S0003|P|2.5.1||||||UNICODE UTF-16\rPID|1\rOBX|1|CWE|94\r'),
  ],
  [
    'an FS at the end of what the answer repeats',
    'oru-r01',
    Buffer.from('MSH|^~\\&|||||||ORU^R01|4\x1c||||||||A\x1c|'),
  ],
];

describe('spoiled messages', { timeout: 120_000 }, () => {
  it('are mapped and admitted, refused or held, and made nothing of that FHIR would not take', async () => {
    for (let seed = SEED; seed < SEED + CASES; seed += 1) expect(await runCase('mapping', seed, world)).toBeNull();
  });

  it('get their one answer each over a socket, whatever surrounds them and however they are cut', async () => {
    for (let seed = SEED; seed < SEED + CASES; seed += 1) expect(await runCase('listener', seed, world)).toBeNull();
  });

  it.each(FOUND)('are dealt with as they must be: %s', async (_, mapping, message) => {
    expect(await judgeMapping({ mapping, message }, world)).toEqual([]);
    const wire = Buffer.concat([Buffer.from('\x0b'), message, Buffer.from('\x1c\r')]);
    expect(await judgeListener({ mapping, wire, cuts: [1, 7] }, world)).toEqual([]);
  });
});
