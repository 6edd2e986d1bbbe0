/** What a message costs, measured; by a message means over those of one run. */
export interface Cost {
  /** Messages a second by the clock. */
  readonly perSecond: number;
  /** Median time to the answer. */
  readonly answerMs: number;
  /** Processor time of the node, of that its main thread's, and of the server with all its processes. */
  readonly nodeUs: number;
  readonly mainUs: number;
  readonly serverUs: number;
  /** Transactions that wrote. */
  readonly commits: number;
  readonly walBytes: number;
  /** Pages that went into the log as a whole. */
  readonly fullPages: number;
  readonly walSyncs: number;
  /** Of 8 kB, to tables and indexes. */
  readonly pageWrites: number;
  /** What the database grew by: bytes of messages, bodies and answers, and all else. */
  readonly keptBytes: number;
  readonly knownBytes: number;
  readonly tables: Readonly<Record<string, number>>;
}

/** What a second costs when nothing comes. */
export interface Idle {
  readonly nodeMs: number;
  readonly serverMs: number;
  readonly commits: number;
  readonly walBytes: number;
}

/** `ingest` = from MLLP to AA · `small`, `certificate` = to the receiver's answer of 2 kB or 100 kB on disk. */
export type Path = 'ingest' | 'small' | 'certificate';

export interface PathCosts {
  /** As many under way as make large groups. */
  readonly crowded: Cost;
  /** One at a time: nothing is shared. */
  readonly alone: Cost;
}

export interface Costs {
  readonly paths: Readonly<Record<Path, PathCosts>>;
  readonly idle: Idle;
}

/** How much comes. */
export interface Demand {
  readonly name: string;
  /** In its busiest time: what processors and disks have to do. */
  readonly perSecond: number;
  /** What the journal grows by. */
  readonly perDay: number;
}

export interface Needs {
  readonly nodes: number;
  /** Processors that are busy, of all nodes together and of the server. */
  readonly nodeCores: number;
  readonly serverCores: number;
  readonly commits: number;
  readonly walMb: number;
  /** Of a log in which each page of an index by hash is written as a whole: a journal much larger than memory. */
  readonly oldWalMb: number;
  readonly iops: number;
  readonly gbAYear: number;
  /** What lies there once as much is forgotten as comes. */
  readonly gbAtRest: number;
}

/** A day has as many messages as so many of its busiest hours: laboratories sleep. */
const BUSY_HOURS = 10;
/** A node is given so much of what it can do, that it keeps up when another is gone and groups stay small. */
const LOAD = 0.5;
const LEAST_NODES = 2;
/** Until a disk, or a standby in another room, has confirmed a commit. */
const SYNC_MS = 1;
/** Indexes by a hash or a key that looks like one, a page of which every message changes: content_hash, results_key, once_key. */
const HASHED_INDEXES = 3;
const PAGE = 8_192;
/** `retention:` by default. */
const KEPT_DAYS = 90;
const KNOWN_DAYS = 400;
const DAYS = 365;

export const everyDay = (name: string, perSecond: number): Demand => ({
  name,
  perSecond,
  perDay: perSecond * 3_600 * BUSY_HOURS,
});

/**
 * 600 000 tests a week, as Sweden's PCR tests of January 2022, to the nearest hundred thousand. A day of the week has half
 * as many again as the mean one, its busiest hour 15 % of it, and the busiest minute of that ten times as many as the mean.
 */
const COVID_WEEK = 600_000;
const COVID_PEAK: Demand = {
  name: 'national peak',
  perSecond: Math.ceil(((COVID_WEEK / 7) * 1.5 * 0.15 * 10) / 3_600),
  perDay: COVID_WEEK / 7,
};

export const DEMANDS: readonly Demand[] = [
  everyDay('10', 10),
  everyDay('100', 100),
  everyDay('1 000', 1_000),
  COVID_PEAK,
];

/**
 * How long a transaction keeps a node's one writing connection: a part that is always there, and a part for each message.
 * Both follow from the processor time of the node's main thread and of the server, who wait for each other; the second is
 * what limits a node.
 */
export function writerOf({ crowded, alone }: PathCosts): { readonly alwaysMs: number; readonly eachMs: number } {
  const takes = ({ mainUs, serverUs }: Cost) => (mainUs + serverUs) / 1_000;
  const alwaysMs = (takes(alone) - takes(crowded)) / (alone.commits - crowded.commits);
  return { alwaysMs: alwaysMs + SYNC_MS, eachMs: takes(crowded) - crowded.commits * alwaysMs };
}

/** What a demand needs, by the costs of its path. */
export function needsOf(demand: Demand, path: PathCosts, idle: Idle): Needs {
  const { crowded, alone } = path;
  const { alwaysMs, eachMs } = writerOf(path);
  const { perSecond, perDay } = demand;
  const nodes = Math.max(LEAST_NODES, Math.ceil((perSecond * eachMs) / 1_000 / LOAD));
  const ofNode = perSecond / nodes / 1_000;
  // What comes while a group is written is the next one.
  const group = (ofNode * alwaysMs) / (1 - ofNode * eachMs);
  const commits = Math.min(alone.commits, Math.max(crowded.commits, 1 / group));
  const apart = (commits - crowded.commits) / Math.max(Number.EPSILON, alone.commits - crowded.commits);
  const cost = (of: Exclude<keyof Cost, 'tables'>) => crowded[of] + (alone[of] - crowded[of]) * apart;
  const walMb = (perSecond * cost('walBytes') + nodes * idle.walBytes) / 1e6;
  const yearly = perDay * DAYS;
  return {
    nodes,
    nodeCores: (perSecond * cost('nodeUs')) / 1e6 + (nodes * idle.nodeMs) / 1_000,
    serverCores: (perSecond * cost('serverUs')) / 1e6 + (nodes * idle.serverMs) / 1_000,
    commits: perSecond * commits + nodes * idle.commits,
    walMb,
    oldWalMb: walMb + (perSecond * HASHED_INDEXES * PAGE) / 1e6,
    iops: perSecond * (cost('walSyncs') + crowded.pageWrites) + nodes * idle.commits,
    gbAYear: (yearly * (crowded.keptBytes + crowded.knownBytes)) / 1e9,
    gbAtRest: (perDay * (crowded.keptBytes * KEPT_DAYS + crowded.knownBytes * KNOWN_DAYS)) / 1e9,
  };
}

/** The model as a table for a page, in Markdown. */
export function writeModel({ paths, idle }: Costs, demands: readonly Demand[] = DEMANDS): string {
  const answers = [
    ['2 kB', paths.small],
    ['100 kB', paths.certificate],
  ] as const;
  const rows = demands.flatMap((demand) =>
    answers.map(([answer, path]) => {
      const needs = needsOf(demand, path, idle);
      const cells = [
        demand.name,
        answer,
        needs.nodes,
        write(needs.nodeCores),
        write(needs.serverCores),
        write(needs.commits),
        `${write(needs.walMb)} – ${write(needs.oldWalMb)}`,
        write(needs.iops),
        write(needs.gbAYear),
        write(needs.gbAtRest),
      ];
      return `| ${cells.join(' | ')} |`;
    }),
  );
  return [
    '| messages/s | answers | nodes | their cores | server’s cores | commits/s | WAL MB/s | IOPS | GB a year | GB at rest |',
    '|---|---|---|---|---|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}

/** Two digits that count: more would be a promise. */
function write(value: number): string {
  const rounded = Number(value.toPrecision(2));
  return rounded.toLocaleString('en', { maximumFractionDigits: 3 }).replaceAll(',', ' ');
}
