import type { Bench, Figure, LoadFigure, LoadSide, Measured } from './figure.ts';
import { measureDisk } from './whole/disk.ts';
import type { MessageShape } from './whole/bench-message.ts';
import { forkChild } from './whole/child.ts';
import type { InstallationOptions } from './whole/installation.ts';
import { type Load, measureIngest, send, shareOf } from './whole/measure.ts';

/** Connections by messages under way on each; enough messages for some seconds. */
const LOADS = {
  '1': { connections: 1, window: 1, count: 8_000, warmUp: 2_000 },
  '8': { connections: 8, window: 1, count: 25_000, warmUp: 7_000 },
  '32': { connections: 32, window: 1, count: 35_000, warmUp: 10_000 },
  '128': { connections: 128, window: 1, count: 45_000, warmUp: 15_000 },
  '8x16': { connections: 8, window: 16, count: 45_000, warmUp: 15_000 },
} as const satisfies Readonly<Record<string, Load>>;

type LoadName = keyof typeof LOADS;
const NAMES = Object.keys(LOADS) as LoadName[];
const REPORT: MessageShape = { kind: 'report' };

/** The engine; each load under its own name, so that figures share what it came to. */
const engine = (
  mapping: NonNullable<InstallationOptions['mapping']>,
  name: LoadName,
  shape?: MessageShape,
): LoadSide => ({
  name: `engine, mapping ${mapping}, ${shape?.kind ?? 'certificate'}, ${name}`,
  measure: (share) => measureIngest({ mapping }, shareOf({ ...LOADS[name], ...(shape && { shape }) }, share)),
});

/** A listener of `bench/whole/`, which takes the same messages from the same sender. */
const listener = (script: string, what: string, name: LoadName): LoadSide => ({
  name: `${what}, ${name}`,
  measure: (share) => measureListener(script, shareOf(LOADS[name], share)),
});
const bare = (name: LoadName) => listener('bare-listener', 'bare node:net, nothing stored', name);
const sketch = (name: LoadName) => listener('sketch-listener', 'sketch: node:net and group commit', name);
const medplum = (name: LoadName) => listener('medplum-listener', '@medplum/hl7, nothing stored', name);
const simple = (name: LoadName) => listener('simple-listener', 'simple-hl7, nothing stored', name);

/** What limits each figure, by profiles of the threads and by what was tried (DECISIONS 81). */
const LIMITS = {
  mapped:
    'with mapping off a message takes about 150 µs of both processors, mapped 350 to 440: 100 to 140 more on the main thread (rules, identifiers, JSON, checks), as much more on the journal’s (a delivery, a result, a lane, what it needs, the history of each: four pages of log a message in no order, and some twenty a commit); both processors are busy with it, beside the sender',
  mappedAlone: 'one after the other a message waits for everything: mapping, and a commit of 22 pages of log',
  peers:
    'they parse and answer in 28 to 44 µs on one thread and keep nothing; here a message is mapped, in its lane and on disk first, 350 to 440 µs of both processors',
  stored:
    'about 150 µs of both processors, of which the main thread has 70 (socket, frame, header, hash, answer, log line) and the journal’s thread the rest: message, bytes, history, counts and the commit, of which the disk is half; the bare listener does nothing but read and write a socket',
  disk: 'of some 0.6 ms the disk has a third: the rest is the way from the sender over two threads and back, each woken anew, and a commit of several pages by fsync rather than one write',
  p99: '32 senders that each wait for their answer wait 32 ÷ rate in the mean, which is 2.4 times the sketch’s p99 by itself; p99 is 2.9 times that mean',
} as const;

const disk: LoadSide = { name: 'fdatasync of 2 kB appends', measure: measureDisk };

const byMapping = NAMES.map((name): LoadFigure => {
  const goal = ['1', '32', '128'].includes(name) ? 0.6 : null;
  const what = `certificate mapping ÷ mapping off, ${name} connections`;
  const limit = name === '1' ? LIMITS.mappedAlone : LIMITS.mapped;
  return load(`mapped-${name}`, what, engine('certificates', name), engine('off', name), goal, limit);
});

const byBare = NAMES.map((name): LoadFigure => {
  const goal = name === '32' ? 0.24 : name === '128' ? 0.39 : null;
  return load(
    `stored-${name}`,
    `mapping off ÷ bare node:net, ${name} connections`,
    engine('off', name),
    bare(name),
    goal,
    LIMITS.stored,
  );
});

const byPeer = (['8', '32'] as const).flatMap((name) =>
  [medplum(name), simple(name)].map((peer): LoadFigure => {
    const figure = `${peer.name.startsWith('@') ? 'medplum' : 'simple-hl7'}-${name}`;
    return load(
      figure,
      `certificate mapping ÷ ${peer.name} connections`,
      engine('certificates', name),
      peer,
      name === '32' ? 1.2 : null,
      LIMITS.peers,
    );
  }),
);

export const bench: Bench = {
  name: 'ingest',
  summary: 'MLLP in → mapped → on disk → AA, as messages a second; nothing is delivered meanwhile',
  verify() {},
  figures: [
    ...byMapping,
    load(
      'general-32',
      'oru-r01 (6 results) ÷ mapping off, 32 connections',
      engine('reports', '32', REPORT),
      engine('off', '32', REPORT),
      null,
    ),
    ...byPeer,
    ...byBare,
    load('disk', 'mapping off, 1 connection ÷ fdatasync', engine('off', '1'), disk, 0.55, LIMITS.disk),
    load('sketch-32', 'mapping off ÷ sketch, 32 connections', engine('off', '32'), sketch('32'), null),
    {
      kind: 'quantity',
      name: 'p99-32',
      what: 'p99 of an answer, certificate mapping ÷ sketch, 32 connections',
      unit: 'times',
      ours: engine('certificates', '32'),
      reference: sketch('32'),
      value: (ours, reference) => (ours.more.p99Ms ?? 0) / (reference?.more.p99Ms ?? 1),
      goal: 3,
      limit: LIMITS.p99,
    },
  ] satisfies Figure[],
};

function load(
  name: string,
  what: string,
  ours: LoadSide,
  reference: LoadSide,
  goal: number | null,
  limit?: string,
): LoadFigure {
  return { kind: 'load', name, what, ours, reference, goal, ...(limit !== undefined && { limit }) };
}

async function measureListener(script: string, load: Load): Promise<Measured> {
  const child = forkChild<{ port: number }>(script, {});
  const { port } = await child.heard((said): said is { port: number } => 'port' in said);
  const { rate, p50Ms, p99Ms } = await send(port, load);
  await child.end();
  return { rate, more: { p50Ms, p99Ms } };
}
