import { dirname, join, normalize } from 'node:path/posix';

/**
 * Which room may import what: DESIGN.md §1 as data. A module's text is looked at without its comments; specifiers are
 * found by pattern, static and dynamic, types included, so that a slip shows as a violation rather than as nothing.
 */

/** A module by its path below `src/`. */
export type Modules = ReadonlyMap<string, string>;

/** Rooms a room may import; every room may import itself. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  contracts: [],
  hl7: ['contracts'],
  fhir: ['contracts'],
  mapping: ['contracts', 'hl7', 'fhir'],
  journal: ['contracts'],
  engine: ['contracts', 'hl7'],
  sources: ['contracts', 'hl7'],
  targets: ['contracts', 'hl7', 'fhir'],
  console: ['contracts'],
  config: ['contracts'],
  simulators: ['contracts', 'hl7', 'fhir'],
};
/** The files beside the rooms, which wire them, and the commands on top of those. */
const FRONT = 'front';
const CLI = 'cli';

/** Of hl7, the engine may know header and acknowledgement, the character set these are written in, and how to count parts. */
const ENGINE_HL7 = ['hl7/header.ts', 'hl7/ack.ts', 'hl7/charset.ts', 'hl7/part-limits.ts'];

/** Plugins never import each other. */
const PLUGINS = [
  'sources/mllp.ts',
  'sources/folder.ts',
  'targets/covidbevis.ts',
  'targets/fhir.ts',
  'targets/folder.ts',
  'targets/mllp.ts',
];

/** Who may use a package: rooms, or single files. What is not here may be used by nobody. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  '@marcbachmann/cel-js': ['mapping/condition.ts'],
  '@peculiar/x509': ['simulators/pki.ts'],
  base45: ['simulators/', 'targets/health-certificate.ts'],
  'better-sqlite3': ['journal/'],
  cborg: ['simulators/', 'targets/health-certificate.ts'],
  chokidar: ['sources/folder.ts', 'watch-quietly.ts', 'cli/watch-files.ts'],
  commander: ['cli/'],
  fastify: ['console/console.ts'],
  'fhir-kit-client': ['targets/', 'simulators/'],
  'iconv-lite': ['hl7/charset.ts'],
  'node-hl7-client': ['simulators/', 'targets/'],
  personnummer: ['mapping/'],
  pg: ['journal/postgres/connection.ts'],
  pino: ['log.ts'],
  'prom-client': ['console/'],
  pngjs: ['targets/qr-worker.ts'],
  qr: ['targets/qr-worker.ts'],
  qrcode: ['simulators/'],
  'reflect-metadata': ['simulators/pki.ts'],
  'temporal-polyfill': ['hl7/datetime.ts', 'hl7/zone-offset.ts', 'mapping/day.ts'],
  undici: ['targets/', 'simulators/'],
  yaml: ['config/', 'mapping/'],
  zod: ['contracts/', 'config/', 'console/control.ts', 'sources/', 'targets/'],
};

/** Node's own modules that touch the world. Others are free. */
const BUILT_INS: readonly { readonly modules: RegExp; readonly files: readonly string[] }[] = [
  {
    modules: /^node:fs(\/promises)?$/,
    files: [
      'cli/',
      'config/load.ts',
      'control-socket.ts',
      'config/secret.ts',
      'journal/backup.ts',
      'journal/database.ts',
      'journal/lock.ts',
      'journal/postgres/connection.ts',
      'assembly.ts',
      'mapping/load.ts',
      'simulators/',
      'sources/',
      'targets/',
      'version.ts',
      'watch-quietly.ts',
    ],
  },
  {
    modules: /^node:(net|tls|http|https|http2|dns|dgram)(\/promises)?$/,
    files: ['sources/', 'targets/', 'simulators/', 'console/control.ts', 'cli/send.ts', 'cli/control-line.ts'],
  },
  { modules: /^node:worker_threads$/, files: ['journal/', 'targets/qr-reader.ts', 'targets/qr-worker.ts'] },
  { modules: /^node:(child_process|cluster|vm|inspector|repl)$/, files: [] },
  { modules: /^node:module$/, files: ['assembly.ts', 'targets/undici.ts'] },
];

/** What only named files may call, so that everything else can be tested by what is handed in. */
const CALLS: readonly { readonly what: RegExp; readonly name: string; readonly files: readonly string[] }[] = [
  {
    what: /\bDate\.now\b|\bnew Date\(\)|\bperformance\.now\b/,
    name: 'the machine’s time',
    // A lease, and patience with who has a table in use, are by a clock that nobody sets.
    files: [
      'system-clock.ts',
      'cli/',
      'simulators/laboratory.ts',
      'journal/postgres/nodes.ts',
      'journal/postgres/schema.ts',
    ],
  },
  { what: /\bMath\.random\b/, name: 'randomness', files: ['main.ts', 'cli/simulate.ts'] },
  { what: /\bprocess\.env\b/, name: 'the environment', files: ['cli/terminal.ts'] },
  {
    what: /\bset(Timeout|Interval)\(/,
    name: 'timers',
    files: ['system-clock.ts', 'cli/', 'simulators/', 'sources/', 'targets/', 'journal/postgres/nodes.ts'],
  },
  { what: /\bprocess\.(exit|kill|abort|on|once)\b/, name: 'the process’s life', files: ['cli/', 'journal/worker.ts'] },
  { what: /\bconsole\.(log|error|warn|info|debug)\b/, name: 'the terminal', files: [] },
  { what: /\beval\(|\bnew Function\(/, name: 'code made of text', files: [] },
];

/** Files that may import a module whose name is only known when they run. */
const DYNAMIC = ['assembly.ts'];

/** The specifier of every import of a module, types included. */
export function findImports(text: string): string[] {
  const code = withoutComments(text);
  return [
    /\b(?:import|export)\s+[^;'"`]*?\bfrom\s*['"]([^'"]+)['"]/g,
    /(?<!['"`])\bimport\s*['"]([^'"]+)['"]/g,
    /\bimport\s*\(\s*['"`]([^'"`]+)['"`]/g,
    /\brequire\s*\(\s*['"`]([^'"`]+)['"`]/g,
    /\bnew URL\(\s*['"](\.{1,2}\/[^'"]+\.[jt]s)['"]/g,
  ].flatMap((pattern) => [...code.matchAll(pattern)].map((match) => match[1] ?? ''));
}

/** Blanks comments out. A `//` behind a colon or a quote is part of an address in a string, and stays. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, ' ').replace(/(^|[^:'"`/\\])\/\/[^\n]*/g, '$1');
}

/** Everything that DESIGN.md §1 and §9 forbid, one line each; empty = the house stands as planned. */
export function findViolations(modules: Modules): string[] {
  return [...modules].flatMap(([path, text]) => [
    ...findImports(text).flatMap((specifier) => judgeImport(path, specifier)),
    ...judgeCalls(path, withoutComments(text)),
  ]);
}

function judgeImport(path: string, specifier: string): string[] {
  if (specifier.startsWith('node:')) {
    return BUILT_INS.filter(({ modules, files }) => modules.test(specifier) && !isNamed(path, files)).map(
      () => `${path} imports ${specifier}: hand in what it needs, or name the file in test/doors.ts`,
    );
  }
  if (specifier.startsWith('.')) return judgeDoor(path, normalize(join(dirname(path), specifier)));
  const name = specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
  if (isNamed(path, PACKAGES[name] ?? [])) return [];
  return [`${path} imports the package ${name}: it has its door elsewhere, or none in test/doors.ts yet`];
}

function judgeDoor(from: string, to: string): string[] {
  // package.json is read by its path, and stands outside.
  if (to.startsWith('..')) return to === '../package.json' ? [] : [`${from} leaves src: ${to}`];
  const [here, there] = [roomOf(from), roomOf(to)];
  const no = (why: string) => [`${from} imports ${to}: ${why}`];
  if (from !== to && PLUGINS.includes(from) && PLUGINS.includes(to)) return no('plugins do not know each other');
  if (here === there || here === CLI) return [];
  if (there === CLI) return no('nothing imports the commands');
  if (here === FRONT) return [];
  if (there === FRONT) return no('rooms do not know who wires them');
  if (!(ROOMS[here]?.includes(there) ?? false)) return no(`${here} must not know ${there}`);
  if (here === 'engine' && there === 'hl7' && !ENGINE_HL7.includes(to)) return no('of hl7, only header and ACK');
  return [];
}

function judgeCalls(path: string, code: string): string[] {
  const calls = CALLS.filter(({ what, files }) => what.test(code) && !isNamed(path, files)).map(
    ({ name }) => `${path} uses ${name}: it is handed in, or the file is named in test/doors.ts`,
  );
  const dynamic = /\bimport\s*\(\s*[^'"`\s]/.test(code) && !DYNAMIC.includes(path);
  return dynamic ? [...calls, `${path} imports a module by a name that is not written out`] : calls;
}

function roomOf(path: string): string {
  const [first = '', ...rest] = path.split('/');
  return rest.length === 0 ? FRONT : first;
}

function isNamed(path: string, files: readonly string[]): boolean {
  return files.some((file) => (file.endsWith('/') ? path.startsWith(file) : path === file));
}

/** The rooms that are there, for a test to compare with the table. */
export function findRooms(modules: Modules): string[] {
  return [...new Set([...modules.keys()].map(roomOf))].filter((room) => room !== FRONT && room !== CLI).sort();
}

export const KNOWN_ROOMS: readonly string[] = Object.keys(ROOMS).sort();
