/**
 * `npm run mutations [-- name…]`: shows that the tests of the whole path would notice. Each mutation breaks one promise in
 * a copy of the sources; the crash suite has to turn red on it, and stay green on a copy without one. Ends with 1 where it does not.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..');

interface Mutation {
  readonly name: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/** The tests that have to notice. */
const CRASH = 'test/whole/crash.test.ts';

const MUTATIONS: readonly Mutation[] = [
  {
    name: 'answers before the commit',
    file: 'engine/intake.ts',
    from: 'const stored = await store(reading, storeFirst, channel, parts);',
    to: `void store(reading, storeFirst, channel, parts);
  const stored = { messageId: 1, state: 'mapped', faults: [] } as unknown as Admitted;`,
  },
  {
    name: 'serves the newest of a lane first',
    file: 'journal/lanes.ts',
    from: "state = 'waiting' order by place, id limit 1",
    to: "state = 'waiting' order by place desc, id desc limit 1",
  },
  {
    name: 'knows messages by their control id alone',
    file: 'engine/intake.ts',
    from: 'contentHash: hashContent(inbound.bytes)',
    to: "contentHash: hashContent(Buffer.from(Buffer.from(inbound.bytes).toString('latin1').split('|')[9] ?? ''))",
  },
  {
    name: 'takes a result that is stated again for a new one',
    file: 'mapping/results.ts',
    from: "['digest', ",
    to: "['digest', String(Math.random()), ",
  },
  {
    name: 'forgets what was in flight when it died',
    file: 'journal/attempts.ts',
    from: 'const rows = readInFlight.all();',
    to: 'const rows: InFlight[] = [];',
  },
  {
    name: 'does not record the ends of attempts before it goes on',
    file: 'engine/attempt.ts',
    from: 'return await journal.record(end);',
    to: "if (Math.random() < 0.02) return { state: 'delivered' }; return await journal.record(end);",
  },
  {
    name: 'does not hold the lane during a retry',
    file: 'journal/lanes.ts',
    from: 'setNextAt.run({ id, nextAt });',
    to: "setNextAt.run({ id, nextAt }); db.prepare('update deliveries set place = ? where id = ?').run(nextAt, id);",
  },
  {
    name: 'sends under whichever certificate comes first',
    file: 'targets/covidbevis.ts',
    from: 'dispatcher: pools.of(delivery.party)',
    to: 'dispatcher: pools.of(host.parties.list()[0].party.id)',
  },
];

const wanted = process.argv.slice(2);
const chosen = MUTATIONS.filter(({ name }) => wanted.length === 0 || wanted.some((word) => name.includes(word)));
let isGood = true;
if (wanted.length === 0) {
  const green = await isGreen(null);
  console.log(`${green ? 'ok   ' : 'WRONG'}  no mutation: ${green ? 'green' : 'red'}`);
  isGood &&= green;
}
for (const mutation of chosen) {
  const red = !(await isGreen(mutation));
  console.log(`${red ? 'ok   ' : 'WRONG'}  ${mutation.name}: ${red ? 'red' : 'green, nobody noticed'}`);
  isGood &&= red;
}
process.exitCode = isGood ? 0 : 1;

/** Runs the suite against a copy of the sources with this mutation. */
async function isGreen(mutation: Mutation | null): Promise<boolean> {
  const copy = mkdtempSync(join(tmpdir(), 'sluss-mutation-'));
  try {
    cpSync(join(ROOT, 'src'), join(copy, 'src'), { recursive: true });
    cpSync(join(ROOT, 'mappings'), join(copy, 'mappings'), { recursive: true });
    cpSync(join(ROOT, 'package.json'), join(copy, 'package.json'));
    symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
    if (mutation !== null) mutate(join(copy, 'src', mutation.file), mutation);
    const runner = join(ROOT, 'node_modules/vitest/vitest.mjs');
    const child = spawn(process.execPath, [runner, 'run', CRASH], {
      cwd: ROOT,
      env: { ...process.env, SLUSS_UNDER_TEST: copy },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (part: string) => {
        said += part;
      });
    }
    const [code] = (await once(child, 'close')) as [number | null];
    if (code !== 0) console.log(reasons(said));
    return code === 0;
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

function mutate(path: string, { name, from, to }: Mutation): void {
  const text = readFileSync(path, 'utf8');
  if (text.split(from).length !== 2)
    throw new Error(`“${name}” does not fit any more: ${path} has to hold once: ${from}`);
  writeFileSync(
    path,
    text.replace(from, () => to),
  );
}

/** What the suite complained about, the first lines of it. */
function reasons(said: string): string {
  const lines = said.replace(/\x1b\[[0-9;]*m/g, '').split('\n');
  const found = lines.filter((line) => /^\+ {2,}"|Error: /.test(line)).slice(0, 3);
  return found.map((line) => `         ${line.trim().slice(0, 140)}`).join('\n');
}
