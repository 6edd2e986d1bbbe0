import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Bench, LoadSide } from './figure.ts';
import { type InstallationOptions, install } from './whole/installation.ts';
import { makeProductionInstall, productionMb } from './whole/production-install.ts';

/** After its start an engine has this long to come to rest. */
const REST_MS = 2_000;
const STARTS = 3;

const installed = () => join(process.env.BENCH_FOLDER ?? '', 'installed');

const idle = (name: string, options: InstallationOptions): LoadSide => ({
  name,
  measure: (share) => measureIdle(options, share < 1 ? 1 : STARTS),
});
const filesOnly = idle('MLLP and a folder', { mapping: 'files', answer: 'closed' });
const allTargets = idle('certificates, all mappings of the project', { mapping: 'certificates', answer: 'closed' });
const size: LoadSide = {
  name: 'production install',
  measure: async () => ({ rate: 0, more: productionMb(installed()) }),
};

export const bench: Bench = {
  name: 'footprint',
  summary: 'start to listening, memory at rest, size of a production installation',
  verify() {},
  async prepare() {
    makeProductionInstall(installed());
  },
  figures: [
    {
      kind: 'quantity',
      name: 'start',
      what: 'MLLP in, files out: from the start of the process to listening, the compiled program',
      unit: 'ms',
      ours: filesOnly,
      reference: null,
      value: ({ more }) => more.startedInMs ?? 0,
      goal: 900,
    },
    {
      kind: 'quantity',
      name: 'idle',
      what: 'the same: resident memory at rest',
      unit: 'MB',
      ours: filesOnly,
      reference: null,
      value: ({ more }) => more.residentMb ?? 0,
      goal: 130,
      limit: 'Node itself has 42 MB, three threads of it (engine, journal, its reader) some 30; the schema library 20',
    },
    {
      kind: 'quantity',
      name: 'start-certificates',
      what: 'all mappings of the project, targets over mutual TLS: start to listening',
      unit: 'ms',
      ours: allTargets,
      reference: null,
      value: ({ more }) => more.startedInMs ?? 0,
      goal: null,
    },
    {
      kind: 'quantity',
      name: 'idle-certificates',
      what: 'the same: resident memory at rest',
      unit: 'MB',
      ours: allTargets,
      reference: null,
      value: ({ more }) => more.residentMb ?? 0,
      goal: null,
    },
    {
      kind: 'quantity',
      name: 'install',
      what: 'npm ci --omit=dev: node_modules on disk',
      unit: 'MB',
      ours: size,
      reference: null,
      value: ({ more }) => more.modulesMb ?? 0,
      goal: 130,
    },
  ],
};

/** Of several starts the fastest: the others had to share the machine. */
async function measureIdle(options: InstallationOptions, times: number) {
  const starts: { startedInMs: number; residentMb: number }[] = [];
  for (let start = 0; start < times; start += 1) {
    await using site = await install({ ...options, program: join(installed(), 'dist/cli/sluss.js') });
    const engine = await site.launch();
    await wait(REST_MS);
    starts.push({ startedInMs: engine.startedInMs, residentMb: engine.residentMb() });
    await engine.stop();
  }
  const [best = { startedInMs: 0, residentMb: 0 }] = starts.toSorted((a, b) => a.startedInMs - b.startedInMs);
  return { rate: 0, more: { ...best } };
}
