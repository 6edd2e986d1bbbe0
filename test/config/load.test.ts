import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ConfigError } from '../../src/config/configuration.ts';
import { configurationJsonSchema } from '../../src/config/json-schema.ts';
import { loadConfiguration } from '../../src/config/load.ts';
import type { SourcePlugin, TargetPlugin } from '../../src/contracts/plugin.ts';
import { UPKEEP_SETTINGS } from '../../src/engine/settings.ts';

const unused = () => {
  throw new Error('nothing is created while a configuration is read');
};
const mllp: SourcePlugin = {
  kind: 'source',
  name: 'mllp',
  summary: 'A listener.',
  config: z.strictObject({ port: z.int().min(0).max(65535).describe('Port.'), host: z.string().optional() }),
  create: unused,
};
const service: TargetPlugin = {
  kind: 'target',
  name: 'service',
  summary: 'A service.',
  config: z.strictObject({ url: z.url().describe('Where.'), ca: z.string().optional() }),
  create: unused,
};
const party = z.strictObject({ name: z.string() });

const GOOD = `# yaml-language-server: $schema=../docs/sluss.schema.json
journal: ./data/journal.db
secret: { env: SLUSS_SECRET }
mappings: [../mappings]
parties:
  nord: { name: Region Nord }
targets:
  covid:
    kind: service
    url: https://localhost:8443
    concurrency: 8
    giveUpAfter: 72h
channels:
  lab:
    source: { kind: mllp, port: 2575 }
    mappings: [certificates]
    parties: [nord]
    zone: Europe/Stockholm
    with:
      rules: { a: 1 }
`;
/** The same, with a source over several lines. */
const BLOCK = GOOD.replace('{ kind: mllp, port: 2575 }', '\n      kind: mllp\n      port: 2575');
const SECRET = 'x'.repeat(32);

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluss-config-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function load(
  text: string,
  more: { env?: Record<string, string>; mayMake?: boolean; folders?: readonly string[] } = {},
) {
  const file = join(folder, 'sluss.yaml');
  writeFileSync(file, text);
  return loadConfiguration({
    file,
    env: more.env ?? { SLUSS_SECRET: SECRET },
    party,
    plugins: [mllp, service],
    importPlugin: async (specifier, from) => {
      expect(from).toBe(file);
      if (specifier === './good.js') return { ...service, name: 'mine' };
      if (specifier === './clash.js')
        return { ...service, name: 'other', config: z.strictObject({ retry: z.string() }) };
      throw new Error('no such module');
    },
    isCharset: (name) => name === '8859/1',
    isFolder: (path) => more.folders?.includes(path) ?? true,
    checkJournalUrl: (url) => (url.includes('nowhere') ? 'the URL names no database' : null),
    makeSecret: (more.mayMake ?? true) ? () => 'm'.repeat(43) : null,
  });
}

/** `${inner}`, which as a literal looks like a slip. */
const reference = (inner: string) => ['$', '{', inner, '}'].join('');

/** Each problem as `line:column text`. */
async function problemsOf(text: string, env?: Record<string, string>): Promise<string[]> {
  try {
    await load(text, env === undefined ? {} : { env });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map(({ line, column, text: problem }) => `${line}:${column} ${problem}`);
  }
  return [];
}

describe('a configuration that is right', () => {
  it('gives the limits of the journal, of targets and of messages as numbers', async () => {
    const text = GOOD.replace(
      'journal: ./data/journal.db',
      'journal: { file: ./data/journal.db, reserve: 1 GB, queue: 500, queueSize: 4 MB }',
    ).replace(/( +)giveUpAfter:.*\n/, '$&$1rate: 600/m\n');
    const read = await load(text);
    expect(read.journal).toBe(join(folder, 'data/journal.db'));
    expect(read.journalLimits).toEqual({ reserveBytes: 1e9, maxQueued: 500, maxQueuedBytes: 4e6 });
    expect(read.targets[0]?.limits.rate).toEqual({ count: 600, perMs: 60_000 });
    expect(read.channels[0]?.limits).toEqual({ segments: 20_000, fields: 1_000, repetitions: 10_000 });
    expect((await load(GOOD)).journalLimits).toEqual({ reserveBytes: 2e8, maxQueued: 10_000, maxQueuedBytes: 128e6 });
  });

  it('says when to alarm and how long to keep, by default as the engine has it', async () => {
    expect((await load(GOOD)).upkeep).toEqual(UPKEEP_SETTINGS);
    const more = `
alarms: { oldestWaiting: 30m, certificateDays: [14], webhook: { url: 'https://duty.example.org/', timeout: 3s } }
retention: { delivered: 30d, refused: never, held: 1000d, rememberDays: 500, junk: { perAddress: 1 MB } }
`;
    const { upkeep, webhook, channels } = await load(`${GOOD}${more}`);
    expect(upkeep.alarms).toMatchObject({ oldestWaitingMs: 1_800_000, certificateDays: [14] });
    expect(upkeep.alarms.telling.tellTimeoutMs).toBe(3_000);
    const days = (count: number) => count * 86_400_000;
    expect(upkeep.retention).toMatchObject({ rememberMs: days(500), keepMs: { delivered: days(30), refused: null } });
    expect(upkeep.retention.keepMs).toMatchObject({ held: days(1_000), skipped: days(90) });
    expect(upkeep.junk.perAddressBytes).toBe(1e6);
    expect(webhook).toEqual({ url: 'https://duty.example.org/', bearer: null });
    expect(channels.map(({ quietAfterMs }) => quietAfterMs)).toEqual(channels.map(() => null));
  });

  it('comes out complete: defaults filled in, paths absolute, durations in ms', async () => {
    const read = await load(GOOD);
    expect(read).toMatchObject({
      journal: join(folder, 'data/journal.db'),
      mappings: [join(folder, '../mappings')],
      console: null,
      log: { level: 'info', pretty: false },
      engine: { storeFirstBytes: 1_000_000, graceMs: 10_000 },
      parties: { nord: { name: 'Region Nord' } },
      warnings: [],
    });
    expect(read.targets).toEqual([
      {
        name: 'covid',
        plugin: service,
        config: { url: 'https://localhost:8443' },
        limits: {
          concurrency: 8,
          rate: null,
          timeoutMs: 60_000,
          retry: { minMs: 1_000, maxMs: 900_000 },
          giveUp: { afterFailures: 5, afterMs: 72 * 3_600_000 },
          breakAfterDeliveries: 5,
          breakerProbeMs: 15_000,
          pauseProbeMs: 300_000,
        },
      },
    ]);
    expect(read.channels[0]).toMatchObject({
      name: 'lab',
      source: { config: { port: 2575 } },
      charset: { default: null, force: null },
      zone: 'Europe/Stockholm',
      acknowledge: 'taken',
    });
  });

  it('answers as the channel says', async () => {
    const keys =
      'acknowledge: settled\n    answerWithin: 5s\n    return: covid\n    ackDialect: { codes: { AE: AR }, err: old, msa3: false }\n    zone:';
    const [channel] = (await load(GOOD.replace('zone:', keys))).channels;
    expect(channel).toMatchObject({
      acknowledge: 'settled',
      answerWithinMs: 5_000,
      ackDialect: { codes: { AE: 'AR' }, err: 'old', msa3: false },
      returnTo: 'covid',
    });
    expect((await load(GOOD)).channels[0]).toMatchObject({
      answerWithinMs: 30_000,
      ackDialect: { codes: {}, err: 'auto', msa3: true },
      returnTo: null,
    });
  });

  it('hands the subtree under `with` on with its positions', async () => {
    const place = (await load(GOOD)).channels[0]?.with;
    const { line, col } = place!.lineCounter.linePos(place!.node.range![0]);
    expect([line, col]).toEqual([20, 7]);
  });

  it('warns of a party that nobody speaks for', async () => {
    const read = await load(GOOD.replace('targets:', '  syd: { name: Region Syd }\ntargets:'));
    expect(read.warnings).toMatchObject([{ line: 7, text: 'No channel speaks for the party “syd”.' }]);
  });

  it('takes outside plugins', async () => {
    const read = await load(`${GOOD.replace('kind: service', 'kind: mine')}plugins: [./good.js]\n`);
    expect(read.targets[0]?.plugin.name).toBe('mine');
  });
});

describe('the environment', () => {
  it('fills plain scalars as values and quoted ones as text', async () => {
    const text = BLOCK.replace('2575', `"${reference('PORT:-1')}"`);
    expect(await problemsOf(text)).toEqual(['17:13 “channels.lab.source.port” must be a number.']);
    const changed = BLOCK.replace('2575', reference('PORT:-2576')).replace('https://', `https://${reference('HOST')}.`);
    const read = await load(changed, { env: { SLUSS_SECRET: SECRET, HOST: 'a' } });
    expect(read.channels[0]?.source.config).toEqual({ port: 2576 });
    expect(read.targets[0]?.config).toEqual({ url: 'https://a.localhost:8443' });
  });

  it('must hold what the file asks for', async () => {
    expect(await problemsOf(BLOCK.replace('2575', reference('PORT')))).toEqual([
      '17:13 The environment variable PORT is not set.',
    ]);
    expect((await problemsOf(GOOD.replace('2575', reference('PORT'))))[0]).toContain('use indented lines there');
  });

  it('leaves an escaped reference alone', async () => {
    const read = await load(GOOD.replace('Region Nord', () => `"Region $${reference('Nord')}"`));
    expect(read.parties).toEqual({ nord: { name: `Region ${reference('Nord')}` } });
  });
});

describe('a mistake', () => {
  it.each([
    ['an unknown key', ['zone:', 'zoen:'], '18:5 Unknown key “channels.lab.zoen”. Did you mean “zone”?'],
    ['an unknown key of a target', ['url:', 'urll:'], '10:5 Unknown key “targets.covid.urll”. Did you mean “url”?'],
    [
      'a misspelt engine key',
      ['concurrency', 'concurency'],
      '11:5 Unknown key “targets.covid.concurency”. Did you mean “concurrency”?',
    ],
    ['an unknown key at the top', ['journal:', 'jornal:'], '2:1 Unknown key “jornal”. Did you mean “journal”?'],
    ['a value of the wrong type', ['2575', 'high'], '15:33 “channels.lab.source.port” must be a number.'],
    ['a number out of range', ['2575', '99999'], '15:33 “channels.lab.source.port” must be at most 65535.'],
    ['a number that is not whole', ['2575', '1.5'], '15:33 “channels.lab.source.port” must be a whole number.'],
    [
      'a bad duration',
      ['72h', '72 hours'],
      '12:18 “targets.covid.giveUpAfter” must be a duration such as 200ms, 30s, 15m, 72h or 2d.',
    ],
    [
      'a duration without a unit',
      ['72h', '72'],
      '12:18 “targets.covid.giveUpAfter” must be a duration such as 200ms, 30s, 15m, 72h or 2d.',
    ],
    ['a duration of nothing', ['72h', '0s'], '12:18 “targets.covid.giveUpAfter” must be longer than nothing.'],
    [
      'a plain number where only 0 may be one',
      ['parties:\n', 'engine: { grace: 10 }\nparties:\n'],
      '5:18 “engine.grace” must be 0 or a duration such as 200ms, 30s, 15m, 72h or 2d.',
    ],
    [
      'a bad size',
      ['parties:\n', 'engine: { storeFirst: 1 MiB }\nparties:\n'],
      '5:23 “engine.storeFirst” must be a size such as 500 kB, 16 MB or 1 GB, or a number of bytes.',
    ],
    ['an unknown kind', ['kind: mllp', 'kind: mlpp'], '15:21 There is no source of kind “mlpp”. Did you mean “mllp”?'],
    [
      'an unknown party',
      ['parties: [nord]', 'parties: [nrod]'],
      '17:15 There is no party “nrod”. Did you mean “nord”?',
    ],
    [
      'an unknown zone',
      ['Europe/Stockholm', 'Europe/Malmö'],
      '18:11 “Europe/Malmö” is no time zone. Zones have names such as Europe/Stockholm.',
    ],
    [
      'a return target that is not there',
      ['zone:', 'return: covidd\n    zone:'],
      '18:13 There is no target “covidd”. Did you mean “covid”?',
    ],
    [
      'a target of its own that is not there',
      ['zone:', 'targets: { lis: covidd, certificates: null }\n    zone:'],
      '18:21 There is no target “covidd”. Did you mean “covid”?',
    ],
    [
      'a target of its own that is no name',
      ['zone:', 'targets: { lis: 5 }\n    zone:'],
      '18:21 “channels.lab.targets.lis” must be the name of a target, or null.',
    ],
    [
      'a time to answer that nothing waits for',
      ['zone:', 'answerWithin: 5s\n    zone:'],
      '18:19 “answerWithin” says something only beside acknowledge: settled.',
    ],
    [
      'a code that no acknowledgement has',
      ['zone:', 'ackDialect: { codes: { AE: NO } }\n    zone:'],
      '18:32 “channels.lab.ackDialect.codes.AE” must be "AA" or',
    ],
    [
      'an unknown character set',
      ['zone:', 'charset: { default: 8859/77 }\n    zone:'],
      '18:25 “8859/77” is no character set that is known here.',
    ],
    ['a list that must not be empty', ['[certificates]', '[]'], '16:15 “channels.lab.mappings” must hold at least 1.'],
    [
      'a name that cannot be one',
      ['  lab:', '  "lab nord":'],
      '14:3 “channels.lab nord”: a name must begin with a letter or digit and hold at most 64 of letters, digits, "-", "_" and ".".',
    ],
    [
      'a secret without a place',
      ['{ env: SLUSS_SECRET }', '{ evn: X }'],
      '3:11 Unknown key “secret.evn”. Did you mean “env”?',
    ],
    ['a key given twice', ['zone: Europe/Stockholm', 'parties: [nord]'], '18:5 Map keys must be unique'],
    [
      'a plugin that is not there',
      ['channels:', 'plugins: [./none.js]\nchannels:'],
      '13:11 The plugin ./none.js cannot be used: no such module.',
    ],
    [
      'a plugin that takes a key of the engine',
      ['channels:', 'plugins: [./clash.js]\nchannels:'],
      '13:11 The plugin ./clash.js cannot be used: its key retry is one that the engine reads itself.',
    ],
  ])('such as %s is told with its line and column', async (_, [from, to], problem) => {
    expect((await problemsOf(GOOD.replace(from as string, to as string)))[0] ?? 'no problem').toContain(problem);
  });

  it('is told for a key that is missing', async () => {
    expect(await problemsOf(GOOD.replace(/ {4}url:.*\n/, ''))).toEqual(['9:5 “targets.covid.url” is missing.']);
    expect(await problemsOf(GOOD.replace(/journal:.*\n/, ''))).toEqual(['2:1 “journal” is missing.']);
  });

  it('does not hide the others', async () => {
    const text = GOOD.replace('2575', 'x').replace('72h', 'x').replace('zone:', 'zoen:').replace('journal:', 'jurnal:');
    expect((await problemsOf(text)).map((problem) => problem.split(' ')[0])).toEqual(['2:1', '12:18', '15:33', '18:5']);
  });

  it('in an empty or unreadable file is told too', async () => {
    expect((await problemsOf('')).length).toBeGreaterThan(3);
    expect(await problemsOf('a: [')).not.toEqual([]);
    await expect(
      loadConfiguration({
        file: join(folder, 'none.yaml'),
        env: {},
        party,
        plugins: [],
        importPlugin: unused,
        makeSecret: null,
      }),
    ).rejects.toThrow('none.yaml cannot be read (ENOENT).');
  });

  it('in an alias bomb is no danger', async () => {
    const bomb = ['a: &a [x,x,x,x,x,x,x,x,x]'];
    for (const [name, of] of ['ba', 'cb', 'dc', 'ed', 'fe', 'gf'].map((pair) => [...pair])) {
      bomb.push(`${name}: &${name} [${Array(9).fill(`*${of}`).join(',')}]`);
    }
    expect(await problemsOf(bomb.join('\n'))).not.toEqual([]);
  });
});

describe('a folder of mappings', () => {
  it('that is missing is told where it is named, and nothing is made', async () => {
    const text = GOOD.replace('[../mappings]', '[maps, ./mapings]').replace(
      '{ env: SLUSS_SECRET }',
      '{ file: ./secret, create: true }',
    );
    const failure = await load(text, { folders: [join(folder, 'maps')] }).catch((error: unknown) => error);
    expect((failure as ConfigError).message).toBe(
      `${join(folder, 'sluss.yaml')}:4:18 There is no folder ${join(folder, 'mapings')}.`,
    );
    expect(() => readFileSync(join(folder, 'secret'))).toThrow('ENOENT');
  });
});

describe('the installation’s secret', () => {
  const withFile = GOOD.replace('{ env: SLUSS_SECRET }', '{ file: ./secret, create: true }');

  it('must be long enough', async () => {
    expect(await problemsOf(GOOD, { SLUSS_SECRET: 'short' })).toEqual([
      '3:9 “secret” cannot be used: it is shorter than 32 bytes.',
    ]);
  });

  it('is made once, for its owner alone, and read from then on', async () => {
    const first = await load(withFile);
    const file = join(folder, 'secret');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(Buffer.from(first.secret).toString()).toBe('m'.repeat(43));
    writeFileSync(file, `${'y'.repeat(40)}\n`);
    expect(Buffer.from((await load(withFile)).secret).toString()).toBe('y'.repeat(40));
  });

  it('is made with its folder, which nobody else may enter', async () => {
    await load(withFile.replace('./secret', './data/more/secret'));
    expect(statSync(join(folder, 'data/more/secret')).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, 'data')).mode & 0o777).toBe(0o700);
  });

  it('is not made by who only looks, nor where there are mistakes', async () => {
    await load(withFile, { mayMake: false });
    await problemsOf(withFile.replace('[nord]', '[none]'));
    expect(() => readFileSync(join(folder, 'secret'))).toThrow('ENOENT');
  });

  it('is missed where its file is not to be made', async () => {
    expect(await problemsOf(withFile.replace(', create: true', ''))).toEqual([
      `3:9 “secret” cannot be used: ${join(folder, 'secret')} cannot be read (ENOENT).`,
    ]);
  });
});

describe('the JSON schema', () => {
  it('knows the plugins’ keys beside the engine’s', () => {
    const text = JSON.stringify(configurationJsonSchema(party, [mllp, service]));
    for (const word of ['"const":"service"', '"const":"mllp"', '"url"', '"giveUpAfter"', 'Port.']) {
      expect(text).toContain(word);
    }
  });
});

describe('a journal that nodes share', () => {
  const journalOf = (value: string) => GOOD.replace('./data/journal.db', value);

  it('is a URL, and is shown without its user', async () => {
    const { journal, journalServer, journalLimits, control } = await load(
      journalOf('postgres://sluss:pw@db1,db2/results'),
    );
    expect(journal).toBe('postgres://db1,db2/results');
    expect(journalServer).toEqual({
      url: 'postgres://sluss:pw@db1,db2/results',
      password: null,
      node: null,
      leaseMs: 15_000,
    });
    expect(journalLimits).toMatchObject({ reserveBytes: 0, maxQueued: 10_000 });
    expect(control).toBe(join(folder, 'sluss.yaml.sock'));
  });

  it('takes its password from a file or the environment, a name and a lease', async () => {
    const value =
      '{ url: postgres://sluss@db/results, password: { env: PW }, node: nord, lease: 5s, socket: run.sock }';
    const { journalServer, control } = await load(journalOf(value), { env: { SLUSS_SECRET: SECRET, PW: 'hush' } });
    expect(journalServer).toMatchObject({ password: 'hush', node: 'nord', leaseMs: 5_000 });
    expect(control).toBe(join(folder, 'run.sock'));
    expect(await problemsOf(journalOf(value))).toEqual([
      expect.stringMatching(/^2:\d+ “journal.password”: the environment variable PW is not set\.$/),
    ]);
  });

  it('is refused at its line where the URL is wrong, in words without it', async () => {
    for (const value of ['postgres://u:hush@nowhere', '{ url: postgres://u:hush@nowhere }']) {
      const [problem] = await problemsOf(journalOf(value));
      expect(problem).toMatch(/^2:\d+ “journal”: the URL names no database\.$/);
    }
    expect(await problemsOf(journalOf('{ url: mysql://h/d }'))).toEqual([expect.stringContaining('postgres://')]);
  });

  it('of a file has its socket beside it', async () => {
    const { journalServer, control } = await load(GOOD);
    expect([journalServer, control]).toEqual([null, join(folder, 'data/journal.db.sock')]);
  });
});
