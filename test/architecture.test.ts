import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findImports, findRooms, findViolations, KNOWN_ROOMS, type Modules } from './doors.ts';

const SOURCE = join(import.meta.dirname, '../src');
const modules: Modules = new Map(
  readdirSync(SOURCE, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => [relative(SOURCE, path).replaceAll('\\', '/'), readFileSync(path, 'utf8')]),
);

describe('the house', () => {
  it('is seen whole: every room of the plan and no other', () => {
    expect(modules.size).toBeGreaterThan(30);
    expect([...modules.values()].flatMap(findImports).length).toBeGreaterThan(200);
    expect(findRooms(modules)).toEqual(KNOWN_ROOMS);
  });

  it('has doors only where the plan has them', () => {
    expect(findViolations(modules)).toEqual([]);
  });

  it('says in each room what it is for and what it must never know', () => {
    for (const room of KNOWN_ROOMS) {
      const texts = [...modules].filter(([path]) => path.startsWith(`${room}/`)).map(([, text]) => text);
      expect(
        texts.filter((text) => text.includes(`* ${room}/ `)),
        room,
      ).toHaveLength(1);
    }
  });

  it('has no rooms or files for odds and ends', () => {
    const odds = /(^|[/-])(utils?|helpers?|common|manager|service|handler|base|misc)([-./]|$)/;
    expect([...modules.keys()].filter((path) => odds.test(path))).toEqual([]);
  });
});

describe('a planted violation is found', () => {
  const plant = (path: string, text: string) => findViolations(new Map([[path, text]]));

  it.each([
    ['engine/x.ts', "import { a } from '../journal/sqlite.ts';"],
    ['engine/x.ts', "import type { A } from '../journal/sqlite.ts';"],
    ['engine/x.ts', "import {\n  a,\n  type B,\n} from '../journal/sqlite.ts';"],
    ['engine/x.ts', "export * from '../targets/parties.ts';"],
    ['engine/x.ts', "const a = await import('../targets/parties.ts');"],
    ['engine/x.ts', "type A = import('../targets/parties.ts').A;"],
    ['engine/x.ts', "import '../targets/parties.ts';"],
    ['engine/x.ts', "import { a } from '../hl7/message.ts';"],
    ['hl7/x.ts', "import { a } from '../engine/reply.ts';"],
    ['hl7/x.ts', "import { a } from '../main.ts';"],
    ['main.ts', "import { a } from './cli/run.ts';"],
    ['contracts/x.ts', "import { a } from '../hl7/header.ts';"],
    ['sources/folder.ts', "import { a } from './mllp.ts';"],
    ['engine/x.ts', "import Database from 'better-sqlite3';"],
    ['sources/x.ts', "import { request } from 'undici';"],
    ['mapping/x.ts', "import { evaluate } from '@marcbachmann/cel-js';"],
    ['mapping/x.ts', "import { evaluate } from '@marcbachmann/cel-js/lib/x.js';"],
    ['console/x.ts', "import left from 'left-pad';"],
    ['engine/x.ts', "import { readFileSync } from 'node:fs';"],
    ['hl7/x.ts', "import { connect } from 'node:net';"],
    ['mapping/x.ts', "import { execSync } from 'node:child_process';"],
    ['engine/x.ts', 'const now = Date.now();'],
    ['engine/x.ts', 'const now = new Date();'],
    ['engine/x.ts', 'const dice = Math.random();'],
    ['config/x.ts', 'const home = process.env.HOME;'],
    ['engine/x.ts', 'setTimeout(() => {}, 1);'],
    ['engine/x.ts', "console.log('x');"],
    ['engine/x.ts', 'const a = await import(name);'],
    ['engine/x.ts', "import { a } from '../../test/kit.ts';"],
  ])('in %s: %s', (path, text) => {
    expect(plant(path, text)).toHaveLength(1);
  });

  it('but not in a comment, nor where the plan has a door', () => {
    expect(plant('engine/x.ts', "// import { a } from '../journal/sqlite.ts';\n/* Date.now() */")).toEqual([]);
    expect(plant('engine/x.ts', "import { readHeader } from '../hl7/header.ts';")).toEqual([]);
    expect(plant('journal/x.ts', "import Database from 'better-sqlite3';")).toEqual([]);
    expect(plant('cli/x.ts', "import { a } from '../journal/sqlite.ts';")).toEqual([]);
  });
});
