/**
 * `npm run fuzz [-- --minutes 5] [--seed 1] [--kind listener|mapping]`: spoils messages and the bytes around them, sends
 * them through the real listener and intake, and maps and admits them with both mappings. What must hold: the process
 * lives; every frame gets its one answer, however it is cut; what is made passes the R4 check; no log, fault or answer
 * holds patient data; memory stays flat. Ends with 1 where one did not, and prints the seed and the least input.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { parseArgs } from 'node:util';
import type { Failure, Kind } from '../test/fuzz/run-case.ts';
import { alike, runCase } from '../test/fuzz/run-case.ts';
import { makeWorld } from '../test/fuzz/world.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000_000) },
    kind: { type: 'string' },
    /** So many cases in this process, watched by nobody or by its parent. */
    cases: { type: 'string' },
  },
});
const KINDS: readonly Kind[] = ['listener', 'mapping'];
/** Cases of one process: its journal stays small, and its memory can be compared with itself. */
const CASES = 8_000;
/** As long may one case take, and its input be made smaller. */
const SILENCE_MS = 180_000;
const MEMORY_GROWTH = 1.3;

type Word = { readonly at: number } | { readonly failure: Failure } | { readonly heapMb: readonly number[] };

if (values.cases === undefined) await watchAll();
else await runCases(Number(values.seed), Number(values.cases));

async function runCases(firstSeed: number, count: number): Promise<void> {
  const send = (word: Word) => {
    if (process.send !== undefined) process.send(word);
    else if (!('at' in word)) console.log(JSON.stringify(word, null, 2));
  };
  const kinds = KINDS.filter((kind) => values.kind === undefined || kind === values.kind);
  const heapMb: number[] = [];
  let isAsked = false;
  process.on('message', () => {
    isAsked = true;
  });
  process.channel?.unref();
  await using world = await makeWorld();
  for (let done = 0; done < count && !isAsked; done += 1) {
    // From half of it on, all has been compiled and every buffer has grown to its size.
    if (done >= count / 2 && done % (count / 8) === 0) heapMb.push(collectedMb());
    const seed = firstSeed + done;
    send({ at: seed });
    for (const kind of kinds) {
      const failure = await runCase(kind, seed, world);
      if (failure === null) continue;
      send({ failure });
      process.exitCode = 1;
    }
  }
  heapMb.push(collectedMb());
  send({ heapMb });
}

function collectedMb(): number {
  globalThis.gc?.();
  return Math.round(process.memoryUsage().heapUsed / 1e5) / 10;
}

async function watchAll(): Promise<void> {
  const endsAt = performance.now() + Number(values.minutes) * 60_000;
  const failures: Failure[] = [];
  const note = (failure: Failure) => {
    if (failures.some(({ found }) => alike(found[0] ?? '', failure.found[0] ?? ''))) return;
    failures.push(failure);
    console.error(
      `NOT AS IT MUST BE; repeat with: npm run fuzz -- --seed ${failure.seed} --kind ${failure.kind} --cases 1`,
    );
    for (const text of failure.found) console.error(`  ${text}`);
    console.error(`  ${failure.mapping}: ${JSON.stringify(failure.input.slice(0, 2_000))}`);
  };
  let cases = 0;
  for (let seed = Number(values.seed), hasDied = false; !hasDied && performance.now() < endsAt; seed += CASES) {
    console.log(`${new Date().toISOString().slice(11, 19)} seeds ${seed} to ${seed + CASES - 1}`);
    const round = await watchOne(seed, Math.max(1, endsAt - performance.now()), note);
    cases += round.cases;
    // Where it does not even come to a case, another process will not either.
    hasDied = round.cases === 0;
    console.log(`  ${cases} cases so far, ${failures.length} kinds of failure, heap ${round.heapMb.join(', ')} MB`);
  }
  console.log(JSON.stringify({ seed: Number(values.seed), cases, failures: failures.length }));
  process.exitCode = failures.length > 0 ? 1 : 0;
}

interface Round {
  cases: number;
  heapMb: readonly number[];
}

/** One process, watched: it must not die, hang or grow. */
async function watchOne(firstSeed: number, limitMs: number, note: (failure: Failure) => void): Promise<Round> {
  const round: Round = { cases: 0, heapMb: [] };
  const kind = values.kind === undefined ? [] : ['--kind', values.kind];
  const args = ['--seed', String(firstSeed), '--cases', String(CASES), ...kind];
  const child: ChildProcess = fork(import.meta.filename, args, { execArgv: ['--expose-gc'] });
  let at = firstSeed;
  let isStopped = false;
  let hasFailed = false;
  const fail = (text: string) => note({ kind: 'listener', seed: at, found: [text], mapping: '?', input: '' });
  const stopAt = setTimeout(() => {
    isStopped = true;
    child.send('enough');
  }, limitMs);
  let silence: NodeJS.Timeout | undefined;
  child.on('message', (word: Word) => {
    clearTimeout(silence);
    if ('at' in word) {
      at = word.at;
      round.cases += 1;
    } else if ('failure' in word) {
      hasFailed = true;
      note(word.failure);
    } else round.heapMb = word.heapMb;
    silence = setTimeout(() => {
      fail('the process hangs');
      child.kill('SIGKILL');
    }, SILENCE_MS);
  });
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) =>
    child.once('close', (...end: [number | null, NodeJS.Signals | null]) => resolve(end)),
  );
  clearTimeout(silence);
  clearTimeout(stopAt);
  if (!isStopped && code !== 0 && !hasFailed) fail(`the process died: ${code ?? signal}`);
  const [first, ...rest] = round.heapMb;
  const last = rest.at(-1);
  if (first !== undefined && last !== undefined && last > first * MEMORY_GROWTH + 10)
    fail(`its memory grew from ${first} to ${last} MB`);
  return round;
}
