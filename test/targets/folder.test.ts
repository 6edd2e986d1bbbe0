import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Target } from '../../src/contracts/target.ts';
import { folderTarget } from '../../src/targets/folder.ts';
import { faultOf, hostOf, makeDelivery, partiesOf, untilDone } from './covid-world.ts';

let folder: string;
let target: Target;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'folder-target-'));
  target = folderTarget.create({ path: join(folder, 'out') }, hostOf(partiesOf({})));
});
afterEach(async () => {
  await target.stop();
  await rm(folder, { recursive: true });
});

const write = async (name: string, content: string, encoding = 'utf8') =>
  faultOf(await target.send(makeDelivery('north', { name, content, encoding }, 'write'), untilDone()));
const list = () => readdir(join(folder, 'out'));
const read = (name: string) => readFile(join(folder, 'out', name));

describe('folder target', () => {
  it('writes a file that only its owner may read, and nothing else', async () => {
    expect(await write('TNO1.json', '{"å":1}')).toBeNull();
    expect(await list()).toEqual(['TNO1.json']);
    expect(String(await read('TNO1.json'))).toBe('{"å":1}');
    expect((await stat(join(folder, 'out', 'TNO1.json'))).mode & 0o777).toBe(0o600);
  });

  it('writes bytes given as base64', async () => {
    const bytes = Buffer.from([0, 255, 13, 10]);
    expect(await write('a.pdf', bytes.toString('base64'), 'base64')).toBeNull();
    expect(await read('a.pdf')).toEqual(bytes);
  });

  it('removes the drafts of a process that was killed, and no file of anybody else', async () => {
    await mkdir(join(folder, 'out'));
    for (const name of ['.0123456789abcdef.1.7.part', '.profile', 'b.part'])
      await writeFile(join(folder, 'out', name), 'x');
    await Promise.all([write('a.txt', 'one'), write('c.txt', 'two')]);
    expect((await list()).sort()).toEqual(['.profile', 'a.txt', 'b.part', 'c.txt']);
  });

  it('takes the same file again for the same file', async () => {
    for (let time = 1; time <= 3; time++) expect(await write('a.txt', 'same')).toBeNull();
    expect(await list()).toEqual(['a.txt']);
  });

  it('never overwrites: other content gets a numbered name, and stays the same file when it comes again', async () => {
    for (const content of ['one', 'two', 'three', 'two']) expect(await write('a.txt', content)).toBeNull();
    expect((await list()).sort()).toEqual(['a-2.txt', 'a-3.txt', 'a.txt']);
    expect(String(await read('a.txt'))).toBe('one');
    expect(String(await read('a-2.txt'))).toBe('two');
  });

  it('never overwrites when many writers want one name at once', async () => {
    const contents = Array.from({ length: 20 }, (_, index) => `content ${index}`);
    const faults = await Promise.all(contents.map((content) => write('a.txt', content)));
    expect(faults.filter((fault) => fault !== null)).toEqual([]);
    const names = await list();
    const held = await Promise.all(names.map(async (name) => String(await read(name))));
    expect(held.sort()).toEqual(contents.sort());
  });

  it.each([
    ['../../etc/passwd', '_.._etc_passwd'],
    ['/etc/passwd', '_etc_passwd'],
    ['..\\..\\boot.ini', '_.._boot.ini'],
    ['.hidden', 'hidden'],
    ['a\u0000b\nc.txt', 'a_b_c.txt'],
    ['URN:UVCI:01:SE:EHM/T1.pdf', 'URN_UVCI_01_SE_EHM_T1.pdf'],
    ['Åsa.txt', 'Åsa.txt'],
  ])('makes a mere name of %j', async (name, expected) => {
    expect(await write(name, 'x')).toBeNull();
    expect(await list()).toEqual([expected]);
    expect((await readdir(folder)).sort()).toEqual(['out']);
  });

  it.each([
    ['no name', { content: '', encoding: 'utf8' }, 'name'],
    ['a name of dots', { name: '..', content: '', encoding: 'utf8' }, 'name'],
    ['an unknown encoding', { name: 'a', content: '', encoding: 'latin1' }, 'encoding'],
    ['broken base64', { name: 'a', content: '%%%%', encoding: 'base64' }, 'content'],
  ])('refuses %s', async (_what, body, detail) => {
    const verdict = await target.send(makeDelivery('north', body, 'write'), untilDone());
    expect(faultOf(verdict)).toEqual({ code: 'mapping-incomplete', detail });
  });

  it('calls a folder that cannot be written to the world’s fault, and names the error', async () => {
    await writeFile(join(folder, 'out'), 'a file is in the way');
    expect(await write('a.txt', 'x')).toEqual({ code: 'target-failing', detail: 'EEXIST' });
  });
});
