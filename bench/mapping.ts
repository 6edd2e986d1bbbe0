import type { Mapped } from '../src/contracts/mapper.ts';
import type { Bench, Side } from './figure.ts';
import { mapCertificate } from './mapping/certificate-by-hand.ts';
import {
  CERTIFICATES,
  compileEngine,
  OBSERVATIONS,
  REPORTS,
  readFiles,
  readFilesForObservations,
} from './mapping/engine.ts';
import {
  CERTIFICATE_MESSAGE,
  CERTIFICATE_VARIANTS,
  REPORT_MESSAGE,
  REPORT_VARIANTS,
  reportOf,
} from './mapping/messages.ts';
import { evaluateObservations } from './mapping/observations-by-jsonata.ts';
import { mapReport } from './mapping/report-by-hand.ts';

/** From the bytes of a message to its deliveries, resources checked, nobody asking why. */
export const bench: Bench = {
  name: 'mapping',
  summary: 'bytes → deliveries on one core: certificate and general ORU^R01',
  verify,
  figures: [
    {
      kind: 'ratio',
      name: 'certificate ÷ by hand',
      what: 'one OBX → test certificate; reference: the same written in TypeScript',
      ours: engine('certificate', CERTIFICATE_MESSAGE),
      reference: { name: 'by hand', prepare: () => () => mapCertificate(CERTIFICATE_MESSAGE).drafts.length },
      goal: 0.4,
    },
    {
      kind: 'ratio',
      name: 'report ÷ by hand',
      what: 'ORU^R01 of 1.2 kB, 6 OBX → bundle; reference: the same written in TypeScript',
      ours: engine('report', REPORT_MESSAGE),
      reference: { name: 'by hand', prepare: () => () => mapReport(REPORT_MESSAGE).drafts.length },
      goal: 0.4,
    },
    {
      kind: 'ratio',
      name: 'report ÷ JSONata',
      what: 'the same; reference: JSONata makes the Observations alone, of a parsed message',
      ours: engine('report', REPORT_MESSAGE),
      reference: jsonata(),
      goal: 8,
      limit:
        'the whole report is patient, specimen, request, report and bundle as well, each with its identifiers and checks, and is read from bytes: of all this JSONata makes nothing; the next figure compares like with like',
    },
    {
      kind: 'ratio',
      name: 'Observations ÷ JSONata',
      what: 'bytes → a bundle of the Observations alone, with ids and checks; reference: as above',
      ours: {
        name: 'engine',
        prepare: () => {
          const mapper = compileEngine(readFilesForObservations());
          return () => mapper.map(REPORT_MESSAGE, OBSERVATIONS).drafts.length;
        },
      },
      reference: jsonata(),
      goal: 8,
      limit:
        'here the message is read from bytes, each result gets an identifier, a statement and a digest, and each resource is checked; JSONata does none of it. Texts without cells, dates without a calendar and units worked out once were the gains (DECISIONS 72)',
    },
    {
      kind: 'ratio',
      name: 'certificate ÷ JSONata',
      what: 'one OBX → test certificate; reference: as above',
      ours: engine('certificate', CERTIFICATE_MESSAGE),
      reference: jsonata(),
      goal: 8,
    },
    {
      kind: 'duration',
      name: '500 OBX',
      what: 'one report of 500 numeric results → bundle',
      ours: engine('report', reportOf(500)),
      isCold: false,
      goalMs: 5,
      limit:
        'to write, hash and encode the 600 kB of JSON, derive 511 identifiers and check 511 resources is half of what the mapping by hand takes, and more than the goal; a result costs the same among 50, 500 and 2000',
    },
    {
      kind: 'duration',
      name: '500 OBX by hand',
      what: 'the same, written in TypeScript: what identifiers, JSON and checks take',
      ours: { name: 'by hand', prepare: () => prepareByHand(500) },
      isCold: false,
      goalMs: 5,
    },
    {
      kind: 'duration',
      name: 'compile',
      what: 'all mapping files, read already, in a fresh process',
      ours: { name: 'engine', prepare: prepareCompiling },
      isCold: true,
      goalMs: 300,
    },
  ],
};

function engine(mapping: 'certificate' | 'report', message: Uint8Array): Side {
  const context = mapping === 'certificate' ? CERTIFICATES : REPORTS;
  return {
    name: 'engine',
    prepare: () => {
      const mapper = compileEngine();
      return () => mapper.map(message, context).drafts.length;
    },
  };
}

function jsonata(): Side {
  return {
    name: 'JSONata',
    prepare: () => {
      const evaluate = evaluateObservations();
      return () => evaluate().then(() => 1);
    },
  };
}

function prepareByHand(results: number): () => number {
  const message = reportOf(results);
  return () => mapReport(message).drafts.length;
}

function prepareCompiling(): () => number {
  const files = readFiles();
  return () => {
    compileEngine(files);
    return 1;
  };
}

/** Statements, drafts and what did not fit have to be the same, bodies byte for byte. */
async function verify(): Promise<void> {
  const mapper = compileEngine();
  const compare = (ours: Mapped, byHand: Mapped, name: string, isDelivered = true) => {
    const [a, b] = [viewOf(ours), viewOf(byHand)];
    const at = a.findIndex((line, index) => line !== b[index]);
    if (at >= 0 || a.length !== b.length) throw new Error(`${name}: ours ${a[at]}, by hand ${b[at]}`);
    if (isDelivered && ours.drafts.length !== 1) throw new Error(`${name}: no delivery`);
  };
  for (const [index, message] of [CERTIFICATE_MESSAGE, ...CERTIFICATE_VARIANTS].entries())
    compare(mapper.map(message, CERTIFICATES), mapCertificate(message), `certificate ${index}`, index === 0);
  for (const [index, message] of [REPORT_MESSAGE, ...REPORT_VARIANTS, reportOf(500)].entries())
    compare(mapper.map(message, REPORTS), mapReport(message), `report ${index}`);
  await verifyObservations(mapper.map(REPORT_MESSAGE, REPORTS));
  await verifyObservations(compileEngine(readFilesForObservations()).map(REPORT_MESSAGE, OBSERVATIONS));
}

function viewOf({ statements, drafts, skipped, provides, faults, warnings }: Mapped): string[] {
  const bodies = drafts.flatMap(({ body }) => Buffer.from(body).toString('utf8').split(/(?=")/));
  const rest = {
    statements,
    drafts: drafts.map((draft) => ({ ...draft, body: null })),
    skipped,
    provides,
    // Which line of the mapping files it was, only these know.
    faults: faults.map(({ code, at, detail }) => ({ code, at, detail })),
    warnings: warnings.map(({ code, at }) => ({ code, at })),
  };
  return [...bodies, ...JSON.stringify(rest, null, 1).split('\n')];
}

/** JSONata leaves out what needs more than the parsed OBX: ids and references. Numbers lose their digits. */
async function verifyObservations(ours: Mapped): Promise<void> {
  const bundle = JSON.parse(Buffer.from(ours.drafts[0]?.body ?? '').toString('utf8'));
  const expected = bundle.entry
    .map(({ resource }: { resource: object }) => resource)
    .filter(({ resourceType }: { resourceType: string }) => resourceType === 'Observation')
    .map(({ id: _, subject: _s, encounter: _e, specimen: _p, ...rest }: Record<string, unknown>) => rest);
  const made = JSON.parse(JSON.stringify(await evaluateObservations()()));
  const [a, b] = [JSON.stringify(sorted(expected)), JSON.stringify(sorted(made))];
  if (a !== b) throw new Error(`JSONata makes other Observations:\n${a}\n${b}`);
}

/** Names in alphabetical order, so that only what is said counts. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([name, item]) => [name, sorted(item)]));
}
